import { availableParallelism } from "node:os";
import { setImmediate } from "node:timers";
import type { Host } from "./host.ts";
import { files, readKernels } from "./node-files.ts";
import { noWide, validateRelaxed } from "./web-host.ts";
import { spawn } from "./worker-threads.ts";

/** Deno: node:worker_threads and node:fs of its compatibility layer, which take shared memory and modules as they are. */
export const host: Host = {
  name: "deno",
  files,
  turnMs: 12,
  threads() {
    const cores = availableParallelism();
    return { count: cores, reason: `the host has ${cores} core${cores > 1 ? "s" : ""}` };
  },
  spawn,
  relaxed: validateRelaxed,
  wide: noWide,
  compile: async (build) => await WebAssembly.compile(await readKernels(build)),
  turn: () => new Promise((resolve) => setImmediate(resolve)),
};
