#!/usr/bin/env node
// Speed of one model file: npm run speed -- MODEL [--threads 2] [--build simd|relaxed] [--runs 3]
// Prompt 512 and generate 128 at an empty cache through session.sync(ids) + logits() + argmax; score; 16 prompts together; how
// long an abort in the middle of a prefill takes. Best and median of the runs, after one warm-up on other ids.

import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { loadModel } from "../dist/src/index.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: "string" }, build: { type: "string" }, runs: { type: "string", default: "3" } },
});
if (positionals.length !== 1) {
  console.error("usage: npm run speed -- MODEL [--threads N] [--build simd|relaxed] [--runs N]");
  process.exit(2);
}
const runs = Number(values.runs);
const counts = values.threads === undefined ? [1, 2] : [Number(values.threads)];
console.log(`${cpus()[0].model}, ${cpus().length} cores, Node ${process.versions.node}`);

const idsOf = (count, seed, vocab) =>
  Array.from({ length: count }, (_, index) => (index * 7919 + seed * 104729) % vocab);
const argmax = (logits) => logits.reduce((best, value, id) => (value > logits[best] ? id : best), 0);
const show = (name, list, unit = "tokens/s") =>
  console.log(
    `  ${name.padEnd(28)} best ${Math.max(...list).toFixed(1)}, median ${[...list].sort((a, b) => a - b)[list.length >> 1].toFixed(1)} ${unit}`,
  );

for (const threads of counts) {
  const begun = performance.now();
  const model = await loadModel(positionals[0], { threads, build: values.build });
  console.log(
    `${threads} threads, ${model.info.build.name}: loaded in ${(performance.now() - begun).toFixed(0)} ms, ${(model.info.memory.weights / 1e6).toFixed(0)} MB of weights, ${model.info.opsPerStep} ops a step`,
  );
  const { vocab } = model.config;
  const prompt = [];
  const decode = [];
  for (let run = 0; run <= runs; run++) {
    const session = model.session();
    const ids = idsOf(512, run + 1, vocab);
    const start = performance.now();
    await session.sync(ids);
    ids.push(argmax(await session.logits()));
    const middle = performance.now();
    for (let step = 0; step < 128; step++) {
      await session.sync(ids);
      ids.push(argmax(await session.logits()));
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
  const batch = [];
  for (let run = 0; run < runs; run++) {
    const prompts = Array.from({ length: 16 }, (_, index) => idsOf(4, run * 16 + index, vocab));
    const options = { temperature: 0, maxTokens: 48 };
    const alone = await model.generate(prompts[0], options).result();
    solo.push(alone.timings.tokensPerSecond);
    const start = performance.now();
    const results = await model.generateBatch(prompts, options).results();
    batch.push((1000 * results.reduce((sum, { ids }) => sum + ids.length, 0)) / (performance.now() - start));
  }
  show("one stream", solo);
  show("16 streams together", batch);
  await model.dispose();
}

for (const threads of [0, 1, 2]) {
  const model = await loadModel(positionals[0], { threads, build: values.build });
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
