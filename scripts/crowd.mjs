#!/usr/bin/env node
// Many streams at once: npm run crowd -- MODEL [--streams 64] [--seed N] [--threads 2]
// 1. Streams of random lengths that come over time, a fifth aborted at random: each that ends is as it is alone.
// 2. The same prompts as one batch: tokens a second. 3. Twelve streams decode, a prompt of 4,000 ids comes: the longest wait for a token.
// Exit code 1 where an answer differs.

import { parseArgs } from "node:util";
import { loadModel } from "../dist/src/index.js";
import { Random } from "./mutations/random.mjs";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    streams: { type: "string", default: "64" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    threads: { type: "string", default: "2" },
    latency: { type: "string", default: "50" },
    /** Milliseconds in which the streams come. */
    within: { type: "string", default: "4000" },
    /** "gap": the third part alone. */
    part: { type: "string", default: "" },
  },
});
const random = new Random(Number(options.seed), "crowd", 0);
const model = await loadModel(positionals[0], {
  threads: Number(options.threads),
  context: 8192,
  latency: Number(options.latency),
});
const { vocab } = model.config;
const idsOf = (count) => Array.from({ length: count }, () => random.below(vocab));
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
console.log(`crowd: seed ${options.seed}, ${options.threads} threads, latency ${options.latency} ms`);

/** Reads a stream with the time of each id; `logitsProcessor` is where ids are seen, also of models without text. */
function follow(prompt, more) {
  const at = [];
  const asked = performance.now();
  const answer = model.generate(prompt, {
    ignoreEos: true,
    ...more,
    logitsProcessor: () => {
      at.push(performance.now());
    },
  });
  return answer.result().then(
    ({ ids }) => ({ ids, at, asked }),
    (error) => ({ error, at, asked }),
  );
}
const gapsOf = (at) => at.slice(1).map((time, index) => time - at[index]);
const most = (list) => list.reduce((a, b) => Math.max(a, b), 0);

async function crowd() {
  const count = Number(options.streams);
  const plans = Array.from({ length: count }, (_, index) => ({
    prompt: idsOf(1 + random.below(300)),
    maxTokens: 8 + random.below(120),
    seed: index,
    comes: random.below(Number(options.within)),
    aborts: random.below(5) === 0 ? random.below(3000) : null,
  }));
  const begun = performance.now();
  const ends = await Promise.all(
    plans.map(async ({ prompt, maxTokens, seed, comes, aborts }) => {
      await sleep(comes);
      const controller = new AbortController();
      if (aborts !== null) setTimeout(() => controller.abort("enough"), aborts);
      return await follow(prompt, { maxTokens, seed, signal: controller.signal });
    }),
  );
  const seconds = (performance.now() - begun) / 1000;
  const whole = ends.flatMap((end, index) => (end.ids ? [index] : []));
  const tokens = ends.reduce((sum, { at }) => sum + at.length, 0);
  const waits = ends.filter(({ at }) => at.length > 0).map(({ at, asked }) => at[0] - asked);
  const failed = ends.filter(({ error }) => error !== undefined && error !== "enough");
  console.log(
    `${count} streams within ${options.within} ms: ${whole.length} ended, ${count - whole.length} aborted, ${failed.length} failed`,
  );
  console.log(
    `${tokens} tokens in ${seconds.toFixed(1)} s; longest wait for a first token ${most(waits).toFixed(0)} ms, longest gap ${most(ends.map(({ at }) => most(gapsOf(at)))).toFixed(0)} ms`,
  );
  model.cache.clear();
  let differ = 0;
  for (const index of whole) {
    const { prompt, maxTokens, seed } = plans[index];
    const alone = await model.generate(prompt, { maxTokens, seed, ignoreEos: true }).result();
    model.cache.clear();
    if (alone.ids.join() !== ends[index].ids.join()) differ++;
  }
  console.log(`each beside its solo run: ${whole.length - differ} of ${whole.length} equal`);
  if (differ + failed.length > 0) process.exitCode = 1;
  const rate = async (name, work) => {
    model.cache.clear();
    const start = performance.now();
    const results = await work();
    const drawn = results.reduce((sum, { ids }) => sum + ids.length, 0);
    console.log(`${name}: ${((1000 * drawn) / (performance.now() - start)).toFixed(0)} tokens/s`);
  };
  const optionsOf = ({ maxTokens, seed }) => ({ maxTokens, seed, ignoreEos: true });
  const batch = () =>
    model.generateBatch(plans.map((plan) => ({ prompt: plan.prompt, options: optionsOf(plan) }))).results();
  const streams = () => Promise.all(plans.map((plan) => model.generate(plan.prompt, optionsOf(plan)).result()));
  for (let turn = 0; turn < 2; turn++) {
    await rate("one batch of them", batch);
    await rate("all at once as streams", streams);
  }
}

async function gap() {
  model.cache.clear();
  const enough = new AbortController();
  const streams = Array.from({ length: 12 }, (_, seed) =>
    follow(idsOf(20), { maxTokens: 2000, seed, signal: enough.signal }),
  );
  await sleep(1500);
  const begun = performance.now();
  const { timings } = await model.generate(idsOf(4000), { maxTokens: 1 }).result();
  const ended = performance.now();
  enough.abort("enough");
  const gaps = (await Promise.all(streams)).map(({ at }) => ({
    during: gapsOf(at.filter((time) => time > begun - 200 && time < ended)),
    before: gapsOf(at.filter((time) => time < begun)),
  }));
  const during = gaps.flatMap(({ during }) => during).sort((a, b) => a - b);
  const before = gaps.flatMap(({ before }) => before).sort((a, b) => a - b);
  const share = (list, part) => (list[Math.floor(part * (list.length - 1))] ?? Number.NaN).toFixed(0);
  console.log(
    `12 streams, a prompt of 4,000 ids: it took ${timings.promptMs.toFixed(0)} ms; gaps median ${share(during, 0.5)}, 99 % ${share(during, 0.99)}, longest ${share(during, 1)} ms (without it: median ${share(before, 0.5)}, longest ${share(before, 1)} ms)`,
  );
}

if (options.part !== "gap") await crowd();
await gap();
await model.dispose();
