/** An answer as elements: headline, sentence and bars. */

import { element } from "./dom.js";

/** Show an answer. link: an address that shows it again, if it has one. */
export function showAnswer(place, prediction, words, link = "") {
  const { headline, sentence } = inSentences(prediction, words);
  const time = words.say("time", { milliseconds: (1000 * prediction.seconds).toFixed(0) });
  const guesses = prediction.top.map((guess) => showGuess(guess, words));
  const more = [element("ol", { class: "guesses" }, ...guesses)];
  if (link) more.push(element("a", { href: link }, words.say("example_link")));
  show(place, headline, `${sentence} ${time}`, more);
  place.classList.toggle("unknown", !prediction.known);
}

/** Show what stands in place of an answer. */
export function showFailure(place, reason, words) {
  show(place, words.say("failed_title"), reason);
}

/** Show what stands there before there is an answer. */
export function showEmpty(place, text, words) {
  show(place, words.say("ask_title"), text);
}

/** @returns {{headline: string, sentence: string}} */
export function inSentences(prediction, words) {
  const name = words.name(prediction.label);
  const confidence = words.percent(prediction.confidence);
  if (prediction.known)
    return { headline: name, sentence: words.say(prediction.certainty, { confidence }) };
  return {
    headline: words.say("unknown"),
    sentence: words.say("nearest", { name, confidence }),
  };
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
  place.replaceChildren(element("h2", {}, headline), element("p", {}, sentence), ...more);
}
