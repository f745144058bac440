/** From an upright image to the square that the graph takes: `foodvision/preprocess.py` again. */

import { resize } from "./resize.js";

// The middle square of a longer strip does not see its ends.
const LONGEST_ASPECT = 8;

/**
 * @param {{data: Uint8ClampedArray, width: number, height: number}} image RGBA, upright
 * @param {{size: number, resize: "short" | "squash", crop: number, interpolation: string}} rule
 * @returns {Uint8ClampedArray} (size, size, 3)
 */
export function makeSquare(image, rule) {
  const { size, interpolation } = rule;
  if (rule.resize === "squash") {
    const whole = { width: size, height: size };
    return resize(image, whole, { left: 0, top: 0, ...whole }, interpolation);
  }
  const short = Math.floor(size / rule.crop);
  const strip = shorten(image);
  const { width, height } = strip;
  const target =
    width <= height
      ? { width: short, height: Math.trunc((short * height) / width) }
      : { width: Math.trunc((short * width) / height), height: short };
  const part = {
    left: roundHalfToEven((target.width - size) / 2),
    top: roundHalfToEven((target.height - size) / 2),
    width: size,
    height: size,
  };
  return resize(strip, target, part, interpolation);
}

/** Cut a very long strip to the part around its middle. */
function shorten(image) {
  const longest = LONGEST_ASPECT * Math.min(image.width, image.height);
  if (Math.max(image.width, image.height) <= longest) return image;
  const left = Math.max(0, Math.floor((image.width - longest) / 2));
  const top = Math.max(0, Math.floor((image.height - longest) / 2));
  const [width, height] = [image.width - 2 * left, image.height - 2 * top];
  const data = new Uint8ClampedArray(width * height * 4);
  for (let row = 0; row < height; row += 1) {
    const from = ((top + row) * image.width + left) * 4;
    data.set(image.data.subarray(from, from + width * 4), row * width * 4);
  }
  return { data, width, height };
}

/** Python's `round`. */
function roundHalfToEven(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
