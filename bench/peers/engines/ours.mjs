// wasmaverick as scripts/speed.mjs drives it: session.sync, logits, the likeliest id; a fresh session a run.
// ours.mjs MODEL --threads N --context N --build simd|relaxed [--wide]

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { likeliest } from "../../../dist/src/cli/bench-measures.js";
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
    const ids = [...prompt];
    const session = model.session();
    const begun = performance.now();
    await session.sync(ids);
    ids.push(likeliest(await session.logits()));
    const middle = performance.now();
    for (let step = 0; step < generate; step++) {
      await session.sync(ids);
      ids.push(likeliest(await session.logits()));
    }
    const end = performance.now();
    await session.dispose();
    const chosen = ids.slice(prompt.length, prompt.length + generate);
    return { promptMs: middle - begun, generateMs: end - middle, ids: chosen };
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
