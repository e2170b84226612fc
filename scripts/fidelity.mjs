#!/usr/bin/env node
// How close the storyteller stays to its references: npm run fidelity -- FOLDER
// FOLDER holds hf/ (bf16), storyteller-q8_0.gguf, storyteller-q4_0.gguf and reference.json (greedy ids made with transformers in f32).

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadModel } from "../dist/src/index.js";

const folder = process.argv[2];
if (!folder) {
  console.error("usage: npm run fidelity -- FOLDER");
  process.exit(2);
}
const reference = JSON.parse(readFileSync(join(folder, "reference.json"), "utf8"));
const files = {
  bf16: join(folder, "hf"),
  q8_0: join(folder, "storyteller-q8_0.gguf"),
  q4_0: join(folder, "storyteller-q4_0.gguf"),
};

async function withModel(file, options, work) {
  const model = await loadModel(file, options);
  try {
    return await work(model);
  } finally {
    await model.dispose();
  }
}

/** Greedy ids of every prompt against a list of references: how many are equal, and the margin where the first differ. */
async function greedy(model, prompts) {
  let equal = 0;
  const differ = [];
  for (const { ids, greedy, prompt, smallest_margin } of prompts) {
    const encoded = model.tokenizer.encode(prompt, {
      specialTokens: true,
      addBos: !prompt.startsWith("<|begin_of_text|>"),
    });
    if (encoded.join() !== ids.join()) throw new Error(`ids of ${JSON.stringify(prompt)} differ: ${encoded} / ${ids}`);
    const result = await model.generate(ids, { temperature: 0, maxTokens: 64 }).result();
    // References end with the stop id where there is one.
    const got = result.stoppedBy === undefined ? result.ids : [...result.ids, result.stoppedBy];
    if (got.join() === greedy.join()) equal++;
    else differ.push(`margin ${smallest_margin}, at ${got.findIndex((id, index) => id !== greedy[index])}`);
  }
  return `${equal}/${prompts.length} greedy answers equal${differ.length ? ` (differ: ${differ.join("; ")})` : ""}`;
}

const texts = [reference.perplexity.ids, ...reference.prompts.map(({ ids, greedy }) => [...ids, ...greedy])];

/** Of all texts together: mean KL(P || Q) of the next-token distributions in nats, and how often the likeliest id is the same. */
async function divergence(model, exact) {
  let kl = 0;
  let same = 0;
  let scored = 0;
  for (const ids of texts) {
    const one = await model.divergence(ids, exact, { window: Math.max(4, ids.length) });
    kl += one.kl.mean * one.scored;
    same += one.sameTop * one.scored;
    scored += one.scored;
  }
  return `mean KL ${(kl / scored).toExponential(2)}, same likeliest id ${((100 * same) / scored).toFixed(2)} %`;
}

for (const threads of [1, 2])
  console.log(
    `bf16 folder, ${threads} threads: ${await withModel(files.bf16, { threads }, (model) => greedy(model, reference.prompts))}`,
  );
for (const type of ["q8_0", "q4_0"]) {
  for (const activations of ["f32", "q16", ...(type === "q8_0" ? ["q8"] : [])]) {
    console.log(
      `${type}, ${activations} activations, against its own reference: ${await withModel(files[type], { threads: 2, activations }, (model) => greedy(model, reference[type]))}`,
    );
  }
}
const exact = await loadModel(files.bf16, { threads: 2 });
const score = await exact.score(reference.perplexity.ids);
const nllError = Math.max(...reference.perplexity.nll.map((nll, index) => Math.abs(nll - score.nll[index])));
console.log(
  `bf16 score: perplexity ${score.perplexity.toFixed(4)}, largest difference of one id's nll ${nllError.toExponential(1)} (${score.nll.length} / ${reference.perplexity.nll.length} ids)`,
);
for (const [name, file, options] of [
  ["bf16, 8-bit cache", files.bf16, { cache: "q8" }],
  ["q8_0, f32 activations", files.q8_0, { activations: "f32" }],
  ["q8_0", files.q8_0, {}],
  ["q8_0, 8-bit activations", files.q8_0, { activations: "q8" }],
  ["q8_0, 8-bit cache", files.q8_0, { cache: "q8" }],
  ["q4_0, f32 activations", files.q4_0, { activations: "f32" }],
  ["q4_0", files.q4_0, {}],
]) {
  const against = await withModel(file, { threads: 2, ...options }, (model) => divergence(model, exact));
  console.log(`${name} against bf16: ${against}`);
}
await exact.dispose();
