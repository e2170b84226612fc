import { Worker } from "node:worker_threads";
import { EngineError } from "../error.ts";
import { END_MS, type Spawned, type WorkerStart } from "./worker-start.ts";
import { WORKER_TEXT } from "./worker-text.ts";

/** Workers of node:worker_threads: Node, Deno and Bun have them, with an exit event and ref(), which web workers lack. */

/** Of the process's own flags a worker gets those of the profilers alone: all others may run the program's code once more. */
const KEPT_FLAGS = /^--(cpu|heap)-prof/;

/** Those flags, with their values where these are words of their own. */
export function keptFlags(flags: readonly string[]): string[] {
  return flags.filter((word, at) => KEPT_FLAGS.test(word.startsWith("-") ? word : (flags[at - 1] ?? "")));
}

export async function spawn(start: WorkerStart, startMs: number, onDeath: (reason: string) => void): Promise<Spawned> {
  let worker: Worker;
  try {
    worker = new Worker(WORKER_TEXT, {
      eval: true,
      workerData: start,
      // Left to itself a worker takes over --input-type, --import, --require and NODE_OPTIONS: the hooks, or the program, of its maker.
      execArgv: keptFlags(process.execArgv),
      env: {},
      stdout: false,
      stderr: false,
    });
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
