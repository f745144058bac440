/** From an upright image to the square that the graph takes: `foodvision/preprocess.py` again. */

import { resize } from "./resize.js";

// The middle square of a longer strip does not see its ends.
const LONGEST_ASPECT = 8;

/**
 * @param {{data: Uint8ClampedArray, width: number, height: number, reduced?: Reduced}} image RGBA,
 *   upright; reduced: how, if it was made smaller than the photo
 * @param {{size: number, resize: "short" | "squash", crop: number, interpolation: string}} rule
 * @returns {Uint8ClampedArray} (size, size, 3)
 */
export function makeSquare(image, rule) {
  if (image.reduced) return squareOfReduced(image, rule);
  const { part, target, corner } = plan(image, rule);
  const square = { ...corner, width: rule.size, height: rule.size };
  return resize(cut(image, part), target, square, rule.interpolation);
}

/** The square alone, in register: the photo may fill a part of the last pixels. */
function squareOfReduced(image, rule) {
  const { by, photo, start } = image.reduced;
  const { part, target, corner } = plan(photo, rule);
  const across = part.width / target.width / by;
  const down = part.height / target.height / by;
  const left = start.left + part.left / by + corner.left * across;
  const top = start.top + part.top / by + corner.top * down;
  const right = Math.min(left + rule.size * across, image.width);
  const bottom = Math.min(top + rule.size * down, image.height);
  const square = { left: 0, top: 0, width: rule.size, height: rule.size };
  return resize(image, square, square, rule.interpolation, { left, top, right, bottom });
}

/** Which part of a photo is resized, to what size, and where the middle square begins. */
function plan(photo, { size, resize: how, crop }) {
  if (how === "squash")
    return {
      part: { left: 0, top: 0, width: photo.width, height: photo.height },
      target: { width: size, height: size },
      corner: { left: 0, top: 0 },
    };
  const short = Math.floor(size / crop);
  const part = withoutEnds(photo);
  const { width, height } = part;
  const target =
    width <= height
      ? { width: short, height: Math.trunc((short * height) / width) }
      : { width: Math.trunc((short * width) / height), height: short };
  const corner = {
    left: roundHalfToEven((target.width - size) / 2),
    top: roundHalfToEven((target.height - size) / 2),
  };
  return { part, target, corner };
}

/** The part of a very long strip around its middle; of others all. */
function withoutEnds({ width, height }) {
  const longest = LONGEST_ASPECT * Math.min(width, height);
  const left = Math.max(0, Math.floor((width - longest) / 2));
  const top = Math.max(0, Math.floor((height - longest) / 2));
  return { left, top, width: width - 2 * left, height: height - 2 * top };
}

function cut(image, { left, top, width, height }) {
  if (width === image.width && height === image.height) return image;
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
