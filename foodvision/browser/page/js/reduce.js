/** Averaging of squares of pixels: what a JPEG decoder does that is asked for a smaller picture. */

// Python has the decoder halve as long as the short side stays above this; the same is done here,
// so that answers are the same and large photos take little memory.
const ENOUGH_PIXELS = 640;
const FACTORS = [8, 4, 2];

// The orientations whose stored first column, or row, is the last one of the upright photo.
const FROM_RIGHT = new Set([2, 3, 6, 7]);
const FROM_BELOW = new Set([3, 4, 7, 8]);

/** By how much Pillow's `draft` makes a JPEG smaller. */
export function draftFactor({ width, height }) {
  const most = Math.min(Math.floor(width / ENOUGH_PIXELS), Math.floor(height / ENOUGH_PIXELS));
  return FACTORS.find((factor) => factor <= most) ?? 1;
}

/**
 * By how much the squares stick out at the left and top: the decoder counts them from where the
 * file begins, which in a photo that was turned upright may be another corner.
 */
export function shiftOf({ width, height }, factor, orientation) {
  return {
    x: FROM_RIGHT.has(orientation) ? -width & (factor - 1) : 0,
    y: FROM_BELOW.has(orientation) ? -height & (factor - 1) : 0,
  };
}

/**
 * Average squares of factor x factor pixels; those at an edge have only what is inside.
 *
 * @param {{data: Uint8ClampedArray, width: number, height: number}} image RGBA
 * @param {{x: number, y: number}} shift by how much the first squares stick out
 * @returns {{data: Uint8ClampedArray, width: number, height: number}} RGBA
 */
export function reduce(image, factor, shift) {
  const across = groups(image.width, factor, shift.x);
  const down = groups(image.height, factor, shift.y);
  const length = across.length * 4;
  const data = new Uint8ClampedArray(down.length * length);
  const sums = new Uint32Array(length);
  for (const [row, lines] of down.entries()) {
    sums.fill(0);
    for (let line = lines.from; line < lines.to; line += 1) addLine(image, line, across, sums);
    for (const [column, { from, to }] of across.entries()) {
      const count = (to - from) * (lines.to - lines.from);
      for (let value = column * 4; value < column * 4 + 4; value += 1)
        data[row * length + value] = sums[value] / count; // the array rounds
    }
  }
  return { data, width: across.length, height: down.length };
}

function groups(length, factor, shift) {
  return Array.from({ length: Math.ceil((length + shift) / factor) }, (_, index) => ({
    from: Math.max(0, index * factor - shift),
    to: Math.min(length, (index + 1) * factor - shift),
  }));
}

function addLine({ data, width }, line, across, sums) {
  let place = line * width * 4;
  for (let column = 0; column < across.length; column += 1) {
    const end = (line * width + across[column].to) * 4;
    let [red, green, blue, alpha] = [0, 0, 0, 0];
    for (; place < end; place += 4) {
      red += data[place];
      green += data[place + 1];
      blue += data[place + 2];
      alpha += data[place + 3];
    }
    sums[column * 4] += red;
    sums[column * 4 + 1] += green;
    sums[column * 4 + 2] += blue;
    sums[column * 4 + 3] += alpha;
  }
}
