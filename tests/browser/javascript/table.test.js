import assert from "node:assert/strict";
import { test } from "node:test";
import { sorted } from "../../../foodvision/browser/page/js/table.js";

const rows = [
  ["Pho", 33],
  ["apple pie", null],
  ["Ramen", 100],
  ["Éclair", 58],
];

test("a column of numbers is sorted as numbers, what is not known last", () => {
  assert.deepEqual(sorted(rows, 1, false, "en"), [0, 3, 2, 1]);
  assert.deepEqual(sorted(rows, 1, true, "en"), [2, 3, 0, 1]);
});

test("a column of names is sorted as people sort", () => {
  assert.deepEqual(sorted(rows, 0, false, "en"), [1, 3, 0, 2]);
});
