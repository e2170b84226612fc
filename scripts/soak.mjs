#!/usr/bin/env node
// Many requests of every kind, then what is left of them: npm run soak [-- --count 10000 --seed N --threads 1]
// Exit code 1 where the memory is not back within 1 MiB, a page is held, a file is open or an error was heard by nobody.

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadModel } from "../dist/src/index.js";
import { Cache } from "../dist/src/model/run/cache.js";
import { Random } from "./mutations/random.mjs";
import { writeAdapter } from "./soak/adapter.mjs";
import { REQUESTS } from "./soak/requests.mjs";

const { values: options } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    count: { type: "string", default: "10000" },
    /** Before the first look: code and caches that are made once. */
    warm: { type: "string", default: "2000" },
    threads: { type: "string", default: "1" },
    only: { type: "string", default: "" },
  },
});
const TOGETHER = 24;
const ALLOWED = 2 ** 20;
if (!globalThis.gc) throw new Error("run with --expose-gc, as npm run soak does");

const unheard = [];
process.on("unhandledRejection", (error) => unheard.push(error));
const caches = new Set();
const { open } = Cache.prototype;
Cache.prototype.open = function () {
  caches.add(this);
  return open.call(this);
};

const random = new Random(Number(options.seed), "soak", 0);
const folder = mkdtempSync(join(tmpdir(), "soak-"));
const path = fileURLToPath(new URL("../models/storyteller-q8_0.gguf", import.meta.url));
const probe = await loadModel(path, { threads: 0 });
const adapter = writeAdapter(folder, probe.config, random);
await probe.dispose();
caches.clear();
const model = await loadModel(path, {
  threads: Number(options.threads),
  context: 512,
  adapters: [{ source: adapter, name: "small" }],
});
// One signal for all who want it, as a server has that shuts down.
const { signal } = new AbortController();
const kinds = Object.keys(REQUESTS).filter((name) => name.includes(options.only));
const counts = Object.fromEntries(kinds.map((name) => [name, 0]));

async function serve(count) {
  let left = count;
  const work = async () => {
    while (left-- > 0) {
      const kind = random.pick(kinds);
      counts[kind]++;
      await REQUESTS[kind]({ model, random, folder, signal });
    }
  };
  await Promise.all(Array.from({ length: TOGETHER }, work));
}

async function look() {
  model.cache.clear();
  for (const name of readdirSync(folder)) if (name.endsWith(".prefix")) rmSync(join(folder, name));
  for (let turn = 0; turn < 8; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    globalThis.gc();
  }
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  const files = process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0;
  const [cache] = caches;
  const [full, chunked] = ["full", "chunked"].map((kind) => cache.freePages[kind]);
  return { heapUsed, external, arrayBuffers, files, full, chunked, rss: process.memoryUsage.rss() };
}

// So that its cache is seen.
await model.score("Once upon");
console.log(`soak: seed ${options.seed}, ${options.threads} threads, ${kinds.length} kinds of requests`);
const first = await look();
await serve(Number(options.warm));
const before = await look();
const begun = performance.now();
await serve(Number(options.count));
const seconds = (performance.now() - begun) / 1000;
const after = await look();
await model.dispose();
rmSync(folder, { recursive: true });

console.log(
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(", "),
);
console.log(`${options.count} requests in ${seconds.toFixed(0)} s`);
const kib = (name) => `${((after[name] - before[name]) / 1024).toFixed(0)} KiB`;
for (const name of ["heapUsed", "external", "arrayBuffers", "rss"])
  console.log(`${name}: ${kib(name)} (${(after[name] / 2 ** 20).toFixed(1)} MiB)`);
console.log(
  `files ${before.files} -> ${after.files}; free pages: full ${first.full} -> ${after.full}, chunked ${first.chunked} -> ${after.chunked}`,
);
const grown = after.heapUsed - before.heapUsed + Math.max(0, after.external - before.external);
const wrong = [
  grown > ALLOWED && `${grown} bytes are left`,
  after.files > before.files && "files are open",
  (after.full !== first.full || after.chunked !== first.chunked) && "pages are held",
  unheard.length > 0 && `nobody heard of ${unheard.length} errors: ${unheard[0]?.stack ?? unheard[0]}`,
].filter(Boolean);
for (const one of wrong) console.error(one);
if (wrong.length > 0) process.exitCode = 1;
