import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { colourHeat } from "../../../foodvision/browser/page/js/pictures.js";

const { heat, side, colours, sha256 } = JSON.parse(
  readFileSync(new URL("map.json", import.meta.url), "utf-8"),
);

test("the map of where the model looked is Python's to the last bit", () => {
  const made = colourHeat({ ...heat, data: new Float32Array(heat.data) }, side, colours);
  assert.equal(createHash("sha256").update(made).digest("hex"), sha256);
});
