/** The tab for many photos: answered one after the other, filtered, taken home as CSV. */

import { toCsv } from "./csv.js";
import { element, find, takeDrops } from "./dom.js";

const THUMBNAIL = 240;
const [ALL, UNKNOWN] = ["", "?"];

export function connectMany(room, model, words) {
  new ManyTab(room, model, words).connect();
}

class ManyTab {
  #photos = [];
  #answered = [];
  #stop = () => {};

  constructor(room, model, words) {
    this.model = model;
    this.words = words;
    this.room = room;
    this.input = find("input[type=file]", room);
    this.chosen = find(".chosen", room);
    this.startButton = find(".start", room);
    this.stopButton = find(".stop", room);
    this.csv = find("a[download]", room);
    this.count = find(".count", room);
    this.bad = find(".bad", room);
    this.filter = find("select", room);
    this.gallery = find(".answers", room);
    this.table = find(".rows", room);
    this.rows = find("tbody", this.table);
  }

  connect() {
    // Browsers may remember both from before the page was loaded again.
    this.startButton.disabled = false;
    this.stopButton.disabled = true;
    this.input.addEventListener("change", () => {
      this.#choose([...this.input.files]);
      this.input.value = ""; // the same photos may be chosen again
    });
    takeDrops(find(".drop", this.room), (files) => this.#choose(files));
    this.startButton.addEventListener("click", () => this.#answerAll());
    this.stopButton.addEventListener("click", () => this.#stop());
    this.filter.addEventListener("change", () => this.#applyFilter());
  }

  #choose(files) {
    this.#photos = files;
    this.chosen.textContent = this.words.say("chosen_count", { n: files.length });
  }

  async #answerAll() {
    const photos = this.#photos;
    if (!photos.length) {
      this.count.textContent = this.words.say("many_empty");
      return;
    }
    this.#begin();
    this.#tellCount(photos.length);
    const stopped = new Promise((resolve) => {
      this.#stop = resolve;
    });
    for (const photo of photos) {
      // Also while an answer waits for a model that does not come.
      const answered = await Promise.race([stopped, this.#answerOne(photo)]);
      if (!answered) break;
      this.#add(answered);
      this.#tellCount(photos.length);
    }
    this.#end();
  }

  #tellCount(all) {
    const done = this.#answered.filter(({ prediction }) => prediction).length;
    const bad = this.#answered.length - done;
    const key = bad ? "answered_unread" : "answered_count";
    this.count.textContent = this.words.say(key, { done, bad, all });
  }

  async #answerOne(photo) {
    try {
      const { prediction, picture } = await this.model.answer(photo, photo.name, {
        thumbnail: THUMBNAIL,
      });
      return { name: photo.name, prediction, picture, error: "" };
    } catch (trouble) {
      return { name: photo.name, prediction: null, picture: null, error: this.words.tell(trouble) };
    }
  }

  #begin() {
    this.#answered = [];
    this.count.setAttribute("aria-busy", "true"); // a screen reader would say every number
    for (const picture of this.gallery.querySelectorAll("img")) URL.revokeObjectURL(picture.src);
    this.gallery.replaceChildren();
    this.rows.replaceChildren();
    find("ul", this.bad).replaceChildren();
    for (const part of [this.bad, this.csv, this.table, find(".filter", this.room)])
      part.hidden = true;
    this.startButton.disabled = true;
    this.stopButton.disabled = false;
  }

  #add(answered) {
    this.#answered.push(answered);
    if (answered.prediction) {
      this.#show(answered);
    } else {
      find("ul", this.bad).append(element("li", {}, answered.error));
      this.bad.hidden = false;
      this.#addRow(answered.name, this.words.say("unread_short"), "");
    }
  }

  #end() {
    this.startButton.disabled = false;
    this.stopButton.disabled = true;
    this.count.setAttribute("aria-busy", "false");
    URL.revokeObjectURL(this.csv.href);
    const table = new Blob([toCsv(this.#answered)], { type: "text/csv" });
    this.csv.href = URL.createObjectURL(table);
    this.csv.hidden = false;
    this.#offerGroups();
  }

  #show({ name, prediction, picture }) {
    const { known, label } = prediction;
    const said = known ? this.words.name(label) : this.words.say("unknown_short");
    const confidence = known ? this.words.percent(prediction.confidence) : "";
    const caption = element("figcaption", {}, element("b", {}, said));
    caption.append(` ${confidence}`, element("br"), element("small", {}, name));
    const image = element("img", { src: URL.createObjectURL(picture), alt: name });
    const figure = element("figure", {}, image, caption);
    const row = this.#addRow(name, said, confidence);
    figure.dataset.group = row.dataset.group = known ? label : UNKNOWN;
    this.gallery.append(figure);
  }

  #addRow(...cells) {
    const row = element("tr", {}, ...cells.map((cell) => element("td", {}, cell)));
    this.rows.append(row);
    this.table.hidden = false;
    return row;
  }

  #offerGroups() {
    const groups = new Set([...this.gallery.children].map((figure) => figure.dataset.group));
    const named = [...groups]
      .filter((group) => group !== UNKNOWN)
      .map((group) => [group, this.words.name(group)])
      .sort(([, one], [, other]) => one.localeCompare(other, this.words.language));
    if (groups.has(UNKNOWN)) named.push([UNKNOWN, this.words.say("unknown_short")]);
    this.filter.replaceChildren(
      ...[[ALL, this.words.say("filter_all")], ...named].map(([value, name]) =>
        element("option", { value }, name),
      ),
    );
    find(".filter", this.room).hidden = named.length === 0;
  }

  #applyFilter() {
    for (const shown of [...this.gallery.children, ...this.rows.children])
      shown.hidden = ![ALL, shown.dataset.group].includes(this.filter.value);
  }
}
