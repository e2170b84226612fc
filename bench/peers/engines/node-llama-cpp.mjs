// node-llama-cpp at its lowest level that generates: model, context, sequence.evaluate at temperature 0.
// node-llama-cpp.mjs MODEL --threads N --context N

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { quietConsole, serve } from "./json-lines.mjs";

quietConsole();
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: "string" }, context: { type: "string" } },
});

await serve(async () => {
  const llama = await getLlama({ gpu: false, build: "never", maxThreads: 0, logLevel: LlamaLogLevel.error });
  const model = await llama.loadModel({ modelPath: positionals[0] });
  const context = await model.createContext({
    contextSize: Number(values.context),
    batchSize: 512,
    threads: Number(values.threads),
    flashAttention: true,
  });
  const sequence = context.getSequence();

  /** The sequence gives an id, and decodes it when the next one is asked for: one id more than are counted. */
  async function run({ ids, generate }) {
    await sequence.clearHistory();
    const chosen = [];
    const begun = performance.now();
    let middle;
    for await (const id of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
      middle ??= performance.now();
      chosen.push(id);
      if (chosen.length > generate) break;
    }
    const end = performance.now();
    if (chosen.length <= generate)
      throw new Error(`node-llama-cpp stopped after ${chosen.length} ids of ${generate + 1}`);
    return { promptMs: middle - begun, generateMs: end - middle, ids: chosen.slice(0, generate) };
  }

  const { release } = llama.llamaCppRelease;
  return {
    about: {
      version: `${installedVersion()} (llama.cpp ${release})`,
      build: llama.buildType,
      notes: [`node-llama-cpp: ${llama.systemInfo.trim()}`],
    },
    run,
  };
});

function installedVersion() {
  const entry = import.meta.resolve("node-llama-cpp");
  return JSON.parse(readFileSync(new URL("../package.json", entry), "utf8")).version;
}
