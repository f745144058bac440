import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  findHeat,
  inWords,
  predict,
  statementOf,
} from "../../../foodvision/browser/page/js/classifier.js";
import { isCutOff } from "../../../foodvision/browser/page/js/image.js";
import { hasEnd, orientationOf } from "../../../foodvision/browser/page/js/jpeg.js";

const bounds = { known_threshold: 1, sure_from: 0.9, likely_from: 0.5 };
const photo = new Uint8Array(readFileSync(new URL("../../../examples/pizza.jpg", import.meta.url)));

test("how sure an answer is follows the checkpoint's bounds", () => {
  assert.equal(inWords(0.9, true, bounds), "sure");
  assert.equal(inWords(0.5, true, bounds), "likely");
  assert.equal(inWords(0.49, true, bounds), "perhaps");
  assert.equal(inWords(0.99, false, bounds), "not known");
});

test("two classes are named where the first is more often wrong than right", () => {
  const torn = { known: true, certainty: "perhaps", confidence: 0.49, top: [{}, {}] };
  assert.equal(statementOf(torn, { even: 0.5 }), "between");
  assert.equal(statementOf({ ...torn, confidence: 0.5 }, { even: 0.5 }), "perhaps");
  assert.equal(statementOf({ ...torn, certainty: "likely" }, { even: 0.5 }), "likely");
  assert.equal(statementOf({ ...torn, known: false }, { even: 0.5 }), "unknown");
});

test("the likeliest classes come first, equal ones in the order of the classes", () => {
  const config = { ...bounds, classes: ["a", "b", "c"] };
  const said = predict(new Float32Array([0.25, 0.5, 0.25]), 1, config);
  assert.deepEqual(
    said.top.map(({ label }) => label),
    ["b", "a", "c"],
  );
  assert.equal(said.label, "b");
  assert.equal(said.known, true);
});

test("what speaks against a class is cut off its map", () => {
  const map = { dims: [1, 2, 1, 2], data: new Float32Array([9, 9, -1, 4]) };
  assert.deepEqual([...findHeat(map, 1).data], [0, 1]);
});

test("a JPEG or PNG without its end is cut off", () => {
  assert.equal(isCutOff(photo), false);
  assert.equal(isCutOff(photo.subarray(0, photo.length / 2)), true);
  const png = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13]);
  assert.equal(isCutOff(png), true);
  assert.equal(isCutOff(new Uint8Array([0x47, 0x49, 0x46])), false);
});

test("the end of a thumbnail in the headers is not the photo's", () => {
  const header = [0xff, 0xd8, 0xff, 0xe1, 0, 4, 0xff, 0xd9, 0xff, 0xda, 0, 2, 1, 2, 3];
  assert.equal(hasEnd(new Uint8Array(header)), false);
  assert.equal(hasEnd(new Uint8Array([...header, 0xff, 0xd9])), true);
});

test("a marker may have others before it to fill up", () => {
  const scan = [0xff, 0xda, 0, 2, 1, 2, 3];
  const filled = [0xff, 0xd8, 0xff, 0xff, 0xff, 0xdb, 0, 4, 1, 1, ...scan];
  assert.equal(hasEnd(new Uint8Array(filled)), false);
  assert.equal(hasEnd(new Uint8Array([...filled, 0xff, 0xd9])), true);
});

test("the orientation is read in both byte orders, and spoiled EXIF is none", () => {
  const exif = (...tiff) =>
    new Uint8Array([0xff, 0xd8, 0xff, 0xe1, 0, 40, 69, 120, 105, 102, 0, 0, ...tiff, 0xff, 0xd9]);
  const big = [0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0];
  const little = [0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 8, 0, 0, 0];
  assert.equal(orientationOf(exif(...big)), 6);
  assert.equal(orientationOf(exif(...little)), 8);
  assert.equal(orientationOf(exif(0x4d, 0x4d, 0, 42, 255, 0, 0, 0)), 1);
  assert.equal(orientationOf(photo), 1);
});
