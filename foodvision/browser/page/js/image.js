/** The one door for photos: from a file or a camera's frame to upright sRGB pixels. */

import { Trouble } from "./trouble.js";

/** The largest photo that is decoded: what most devices have the memory for. */
export const MAX_PIXELS = 64_000_000;

// Python has the JPEG decoder halve as long as the short side stays above this; so that answers
// are the same, and large photos take little memory, pixels are averaged here by the same factor.
const ENOUGH_PIXELS = 640;
const FACTORS = [8, 4, 2];

// Rows are read from the canvas in strips: a whole photo of a phone is more than some allow.
const STRIP_PIXELS = 4_000_000;

/**
 * Decode a photo.
 *
 * @param {Blob | ImageBitmap} photo a file, or a frame, which is closed
 * @param {string} name what an error calls it
 * @returns {Promise<{data: Uint8ClampedArray, width: number, height: number}>} RGBA, upright, over
 *   white where it was transparent
 * @throws {Trouble} for what is no photo, cut off, or too large
 */
export async function loadImage(photo, name) {
  if (photo instanceof ImageBitmap) return readPixels(photo, 1);
  const bytes = new Uint8Array(await photo.arrayBuffer());
  if (isCutOff(bytes)) throw new Trouble("cut_off", { name });
  const bitmap = await decode(photo, name);
  refuseTooLarge(bitmap.width, bitmap.height, name);
  return readPixels(bitmap, isJpeg(bytes) ? draftFactor(bitmap) : 1);
}

/** @throws {Trouble} for more pixels than are decoded */
export function refuseTooLarge(width, height, name) {
  if (width * height > MAX_PIXELS)
    throw new Trouble("too_large", { name, limit: MAX_PIXELS / 1_000_000 });
}

/** See that a canvas gives back the pixels that were put in: some browsers alter them.
 * @throws {Trouble} if it does not */
export function checkCanvas() {
  const side = 16;
  const context = newCanvas(side, side);
  const given = context.createImageData(side, side);
  for (let place = 0; place < given.data.length; place += 1)
    given.data[place] = place % 4 === 3 ? 255 : (place * 37) % 256;
  context.putImageData(given, 0, 0);
  const { data } = context.getImageData(0, 0, side, side);
  if (data.some((value, place) => value !== given.data[place])) throw new Trouble("canvas_blocked");
}

/** A small JPEG of a decoded image, its longer side at most `side` pixels. */
export async function makeThumbnail(image, side) {
  const scale = Math.min(1, side / Math.max(image.width, image.height));
  const [width, height] = [image.width, image.height].map((length) =>
    Math.max(1, Math.round(length * scale)),
  );
  const whole = await createImageBitmap(new ImageData(image.data, image.width, image.height));
  const context = newCanvas(width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(whole, 0, 0, width, height);
  whole.close();
  return context.canvas.convertToBlob({ type: "image/jpeg", quality: 0.85 });
}

/** By how much Pillow's `draft` makes a JPEG smaller. */
export function draftFactor({ width, height }) {
  const most = Math.min(Math.floor(width / ENOUGH_PIXELS), Math.floor(height / ENOUGH_PIXELS));
  return FACTORS.find((factor) => factor <= most) ?? 1;
}

/**
 * Average squares of factor x factor pixels; those at the right and lower edge may be smaller.
 *
 * @param {{data: Uint8ClampedArray, width: number, height: number}} image RGBA
 * @returns {{data: Uint8ClampedArray, width: number, height: number}} RGBA
 */
export function reduce(image, factor) {
  if (factor === 1) return image;
  const width = Math.ceil(image.width / factor);
  const height = Math.ceil(image.height / factor);
  const sums = new Uint32Array(width * 4);
  const data = new Uint8ClampedArray(width * height * 4);
  for (let row = 0; row < height; row += 1) {
    sums.fill(0);
    const bottom = Math.min(image.height, (row + 1) * factor);
    for (let line = row * factor; line < bottom; line += 1) addRow(image, line, factor, sums);
    const lines = bottom - row * factor;
    for (let value = 0; value < sums.length; value += 1) {
      const columns = Math.min(factor, image.width - (value >> 2) * factor);
      data[row * sums.length + value] = sums[value] / (lines * columns); // the array rounds
    }
  }
  return { data, width, height };
}

function addRow(image, line, factor, sums) {
  let place = line * image.width * 4;
  for (let column = 0; column < image.width; column += 1) {
    const sum = Math.trunc(column / factor) * 4;
    sums[sum] += image.data[place];
    sums[sum + 1] += image.data[place + 1];
    sums[sum + 2] += image.data[place + 2];
    sums[sum + 3] += image.data[place + 3];
    place += 4;
  }
}

/** Whether a JPEG or PNG lacks its end: browsers show the part that is there. */
export function isCutOff(bytes) {
  if (isJpeg(bytes)) return !hasJpegEnd(bytes);
  const isPng = bytes[0] === 0x89 && bytes[1] === 0x50 && bytes[2] === 0x4e && bytes[3] === 0x47;
  return isPng && bytes.length > 8 && !endsWithChunk(bytes, "IEND");
}

function isJpeg(bytes) {
  return bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;
}

/** Whether there is an end-of-image marker after the headers, whose thumbnail has one too. */
function hasJpegEnd(bytes) {
  let place = 2;
  while (place + 4 < bytes.length && bytes[place] === 0xff && bytes[place + 1] !== 0xda)
    place += 2 + bytes[place + 2] * 256 + bytes[place + 3];
  for (let end = bytes.length - 2; end >= place; end -= 1)
    if (bytes[end] === 0xff && bytes[end + 1] === 0xd9) return true;
  return false;
}

function endsWithChunk(bytes, name) {
  const codes = [...name].map((letter) => letter.charCodeAt(0));
  // Some programs write something after the end; none here has seen more than this.
  const from = Math.max(8, bytes.length - 65_536);
  for (let place = bytes.length - 8; place >= from; place -= 1)
    if (codes.every((code, index) => bytes[place + index] === code)) return true;
  return false;
}

async function decode(photo, name) {
  try {
    return await createImageBitmap(photo, { imageOrientation: "from-image" });
  } catch {
    throw new Trouble("not_read", { name });
  }
}

function readPixels(bitmap, factor) {
  const { width, height } = bitmap;
  const rows = Math.max(1, Math.floor(STRIP_PIXELS / width / factor)) * factor;
  const context = newCanvas(width, Math.min(rows, height));
  const result = { width: Math.ceil(width / factor), height: Math.ceil(height / factor) };
  const data = new Uint8ClampedArray(result.width * result.height * 4);
  for (let top = 0; top < height; top += rows) {
    const part = Math.min(rows, height - top);
    context.fillStyle = "white";
    context.fillRect(0, 0, width, part);
    context.drawImage(bitmap, 0, top, width, part, 0, 0, width, part);
    const strip = reduce(context.getImageData(0, 0, width, part), factor);
    data.set(strip.data, (top / factor) * result.width * 4);
  }
  bitmap.close();
  return { data, ...result };
}

function newCanvas(width, height) {
  // Read back often: kept in memory, where the processor computes and no graphics card rounds.
  return new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
}
