import { EngineError } from "../error.ts";
import type { WorkerStart } from "./worker.ts";

/** Starting a worker on this host, and whether it can have any. */

export interface Spawned {
  /** Whether this worker keeps the process alive. */
  ref(): void;
  unref(): void;
  /** Resolves when the worker is gone; ends it by force where it does not go by itself. */
  end(): Promise<void>;
}

const END_MS = 2_000;

/** Threads a model gets when nobody says, and at most. */
export async function availableThreads(): Promise<number> {
  if (isNode()) {
    const { availableParallelism } = await import("node:os");
    return availableParallelism();
  }
  return 0;
}

function isNode(): boolean {
  return typeof process !== "undefined" && typeof process.versions?.node === "string";
}

/** Resolves when the worker waits for its first step. `onDeath` hears of an exit nobody asked for. */
export async function spawn(start: WorkerStart, startMs: number, onDeath: (reason: string) => void): Promise<Spawned> {
  if (!isNode())
    throw new EngineError("THREADS_UNSUPPORTED", "this host has no worker threads", {
      at: { source: "option", field: "threads" },
      limit: "0",
    });
  const { Worker } = await import("node:worker_threads");
  const worker = new Worker(new URL("./worker-node.js", import.meta.url), {
    workerData: start,
    stdout: false,
    stderr: false,
  });
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
      return new EngineError("WORKER_START", `a worker thread did not start: ${reason}`, { at: { source: "worker" } });
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
