import assert from "node:assert/strict";
import { test } from "node:test";
import { toCsv } from "../../../foodvision/browser/page/js/csv.js";
import { Trouble } from "../../../foodvision/browser/page/js/trouble.js";
import { chooseLanguage, displayName, Words } from "../../../foodvision/browser/page/js/words.js";

const words = new Words({
  language: "en",
  texts: {
    and: "{all} or {last}",
    failed: "Failed ({reason}).",
    comma: ", ",
    introduction_few: "Tells {names}.",
    introduction_many: "Tells {n} dishes, {first} to {last}.",
    over: "over {percent}%",
    too_large: "{name}: at most {limit}",
    under: "under {percent}%",
  },
  names: { pho: "Phở" },
});

test("class names are written as people write them", () => {
  assert.equal(displayName("french_toast"), "French toast");
  assert.equal(words.name("pho"), "Phở");
});

test("nobody is told 0% or 100%", () => {
  assert.deepEqual(
    [0, 0.0099, 0.01, 0.5, 0.99, 0.991, 1].map((share) => words.percent(share)),
    ["under 1%", "under 1%", "1%", "50%", "99%", "over 99%", "over 99%"],
  );
});

test("few classes are listed, many are counted", () => {
  assert.equal(words.introduce(["pizza", "steak", "pho"]), "Tells Pizza, Steak or Phở.");
  const letters = [..."abcdefg"];
  assert.equal(words.introduce(letters), "Tells 7 dishes, A to G.");
});

test("a trouble is told by its text, a strange one by its reason", () => {
  const values = { name: "a.png", limit: 64 };
  assert.equal(words.tell(new Trouble("too_large", values)), "a.png: at most 64");
  assert.equal(words.tell(new Trouble("strange", { reason: "x" })), "Failed (x).");
  assert.equal(words.tell(new TypeError("taken away")), "Failed (taken away).");
});

test("the first language that there is is taken, or the first of all", () => {
  assert.equal(chooseLanguage(["de-DE", "ko-KR", "en"], ["en", "ko", "ja"]), "ko");
  assert.equal(chooseLanguage(["de"], ["en", "ko", "ja"]), "en");
});

test("a class may be called as what every object has", () => {
  for (const label of ["constructor", "toString", "__proto__"])
    assert.equal(words.name(label), displayName(label));
});

test("no cell of the CSV is a formula", () => {
  for (const text of ["=1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "'=1"]) {
    const prediction = { label: text, confidence: 0.5, certainty: "likely" };
    const rows = toCsv([{ name: text, prediction, error: text }]);
    assert.equal(rows.split(`'${text}`).length, 4);
  }
});

test("CSV quotes what needs it and no name is a formula", () => {
  const pizza = { label: "pizza", confidence: 0.98765, certainty: "sure" };
  const text = toCsv([
    { name: '=a,"b".jpg', prediction: pizza, error: "" },
    { name: "menu.jpg", prediction: null, error: "no photo, it seems" },
  ]);
  assert.equal(
    text,
    '\ufeffphoto,label,confidence,certainty,error\r\n"\'=a,""b"".jpg",pizza,0.9877,sure,\r\n' +
      'menu.jpg,,,,"no photo, it seems"\r\n',
  );
});
