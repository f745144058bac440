/** The tab that says what the model knows and how well, from its checkpoint. */

import { element } from "./dom.js";
import { entryOf } from "./words.js";

export function showAbout(room, { config }, words) {
  const { figures } = config;
  const size = words.say("size", {
    architecture: config.architecture,
    megabytes: (config.assets.model.bytes / 1e6).toFixed(1),
    n: config.classes.length,
  });
  const unable = config.refuses ? "" : ` ${words.say("never_refuses")}`;
  room.append(element("p", {}, `${sayTop1(figures, words)} ${size}${unable}`));
  room.append(element("h2", {}, words.say("dishes_title")), classTable(config, words));
  if (figures.confused?.length) room.append(...confusions(figures.confused, words));
}

function sayTop1({ n, top1, top1_interval: interval }, words) {
  if (!n) return words.say("no_figures");
  const [percent, low, high] = [top1, ...interval].map((share) => (100 * share).toFixed(1));
  return words.say("top1", { percent, n, low, high });
}

function classTable({ classes, figures }, words) {
  const heads = ["class_label", "found_label", "right_label"].map((key) =>
    element("th", { scope: "col" }, words.say(key)),
  );
  const rows = classes.map((label) => {
    const of = entryOf(figures.per_class, label);
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, words.name(label)),
      element("td", {}, share(of, "recall", "n")),
      element("td", {}, share(of, "precision", "answered")),
    );
  });
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)));
  table.append(element("tbody", {}, ...rows));
  const label = words.say("dishes_title");
  return element("div", { class: "scroll", tabIndex: 0, role: "region", ariaLabel: label }, table);
}

function share(figures, key, count) {
  const interval = figures?.[`${key}_interval`];
  if (!figures?.[count] || !interval) return "-";
  const [low, high] = interval.map((bound) => (100 * bound).toFixed(0));
  return `${(100 * figures[key]).toFixed(0)}% (${low} to ${high}%, n = ${figures[count]})`;
}

function confusions(pairs, words) {
  const lines = pairs.map(({ label, answer, times, n }) =>
    element(
      "li",
      {},
      words.say("confused_pair", {
        label: words.name(label),
        answer: words.name(answer),
        times,
        n,
      }),
    ),
  );
  return [element("h2", {}, words.say("confused_title")), element("ul", {}, ...lines)];
}
