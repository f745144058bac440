/** A card to share: a photo, and below it the prediction. Both pages draw it in the browser, which
 * has fonts for its visitor's language. */

const [WIDTH, MARGIN] = [1080, 64];
const ROOM = WIDTH - 2 * MARGIN;
// A photo's height as a share of its width. Photos beyond are cut at their ends, as for the model.
const [FLATTEST, TALLEST] = [2 / 3, 1];
const FONT = "system-ui, sans-serif";
const [LARGEST, SMALLEST, SENTENCE, FOOT] = [88, 44, 34, 32];
const [LEADING, MOST_LINES] = [1.25, 3];
const PAPER = "#fffaf4";
const INK = "#1c1917";
const SOFT = "#57534e";
const ACCENT = "#c2410c";
const LINE = "#e7d8c9";

/**
 * @param {HTMLImageElement} photo
 * @param {object} said
 * @param {{text: string, isName: boolean}[]} said.headline in parts: names stand out
 * @param {string} said.sentence how often such an answer is right, or nothing
 * @param {string} said.title of the page
 * @param {string} said.language of all of it
 * @returns {Promise<Blob>} a JPEG, 1080 pixels wide
 */
export function drawCard(photo, { headline, sentence, title, language }) {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  const { lines, size } = fit(context, headline, language);
  const below = balance(context, [{ text: sentence, isName: false }], SENTENCE, language, true);
  const height = Math.round(
    WIDTH * Math.min(TALLEST, Math.max(FLATTEST, photo.naturalHeight / photo.naturalWidth)),
  );
  const canvas = new OffscreenCanvas(WIDTH, 1);
  const pen = canvas.getContext("2d");
  const first = height + MARGIN;
  const second = first + lines.length * size * LEADING + 12;
  const foot = second + below.length * SENTENCE * LEADING + 40;
  canvas.height = Math.round(foot + FOOT + 2 * 36); // forgets what was set before
  pen.fillStyle = PAPER;
  pen.fillRect(0, 0, WIDTH, canvas.height);
  cover(pen, photo, height);
  write(pen, lines, first, size, (isName) => (isName ? ACCENT : INK));
  write(pen, below, second, SENTENCE, () => SOFT);
  sign(pen, foot, title);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
}

/** The page's address, as people write it; empty for a page on this machine.
 * @param {{hostname: string, host: string, pathname: string}} of */
export function addressOf({ hostname, host, pathname }) {
  if (/^(localhost|127\..*|\[::1\]|)$/.test(hostname)) return "";
  return `${host}${pathname}`.replace(/(index\.html)?$/, "").replace(/\/$/, "");
}

function cover(pen, photo, height) {
  const scale = Math.max(WIDTH / photo.naturalWidth, height / photo.naturalHeight);
  const [across, down] = [WIDTH / scale, height / scale];
  const [left, top] = [(photo.naturalWidth - across) / 2, (photo.naturalHeight - down) / 2];
  pen.imageSmoothingQuality = "high";
  pen.drawImage(photo, left, top, across, down, 0, 0, WIDTH, height);
}

/** The largest size in which the words fit into a few lines; in the smallest, there may be more. */
function fit(context, parts, language) {
  for (let size = LARGEST; size > SMALLEST; size -= 4) {
    const lines = balance(context, parts, size, language);
    const isIn = lines.every((line) => widthOf(context, line, size) <= ROOM);
    if (isIn && lines.length <= MOST_LINES) return { lines, size };
  }
  return { lines: balance(context, parts, SMALLEST, language, true), size: SMALLEST };
}

/** Lines as narrow as possible without one more line, so that none has a single word at the end. */
function balance(context, parts, size, language, anywhere = false) {
  let best = fold(context, parts, size, language, { anywhere });
  for (let room = ROOM - 40; room > ROOM / 2; room -= 40) {
    const lines = fold(context, parts, size, language, { room, anywhere });
    if (lines.length > best.length) break;
    best = lines;
  }
  return best;
}

/** Break letters with their style into lines, between units, or inside a unit that is wider than the
 * card.
 * @returns {{letter: string, isName: boolean}[][]} */
function fold(context, parts, size, language, { room = ROOM, anywhere = false } = {}) {
  const letters = parts.flatMap(({ text, isName }) =>
    [...text].map((letter) => ({ letter, isName })),
  );
  const lines = [];
  let line = [];
  for (const unit of unitsOf(letters, language)) {
    for (const piece of anywhere && widthOf(context, unit, size) > ROOM
      ? unit.map((letter) => [letter])
      : [unit]) {
      if (line.length && widthOf(context, [...line, ...piece], size) > room) {
        lines.push(line);
        line = [];
      }
      line.push(...piece);
    }
  }
  return line.length ? [...lines, line] : lines;
}

/** Units that a line may end after: words with their spaces. Japanese has no spaces. */
function unitsOf(letters, language) {
  const text = letters.map(({ letter }) => letter).join("");
  let words = text.match(/\s*\S+\s*/g) ?? [];
  if (language.startsWith("ja")) {
    const segments = [...new Intl.Segmenter(language, { granularity: "word" }).segment(text)];
    words = [];
    for (const { segment } of segments)
      if (words.length && (/^[\p{P}\p{S}\s]/u.test(segment) || /\d$/.test(words.at(-1))))
        words[words.length - 1] += segment;
      else words.push(segment);
  }
  let place = 0;
  return words.map((word) => {
    const { length } = [...word];
    place += length;
    return letters.slice(place - length, place);
  });
}

/** Letters of the same style, together. */
function runsOf(letters) {
  const runs = [];
  for (const { letter, isName } of letters)
    if (runs.at(-1)?.isName === isName) runs.at(-1).text += letter;
    else runs.push({ text: letter, isName });
  if (runs.length) runs.at(-1).text = runs.at(-1).text.trimEnd();
  return runs;
}

function fontOf(isName, size) {
  return `${isName ? 800 : 400} ${size}px ${FONT}`;
}

function widthOf(context, letters, size) {
  return runsOf(letters).reduce((sum, { text, isName }) => {
    context.font = fontOf(isName, size);
    return sum + context.measureText(text).width;
  }, 0);
}

function write(pen, lines, top, size, colourOf) {
  pen.textBaseline = "alphabetic";
  for (const [row, line] of lines.entries()) {
    let left = MARGIN;
    for (const { text, isName } of runsOf(line)) {
      pen.font = fontOf(isName, size);
      pen.fillStyle = colourOf(isName);
      pen.fillText(text, left, top + row * size * LEADING + size * 0.9);
      left += pen.measureText(text).width;
    }
  }
}

/** Draw a line, and below it the product's name and address; long ones are smaller. */
function sign(pen, top, title) {
  pen.fillStyle = LINE;
  pen.fillRect(MARGIN, top, ROOM, 2);
  const middle = top + 36 + FOOT / 2;
  for (const [colour, radius] of [
    [ACCENT, 24],
    ["#fff", 15],
    [ACCENT, 6],
  ]) {
    pen.fillStyle = colour;
    pen.beginPath();
    pen.arc(MARGIN + 24, middle, radius, 0, 2 * Math.PI);
    pen.fill();
  }
  const address = addressOf(location);
  const room = (address ? 0.45 : 0.9) * ROOM;
  pen.textBaseline = "middle";
  label(pen, title, MARGIN + 64, middle, room, { isName: true, colour: INK });
  pen.textAlign = "right";
  label(pen, address, WIDTH - MARGIN, middle, room, { isName: false, colour: SOFT });
}

function label(pen, text, left, middle, room, { isName, colour }) {
  pen.font = fontOf(isName, FOOT);
  const size = Math.max(FOOT * Math.min(1, room / pen.measureText(text).width), FOOT / 2);
  pen.font = fontOf(isName, size);
  pen.fillStyle = colour;
  pen.fillText(text, left, middle, room);
}
