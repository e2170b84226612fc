import type { WorkerStart } from "../host/worker-start.ts";
import { serve } from "./worker.ts";

/**
 * Entry of a worker of node:worker_threads, started as text: one host runs that as a script, the other as a module, and what both
 * understand is this form of import.
 */
void import("node:worker_threads").then(({ parentPort, workerData }) => {
  serve(workerData as WorkerStart, () => parentPort?.postMessage("ready"));
});
