/** Pictures of an answer: where the model looked, and a card to share. */

import { resize } from "./resize.js";

const CARD = { width: 720, margin: 36, under: 190 };
const LINES = [
  { size: 44, colour: "#241c16", down: 64 },
  { size: 24, colour: "#241c16", down: 44 },
  { size: 18, colour: "#6e6054", down: 0 },
];

/**
 * Draw the square that the model sees, and over it a map in colours of where it looked.
 *
 * @param {HTMLCanvasElement} plain
 * @param {HTMLCanvasElement} map
 * @param {{side: number, data: Uint8ClampedArray}} view (side, side, 3)
 * @param {{width: number, height: number, data: Float32Array}} heat 0 to 1
 * @param {string} colours of each value from 0 to 255, as six hexadecimal digits
 */
export function drawLooked(plain, map, view, heat, colours) {
  draw(plain, view.side, view.data);
  draw(map, view.side, colourHeat(heat, view.side, colours));
}

/** @returns {Uint8ClampedArray} (side, side, 3), as `foodvision/page/pictures.py` makes it */
export function colourHeat({ width, height, data }, side, colours) {
  const grey = new Uint8ClampedArray(width * height * 4);
  for (const [pixel, share] of data.entries()) grey.fill(255 * share, pixel * 4, pixel * 4 + 4);
  const square = { width: side, height: side };
  const whole = { left: 0, top: 0, ...square };
  const values = resize({ data: grey, width, height }, square, whole, "bicubic");
  const table = colours.match(/../g).map((digits) => Number.parseInt(digits, 16));
  for (let place = 0; place < values.length; place += 3) {
    const first = values[place] * 3;
    for (let channel = 0; channel < 3; channel += 1)
      values[place + channel] = table[first + channel];
  }
  return values;
}

function draw(canvas, side, pixels) {
  canvas.width = canvas.height = side;
  const image = new ImageData(side, side);
  for (let pixel = 0; pixel < side * side; pixel += 1) {
    image.data.set(pixels.subarray(pixel * 3, pixel * 3 + 3), pixel * 4);
    image.data[pixel * 4 + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

export function clear(...canvases) {
  for (const canvas of canvases) canvas.width = canvas.height = 1;
}

/**
 * Draw a photo with its answer.
 *
 * @param {HTMLImageElement} photo
 * @param {string[]} texts headline, sentence, title
 * @returns {Promise<Blob>} a JPEG, 720 pixels wide
 */
export function drawCard(photo, texts) {
  const scale = Math.min(1, CARD.width / Math.max(photo.naturalWidth, photo.naturalHeight));
  const [width, height] = [photo.naturalWidth * scale, photo.naturalHeight * scale];
  const canvas = new OffscreenCanvas(CARD.width, Math.round(height) + CARD.under);
  const context = canvas.getContext("2d");
  context.fillStyle = "#fffaf4";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(photo, (CARD.width - width) / 2, 0, width, height);
  context.textBaseline = "top";
  let top = height + 24;
  for (const [index, { size, colour, down }] of LINES.entries()) {
    context.fillStyle = colour;
    context.font = `${size}px system-ui, sans-serif`;
    // What is too long is squeezed rather than cut.
    context.fillText(texts[index], CARD.margin, top, CARD.width - 2 * CARD.margin);
    top += down;
  }
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.88 });
}
