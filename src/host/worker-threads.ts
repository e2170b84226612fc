import { Worker } from "node:worker_threads";
import { EngineError } from "../error.ts";
import { END_MS, type Spawned, type WorkerStart } from "./worker-start.ts";

/** Workers of node:worker_threads: Node, Deno and Bun have them, with an exit event and ref(), which web workers lack. */
export async function spawn(start: WorkerStart, startMs: number, onDeath: (reason: string) => void): Promise<Spawned> {
  let worker: Worker;
  try {
    const script = new URL("./worker-node.js", import.meta.url);
    worker = new Worker(script, { workerData: start, stdout: false, stderr: false });
  } catch (cause) {
    throw notStarted(String(cause), cause);
  }
  let ended = false;
  const gone = new Promise<void>((resolve) => {
    worker.once("exit", (code) => {
      if (!ended) onDeath(`exit code ${code}`);
      ended = true;
      resolve();
    });
  });
  worker.on("error", (error) => {
    if (!ended) onDeath(String(error));
  });
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(failed("no answer")), startMs);
    const failed = (reason: string) => {
      clearTimeout(timer);
      return notStarted(reason);
    };
    worker.once("message", () => {
      clearTimeout(timer);
      resolve();
    });
    worker.once("error", (error) => reject(failed(String(error))));
    worker.once("exit", (code) => reject(failed(`exit code ${code}`)));
  }).catch(async (error) => {
    ended = true;
    await worker.terminate();
    throw error;
  });
  worker.unref();
  return {
    ref: () => worker.ref(),
    unref: () => worker.unref(),
    async end() {
      ended = true;
      const timer = setTimeout(() => void worker.terminate(), END_MS);
      worker.ref();
      await gone;
      clearTimeout(timer);
    },
  };
}

function notStarted(reason: string, cause?: unknown): EngineError {
  return new EngineError("WORKER_START", `a worker thread did not start: ${reason}`, {
    at: { source: "worker" },
    cause,
  });
}
