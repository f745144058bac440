/** Keeps the page for later, and offers a newer release when there is one. */

import { find } from "./dom.js";

const PATIENCE = 10_000; // milliseconds

/**
 * Have the service worker keep the page's own files.
 *
 * @returns {Promise<boolean>} whether they are kept: not where the browser has no service workers
 *   for this page, or no room
 */
export async function keepPage() {
  try {
    const registration = await navigator.serviceWorker.register("sw.js", {
      updateViaCache: "none",
    });
    offerNewer(registration);
    return await isInstalled(registration);
  } catch {
    return false;
  }
}

/**
 * Whether the host has other large files by now than this page, an older release's, asks it for.
 *
 * @param {{assets: object}} config the page's config.json
 */
export async function isOutdated(config) {
  try {
    const answer = await fetch("config.json", {
      cache: "reload", // not what the service worker keeps
      signal: AbortSignal.timeout(PATIENCE),
    });
    const { assets } = await answer.json();
    return JSON.stringify(assets) !== JSON.stringify(config.assets);
  } catch {
    return false; // no connection, or the host has no page any more
  }
}

/** Load the page from the host, which keeps it anew: the newer release may not have found room. */
export async function loadFromHost() {
  const registration = await navigator.serviceWorker?.getRegistration();
  await registration?.unregister();
  location.reload();
}

async function isInstalled(registration) {
  if (registration.active) return true;
  const worker = registration.installing ?? registration.waiting;
  return new Promise((resolve) => {
    const look = () => {
      if (["activated", "redundant"].includes(worker.state)) resolve(worker.state === "activated");
    };
    worker.addEventListener("statechange", look);
    look();
  });
}

function offerNewer(registration) {
  const bar = find("#update");
  const look = () => {
    bar.hidden = !(registration.waiting && navigator.serviceWorker.controller);
  };
  registration.addEventListener("updatefound", () => {
    registration.installing?.addEventListener("statechange", look);
  });
  navigator.serviceWorker.addEventListener("controllerchange", look);
  find("button", bar).addEventListener("click", () => {
    if (!registration.waiting) {
      location.reload(); // it took over from another tab
      return;
    }
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload());
    registration.waiting.postMessage("take over");
  });
  look();
}
