import { orAborted } from "../abortable.ts";
import { EngineError } from "../error.ts";

/** Work between two steps, by itself, in order. What finds no cache page free is tried again when some were given back. */
export class Jobs {
  readonly #waiting: (() => Promise<boolean>)[] = [];

  get size(): number {
    return this.#waiting.length;
  }

  /** `mayWait`: asked where no page is free, whether anybody will give some back. */
  add<Result>(
    work: () => Result | Promise<Result>,
    mayWait: () => boolean,
    signal: AbortSignal | undefined,
  ): Promise<Result> {
    const done = new Promise<Result>((resolve, reject) => {
      this.#waiting.push(async () => {
        try {
          signal?.throwIfAborted();
          resolve(await work());
        } catch (error) {
          if (isFull(error) && mayWait()) return false;
          reject(error);
        }
        return true;
      });
    });
    return orAborted(done, signal);
  }

  /** Does the first. false: it waits for pages, and stays the first. */
  async next(): Promise<boolean> {
    const [job] = this.#waiting;
    if (!job) return true;
    const done = await job();
    if (done) this.#waiting.shift();
    return done;
  }
}

export const isFull = (error: unknown): boolean => error instanceof EngineError && error.code === "CACHE_FULL";
