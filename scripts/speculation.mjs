#!/usr/bin/env node
// What guesses ahead gain, and cost where they are wrong: npm run speculation -- MODEL [--draft MODEL] [--prompts] [--only TASK]
//   [--threads 2] [--rounds 7] [--tokens 256] [--narrow]
// Each text is written without guesses and with, in turn, in one process; the ids must be the same. Shown: how many times as fast,
// by the best of each and by the median of the pairs.
// A model of random weights copies nothing by itself: it is made to, by a `logitsProcessor` that leaves one id (scripts/speculation/texts.mjs).
// --prompts asks a chat model, with words (scripts/speculation/prompts.mjs). --draft: a second model guesses, of the model's own text.

import { parseArgs } from "node:util";
import { loadModel } from "../dist/src/index.js";
import { CHATS } from "./speculation/prompts.mjs";
import { idsOf, TASKS } from "./speculation/texts.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    draft: { type: "string" },
    prompts: { type: "boolean", default: false },
    only: { type: "string" },
    threads: { type: "string", default: "2" },
    rounds: { type: "string", default: "7" },
    tokens: { type: "string", default: "256" },
    narrow: { type: "boolean", default: false },
  },
});
if (positionals.length !== 1) {
  console.error(
    "usage: npm run speculation -- MODEL [--draft MODEL] [--prompts] [--only TASK] [--rounds N] [--tokens N]",
  );
  process.exit(2);
}
const [rounds, tokens] = [Number(values.rounds), Number(values.tokens)];
const open = (path) => loadModel(path, { threads: Number(values.threads), wide: !values.narrow, prefixCache: false });
const model = await open(positionals[0]);
const draft = values.draft === undefined ? null : await open(values.draft);
const { build, wide, threads, name } = model.info;
console.log(`${name}, ${threads.used} threads, ${build.name}${wide.on ? " wide" : ""}, Node ${process.versions.node}`);

/** By name: what is written, as a function of its options. */
function tasks() {
  if (values.prompts) return Object.entries(CHATS).map(([task, chats]) => [task, chats.map(asked)]);
  const seeds = [1, 2];
  if (draft) return [["its own text", seeds.map((seed) => forced(idsOf(model.config.vocab, seed), own))]];
  return Object.entries(TASKS).map(([task, make]) => [
    task,
    seeds.map((seed) => forced(idsOf(model.config.vocab, seed), make)),
  ]);
}

const asked =
  ({ content, options }) =>
  (more) =>
    model.chat([{ role: "user", content }], { temperature: 0, maxTokens: tokens, seed: 1, ...options, ...more });

const own = (next, length) => ({ source: Array.from({ length }, next), answer: null });

function forced(next, make) {
  const { source, answer } = make(next, tokens);
  const logitsProcessor = (logits, ids) => {
    const wanted = answer[ids.length - source.length];
    logits.fill(-Infinity);
    logits[wanted] = 0;
  };
  const options = { temperature: 0, maxTokens: tokens, ignoreEos: true, ...(answer ? { logitsProcessor } : {}) };
  return (more) => model.generate(source, { ...options, ...more });
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const speculate = draft ? { draft } : "lookup";

console.log("text               best  median   tokens/s without   guessed   right   of tokens");
for (const [task, texts] of tasks()) {
  if (values.only !== undefined && values.only !== task) continue;
  const sums = { plain: 0, guessed: 0 };
  const ratios = [];
  const usage = { tokens: 0, drafted: 0, accepted: 0 };
  for (const write of texts) {
    const took = { plain: [], guessed: [] };
    for (let round = 0; round <= rounds; round++) {
      const both = {};
      for (const kind of round % 2 === 0 ? ["plain", "guessed"] : ["guessed", "plain"]) {
        both[kind] = await write({ speculate: kind === "guessed" && speculate }).result();
        // The first of each warms up.
        if (round > 0) took[kind].push(both[kind].timings.generationMs);
      }
      if (JSON.stringify(both.plain.ids) !== JSON.stringify(both.guessed.ids)) throw new Error(`${task}: other ids`);
      if (round > 0) ratios.push(both.plain.timings.generationMs / both.guessed.timings.generationMs);
      if (round < rounds) continue;
      usage.tokens += both.guessed.usage.completionTokens;
      usage.drafted += both.guessed.usage.draftedTokens;
      usage.accepted += both.guessed.usage.acceptedTokens;
    }
    for (const kind of ["plain", "guessed"]) sums[kind] += Math.min(...took[kind]);
  }
  console.log(
    [
      task.padEnd(16),
      `${(sums.plain / sums.guessed).toFixed(2)} x`.padStart(7),
      `${median(ratios).toFixed(2)} x`.padStart(7),
      ((1000 * usage.tokens) / sums.plain).toFixed(0).padStart(18),
      String(usage.drafted).padStart(9),
      String(usage.accepted).padStart(7),
      String(usage.tokens).padStart(11),
    ].join(" "),
  );
}
await model.dispose();
await draft?.dispose();
