import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { makeSquare } from "../../../foodvision/browser/page/js/preprocess.js";
import { draftFactor, reduce, shiftOf } from "../../../foodvision/browser/page/js/reduce.js";

const fixtures = JSON.parse(readFileSync(new URL("fixtures.json", import.meta.url), "utf-8"));

for (const { image, rule, square } of fixtures)
  test(`${rule.interpolation}, ${rule.resize}, ${image.width} x ${image.height}${image.reduced ? ", reduced," : ""} to ${rule.size} is Pillow's to the last bit`, () => {
    const data = new Uint8ClampedArray(Buffer.from(image.rgba, "base64"));
    const made = makeSquare({ ...image, data }, rule);
    assert.equal(Buffer.from(made).toString("base64"), square);
  });

test("a JPEG is halved while its short side stays at 640 pixels or above", () => {
  assert.equal(draftFactor({ width: 1279, height: 4000 }), 1);
  assert.equal(draftFactor({ width: 1280, height: 4000 }), 2);
  assert.equal(draftFactor({ width: 4000, height: 3000 }), 4);
  assert.equal(draftFactor({ width: 16320, height: 12240 }), 8);
});

const row = (...reds) => ({
  data: new Uint8ClampedArray(reds.flatMap((red) => [red, 0, 0, 255])),
  width: reds.length,
  height: 1,
});
const redsOf = ({ data }) => [...data].filter((_, place) => place % 4 === 0);

test("squares at the edge are averaged over what is inside", () => {
  assert.deepEqual(redsOf(reduce(row(10, 20, 30), 2, { x: 0, y: 0 })), [15, 30]);
});

test("squares are counted from the file's corner when the photo was turned", () => {
  const shift = shiftOf({ width: 3, height: 1 }, 2, 3);
  assert.deepEqual(shift, { x: 1, y: 1 });
  assert.deepEqual(redsOf(reduce(row(10, 20, 30), 2, shift)), [10, 25]);
  assert.deepEqual(shiftOf({ width: 3, height: 1 }, 2, 1), { x: 0, y: 0 });
});
