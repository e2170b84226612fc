import { parentPort, workerData } from "node:worker_threads";
import type { WorkerStart } from "../host/worker-start.ts";
import { serve } from "./worker.ts";

/** Entry of a worker of node:worker_threads. */
serve(workerData as WorkerStart, () => parentPort?.postMessage("ready"));
