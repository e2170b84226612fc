import { parentPort, workerData } from "node:worker_threads";
import type { WorkerStart } from "../host/worker-start.ts";
import { serve } from "./worker.ts";

/** Entry of a worker of node:worker_threads; the build makes it one file beside the hosts. */
serve(workerData as WorkerStart, () => parentPort?.postMessage("ready"));
