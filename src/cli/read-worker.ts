import { parentPort, workerData } from "node:worker_threads";
import type { ReaderStart, ReadOrder } from "./read-probe.ts";

/** One reading thread of the probe. Answers once its pages exist, then each order with bytes a second. */

const { module, memory, begin, end } = workerData as ReaderStart;
const { exports } = new WebAssembly.Instance(module, { m: { m: memory } });
const sum = exports["sum"] as (begin: number, end: number) => number;

parentPort?.on("message", (order: ReadOrder) => {
  const start = performance.now();
  let passes = 0;
  let now = start;
  while (now - start < order.ms) {
    sum(order.begin, order.end);
    passes++;
    now = performance.now();
  }
  parentPort?.postMessage(((order.end - order.begin) * passes * 1000) / (now - start));
});
// A page that was never written is one page of zeros, which every address shares.
new Uint8Array(memory.buffer, begin, end - begin).fill(1);
parentPort?.postMessage(0);
