/** The thread that downloads, decodes and answers, so that the page never freezes. */

import { getAssets } from "./assets.js";
import { Classifier } from "./classifier.js";
import { checkCanvas, loadImage, makeThumbnail } from "./image.js";
import { Trouble, toMessage } from "./trouble.js";

const BASE = new URL("..", import.meta.url).href;

// A function that adds vectors of integers: what does not compile it cannot run the model.
const SIMD = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15,
  253, 98, 11,
]);

let classifier = null;

const actions = {
  async load({ config }) {
    if (!WebAssembly.validate(SIMD)) throw new Trouble("no_simd");
    if (!self.crypto.subtle) throw new Trouble("not_secure");
    checkCanvas();
    const { files, kept } = await getAssets(config.assets, BASE, (done, all) =>
      self.postMessage({ progress: { done, all } }),
    );
    const started = performance.now();
    classifier = await Classifier.start(config, files);
    return { kept, seconds: (performance.now() - started) / 1000 };
  },

  async answer({ photo, name, view, thumbnail }) {
    const started = performance.now();
    const image = await loadImage(photo, name);
    const { prediction, heat } = await classifier.answer(image);
    prediction.seconds = (performance.now() - started) / 1000;
    return {
      prediction,
      heat,
      view: view && heat ? classifier.view(image) : null,
      picture: thumbnail ? await makeThumbnail(image, thumbnail) : null,
    };
  },
};

// One at a time: a session answers no two photos at once, and memory holds one large one.
let last = Promise.resolve();

self.addEventListener("message", ({ data: { id, action, ...given } }) => {
  last = last.then(async () => {
    try {
      self.postMessage({ id, result: await actions[action](given) });
    } catch (error) {
      self.postMessage({ id, trouble: toMessage(error) });
    }
  });
});
