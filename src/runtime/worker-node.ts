import { parentPort, workerData } from "node:worker_threads";
import { serve, type WorkerStart } from "./worker.ts";

/** Entry of a worker thread on Node. */
parentPort?.postMessage("ready");
serve(workerData as WorkerStart);
