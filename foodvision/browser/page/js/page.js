/** The page: words, tabs, and the model behind them. */

import { showAbout } from "./about.js";
import { connectCamera } from "./camera.js";
import { find } from "./dom.js";
import { connectMany } from "./many.js";
import { Model } from "./model.js";
import { connectOne } from "./one.js";
import { isOutdated, keepPage, loadFromHost } from "./releases.js";
import { connectTabs } from "./tabs.js";
import { chooseLanguage, Words } from "./words.js";

const MEGABYTE = 1_000_000;

// It shows by itself where a script, the configuration or the texts do not come.
const broken = find("#broken");

// What the host gives to a page that is older than its files.
const HOST_TROUBLES = ["spoiled", "download_failed"];

async function open() {
  const config = await fetchJson("config.json");
  const language = chooseLanguage(navigator.languages, config.languages);
  const words = new Words(await fetchJson(`texts/${language}.json`));
  document.documentElement.lang = language;
  for (const place of document.querySelectorAll("[data-text]"))
    place.textContent = words.say(place.dataset.text);
  find("#introduction").textContent = words.introduce(config.classes);

  const model = new Model(config);
  connectOne(find("#one"), model, words);
  connectMany(find("#many"), model, words);
  const camera = connectCamera(find("#camera"), model, words);
  showAbout(find("#about"), model, words);
  connectTabs(find("[role=tablist]"), { camera });
  broken.hidden = true;
  find("main").hidden = false;
  await load(model, words, keepPage());
}

/** Download and start the model, telling how far it is, and what to do where it fails. */
async function load(model, words, pageKept) {
  const status = find("#status");
  const [text, bar, retry] = ["p", "progress", "button"].map((part) => find(part, status));
  bar.hidden = false;
  retry.hidden = true;
  text.textContent = words.say("starting");
  try {
    let told = -1;
    const { kept, seconds } = await model.load((done, all) => {
      bar.value = done / all;
      const tenth = Math.floor((10 * done) / all);
      if (tenth === told) return; // a screen reader says every change of the text
      told = tenth;
      const [came, whole] = [done, all].map((bytes) => (bytes / MEGABYTE).toFixed(1));
      text.textContent =
        done < all ? words.say("loading", { done: came, all: whole }) : words.say("starting");
    });
    performance.measure("model started", { end: performance.now(), duration: 1000 * seconds });
    text.textContent = "";
    bar.hidden = true;
    find("#kept").textContent = words.say(kept && (await pageKept) ? "kept" : "not_kept");
  } catch (trouble) {
    const isOld = HOST_TROUBLES.includes(trouble.key) && (await isOutdated(model.config));
    text.textContent = isOld ? words.say("update_text") : words.tell(trouble);
    retry.textContent = words.say(isOld ? "update_button" : "retry_button");
    bar.hidden = true;
    retry.hidden = false;
    retry.onclick = isOld ? loadFromHost : () => load(model, words, pageKept);
  }
}

async function fetchJson(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: status ${answer.status}`);
  return answer.json();
}

// A photo that is dropped beside its place would be opened instead of the page.
for (const kind of ["dragover", "drop"])
  document.addEventListener(kind, (event) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  });
try {
  await open();
} catch (error) {
  broken.hidden = false;
  broken.classList.add("certain");
  throw error; // for whoever opens the console
}
