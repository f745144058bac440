/** The service worker: keeps the page's own files, one release whole, so that it opens offline.
 *
 * The large files are kept by js/assets.js, under their hashes, across releases; a newer release
 * fetches its own here before it takes over, so that what works offline goes on to.
 */

importScripts("release.js"); // self.release: version, and the SHA-256 of each file

const FOLDER = new URL("./", self.location).href;
// With the folder, because other pages of the same host have the same caches; no address has a space.
const PREFIX = `foodvision-page ${FOLDER} `;
const KEPT = PREFIX + self.release.version;
const ASSETS = "foodvision-assets";

self.addEventListener("install", (event) => {
  event.waitUntil(keepAll());
});

self.addEventListener("activate", (event) => {
  event.waitUntil(forgetOthers().then(() => self.clients.claim()));
});

self.addEventListener("message", (event) => {
  if (event.data === "take over") self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const path = pathOf(event.request);
  // By js/releases.js, which asks the host itself.
  if (path === "config.json" && event.request.cache === "reload") return;
  if (event.request.method === "GET" && Object.hasOwn(self.release.files, path))
    event.respondWith(answer(path, event.request));
});

/** Keep every file of this release, or fail as a whole: half a release is none. */
async function keepAll() {
  const isAnswering = await caches.has(KEPT); // an older release came back
  const cache = await caches.open(KEPT);
  try {
    await Promise.all(
      Object.entries(self.release.files).map(async ([path, digest]) => {
        const address = addressOf(path);
        // Some hosts put scripts of their own into a page; its policy does not run them.
        const integrity = path === "index.html" ? "" : `sha256-${toBase64(digest)}`;
        const got = await fetch(address, { cache: "reload", integrity });
        if (!got.ok) throw new Error(`${path}: status ${got.status}`);
        // Anew, because browsers open no page from an answer that came by a redirect, and some
        // hosts send index.html by one.
        await cache.put(address, new Response(got.body, got));
      }),
    );
    if (await someReleaseIsWhole()) await keepAssets();
  } catch (error) {
    if (!isAnswering) await caches.delete(KEPT);
    throw error;
  }
}

/** Whether a release answers without a connection, large files and all: only that could be lost. */
async function someReleaseIsWhole() {
  const cache = await caches.open(ASSETS);
  for (const name of await caches.keys()) {
    if (!name.startsWith(PREFIX) || !(await caches.match("config.json", { cacheName: name })))
      continue;
    const keys = [...(await assetsByKey(name)).keys()];
    const found = await Promise.all(keys.map((key) => cache.match(key)));
    if (found.every(Boolean)) return true;
  }
  return false;
}

/** Fetch the large files that are not here yet; js/assets.js looks whether they are the right ones. */
async function keepAssets() {
  const cache = await caches.open(ASSETS);
  for (const [key, { url }] of await assetsByKey()) {
    if (await cache.match(key)) continue;
    const got = await fetch(new URL(url, FOLDER), { cache: "no-cache" });
    if (!got.ok) throw new Error(`${url}: status ${got.status}`);
    await cache.put(key, new Response(got.body));
  }
}

/** Delete what other releases of this page kept; other pages of the host keep theirs here too. */
async function forgetOthers() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(PREFIX) && name !== KEPT);
  await Promise.all(old.map((name) => caches.delete(name)));
  const [cache, current] = [await caches.open(ASSETS), await assetsByKey()];
  for (const { url } of await cache.keys())
    if (new URL("./", url).href === `${FOLDER}kept/` && !current.has(url)) await cache.delete(url);
}

/** @returns {Promise<Map<string, {url: string}>>} a release's large files, by where they are kept */
async function assetsByKey(cacheName = KEPT) {
  const config = await caches.match("config.json", { cacheName });
  const { assets } = await config.json();
  return new Map(Object.values(assets).map((asset) => [`${FOLDER}kept/${asset.sha256}`, asset]));
}

async function answer(path, request) {
  const kept = await caches.match(addressOf(path), { cacheName: KEPT });
  return kept ?? fetch(request); // the browser may clear a cache at any time
}

/** A request's path inside of the folder; the folder itself is its index.html, whatever is asked. */
function pathOf(request) {
  const address = request.url.split(/[?#]/)[0];
  if (!address.startsWith(FOLDER)) return "";
  return decodeURIComponent(address.slice(FOLDER.length)) || "index.html";
}

/** A path as it is asked for: people give examples names with spaces, #, ? and %. */
function addressOf(path) {
  return path.split("/").map(encodeURIComponent).join("/");
}

function toBase64(hexadecimal) {
  const bytes = hexadecimal.match(/../g).map((byte) => Number.parseInt(byte, 16));
  return btoa(String.fromCharCode(...bytes));
}
