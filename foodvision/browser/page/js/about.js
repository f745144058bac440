/** The tab that says what the model knows and how well, from its checkpoint. */

import { element } from "./dom.js";
import { sortableTable } from "./table.js";
import { entryOf } from "./words.js";

export function showAbout(room, { config }, words) {
  const { figures } = config;
  const size = words.say("size", {
    architecture: config.architecture,
    megabytes: (config.assets.model.bytes / 1e6).toFixed(1),
    n: config.classes.length,
  });
  const unable = config.refuses ? "" : ` ${words.say("never_refuses")}`;
  room.append(
    element("p", { class: "summary" }, sayTop1(figures, words)),
    soft(`${size}${unable}`),
  );
  if (figures.reliability?.length) room.append(reliability(words));
  room.append(element("h2", {}, words.say("dishes_title")), ...classTable(config, words));
  room.append(soft(words.say("table_text")));
  if (figures.confused?.length) room.append(...confusions(figures.confused, words));
}

function soft(text) {
  return element("p", { class: "soft" }, text);
}

function sayTop1({ n, top1, top1_interval: interval }, words) {
  if (!n) return words.say("no_figures");
  const [percent, low, high] = [top1, ...interval].map((share) => (100 * share).toFixed(1));
  return words.say("top1", { percent, n, low, high });
}

/** The drawing that Python made: `foodvision/page/charts.py`. */
function reliability(words) {
  const title = words.say("reliability_title");
  const src = `charts/reliability.${words.language}.svg`;
  return element(
    "figure",
    { class: "reliability" },
    element("h2", {}, title),
    element("img", { src, alt: title, width: 322, height: 304, loading: "lazy" }),
    element("figcaption", { class: "soft" }, words.say("reliability_text")),
  );
}

function classTable({ classes, figures }, words) {
  const columns = ["class_label", "count_label", "found_label", "found_interval"];
  columns.push("right_label", "right_interval");
  const rows = classes.map((label) => {
    const of = entryOf(figures.per_class, label);
    return [
      words.name(label),
      of?.n ?? null,
      ...share(of, "recall", "n", words),
      ...share(of, "precision", "answered", words),
    ];
  });
  const heads = columns.map((key) => words.say(key));
  return sortableTable(heads, rows, {
    label: words.say("dishes_title"),
    search: words.say("search_label"),
    language: words.language,
  });
}

/** A share in percent, a number by which the table is sorted, and its interval. */
function share(figures, key, count, words) {
  const interval = figures?.[`${key}_interval`];
  if (!figures?.[count] || !interval) return [null, "-"];
  const [low, high] = interval.map((bound) => (100 * bound).toFixed(0));
  const of = key === "precision" ? ` (n = ${figures[count]})` : "";
  return [Math.round(100 * figures[key]), `${words.say("range", { low, high })}${of}`];
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
  return [
    element("h2", {}, words.say("confused_title")),
    element("ul", {}, ...lines),
    soft(words.say("confused_text")),
  ];
}
