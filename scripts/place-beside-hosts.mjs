/**
 * What the compiled hosts need beside what the compiler gives: the kernels and the web worker as files beside them, which they load by
 * address, and Node's worker as text within one of them. Each worker is one piece without imports. So bundlers find all of it, and
 * where a bundler does not look for addresses, these files are all there is to copy.
 */
import { copyFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "rolldown";

const at = (place) => fileURLToPath(new URL(place, import.meta.url));

for (const kernels of ["simd", "relaxed"]) {
  copyFileSync(at(`../build/${kernels}.wasm`), at(`../dist/src/host/${kernels}.wasm`));
}
await bundle("worker-web", { file: at("../dist/src/host/worker-web.js"), format: "esm", minify: true }, "browser");
renameSync(at("../dist/src/runtime/worker-web.d.ts"), at("../dist/src/host/worker-web.d.ts"));

// A script, not a module: what runs it as text may take it for either.
const { output } = await bundle("worker-node", { format: "iife", minify: true }, "node");
const text = `export const WORKER_TEXT = ${JSON.stringify(output[0].code)};\n`;
writeFileSync(at("../dist/src/host/worker-text.js"), text);
rmSync(at("../dist/src/runtime/worker-node.d.ts"));

async function bundle(worker, output, platform) {
  const input = at(`../dist/src/runtime/${worker}.js`);
  const made = await build({
    input,
    platform,
    logLevel: "warn",
    write: output.file !== undefined,
    output: { minify: "dce-only", comments: false, ...output },
  });
  // The entry as the compiler left it would be loaded by nobody.
  rmSync(input);
  return made;
}
