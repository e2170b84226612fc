// wllama is made for browsers. What it misses in Node is small: a Worker that takes the URL of a Blob. Its wasm, its glue and its
// threads run as they are, in the same V8 as in Chromium. Node 26: it wants JSPI and 64-bit memories.

import { resolveObjectURL } from "node:buffer";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker as NodeWorker } from "node:worker_threads";

/** In the worker: the browser's names for what Node has. */
const PRELUDE = `
  const { parentPort } = require("node:worker_threads");
  globalThis.self = globalThis;
  globalThis.postMessage = (message, transfer) => parentPort.postMessage(message, transfer);
  parentPort.on("message", (data) => globalThis.onmessage?.({ data }));
`;

class BlobWorker {
  /** Messages wait for the worker, and each for the one before it. */
  #worker;
  #folder = mkdtempSync(join(tmpdir(), "wllama-"));

  constructor(url) {
    process.once("exit", () => rmSync(this.#folder, { recursive: true, force: true }));
    this.#worker = this.#start(url);
  }

  async #start(url) {
    const code = await resolveObjectURL(url).text();
    const worker = new NodeWorker(PRELUDE + code, { eval: true });
    worker.on("message", (data) => this.onmessage?.({ data }));
    worker.on("error", (error) => this.onerror?.(error));
    return worker;
  }

  postMessage(message, { transfer = [] } = {}) {
    this.#worker = this.#worker.then(async (worker) => {
      worker.postMessage(await this.#threadsFromFile(message), transfer);
      return worker;
    });
  }

  /** The code of wllama's threads comes as a Blob; Node starts threads from files. */
  async #threadsFromFile(message) {
    if (message.verb !== "module.init") return message;
    const [code, ...others] = message.args;
    const file = join(this.#folder, "thread.cjs");
    writeFileSync(file, await code.text());
    return { ...message, args: [file, ...others] };
  }

  terminate() {
    this.#worker.then((worker) => worker.terminate());
  }
}

globalThis.Worker = BlobWorker;
globalThis.self = { location: { href: import.meta.url } };
