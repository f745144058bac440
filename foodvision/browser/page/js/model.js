/** The model as the page sees it: the worker behind promises. */

import { refuseTooLarge } from "./image.js";
import { Trouble } from "./trouble.js";

export class Model {
  #worker = null;
  #asked = new Map();
  #count = 0;
  #tell = () => {};
  #release;

  /** @param {object} config the page's config.json */
  constructor(config) {
    this.config = config;
    /** Settled when the model can answer; photos that are chosen earlier wait for it. */
    this.ready = new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  /**
   * Download and start the model; may be called again after it failed.
   *
   * @param {(done: number, all: number) => void} tell how many bytes have come
   * @returns {Promise<{kept: boolean, seconds: number}>} whether it will start without a
   *   connection, and how long it took to start
   * @throws {Trouble}
   */
  async load(tell) {
    this.#tell = tell;
    this.#start();
    const loaded = await this.#ask("load", { config: this.config });
    this.#release();
    return loaded;
  }

  /**
   * @param {Blob | ImageBitmap} photo a file, or a frame, which is given away
   * @param {string} name what an error calls it
   * @param {{view?: boolean, thumbnail?: number}} wanted besides: the square that the model sees,
   *   a small picture with a longer side of so many pixels
   * @returns {Promise<{prediction: object, heat: object, view: object, picture: Blob}>}
   * @throws {Trouble}
   */
  async answer(photo, name, wanted = {}) {
    if (photo instanceof Blob) await measure(photo, name);
    await this.ready;
    // A frame that is not handed over would stay open on this side too.
    const handedOver = photo instanceof Blob ? [] : [photo];
    return this.#ask("answer", { photo, name, ...wanted }, handedOver);
  }

  #start() {
    this.#worker?.terminate();
    this.#worker = new Worker("js/worker.js", { type: "module" });
    this.#worker.addEventListener("message", ({ data }) => this.#hear(data));
    this.#worker.addEventListener("error", () => this.#failAll());
  }

  #ask(action, given, handedOver = []) {
    this.#count += 1;
    const id = this.#count;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      this.#worker.postMessage({ id, action, ...given }, handedOver);
    });
  }

  #hear({ id, progress, result, trouble }) {
    if (progress) {
      this.#tell(progress.done, progress.all);
      return;
    }
    const { resolve, reject } = this.#asked.get(id);
    this.#asked.delete(id);
    if (trouble) reject(new Trouble(trouble.key, trouble.values));
    else resolve(result);
  }

  /** The worker's own files did not come. */
  #failAll() {
    for (const { reject } of this.#asked.values()) reject(new Trouble("download_failed"));
    this.#asked.clear();
  }
}

/** See that a file is a photo, and none too large, before all of it is decoded. */
async function measure(photo, name) {
  const picture = new Image();
  picture.src = URL.createObjectURL(photo);
  try {
    await new Promise((resolve, reject) => {
      picture.onload = resolve;
      picture.onerror = () => reject(new Trouble("not_read", { name }));
    });
    refuseTooLarge(picture.naturalWidth, picture.naturalHeight, name);
  } finally {
    URL.revokeObjectURL(picture.src);
  }
}
