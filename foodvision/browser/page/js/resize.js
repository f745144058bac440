/** Pillow's resize to the last bit: antialiased, in fixed point, one direction after the other. */

// As in Pillow's Resample.c: what is left of 32 bits after 8 for the pixel and 2 for overshoot.
const PRECISION_BITS = 22;
const HALF = 2 ** (PRECISION_BITS - 1);
const CHANNELS = 3;

const FILTERS = {
  bilinear: { support: 1, weigh: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weigh: bicubic },
  lanczos: { support: 3, weigh: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/**
 * Resize an image and keep a part of the outcome; only that part is computed.
 *
 * @param {{data: Uint8ClampedArray, width: number, height: number}} image RGBA; alpha is ignored
 * @param {{width: number, height: number}} target size of the whole outcome
 * @param {{left: number, top: number, width: number, height: number}} part of it that is kept
 * @param {"bilinear" | "bicubic" | "lanczos"} interpolation
 * @param {{left: number, top: number, right: number, bottom: number}} [box] of the image that is
 *   resized, in its pixels; all of it if not given
 * @returns {Uint8ClampedArray} (part.height, part.width, 3)
 */
export function resize(image, target, part, interpolation, box = wholeOf(image)) {
  const filter = FILTERS[interpolation];
  const columns = spanOf(image.width, box.left, box.right);
  const rowsOfBox = spanOf(image.height, box.top, box.bottom);
  const across = findTaps(columns, target.width, part.left, part.width, filter);
  const down = findTaps(rowsOfBox, target.height, part.top, part.height, filter);
  const last = part.height - 1;
  const rows = { from: down.starts[0], to: down.starts[last] + down.counts[last] };
  return resizeDown(resizeAcross(image, across, rows), part.width, down, rows.from);
}

function wholeOf({ width, height }) {
  return { left: 0, top: 0, right: width, bottom: height };
}

/** What is resized in one direction, of so many pixels. Pillow has its box in 32 bits. */
function spanOf(pixels, from, to) {
  const start = Math.fround(from);
  return { pixels, start, length: Math.fround(Math.fround(to) - start) };
}

/** Which pixels each pixel of the outcome is made of, and their weights in fixed point. */
function findTaps(span, targetSize, from, length, filter) {
  const scale = span.length / targetSize;
  const stretch = Math.max(scale, 1);
  const support = filter.support * stretch;
  const width = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(length);
  const counts = new Int32Array(length);
  const weights = new Int32Array(length * width);
  for (let index = 0; index < length; index += 1) {
    const center = span.start + (from + index + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(span.pixels, Math.trunc(center + support + 0.5));
    const exact = [];
    for (let place = start; place < end; place += 1)
      exact.push(filter.weigh((place - center + 0.5) * (1 / stretch)));
    const sum = exact.reduce((total, weight) => total + weight, 0);
    starts[index] = start;
    counts[index] = end - start;
    for (let tap = 0; tap < exact.length; tap += 1)
      weights[index * width + tap] = toFixedPoint(sum === 0 ? exact[tap] : exact[tap] / sum);
  }
  return { starts, counts, weights, width };
}

function resizeAcross(image, taps, rows) {
  const length = taps.starts.length;
  const result = new Uint8ClampedArray((rows.to - rows.from) * length * CHANNELS);
  let out = 0;
  for (let row = rows.from; row < rows.to; row += 1) {
    for (let column = 0; column < length; column += 1) {
      let [red, green, blue] = [HALF, HALF, HALF];
      let place = (row * image.width + taps.starts[column]) * 4;
      const first = column * taps.width;
      for (let tap = first; tap < first + taps.counts[column]; tap += 1) {
        const weight = taps.weights[tap];
        red += image.data[place] * weight;
        green += image.data[place + 1] * weight;
        blue += image.data[place + 2] * weight;
        place += 4;
      }
      // The array clamps to 0 and 255.
      result[out] = red >> PRECISION_BITS;
      result[out + 1] = green >> PRECISION_BITS;
      result[out + 2] = blue >> PRECISION_BITS;
      out += CHANNELS;
    }
  }
  return result;
}

function resizeDown(strip, width, taps, firstRow) {
  const length = width * CHANNELS;
  const result = new Uint8ClampedArray(taps.starts.length * length);
  for (let row = 0; row < taps.starts.length; row += 1) {
    const top = (taps.starts[row] - firstRow) * length;
    const first = row * taps.width;
    for (let value = 0; value < length; value += 1) {
      let sum = HALF;
      for (let tap = 0; tap < taps.counts[row]; tap += 1)
        sum += strip[top + tap * length + value] * taps.weights[first + tap];
      result[row * length + value] = sum >> PRECISION_BITS;
    }
  }
  return result;
}

function toFixedPoint(weight) {
  return Math.trunc(weight * 2 ** PRECISION_BITS + (weight < 0 ? -0.5 : 0.5));
}

/** Keys' cubic with a = -0.5, as Pillow has it. */
function bicubic(x) {
  const far = Math.abs(x);
  if (far < 1) return (1.5 * far - 2.5) * far * far + 1;
  return far < 2 ? (((far - 5) * far + 8) * far - 4) * -0.5 : 0;
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}
