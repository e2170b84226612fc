import { EngineError } from "../error.ts";
import { END_MS, type Spawned, type WorkerStart } from "./worker-start.ts";

/**
 * Web workers. They have no exit event: a worker says itself that it is ready and that it is done; an exception it does not
 * catch is the only death that is heard of.
 */
export async function spawn(
  start: WorkerStart,
  startMs: number,
  onDeath: (reason: string) => void,
  signal?: AbortSignal,
): Promise<Spawned> {
  signal?.throwIfAborted();
  const worker = open();
  const { promise: ready, resolve: isReady, reject: isDead } = parts<void>();
  const { promise: gone, resolve: isGone } = parts<void>();
  let [started, ended] = [false, false];
  worker.onmessage = ({ data }) => (data === "ready" ? isReady() : isGone());
  const die = (reason: string) => {
    if (!started) isDead(failed(reason));
    else if (!ended) onDeath(reason);
    ended = true;
    isGone();
  };
  worker.onerror = (event) => {
    event.preventDefault();
    die(event.message || `worker-web.js could not be loaded: serve it beside ${import.meta.url}`);
  };
  worker.onmessageerror = () => die("it could not read what it was sent");
  const abort = () => isDead(signal!.reason);
  signal?.addEventListener("abort", abort);
  const timer = setTimeout(() => isDead(failed("no answer")), startMs);
  try {
    worker.postMessage(start);
    await ready;
    started = true;
  } catch (cause) {
    worker.terminate();
    throw cause instanceof EngineError || signal?.aborted ? cause : failed(String(cause));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
  return {
    ref() {},
    unref() {},
    async end() {
      ended = true;
      const late = setTimeout(isGone, END_MS);
      await gone;
      clearTimeout(late);
      worker.terminate();
    },
  };
}

function open(): Worker {
  try {
    // The form that bundlers know: they replace the address and bundle the worker.
    return new Worker(new URL("./worker-web.js", import.meta.url), { type: "module" });
  } catch (cause) {
    // A script of another site, as a CDN's.
    throw failed(String(cause));
  }
}

function failed(reason: string): EngineError {
  return new EngineError("WORKER_START", `a worker did not start: ${reason}`, { at: { source: "worker" } });
}

/** Promise.withResolvers, which not every browser in use has. */
function parts<T>() {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
