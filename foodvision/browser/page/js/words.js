/** What the page says, in the visitor's language: `foodvision/page/words.py` again. */

import { toMessage } from "./trouble.js";

export class Words {
  /** @param {{language: string, texts: Record<string, string>, names: Record<string, string>}} of */
  constructor({ language, texts, names, captions = {} }) {
    this.language = language;
    this.texts = texts;
    this.names = names;
    this.captions = captions; // of the examples
  }

  /** A sentence, its {places} filled in. */
  say(key, values = {}) {
    return this.texts[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
  }

  /** A sentence in parts: what stands between its {places}, and what fills each of them.
   * @returns {{text: string, place?: string}[]} */
  parts(key, values = {}) {
    return this.texts[key]
      .split(/\{(\w+)\}/)
      .map((part, index) =>
        index % 2 ? { text: String(values[part]), place: part } : { text: part },
      );
  }

  /** What people call a class: "french_toast" is "French toast". */
  name(label) {
    return entryOf(this.names, label) || displayName(label);
  }

  /** A class's name inside a sentence: "french_toast" is "french toast". */
  inSentence(label) {
    return entryOf(this.names, label) || spaced(label);
  }

  /** What a model tells apart, in a sentence. */
  introduce(classes) {
    const names = classes.map((label) => this.name(label));
    const [first, last] = [names[0], names.at(-1)];
    if (names.length > FEW) return this.say("introduction_many", { n: names.length, first, last });
    const listed = this.say("and", { all: names.slice(0, -1).join(this.say("comma")), last });
    return this.say("introduction_few", { names: listed });
  }

  /** A confidence, 0 to 1: nobody is told 0% or 100%. */
  percent(share) {
    if (share > 0.99) return this.say("over", { percent: 99 });
    return share < 0.01 ? this.say("under", { percent: 1 }) : `${(100 * share).toFixed(0)}%`;
  }

  /** What went wrong, a Trouble or any other error, in a sentence. */
  tell(error) {
    const { key, values } = toMessage(error);
    return this.say(key in this.texts ? key : "failed", values);
  }
}

const FEW = 6;

/** An object's own entry: a class may be called as what every object has, as "constructor". */
export function entryOf(entries, key) {
  return entries && Object.hasOwn(entries, key) ? entries[key] : undefined;
}

export function displayName(label) {
  const words = spaced(label);
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

function spaced(label) {
  return label.replaceAll("_", " ").replaceAll("-", " ").trim();
}

/** The first of a browser's languages that there is, or the first that there is at all. */
export function chooseLanguage(asked, there) {
  const wanted = asked.map((language) => language.split("-")[0].toLowerCase());
  return wanted.find((language) => there.includes(language)) ?? there[0];
}
