// wasmaverick: model.generate of ids at temperature 0.
// ours.mjs MODEL --threads N --context N --build simd|relaxed [--wide]

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { loadModel } from "../../../dist/src/index.js";
import { serve } from "./json-lines.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string" },
    context: { type: "string" },
    build: { type: "string" },
    wide: { type: "boolean", default: false },
  },
});

await serve(async () => {
  const model = await loadModel(positionals[0], {
    prefixCache: false,
    threads: Number(values.threads),
    context: Number(values.context),
    build: values.build,
    wide: values.wide,
  });

  async function run({ ids: prompt, generate }) {
    const options = { temperature: 0, maxTokens: generate + 1, ignoreEos: true };
    const { ids, timings } = await model.generate(prompt, options).result();
    if (ids.length <= generate) throw new Error(`wasmaverick stopped after ${ids.length} ids of ${generate + 1}`);
    return { promptMs: timings.promptMs, generateMs: timings.generationMs, ids: ids.slice(0, generate) };
  }

  const { build, wide } = model.info;
  const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
  const off = values.wide && !wide.on;
  return {
    about: {
      version,
      build: `${build.name}, ${wide.on ? "wide" : off ? "wide OFF" : "narrow"}, Node ${process.versions.node}`,
      notes: off ? [`wasmaverick, wide is off: ${wide.reason}`] : [],
    },
    run,
  };
});
