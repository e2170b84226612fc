import { once } from "node:events";
import type { Worker } from "node:worker_threads";

/** How fast threads of this machine read memory when they do nothing else: the ceiling of whatever reads weights. */

export interface Reading {
  /** Read over and over, by all threads together. */
  readonly bytes: number;
  readonly bytesPerSecond: number;
}

export interface ReaderStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** This thread's part of the memory: it touches the pages first. */
  readonly begin: number;
  readonly end: number;
}

/** A part of the memory to read until the time is over. */
export interface ReadOrder {
  readonly begin: number;
  readonly end: number;
  readonly ms: number;
}

/**
 * (module
 *   (import "m" "m" (memory 1 65536 shared))
 *   (func (export "sum") (param $at i32) (param $end i32) (result i32) (local $sum v128)
 *     (loop $next
 *       (local.set $sum (i32x4.add (local.get $sum) (i32x4.add
 *         (i32x4.add (v128.load (local.get $at)) (v128.load offset=16 (local.get $at)))
 *         (i32x4.add (v128.load offset=32 (local.get $at)) (v128.load offset=48 (local.get $at))))))
 *       (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 64))) (local.get $end))))
 *     (i32x4.extract_lane 0 (local.get $sum))))
 */
// prettier-ignore
const SUM = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 2, 11, 1, 1, 109, 1, 109, 2, 3, 1, 128, 128, 4, 3, 2,
  1, 0, 7, 7, 1, 3, 115, 117, 109, 0, 0, 10, 67, 1, 65, 1, 1, 123, 3, 64, 32, 2, 32, 0, 253, 0, 4, 0, 32, 0, 253, 0, 4,
  16, 253, 174, 1, 32, 0, 253, 0, 4, 32, 32, 0, 253, 0, 4, 48, 253, 174, 1, 253, 174, 1, 253, 174, 1, 33, 2, 32, 0, 65,
  192, 0, 106, 34, 0, 32, 1, 73, 13, 0, 11, 32, 2, 253, 27, 0, 11,
]);

const PAGE = 65536;
const LINE = 64;
const WINDOW_MS = 50;
const WINDOWS = 4;

/** Best of a few windows for each size. null: the host has no threads or not that much memory. */
export async function measureReading(threads: number, sizes: readonly number[]): Promise<Reading[] | null> {
  let workers: Worker[] = [];
  try {
    const { Worker } = await import("node:worker_threads");
    const pages = Math.ceil(Math.max(...sizes) / PAGE);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const module = new WebAssembly.Module(SUM);
    workers = Array.from({ length: threads }, (_, index) => {
      const workerData: ReaderStart = { module, memory, ...partOf(pages * PAGE, threads, index) };
      return new Worker(new URL("./read-worker.js", import.meta.url), { workerData });
    });
    await answers(workers);
    const readings: Reading[] = [];
    for (const size of sizes) readings.push(await readAll(workers, size));
    return readings;
  } catch {
    return null;
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

async function readAll(workers: readonly Worker[], size: number): Promise<Reading> {
  let best = 0;
  for (let window = 0; window < WINDOWS; window++) {
    for (const [index, worker] of workers.entries()) {
      const order: ReadOrder = { ...partOf(size, workers.length, index), ms: WINDOW_MS };
      worker.postMessage(order);
    }
    const speeds = await answers(workers);
    best = Math.max(
      best,
      speeds.reduce((sum, speed) => sum + speed, 0),
    );
  }
  return { bytes: size, bytesPerSecond: best };
}

function answers(workers: readonly Worker[]): Promise<number[]> {
  return Promise.all(workers.map(async (worker) => (await once(worker, "message"))[0]));
}

/** Whole cache lines. */
function partOf(bytes: number, parts: number, index: number): { begin: number; end: number } {
  const part = Math.max(LINE, Math.floor(bytes / parts / LINE) * LINE);
  return { begin: part * index, end: part * (index + 1) };
}
