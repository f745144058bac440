/** The large files (script, WASM, model): downloaded once, kept, and run only if they are the right ones. */

import { Trouble } from "./trouble.js";

const KEPT = "foodvision-assets";

/**
 * Get the files, from this device's cache or from the network.
 *
 * @param {Record<string, {url: string, sha256: string, bytes: number}>} assets by name; `bytes` is
 *   what is downloaded, `sha256` that of what comes out when it is unpacked
 * @param {string} base the address that relative ones are relative to
 * @param {(done: number, all: number) => void} tell how many bytes have come
 * @returns {Promise<{files: Record<string, ArrayBuffer>, kept: boolean}>} and whether all of them
 *   are kept on this device
 * @throws {Trouble} for a download that breaks off or a file that is not the right one
 */
export async function getAssets(assets, base, tell) {
  const cache = await openCache();
  const all = Object.values(assets).reduce((sum, asset) => sum + asset.bytes, 0);
  const progress = {};
  const report = (name, bytes) => {
    progress[name] = Math.min(bytes, assets[name].bytes);
    tell(
      Object.values(progress).reduce((sum, done) => sum + done, 0),
      all,
    );
  };
  const names = Object.keys(assets);
  // All of them are waited for, so that what did come is kept when another one has to be retried.
  const got = await Promise.allSettled(
    names.map((name) => getAsset(assets[name], base, cache, (bytes) => report(name, bytes))),
  );
  const failed = got.find(({ status }) => status === "rejected");
  if (failed) throw failed.reason;
  return {
    files: Object.fromEntries(names.map((name, index) => [name, got[index].value.content])),
    kept: got.every(({ value }) => value.kept),
  };
}

async function getAsset(asset, base, cache, report) {
  const key = keyOf(asset, base);
  const old = await cache?.match(key);
  if (old) {
    const content = await unpack(await old.arrayBuffer());
    if (await isRight(content, asset)) {
      report(asset.bytes);
      return { content, kept: true };
    }
    await cache.delete(key);
  }
  const packed = await download(new URL(asset.url, base), report);
  const content = await unpack(packed);
  if (!(await isRight(content, asset)))
    throw new Trouble("spoiled", { name: new URL(asset.url, base).pathname.split("/").pop() });
  return { content, kept: await keep(cache, key, packed) };
}

/** By its hash, so that a new release fetches only what changed; sw.js deletes what no one needs. */
function keyOf(asset, base) {
  return new URL(`kept/${asset.sha256}`, base).href;
}

async function download(url, report) {
  try {
    // Asked of the host even if the browser has it: the names of the files are every release's.
    const answer = await fetch(url, { cache: "no-cache" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const parts = [];
    let bytes = 0;
    for (const reader = answer.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      bytes += value.length;
      report(bytes);
    }
    return await new Blob(parts).arrayBuffer();
  } catch {
    throw new Trouble("download_failed");
  }
}

/** Unpack what is still packed: some hosts tell the browser to unpack .gz files, most do not. */
async function unpack(content) {
  const [first, second] = new Uint8Array(content, 0, Math.min(2, content.byteLength));
  if (first !== 0x1f || second !== 0x8b) return content;
  try {
    const stream = new Blob([content]).stream().pipeThrough(new DecompressionStream("gzip"));
    return await new Response(stream).arrayBuffer();
  } catch {
    return content; // not what it should be, which its hash will tell
  }
}

async function isRight(content, asset) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return asset.sha256 === [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The cache, or null where the browser has none for this page (some do not in private windows). */
async function openCache() {
  try {
    return await caches.open(KEPT);
  } catch {
    return null;
  }
}

async function keep(cache, key, content) {
  try {
    await cache.put(key, new Response(content));
    return true;
  } catch {
    return false; // full; the page says so
  }
}
