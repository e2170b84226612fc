import * as system from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Build } from "./build.ts";
import type { Files } from "./host.ts";

/** Files through node:fs, which Deno and Bun have too. */
export const files: Files = { system, pathOf: (url) => fileURLToPath(url) };

/** The kernels lie beside the compiled file of this module. */
export async function readKernels(build: Build): Promise<Uint8Array<ArrayBuffer>> {
  const url = build === "simd" ? new URL("./simd.wasm", import.meta.url) : new URL("./relaxed.wasm", import.meta.url);
  return new Uint8Array(await system.readFile(url));
}
