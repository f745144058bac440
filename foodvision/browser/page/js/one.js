/** The tab for one photo: the answer first, then where the model looked, a card, a link. */

import { describe, showAnswer, showEmpty, showFailure, showWaiting } from "./answers.js";
import { drawCard } from "./card.js";
import { textOf } from "./copying.js";
import { element, find, save, takeDrops } from "./dom.js";
import { clear, drawLooked } from "./pictures.js";

const MILLISECONDS_TOLD = 3000;

/** Connect the tab, and show the example that the address names. */
export function connectOne(room, model, words) {
  const tab = new OneTab(room, model, words);
  tab.connect();
  tab.offerExamples(model.config.examples);
  const asked = new URLSearchParams(location.search).get("example");
  if (model.config.examples.includes(asked)) tab.takeExample(asked);
}

class OneTab {
  #turn = 0;
  #prediction = null;

  constructor(room, model, words) {
    this.model = model;
    this.words = words;
    this.empty = find("#photo .empty", room);
    this.input = find("#photo input", room);
    this.photo = find("#photo img", room);
    this.frame = find("#photo", room);
    this.clearButton = find(".clear", room);
    this.answer = find(".answer", room);
    this.copyButton = find(".copy", room);
    this.cardButton = find(".share", room);
    this.examples = find("#examples ul", room);
    this.looked = find("#looked", room);
    this.slider = find("#looked input", room);
    [this.plain, this.map] = room.querySelectorAll("#looked canvas");
    this.hint = find("#looked .stack p", room);
    showScale(find("#looked .scale i", room), model.config.colours);
  }

  connect() {
    this.input.addEventListener("change", () => {
      if (this.input.files.length) this.take(this.input.files[0], this.input.files[0].name);
    });
    takeDrops(this.frame, ([file]) => this.take(file, file.name));
    document.addEventListener("paste", ({ clipboardData }) => {
      const file = clipboardData.files[0];
      if (file && this.frame.checkVisibility()) this.take(file, file.name);
    });
    this.clearButton.addEventListener("click", () => this.clear());
    this.copyButton.addEventListener("click", () => this.#copy());
    this.cardButton.addEventListener("click", () => this.#saveCard());
    this.slider.addEventListener("input", () => this.#setStrength());
    this.clear();
  }

  offerExamples(names) {
    this.examples.closest("div").hidden = names.length === 0;
    for (const name of names) {
      const picture = element("img", { src: addressOf(name), alt: "", width: 160, height: 160 });
      const { title, mistake } = this.words.captions[name];
      const said = [element("span", {}, title), element("small", {}, mistake)];
      const button = element("button", { type: "button" }, picture, ...said);
      button.addEventListener("click", () => this.takeExample(name));
      this.examples.append(element("li", {}, button));
    }
  }

  /** Take an example as a photo of one's own; what is chosen while it comes overtakes it.
   * @param {string} name of a file in examples/ */
  async takeExample(name) {
    this.#turn += 1;
    const turn = this.#turn;
    const photo = await fetchExample(name);
    if (turn !== this.#turn) return;
    if (photo) {
      await this.take(photo, name, `?example=${encodeURIComponent(name)}`);
    } else {
      this.clear();
      showFailure(this.answer, this.words.say("download_failed"), this.words);
    }
  }

  /** Show a photo, and its answer when it comes; a newer photo overtakes it. */
  async take(file, name, link = "") {
    this.clear();
    const turn = this.#turn;
    this.#showPhoto(file, name);
    showWaiting(this.answer, this.words.say("answering"), this.words);
    try {
      const answered = await this.model.answer(file, name, { view: true });
      if (turn === this.#turn) this.#show(answered, link);
    } catch (trouble) {
      if (turn !== this.#turn) return;
      this.#showChooser();
      showFailure(this.answer, this.words.tell(trouble), this.words);
    }
  }

  clear() {
    this.#turn += 1;
    this.#prediction = null;
    this.input.value = "";
    this.#showChooser();
    this.copyButton.disabled = this.cardButton.disabled = this.slider.disabled = true;
    this.#tellWhere("looked_empty");
    showEmpty(this.answer, this.#wanted, this.words, this.model.config);
  }

  get #wanted() {
    if (this.model.config.examples.length) return this.words.say("choose_text");
    return this.words.say("choose_text_alone");
  }

  #showPhoto(file, name) {
    const isFocused = this.frame.contains(document.activeElement);
    URL.revokeObjectURL(this.photo.src);
    this.photo.src = URL.createObjectURL(file);
    this.photo.alt = name;
    this.photo.hidden = false;
    this.empty.hidden = true;
    this.clearButton.disabled = false;
    if (isFocused) this.clearButton.focus(); // what had it is hidden now
  }

  #showChooser() {
    const isFocused = this.frame.contains(document.activeElement);
    this.photo.hidden = true;
    this.empty.hidden = false;
    this.clearButton.disabled = true;
    if (isFocused) this.input.focus();
  }

  #show({ prediction, heat, view }, link) {
    this.#prediction = prediction;
    showAnswer(this.answer, prediction, this.words, this.model.config, link);
    this.copyButton.disabled = this.cardButton.disabled = false;
    if (view) {
      this.#tellWhere("");
      drawLooked(this.plain, this.map, view, heat, this.model.config.colours);
      this.slider.disabled = false;
    } else {
      this.#tellWhere("looked_none");
    }
  }

  /** Say why there is no map, or make room for one. */
  #tellWhere(key) {
    clear(this.plain, this.map);
    this.hint.textContent = key && this.words.say(key);
    this.plain.hidden = this.map.hidden = Boolean(key);
  }

  #setStrength() {
    find(".stack", this.looked).style.setProperty("--strength", this.slider.value / 100);
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(textOf(this.answer));
    } catch {
      getSelection().selectAllChildren(this.answer); // not permitted: then by hand
      return;
    }
    this.copyButton.textContent = this.words.say("copied");
    setTimeout(() => {
      this.copyButton.textContent = this.words.say("copy_button");
    }, MILLISECONDS_TOLD);
  }

  async #saveCard() {
    const { words, model } = this;
    const { headline, sentence } = describe(this.#prediction, words, model.config);
    const said = { headline, sentence, title: model.config.title, language: words.language };
    save(await drawCard(this.photo, said), "answer.jpg");
  }
}

/** @returns {Promise<Blob | null>} null if it does not come whole */
async function fetchExample(name) {
  try {
    const answer = await fetch(addressOf(name));
    return answer.ok ? await answer.blob() : null;
  } catch {
    return null;
  }
}

function showScale(place, colours) {
  const stops = colours.match(/.{6}/g).filter((_, index) => index % 17 === 0);
  place.style.background = `linear-gradient(to right, ${stops.map((stop) => `#${stop}`).join(", ")})`;
}

function addressOf(example) {
  return `examples/${encodeURIComponent(example)}`;
}
