/** Answers: the graph on onnxruntime-web, and what it says of a photo. */

import { makeSquare } from "./preprocess.js";

const TOP = 5;
const VIEW_SIDE = 448;

export class Classifier {
  /**
   * Start onnxruntime-web on a model; all of it was checked before.
   *
   * @param {object} config the page's config.json
   * @param {{script: ArrayBuffer, wasm: ArrayBuffer, model: ArrayBuffer}} files
   */
  static async start(config, files) {
    // By an address of its own, because the bytes that were checked must be the ones that run.
    const script = new Blob([files.script], { type: "text/javascript" });
    const runtime = await import(URL.createObjectURL(script));
    runtime.env.logLevel = "error";
    runtime.env.wasm.wasmBinary = files.wasm;
    // Threads need shared memory, which browsers give only to isolated pages.
    if (!self.crossOriginIsolated) runtime.env.wasm.numThreads = 1;
    const session = await runtime.InferenceSession.create(new Uint8Array(files.model), {
      executionProviders: ["wasm"],
    });
    return new Classifier(config, runtime, session);
  }

  constructor(config, runtime, session) {
    this.config = config;
    this.runtime = runtime;
    this.session = session;
  }

  /**
   * @param {{data: Uint8ClampedArray, width: number, height: number}} image RGBA, upright
   * @returns {Promise<{prediction: object, heat: object | null}>} what Python's Prediction has
   *   but for the time, and where the photo speaks for the answer
   */
  async answer(image) {
    const { size } = this.config.preprocess;
    const square = makeSquare(image, this.config.preprocess);
    const pixels = new this.runtime.Tensor("uint8", new Uint8Array(square.buffer), [
      1,
      size,
      size,
      3,
    ]);
    const said = await this.session.run({ pixels });
    const prediction = predict(said.probabilities.data, said.known_score.data[0], this.config);
    const index = this.config.classes.indexOf(prediction.label);
    return { prediction, heat: said.map ? findHeat(said.map, index) : null };
  }

  /** The square that the model sees, larger: (448, 448, 3). */
  view(image) {
    return {
      side: VIEW_SIDE,
      data: makeSquare(image, { ...this.config.preprocess, size: VIEW_SIDE }),
    };
  }
}

/**
 * @param {Float32Array} probabilities (classes)
 * @param {number} score known from config.known_threshold on
 */
export function predict(probabilities, score, config) {
  const top = config.classes
    .map((label, index) => ({ label, confidence: probabilities[index] }))
    .sort((one, other) => other.confidence - one.confidence)
    .slice(0, TOP);
  const known = score >= config.known_threshold;
  const certainty = inWords(top[0].confidence, known, config);
  return { ...top[0], top, certainty, known, known_score: score };
}

/** The key of the text that fits a prediction's confidence. even: as in the page's config.json. */
export function statementOf({ known, certainty, confidence, top }, { even }) {
  if (!known) return "unknown";
  const isOpen = certainty === "perhaps" && confidence < even;
  return isOpen && top.length > 1 ? "between" : certainty;
}

/** How sure an answer is; the bounds are the checkpoint's. */
export function inWords(confidence, known, config) {
  if (!known) return "not known";
  if (confidence >= config.sure_from) return "sure";
  return confidence >= config.likely_from ? "likely" : "perhaps";
}

/** Where a photo speaks for a class: (h, w), 0 (nowhere) to 1 (most), from (1, classes, h, w). */
export function findHeat(map, index) {
  const [, , height, width] = map.dims;
  const length = height * width;
  const heat = map.data
    .slice(index * length, (index + 1) * length)
    .map((value) => Math.max(value, 0));
  const most = Math.max(...heat, 1e-6);
  return { height, width, data: heat.map((value) => value / most) };
}
