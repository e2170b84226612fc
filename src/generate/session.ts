import { EngineError } from "../error.ts";
import { checkTokenIds, tell } from "../given.ts";
import { Turns } from "../turns.ts";
import { checkCall } from "./options.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Kin, Sequence } from "./sequence.ts";

interface SessionLimits {
  readonly vocab: number;
  readonly context: number;
}

/**
 * One timeline that the caller edits by naming what it should hold: `sync(ids)` reuses the common prefix, forgets what differs,
 * computes what is new. Calls queue in order. While nobody asks, others may take its pages: what it held is then computed again.
 */
export class Session {
  readonly #scheduler: Scheduler;
  readonly #limits: SessionLimits;
  readonly #sequence: Sequence;
  readonly #refuseDisposed: () => void;
  #ids: readonly number[] = [];
  /** Logits after the last id; null where they must be computed again. */
  #logits: Float32Array | null = null;
  readonly #turns = new Turns();
  #disposed = false;

  /** @internal `refuseDisposed` throws when the model is gone. */
  constructor(scheduler: Scheduler, limits: SessionLimits, kin: Kin, refuseDisposed: () => void) {
    this.#scheduler = scheduler;
    this.#limits = limits;
    this.#refuseDisposed = refuseDisposed;
    this.#sequence = scheduler.open(kin);
  }

  /** The ids that the timeline holds: a copy. */
  get ids(): readonly number[] {
    return this.#ids.slice();
  }

  /** Makes the timeline equal `ids`. After an abort or an error it holds a prefix of them, or what it held where nothing began. */
  async sync(ids: ArrayLike<number>, options?: { signal?: AbortSignal }): Promise<void> {
    this.#refuseEnded();
    const wanted = checkTokenIds(ids, this.#limits.vocab, { source: "prompt", field: "ids" });
    const { signal } = checkCall(options);
    const { context } = this.#limits;
    if (wanted.length > context) {
      throw new EngineError("CONTEXT_LENGTH", "the ids do not fit the context", {
        at: { source: "prompt", field: "ids" },
        actual: `${wanted.length} ids`,
        limit: `at most ${context}`,
      });
    }
    return this.#then(() => this.#sync(wanted, signal));
  }

  /** A copy of the logits after the last id, [vocab]. */
  logits(): Promise<Float32Array> {
    return this.#then(async () => {
      if (this.#ids.length === 0)
        throw new EngineError("SESSION_EMPTY", "no logits before the first id", { at: { source: "prompt" } });
      if (!this.#logits) await this.#sync(this.#ids, undefined);
      return this.#logits!.slice();
    });
  }

  /** Keeps the first `length` ids. */
  rewind(length: number): Promise<void> {
    return this.#then(async () => {
      if (!Number.isInteger(length) || length < 0 || length > this.#ids.length) {
        throw new EngineError("OPTION_RANGE", "rewind", {
          at: { source: "option", field: "length" },
          actual: tell(length),
          limit: `an integer from 0 to ${this.#ids.length}`,
        });
      }
      if (length < this.#ids.length) this.#keep(length);
    });
  }

  async #sync(wanted: readonly number[], signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#logits && isSame(wanted, this.#ids)) return;
    if (wanted.length === 0) return this.#keep(0);
    const sequence = this.#sequence;
    let logits: Float32Array | null = null;
    try {
      await this.#scheduler.run(sequence, {
        ids: wanted,
        logitsFrom: wanted.length - 1,
        signal,
        onLogits: (last) => {
          logits = last.slice();
          return null;
        },
      });
    } finally {
      const begun = isSame(wanted, sequence.ids);
      if (begun) this.#ids = wanted.slice(0, logits ? wanted.length : sequence.computed);
      if (begun || logits) this.#logits = logits;
    }
  }

  #keep(length: number): void {
    this.#ids = this.#ids.slice(0, length);
    this.#scheduler.forget(this.#sequence, length);
    this.#logits = null;
  }

  #then<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#turns.take(() => {
      this.#refuseEnded();
      return work();
    });
  }

  #refuseEnded(): void {
    this.#refuseDisposed();
    if (this.#disposed) throw new EngineError("DISPOSED", "the session was disposed");
  }

  /** Gives the cache pages back. */
  async dispose(): Promise<void> {
    await this.#turns.ended();
    if (this.#disposed) return;
    this.#disposed = true;
    this.#scheduler.close(this.#sequence);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

const isSame = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((id, index) => id === b[index]);
