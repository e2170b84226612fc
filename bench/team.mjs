// The last rung: the same call in every core at once, each over places of its own. Rates add up.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { summary } from "./measure.mjs";

export class Team {
  #workers;

  constructor(size, memory, memoryParts, rungs) {
    const gate = new Int32Array(new SharedArrayBuffer(8));
    const modules = Object.fromEntries(Object.entries(rungs).filter(([, { missing }]) => !missing));
    this.size = size;
    this.#workers = Array.from(
      { length: size },
      (_, part) =>
        new Worker(new URL("team-worker.mjs", import.meta.url), {
          workerData: { part, parts: size, memory, memoryParts, modules, gate },
        }),
    );
  }

  /** Like a call that does the work of all threads: { best, median } in ms. `callMs`: what one thread needs. */
  async run(id, rung, callMs, { ms, windows }) {
    const batch = Math.max(1, Math.ceil(BATCH_MS / callMs));
    const job = { id, rung, batch, windows, windowMs: Math.max(ms / windows, 3 * batch * callMs) };
    const answers = this.#workers.map((worker) => once(worker, "message"));
    for (const worker of this.#workers) worker.postMessage(job);
    const rates = (await Promise.all(answers)).map(([answer]) => answer);
    const failed = rates.find(({ error }) => error);
    if (failed) throw new Error(`${id} on ${rung} in a worker: ${failed.error}`);
    return summary(
      Array.from({ length: windows }, (_, window) => 1 / rates.reduce((sum, { calls }) => sum + calls[window], 0)),
    );
  }

  async close() {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

/** A look at the clock and the other threads after about that long. */
const BATCH_MS = 0.05;
