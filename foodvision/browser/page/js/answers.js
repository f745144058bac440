/** An answer as elements: headline, sentence and bars. */

import { statementOf } from "./classifier.js";
import { element } from "./dom.js";
import { entryOf } from "./words.js";

/** Show an answer. config: the page's; link: an address that shows it again, if it has one. */
export function showAnswer(place, prediction, words, config, link = "") {
  const { headline, sentence } = describe(prediction, words, config);
  const parts = headline.map(({ text, isName }) => (isName ? element("b", {}, text) : text));
  const time = words.say("time", { milliseconds: (1000 * prediction.seconds).toFixed(0) });
  const guesses = prediction.top.map((guess) => showGuess(guess, words));
  const more = [element("ol", { class: "guesses" }, ...guesses)];
  if (link) more.push(element("a", { href: link }, words.say("example_link")));
  show(place, parts, [`${sentence} `, element("span", { class: "time" }, time)], more);
  place.classList.toggle("unknown", !prediction.known);
}

/** Show what stands in place of an answer. */
export function showFailure(place, reason, words) {
  show(place, [words.say("failed_title")], [reason]);
}

/** Show what stands there before there is a photo, and what the page offers. */
export function showEmpty(place, text, words, { refuses }) {
  const offers = ["offer_names", "offer_where", ...(refuses ? ["offer_unknown"] : [])];
  const lines = offers.map((key) => element("li", {}, words.say(key)));
  show(place, [words.say("ask_title")], [text], [element("ul", { class: "offers" }, ...lines)]);
}

/** Show what stands there until the answer comes. */
export function showWaiting(place, text, words) {
  show(place, [words.say("ask_title")], [text]);
}

/** An answer in words: the headline in parts, of which names stand out, and a sentence below it.
 * @returns {{headline: {text: string, isName: boolean}[], sentence: string}} */
export function describe(prediction, words, config) {
  const { label, top } = prediction;
  const values = {
    name: words.inSentence(label),
    other: words.inSentence(top[1 % top.length].label),
    confidence: words.percent(prediction.confidence),
  };
  const sentence = prediction.known
    ? measured(entryOf(config.measured, prediction.certainty), words)
    : words.say("nearest", values);
  const headline = words
    .parts(statementOf(prediction, config), values)
    .map(({ text, place }) => ({ text, isName: ["name", "other"].includes(place) }));
  return { headline, sentence };
}

/** How many test photos that were answered with the same certainty were right, if known. */
function measured(of, words) {
  return of?.n ? words.say("measured", { n: of.n, share: words.percent(of.value) }) : "";
}

function showGuess(guess, words) {
  const filled = element("span");
  filled.style.width = `${100 * guess.confidence}%`;
  return element(
    "li",
    {},
    element("span", {}, words.name(guess.label)),
    element("span", { class: "bar", "aria-hidden": "true" }, filled),
    element("span", {}, words.percent(guess.confidence)),
  );
}

function show(place, headline, sentence, more = []) {
  place.classList.remove("unknown");
  place.replaceChildren(element("h2", {}, ...headline), element("p", {}, ...sentence), ...more);
}
