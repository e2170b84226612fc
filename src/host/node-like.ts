import { availableParallelism } from "node:os";
import { setImmediate } from "node:timers";
import type { Build } from "./build.ts";
import { decodeWith } from "./decoders.ts";
import type { Host } from "./host.ts";
import { kernelsInvalid } from "./kernels.ts";
import { files, readKernels } from "./node-files.ts";
import { noWide, validateRelaxed } from "./web-host.ts";
import { spawn } from "./worker-threads.ts";

/** What runtimes with Node's modules share: files, workers with an exit event, and a short turn of the event loop. */
export const nodeLike: Omit<Host, "name"> = {
  files,
  turnMs: 12,
  mayBlock: true,
  threads() {
    const cores = availableParallelism();
    return { count: cores, reason: `the host has ${cores} core${cores > 1 ? "s" : ""}` };
  },
  spawn,
  relaxed: validateRelaxed,
  wide: noWide,
  compilesAhead: false,
  compile: async (build) => compileKernels(build, await readKernels(build)),
  decode: decodeWith({
    png: () => load("fast-png"),
    jpeg: async () => (await load("jpeg-js")).default,
    webp: () => openWebp(),
  }),
  turn: () => new Promise((resolve) => setImmediate(resolve)),
};

/** No bundle of a program that reads text alone shall hold decoders, so bundlers do not see their names: they lie beside it. */
const load = (name: string) => import(/* @vite-ignore */ /* webpackIgnore: true */ name);

/** Compiled once a process, when the first picture of that kind comes. */
const webp = new Map<"decoder", Promise<typeof import("@jsquash/webp/decode.js")>>();

/** libwebp as wasm. By itself it looks for its file by fetch, which reads no files. */
async function loadWebp() {
  const decoder = await load("@jsquash/webp/decode.js");
  const file = new URL(import.meta.resolve("@jsquash/webp/codec/dec/webp_dec.wasm"));
  await decoder.init(await WebAssembly.compile(await files.system.readFile(file)));
  return decoder;
}

function openWebp() {
  const opened = webp.get("decoder") ?? loadWebp();
  webp.set("decoder", opened);
  return opened;
}

export async function compileKernels(build: Build, bytes: Uint8Array<ArrayBuffer>): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    throw kernelsInvalid(`${build}.wasm`, cause);
  }
}
