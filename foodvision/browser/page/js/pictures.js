/** Pictures of an answer: where the model looked, and a card to share. */

const DARKEST = 0.2;
const CARD = { width: 720, margin: 36, under: 190 };
const LINES = [
  { size: 44, colour: "#241c16", down: 64 },
  { size: 24, colour: "#241c16", down: 44 },
  { size: 18, colour: "#6e6054", down: 0 },
];

/**
 * Draw the square that the model sees, and over it the same with all dark that did not speak for
 * the answer.
 *
 * @param {HTMLCanvasElement} plain
 * @param {HTMLCanvasElement} lit
 * @param {{side: number, data: Uint8ClampedArray}} view (side, side, 3)
 * @param {{width: number, height: number, data: Float32Array}} heat 0 to 1
 */
export function drawLooked(plain, lit, view, heat) {
  const { side } = view;
  const square = new ImageData(side, side);
  for (let pixel = 0; pixel < side * side; pixel += 1) {
    square.data.set(view.data.subarray(pixel * 3, pixel * 3 + 3), pixel * 4);
    square.data[pixel * 4 + 3] = 255;
  }
  for (const canvas of [plain, lit]) {
    canvas.width = canvas.height = side;
    canvas.getContext("2d").putImageData(square, 0, 0);
  }
  const context = lit.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.globalCompositeOperation = "multiply";
  context.drawImage(toGrey(heat), 0, 0, side, side);
}

export function clear(...canvases) {
  for (const canvas of canvases) canvas.width = canvas.height = 1;
}

function toGrey({ width, height, data }) {
  const grey = new ImageData(width, height);
  for (const [pixel, share] of data.entries())
    grey.data.set([...Array(3).fill(255 * (DARKEST + (1 - DARKEST) * share)), 255], pixel * 4);
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(grey, 0, 0);
  return canvas;
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
