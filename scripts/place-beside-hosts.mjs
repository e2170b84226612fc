/**
 * What the compiled hosts load by address goes beside them: the kernels, and each worker as one file without imports. So bundlers
 * find all of it, and where a bundler does not look for addresses, these files are all there is to copy.
 */
import { copyFileSync, renameSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "rolldown";

const at = (place) => fileURLToPath(new URL(place, import.meta.url));

for (const kernels of ["simd", "relaxed"]) {
  copyFileSync(at(`../build/${kernels}.wasm`), at(`../dist/src/host/${kernels}.wasm`));
}
for (const worker of ["worker-web", "worker-node"]) {
  await build({
    input: at(`../dist/src/runtime/${worker}.js`),
    platform: worker === "worker-node" ? "node" : "browser",
    logLevel: "warn",
    output: { file: at(`../dist/src/host/${worker}.js`), format: "esm", minify: "dce-only", comments: false },
  });
  // The entry as the compiler left it would be loaded by nobody.
  rmSync(at(`../dist/src/runtime/${worker}.js`));
  renameSync(at(`../dist/src/runtime/${worker}.d.ts`), at(`../dist/src/host/${worker}.d.ts`));
}
