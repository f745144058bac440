import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf } from "../../../foodvision/browser/page/js/card.js";

test("a card names the page's address for people, and no address of this machine", () => {
  const addresses = [
    ["https://cook-dishes.hf.space/", "cook-dishes.hf.space"],
    ["https://cook.github.io/dishes/index.html?example=a.jpg", "cook.github.io/dishes"],
    ["https://example.org:8443/food/", "example.org:8443/food"],
    ["http://127.0.0.1:7860/", ""],
    ["http://localhost:8000/index.html", ""],
    ["http://[::1]:7860/", ""],
  ];
  for (const [url, said] of addresses) assert.equal(addressOf(new URL(url)), said);
});
