// wllama, llama.cpp in wasm, through createCompletion: since its version 3 there is nothing below, and a prompt is text. It says how many
// tokens it made of it.
// wllama.mjs MODEL --threads N --context N

import { openAsBlob, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { quietConsole, serve } from "./json-lines.mjs";
import "./wllama-in-node.mjs";
import { Wllama } from "@wllama/wllama";

quietConsole();
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: "string" }, context: { type: "string" } },
});

await serve(async () => {
  const folder = new URL("../node_modules/@wllama/wllama/", import.meta.url);
  const wllama = new Wllama(
    { default: new URL("esm/wasm/wllama.wasm", folder).href },
    { suppressNativeLog: true, cacheManager: {} }, // nothing is downloaded
  );
  await wllama.loadModel([await openAsBlob(positionals[0])], {
    n_threads: Number(values.threads),
    n_ctx: Number(values.context),
    n_batch: 512,
    n_ubatch: 512,
    n_gpu_layers: 0,
    n_parallel: 1,
    flash_attn: true,
    warmup: false,
  });

  async function run({ text, broken, generate }) {
    const ids = [];
    const times = [];
    let promptTokens = 0;
    const begun = performance.now();
    await wllama.createCompletion({
      prompt: text,
      max_tokens: generate + 1,
      temperature: 0,
      top_k: 1,
      ignore_eos: true,
      logit_bias: broken.map((id) => [id, false]),
      cache_prompt: false,
      verbose: true,
      stream: true,
      onData({ __verbose: { tokens, tokens_evaluated: evaluated } }) {
        if (tokens.length === 0) return;
        times.push(performance.now());
        ids.push(...tokens);
        promptTokens = evaluated;
      },
    });
    if (ids.length !== generate + 1) throw new Error(`wllama generated ${ids.length} ids of ${generate + 1}`);
    const promptMs = times[0] - begun;
    return { promptMs, generateMs: times.at(-1) - times[0], ids: ids.slice(0, generate), promptTokens };
  }

  const { version } = JSON.parse(readFileSync(new URL("package.json", folder), "utf8"));
  return { about: { version, build: `wasm, Node ${process.versions.node}`, notes: [] }, run };
});
