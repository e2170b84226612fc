import { decodeWith } from "./decoders.ts";
import type { Host } from "./host.ts";
import relaxed from "./relaxed.wasm";
import simd from "./simd.wasm";
import { noThreads, noWide, validateRelaxed } from "./web-host.ts";

/**
 * workerd, the runtime of Cloudflare Workers. No code is compiled while it runs: the kernels are imported as modules. No threads.
 * Where it is deployed its clock stands still while a request computes, so the event loop gets its turn after every step; the binary
 * on one's own machine has a clock of whole milliseconds, and there a longer step yields at each of them.
 * Timers and promises live with the request that made them: requests that share a model take turns (examples/edge).
 */
export const host: Host = {
  name: "workerd",
  files: undefined,
  turnMs: 0,
  mayBlock: false,
  threads: () => ({ count: 0, reason: "the host has no worker threads" }),
  async spawn() {
    throw noThreads("this host has no worker threads");
  },
  relaxed: validateRelaxed,
  wide: noWide,
  compilesAhead: false,
  compile: async (build) => (build === "simd" ? simd : relaxed),
  // Named, so that the bundle of a worker holds them. WebP's is wasm, and none is compiled while workerd runs.
  decode: decodeWith({
    png: () => import("fast-png"),
    jpeg: async () => (await import("jpeg-js")).default,
    webp: () => Promise.reject(new Error("workerd compiles no wasm while it runs")),
  }),
  turn: () => new Promise((resolve) => setTimeout(resolve, 0)),
};
