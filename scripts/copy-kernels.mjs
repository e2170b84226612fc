// The compiled kernels go beside the compiled hosts, which load them; bundlers find them by that.
import { copyFileSync } from "node:fs";

for (const build of ["simd", "relaxed"]) {
  copyFileSync(
    new URL(`../build/${build}.wasm`, import.meta.url),
    new URL(`../dist/src/host/${build}.wasm`, import.meta.url),
  );
}
