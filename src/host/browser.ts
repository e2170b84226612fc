import { EngineError } from "../error.ts";
import type { Build } from "./build.ts";
import type { Host } from "./host.ts";
import { messageTurn, noWide, validateRelaxed } from "./web-host.ts";
import { spawn } from "./web-workers.ts";

/** A page, or a worker of one. Workers share memory only where the page is cross-origin isolated. */
export const host: Host = {
  name: "browser",
  files: undefined,
  turnMs: 12,

  threads() {
    const cores = globalThis.navigator?.hardwareConcurrency ?? 1;
    if (typeof Worker === "undefined") return { count: 0, reason: "the host has no worker threads" };
    if (!globalThis.crossOriginIsolated) {
      const reason =
        "the page is not cross-origin isolated (headers COOP and COEP), so workers cannot share its memory";
      return { count: 0, reason };
    }
    return { count: cores, reason: `the page is cross-origin isolated; the host has ${cores} cores` };
  },

  async spawn(start, startMs, onDeath) {
    const { count, reason } = host.threads();
    if (count > 0) return spawn(start, startMs, onDeath);
    throw new EngineError("THREADS_UNSUPPORTED", reason, { at: { source: "option", field: "threads" }, limit: "0" });
  },

  relaxed: validateRelaxed,
  wide: noWide,

  async compile(build: Build) {
    // Two literals: bundlers look for them.
    const url = build === "simd" ? new URL("./simd.wasm", import.meta.url) : new URL("./relaxed.wasm", import.meta.url);
    let response: Response;
    try {
      response = await fetch(url);
    } catch (cause) {
      throw missing(url, "the server cannot be reached", cause);
    }
    if (!response.ok) throw missing(url, `HTTP status ${response.status}`);
    // Not compileStreaming: it refuses servers that do not know the type application/wasm.
    return await WebAssembly.compile(await response.arrayBuffer());
  },

  turn: messageTurn,
};

function missing(url: URL, actual: string, cause?: unknown): EngineError {
  return new EngineError(
    "KERNELS_MISSING",
    "the kernels cannot be fetched: serve simd.wasm and relaxed.wasm beside the script",
    {
      at: { source: "file", file: url.pathname.split("/").at(-1) },
      actual,
      cause,
    },
  );
}
