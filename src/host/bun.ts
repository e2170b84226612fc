import type { Host } from "./host.ts";
import { readKernels } from "./node-files.ts";
import { compileKernels, nodeLike } from "./node-like.ts";
// As files: Bun's bundler copies them, and an executable of `bun build --compile` holds them.
import relaxed from "./relaxed.wasm" with { type: "file" };
import simd from "./simd.wasm" with { type: "file" };

/** Bun: node:worker_threads and node:fs as it has them. */
export const host: Host = {
  ...nodeLike,
  name: "bun",
  compile: async (build) =>
    compileKernels(build, await readKernels(build, [pathOf(build === "simd" ? simd : relaxed)])),
};

/** A path, which the types of the other hosts take for a module; in a bundle it counts from the file of the bundle. */
function pathOf(imported: unknown): string {
  const path = String(imported);
  return path.startsWith("./") ? nodeLike.files!.pathOf(new URL(path, import.meta.url)) : path;
}
