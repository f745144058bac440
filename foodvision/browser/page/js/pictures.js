/** Pictures of where the model looked. */

import { resize } from "./resize.js";

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
