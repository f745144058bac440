/** What a JPEG's headers say that browsers do not: whether it is whole, and how it lies. */

const [SOI, SOS, EOI, APP1] = [0xd8, 0xda, 0xd9, 0xe1];
const ORIENTATION = 0x0112;
const EXIF = "Exif\0\0";

export function isJpeg(bytes) {
  return bytes[0] === 0xff && bytes[1] === SOI && bytes[2] === 0xff;
}

/** Whether there is an end-of-image marker after the headers, whose thumbnail has one too. */
export function hasEnd(bytes) {
  const scan = segments(bytes).find(({ marker }) => marker === SOS);
  for (let place = bytes.length - 2; scan && place >= scan.start; place -= 1)
    if (bytes[place] === 0xff && bytes[place + 1] === EOI) return true;
  return false;
}

/** The EXIF orientation, 1 to 8; 1 where none is said. */
export function orientationOf(bytes) {
  const exif = segments(bytes).find(
    ({ marker, start }) => marker === APP1 && textAt(bytes, start, EXIF.length) === EXIF,
  );
  if (!exif) return 1;
  const tiff = new DataView(bytes.buffer, bytes.byteOffset + exif.start + EXIF.length);
  try {
    const little = tiff.getUint16(0) === 0x4949;
    const directory = tiff.getUint32(4, little);
    for (let entry = 0; entry < tiff.getUint16(directory, little); entry += 1) {
      const place = directory + 2 + entry * 12;
      if (tiff.getUint16(place, little) === ORIENTATION) return tiff.getUint16(place + 8, little);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // spoiled EXIF points outside of the file
  }
  return 1;
}

/** The segments before the pixels: their markers, and where their contents start. */
function segments(bytes) {
  const found = [];
  for (let place = 2; place + 4 < bytes.length && bytes[place] === 0xff; ) {
    if (bytes[place + 1] === 0xff) {
      place += 1; // any number of them may fill up before a marker
      continue;
    }
    found.push({ marker: bytes[place + 1], start: place + 4 });
    if (bytes[place + 1] === SOS) break;
    place += 2 + bytes[place + 2] * 256 + bytes[place + 3];
  }
  return found;
}

function textAt(bytes, start, length) {
  return String.fromCharCode(...bytes.subarray(start, start + length));
}
