import * as system from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Build } from "./build.ts";
import type { Files } from "./host.ts";
import { kernelsMissing } from "./kernels.ts";

/** Files through node:fs, which Deno and Bun have too. */
export const files: Files = { system, pathOf: ({ href }) => fileURLToPath(href) };

const ADVICE =
  "copy simd.wasm and relaxed.wasm of wasmaverick/dist/src/host there, or leave wasmaverick out of the bundle (external)";

/**
 * The bytes of the kernels, from the first of the places that has them. A place that cannot be read, as without permission, is passed
 * over like one that has none: a later one may do.
 */
export async function readKernels(build: Build, places = placesOf(build)): Promise<Uint8Array<ArrayBuffer>> {
  let failure: unknown;
  for (const place of places) {
    try {
      return new Uint8Array(await system.readFile(place));
    } catch (cause) {
      failure = cause;
    }
  }
  const { code, name } = (failure ?? {}) as { code?: string; name?: string };
  throw kernelsMissing(`${build}.wasm`, places, ADVICE, code ?? name, failure);
}

/**
 * Beside the compiled file of this module, as an address that bundlers see and replace; then as one that they do not, for those that
 * put the address of a page there; then beside a bundle of CommonJS, which has no address: in an executable made of one, beside that.
 */
function placesOf(build: Build): string[] {
  const here: string | undefined = import.meta.url;
  const places: string[] = [];
  if (here !== undefined) {
    const seen =
      build === "simd" ? new URL("./simd.wasm", import.meta.url) : new URL("./relaxed.wasm", import.meta.url);
    // As text: a bundler's URL is of a class of its own, and what is put together by URL it would look for.
    for (const href of [seen.href, here.replace(/[^/]*$/, `${build}.wasm`)]) {
      if (href.startsWith("file:")) places.push(fileURLToPath(href));
    }
  }
  if (typeof __dirname === "string") places.push(join(__dirname, `${build}.wasm`));
  return [...new Set(places)];
}
