/** Tabs as the ARIA practices have them: arrows move, the panel follows. */

const KEYS = { ArrowLeft: -1, ArrowRight: 1 };

/** @param {Record<string, {leave?: () => void}>} rooms what to tell when a panel is left, by id */
export function connectTabs(list, rooms) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  const choose = (chosen) => {
    for (const tab of tabs) {
      const id = tab.getAttribute("aria-controls");
      if (tab !== chosen && tab.getAttribute("aria-selected") === "true") rooms[id]?.leave?.();
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      document.getElementById(id).hidden = tab !== chosen;
    }
  };
  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", ({ key, altKey, ctrlKey, metaKey }) => {
      if (!(key in KEYS) || altKey || ctrlKey || metaKey) return; // those are the browser's
      const next = tabs.at((index + KEYS[key]) % tabs.length);
      choose(next);
      next.focus();
    });
  }
  choose(tabs[0]);
}
