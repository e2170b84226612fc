import type { Build } from "./build.ts";
import type { Host } from "./host.ts";
import { kernelsInvalid, kernelsMissing } from "./kernels.ts";
import { messageTurn, noThreads, noWide, validateRelaxed } from "./web-host.ts";
import { spawn } from "./web-workers.ts";

/** A page, or a worker of one. Workers share memory only where the page is cross-origin isolated. */
export const host: Host = {
  name: "browser",
  files: undefined,
  turnMs: 12,
  mayBlock: false,

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

  compilesAhead: false,

  async compile(build: Build, _wide, _unused, signal?: AbortSignal) {
    // Two literals: bundlers look for them.
    const url = build === "simd" ? new URL("./simd.wasm", import.meta.url) : new URL("./relaxed.wasm", import.meta.url);
    const bytes = await fetchKernels(`${build}.wasm`, url, signal);
    try {
      // Not compileStreaming: it refuses servers that do not know the type application/wasm.
      return await WebAssembly.compile(bytes);
    } catch (cause) {
      throw kernelsInvalid(`${build}.wasm`, cause);
    }
  },

  /** The page's own decoder. What is half transparent goes through a canvas, which may change it by one step. */
  async decode(bytes, kind) {
    const bitmap = await createImageBitmap(new Blob([bytes], { type: `image/${kind}` }), {
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
    });
    const { width, height } = bitmap;
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    return { width, height, data: context.getImageData(0, 0, width, height).data, turned: true };
  },

  turn: messageTurn,
};

async function fetchKernels(file: string, { href }: URL, signal: AbortSignal | undefined): Promise<ArrayBuffer> {
  const missing = (actual: string, cause?: unknown) =>
    kernelsMissing(file, [href], href.startsWith("file:") ? NO_PAGE : SERVE, actual, cause);
  let response: Response;
  try {
    response = await fetch(href, { signal });
    if (response.ok) return await response.arrayBuffer();
  } catch (cause) {
    signal?.throwIfAborted();
    throw missing("no answer, or one that broke off", cause);
  }
  throw missing(`HTTP status ${response.status}`);
}

const SERVE = "serve simd.wasm and relaxed.wasm beside the script";
/** A page opened from disk, or one that a test's environment plays in a runtime with files. */
const NO_PAGE =
  'a page reads no files: serve it, or, where this is Node behind a simulated page (jsdom), resolve packages with the condition "node"';
