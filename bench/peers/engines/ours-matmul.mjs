// One matrix product of ours as it runs in a model: the output projection of a layer's attention and the op before it, which lays out
// (and for quantised weights rounds) the activations; from the profile of a model of such matrices.
// ours-matmul.mjs --type f32|q4_0 --size N --threads N --build simd|relaxed [--wide]

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createModel } from "../../../dist/src/index.js";
import { serve } from "./json-lines.mjs";

const { values } = parseArgs({
  options: {
    type: { type: "string" },
    size: { type: "string" },
    threads: { type: "string" },
    build: { type: "string" },
    wide: { type: "boolean", default: false },
  },
});
const size = Number(values.size);

await serve(async () => {
  // Two layers: the last one may leave out rows that nobody reads.
  const config = {
    vocab_size: 260,
    hidden_size: size,
    intermediate_size: 256,
    num_hidden_layers: 2,
    num_attention_heads: size / 64,
    num_key_value_heads: 1,
    head_dim: 64,
    moe_layers: [],
  };
  const { type, threads, build, wide } = values;
  const model = await createModel(config, { type, threads: Number(threads), build, wide, context: 1024 });

  async function run({ rows, times }) {
    const ms = [];
    for (let turn = -1; turn < times; turn++) {
      const session = model.session();
      const ids = Array.from({ length: rows }, (_, index) => (index * 7919 + turn + 1) % 256);
      const profile = await model.profile(async () => {
        await session.sync(ids);
        await session.logits();
      });
      await session.dispose();
      if (turn >= 0) ms.push(projectionMs(profile)); // the first one warms up
    }
    return { ms };
  }

  const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
  const how = `${model.info.build.name}, ${model.info.wide.on ? "wide" : "narrow"}`;
  return { about: { version, build: `${how}, Node ${process.versions.node}` }, run };
});

function projectionMs(profile) {
  const ops = profile.filter(({ part }) => part === "layers.0.attn");
  const product = ops.findLastIndex(({ op }) => op === "matmul");
  const layout = ops[product - 1];
  if (layout?.op !== "panel")
    throw new Error(`layers.0.attn ends in ${ops.map(({ op }) => op).join(" ")}: no panel before the last matmul`);
  return ops[product].ms + layout.ms;
}
