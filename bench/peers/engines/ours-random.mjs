// wasmaverick over random weights in the shapes of numpy-baseline.py, sampling like it.
// ours-random.mjs --type f32|q8_0|q4_0 --threads N --build simd|relaxed [--wide]

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createModel } from "../../../dist/src/index.js";
import { serve } from "./json-lines.mjs";

const { values } = parseArgs({
  options: {
    type: { type: "string" },
    threads: { type: "string" },
    build: { type: "string" },
    wide: { type: "boolean", default: false },
  },
});

const CONFIG = {
  vocab_size: 260,
  hidden_size: 768,
  intermediate_size: 2048,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  num_key_value_heads: 4,
  num_local_experts: 4,
  num_experts_per_tok: 2,
  moe_layers: [3, 7, 11],
  router: "softmax",
};

const SAMPLING = { temperature: 0.7, topK: 50, topP: 0.9, repetitionPenalty: 1.1 };

await serve(async () => {
  const { type, threads, build, wide } = values;
  const model = await createModel(CONFIG, { seed: 1, type, threads: Number(threads), build, wide });
  const endless = Object.fromEntries(model.tokenizer.stopIds.map((id) => [id, -100])); // NumPy's never ends either

  async function run({ seed, tokens }) {
    const { ids, timings } = await model
      .generate([5], { ...SAMPLING, logitBias: endless, seed, maxTokens: tokens })
      .result();
    if (ids.length !== tokens) throw new Error(`${ids.length} ids instead of ${tokens}`);
    return { tokensPerSecond: timings.tokensPerSecond };
  }

  const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
  const how = `${model.info.build.name}, ${model.info.wide.on ? "wide" : "narrow"}`;
  return { about: { version, build: `${type}, ${how}, Node ${process.versions.node}` }, run };
});
