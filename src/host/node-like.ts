import { availableParallelism } from "node:os";
import { setImmediate } from "node:timers";
import type { Build } from "./build.ts";
import type { Host } from "./host.ts";
import { kernelsInvalid } from "./kernels.ts";
import { files, readKernels } from "./node-files.ts";
import { noWide, validateRelaxed } from "./web-host.ts";
import { spawn } from "./worker-threads.ts";

/** What runtimes with Node's modules share: files, workers with an exit event, and a short turn of the event loop. */
export const nodeLike: Omit<Host, "name"> = {
  files,
  turnMs: 12,
  threads() {
    const cores = availableParallelism();
    return { count: cores, reason: `the host has ${cores} core${cores > 1 ? "s" : ""}` };
  },
  spawn,
  relaxed: validateRelaxed,
  wide: noWide,
  compile: async (build) => compileKernels(build, await readKernels(build)),
  turn: () => new Promise((resolve) => setImmediate(resolve)),
};

export async function compileKernels(build: Build, bytes: Uint8Array<ArrayBuffer>): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    throw kernelsInvalid(`${build}.wasm`, cause);
  }
}
