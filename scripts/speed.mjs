#!/usr/bin/env node
// Speed of one model file: npm run speed -- MODEL [--threads 2] [--build simd|relaxed] [--wide] [--runs 3]
// Prompt 512 and generate 128 at an empty cache through session.sync(ids) + logits() + likeliest id; score; 16 prompts together; how
// long an abort in the middle of a prefill takes; loading, to the first token, and the peak of memory. Best and median of the
// runs, after one warm-up on other ids. `batch`: so many prompts decoded together.

import { statSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { idsOf, likeliest } from "../dist/src/cli/bench-measures.js";
import { loadModel } from "../dist/src/index.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string" },
    build: { type: "string" },
    wide: { type: "boolean", default: false },
    runs: { type: "string", default: "3" },
  },
});
if (positionals.length !== 1) {
  console.error("usage: npm run speed -- MODEL [--threads N] [--build simd|relaxed] [--wide] [--runs N]");
  process.exit(2);
}
const runs = Number(values.runs);
const counts = values.threads === undefined ? [1, 2] : [Number(values.threads)];
console.log(`${cpus()[0].model}, ${cpus().length} cores, Node ${process.versions.node}`);

const show = (name, list, unit = "tokens/s") =>
  console.log(
    `  ${name.padEnd(28)} best ${Math.max(...list).toFixed(1)}, median ${[...list].sort((a, b) => a - b)[list.length >> 1].toFixed(1)} ${unit}`,
  );

const open = (threads) =>
  loadModel(positionals[0], { threads, build: values.build, wide: values.wide, prefixCache: false });

for (const threads of counts) {
  const begun = performance.now();
  const model = await open(threads);
  const loaded = performance.now() - begun;
  const early = model.session();
  await early.sync([1]);
  likeliest(await early.logits());
  const first = performance.now() - begun;
  await early.dispose();
  const { build, wide, memory, opsPerStep } = model.info;
  console.log(
    `${threads} threads, ${build.name}${wide.on ? " wide" : ""}: loaded in ${loaded.toFixed(0)} ms, first token after ${first.toFixed(0)} ms, ${(memory.weights / 1e6).toFixed(0)} MB of weights, ${opsPerStep} ops a step`,
  );
  if (threads === counts[0]) {
    const peak = process.resourceUsage().maxRSS / 1024;
    const file = statSync(positionals[0]).size / 2 ** 20;
    console.log(
      `  peak ${peak.toFixed(0)} MiB for the whole process, file ${file.toFixed(0)} MiB: ${(peak / file).toFixed(2)} x`,
    );
  }
  const { vocab } = model.config;
  const prompt = [];
  const decode = [];
  for (let run = 0; run <= runs; run++) {
    const session = model.session();
    const ids = idsOf(512, run + 1, vocab);
    const start = performance.now();
    await session.sync(ids);
    ids.push(likeliest(await session.logits()));
    const middle = performance.now();
    for (let step = 0; step < 128; step++) {
      await session.sync(ids);
      ids.push(likeliest(await session.logits()));
    }
    const end = performance.now();
    await session.dispose();
    if (run === 0) continue;
    prompt.push(512000 / (middle - start));
    decode.push(128000 / (end - middle));
  }
  show("prompt of 512", prompt);
  show("generate 128", decode);
  const scored = [];
  for (let run = 0; run < 2; run++) {
    const start = performance.now();
    await model.score(idsOf(512, run + 7, vocab));
    scored.push(512000 / (performance.now() - start));
  }
  show("score 512", scored);
  const solo = [];
  const batches = new Map([2, 3, 4, 6, 8, 12, 16].map((count) => [count, []]));
  for (let run = 0; run < runs; run++) {
    const prompts = Array.from({ length: 16 }, (_, index) => idsOf(4, run * 16 + index, vocab));
    const options = { temperature: 0, maxTokens: 48 };
    const alone = await model.generate(prompts[0], options).result();
    solo.push(alone.timings.tokensPerSecond);
    for (const [count, list] of batches) {
      const start = performance.now();
      const results = await model.generateBatch(prompts.slice(0, count), options).results();
      list.push((1000 * results.reduce((sum, { ids }) => sum + ids.length, 0)) / (performance.now() - start));
    }
  }
  show("one stream", solo);
  for (const [count, list] of batches) show(`${count} streams together`, list);
  await model.dispose();
}

for (const threads of [0, 1, 2]) {
  const model = await open(threads);
  const latencies = [];
  for (let run = 0; run < 8; run++) {
    const session = model.session();
    const controller = new AbortController();
    const delay = 40 + run * 23;
    const due = performance.now() + delay; // a busy event loop calls the timer late: that counts
    setTimeout(() => controller.abort(), delay);
    await session.sync(idsOf(2048, run, model.config.vocab), { signal: controller.signal }).catch(() => {});
    latencies.push(performance.now() - due);
    await session.dispose();
  }
  console.log(
    `abort in a prefill, ${threads} threads: worst ${Math.max(...latencies).toFixed(1)} ms, median ${latencies.sort((a, b) => a - b)[4].toFixed(1)} ms`,
  );
  await model.dispose();
}
