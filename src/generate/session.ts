import { EngineError } from "../error.ts";
import { checkTokenIds, tell } from "../given.ts";
import type { Timeline } from "../model/cache.ts";
import type { ResidentModel } from "../model/resident.ts";
import type { StepPart } from "../model/step.ts";
import { Turns } from "../turns.ts";
import { checkCall } from "./options.ts";

/**
 * One timeline that the caller edits by naming what it should hold: `sync(ids)` reuses the common prefix, forgets what differs,
 * computes what is new. Calls queue in order.
 */
export class Session {
  readonly #resident: ResidentModel;
  readonly #timeline: Timeline;
  readonly #refuseDisposed: () => void;
  #ids: number[] = [];
  /** How many of them are in the cache: fewer where a rewind went behind pages that were given back. */
  #computed = 0;
  /** Logits after the last id; null where they must be computed again. */
  #logits: Float32Array | null = null;
  readonly #turns = new Turns();
  #disposed = false;

  /** @internal `refuseDisposed` throws when the model is gone. */
  constructor(resident: ResidentModel, refuseDisposed: () => void) {
    this.#resident = resident;
    this.#refuseDisposed = refuseDisposed;
    this.#timeline = resident.cache.open();
  }

  /** The ids that the timeline holds: a copy. */
  get ids(): readonly number[] {
    return this.#ids.slice();
  }

  /** Makes the timeline equal `ids`. After an abort or an error it holds a prefix of them, or what it held where nothing began. */
  async sync(ids: ArrayLike<number>, options?: { signal?: AbortSignal }): Promise<void> {
    this.#refuseEnded();
    const wanted = checkTokenIds(ids, this.#resident.config.vocab, { source: "prompt", field: "ids" });
    const { signal } = checkCall(options);
    const { context } = this.#resident.sizes;
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
      if (length === this.#ids.length) return;
      this.#ids = this.#ids.slice(0, length);
      this.#computed = this.#resident.cache.truncate(this.#timeline, Math.min(length, this.#computed));
      this.#logits = null;
    });
  }

  async #sync(wanted: readonly number[], signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const held = this.#ids;
    let same = 0;
    while (same < wanted.length && same < held.length && wanted[same] === held[same]) same++;
    if (same === wanted.length && same === held.length && this.#logits) return;
    // The last id's logits must come out of a step, so its row is computed again.
    let position = Math.min(same, this.#computed, Math.max(0, wanted.length - 1));
    position = this.#resident.cache.truncate(this.#timeline, position);
    this.#ids = wanted.slice(0, position);
    this.#computed = position;
    this.#logits = null;
    while (position < wanted.length) {
      const inputs = wanted.slice(position, position + this.#resident.sizes.rows);
      const last = position + inputs.length === wanted.length;
      const part: StepPart = { timeline: this.#timeline, position, inputs, logits: last ? "last" : "none" };
      await this.#resident.step(
        [part],
        (logits) => {
          this.#logits = logits.slice();
        },
        signal,
      );
      position += inputs.length;
      this.#ids = wanted.slice(0, position);
      this.#computed = position;
    }
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
    this.#resident.cache.close(this.#timeline);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}
