import { EngineError } from "../error.ts";
import type { Build } from "./build.ts";
import type { Host } from "./host.ts";
import { messageTurn, noThreads, noWide, validateRelaxed } from "./web-host.ts";
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
    if (typeof Atomics.waitAsync !== "function") {
      // The page's thread may not block, and this is how it hears of the end of a step.
      return { count: 0, reason: "the host has no Atomics.waitAsync, so the page cannot wait for workers" };
    }
    return { count: cores, reason: `the page is cross-origin isolated; the host has ${cores} cores` };
  },

  async spawn(start, startMs, onDeath, signal) {
    const { count, reason } = host.threads();
    if (count > 0) return spawn(start, startMs, onDeath, signal);
    throw noThreads(reason);
  },

  relaxed: validateRelaxed,
  wide: noWide,

  async compile(build: Build, _wide: boolean, signal?: AbortSignal) {
    // Two literals: bundlers look for them.
    const url = build === "simd" ? new URL("./simd.wasm", import.meta.url) : new URL("./relaxed.wasm", import.meta.url);
    const bytes = await fetchKernels(url, signal);
    try {
      // Not compileStreaming: it refuses servers that do not know the type application/wasm.
      return await WebAssembly.compile(bytes);
    } catch (cause) {
      // A server that answers every address with its start page, or a content security policy without 'wasm-unsafe-eval'.
      throw new EngineError("KERNELS_INVALID", "the host does not compile the kernels", {
        at: { source: "file", file: nameOf(url) },
        actual: cause instanceof Error ? cause.message : String(cause),
        cause,
      });
    }
  },

  turn: messageTurn,
};

async function fetchKernels(url: URL, signal: AbortSignal | undefined): Promise<ArrayBuffer> {
  let response: Response;
  try {
    response = await fetch(url, { signal });
    if (response.ok) return await response.arrayBuffer();
  } catch (cause) {
    signal?.throwIfAborted();
    throw missing(url, "the server cannot be reached, or its answer broke off", cause);
  }
  throw missing(url, `HTTP status ${response.status}`);
}

const nameOf = (url: URL) => url.pathname.split("/").at(-1);

function missing(url: URL, actual: string, cause?: unknown): EngineError {
  return new EngineError(
    "KERNELS_MISSING",
    "the kernels cannot be fetched: serve simd.wasm and relaxed.wasm beside the script",
    {
      at: { source: "file", file: nameOf(url) },
      actual,
      cause,
    },
  );
}
