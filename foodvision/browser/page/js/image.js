/** The one door for photos: from a file or a camera's frame to upright sRGB pixels. */

import { hasEnd, isJpeg, orientationOf } from "./jpeg.js";
import { draftFactor, reduce, shiftOf } from "./reduce.js";
import { Trouble } from "./trouble.js";

/** The largest photo that is decoded: what most devices have the memory for. */
const MAX_PIXELS = 64_000_000;

// Rows are read from the canvas in strips: a whole photo of a phone is more than some allow.
const STRIP_PIXELS = 4_000_000;

/**
 * Decode a photo.
 *
 * @param {Blob | ImageBitmap} photo a file, or a frame, which is closed
 * @param {string} name what an error calls it
 * @returns {Promise<{data: Uint8ClampedArray, width: number, height: number, reduced?: object}>}
 *   RGBA, upright, over white where it was transparent; reduced, where a JPEG was made smaller: by
 *   how much, the size of the photo, and where it begins, in pixels of the image
 * @throws {Trouble} for what is no photo, cut off, or too large
 */
export async function loadImage(photo, name) {
  if (photo instanceof ImageBitmap) return readPixels(photo, 1, { x: 0, y: 0 });
  const bytes = new Uint8Array(await photo.arrayBuffer());
  if (isCutOff(bytes)) throw new Trouble("cut_off", { name });
  const bitmap = await decode(photo, name);
  refuseTooLarge(bitmap.width, bitmap.height, name);
  const { width, height } = bitmap;
  const factor = isJpeg(bytes) ? draftFactor(bitmap) : 1;
  const shift = shiftOf(bitmap, factor, orientationOf(bytes));
  const image = readPixels(bitmap, factor, shift);
  if (factor === 1) return image;
  const start = { left: shift.x / factor, top: shift.y / factor };
  return { ...image, reduced: { by: factor, photo: { width, height }, start } };
}

/** @throws {Trouble} for more pixels than are decoded */
export function refuseTooLarge(width, height, name) {
  if (width * height > MAX_PIXELS)
    throw new Trouble("too_large", { name, limit: MAX_PIXELS / 1_000_000 });
}

/** See that a canvas gives back the pixels that were put in: some browsers alter or refuse them.
 * @throws {Trouble} if it does not */
export function checkCanvas() {
  const side = 16;
  const context = newCanvas(side, side);
  const given = context.createImageData(side, side);
  for (let place = 0; place < given.data.length; place += 1)
    given.data[place] = place % 4 === 3 ? 255 : (place * 37) % 256;
  context.putImageData(given, 0, 0);
  const data = readOrNothing(context, side);
  if (!data || data.some((value, place) => value !== given.data[place]))
    throw new Trouble("canvas_blocked");
}

function readOrNothing(context, side) {
  try {
    return context.getImageData(0, 0, side, side).data;
  } catch (error) {
    if (error.name === "SecurityError") return null;
    throw error;
  }
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

/** Whether a JPEG or PNG lacks its end: browsers show the part that is there. */
export function isCutOff(bytes) {
  if (isJpeg(bytes)) return !hasEnd(bytes);
  const isPng = bytes[0] === 0x89 && bytes[1] === 0x50 && bytes[2] === 0x4e && bytes[3] === 0x47;
  return isPng && bytes.length > 8 && !endsWithChunk(bytes, "IEND");
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

/** Read a bitmap's pixels, made smaller, in strips that each hold whole squares. */
function readPixels(bitmap, factor, shift) {
  const { width, height } = bitmap;
  const rows = Math.max(1, Math.floor(STRIP_PIXELS / width / factor)) * factor;
  const context = newCanvas(width, Math.min(rows, height));
  const strips = [];
  for (let top = 0; top < height; ) {
    const stickingOut = top === 0 ? shift.y : 0;
    const part = Math.min(rows - stickingOut, height - top);
    context.fillStyle = "white";
    context.fillRect(0, 0, width, part);
    context.drawImage(bitmap, 0, top, width, part, 0, 0, width, part);
    const strip = context.getImageData(0, 0, width, part);
    strips.push(factor === 1 ? strip : reduce(strip, factor, { x: shift.x, y: stickingOut }));
    top += part;
  }
  bitmap.close();
  return stack(strips);
}

function stack(strips) {
  const { width } = strips[0];
  const height = strips.reduce((sum, strip) => sum + strip.height, 0);
  const data = new Uint8ClampedArray(width * height * 4);
  let place = 0;
  for (const strip of strips) {
    data.set(strip.data, place);
    place += strip.data.length;
  }
  return { data, width, height };
}

function newCanvas(width, height) {
  // Read back often: kept in memory, where the processor computes and no graphics card rounds.
  return new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
}
