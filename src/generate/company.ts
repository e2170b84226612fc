import { isGone, type Running } from "./running.ts";

/**
 * Those who share a step. Whoever aborts hears it at once; the step goes on as long as somebody needs it, so that strangers who come and go
 * starve nobody.
 */
export class Company {
  readonly #running: readonly Running[];
  readonly #onLeft: () => void;
  readonly #stop = new AbortController();
  #waiting: readonly Running[];

  /** `onLeft`: one is gone, others are not. Until `close`. */
  constructor(running: readonly Running[], onLeft: () => void) {
    this.#running = running;
    this.#waiting = running;
    this.#onLeft = onLeft;
    for (const { request } of running) request.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Aborted when nobody needs the step. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** The step is computed for these of them. */
  needs(entries: readonly Running[]): void {
    this.#waiting = entries;
  }

  close(): void {
    for (const { request } of this.#running) request.signal?.removeEventListener("abort", this.#onAbort);
  }

  readonly #onAbort = (): void => {
    for (const entry of this.#waiting) if (isGone(entry)) entry.reject(entry.request.signal!.reason);
    if (this.#waiting.every(isGone)) this.#stop.abort();
    else this.#onLeft();
  };
}
