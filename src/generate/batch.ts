import { orAborted } from "../abortable.ts";
import { EngineError } from "../error.ts";
import { isRevoked } from "../given.ts";
import {
  type BatchFailure,
  type BatchPlace,
  type BatchPlan,
  type BatchPrompt,
  isOfAll,
  notPrompts,
  ofPrompt,
} from "./batch-plan.ts";
import { type End, Feed } from "./feed.ts";
import { type Generation, missingTokenizer } from "./generation.ts";
import type { GenerationResult } from "./result.ts";

export interface BatchPiece extends BatchPlace {
  readonly text: string;
}

export interface BatchOutcome extends BatchPlace {
  readonly result: GenerationResult;
}

/** What the slowest reader may leave lying before nothing new begins. */
const MOST_PIECES = 1024;
const MOST_OUTCOMES = 64;
/** What is kept for readers that come later: small batches can be read again. */
const KEPT_PIECES = 16384;
const KEPT_OUTCOMES = 1024;

/**
 * Generations that share their steps: iterate for pieces of any of them as they come, or `completed()` for results as they
 * end, or await `results()`. Prompts are taken as there is room for them, so that neither prompts nor answers pile up. It runs
 * when somebody listens, and ends when the last listener leaves. `Failed` stands in `results()` where `onError` was told.
 */
export class GenerationBatch<Failed = never> implements AsyncIterable<BatchPiece> {
  readonly #plan: BatchPlan;
  readonly #pieces = new Feed<BatchPiece>({ keep: KEPT_PIECES, onChange: () => this.#onReaders() });
  readonly #outcomes = new Feed<BatchOutcome>({ keep: KEPT_OUTCOMES, onChange: () => this.#onReaders() });
  readonly #stop = new AbortController();
  /** Of the caller and `#stop`. */
  readonly #signal: AbortSignal;
  #begun = false;
  readonly #running = new Set<Generation>();
  /** Results that there will be. */
  #places = 0;
  #results: Promise<(GenerationResult | Failed)[]> | null = null;
  #wake = () => {};

  /** @internal */
  constructor(plan: BatchPlan) {
    this.#plan = plan;
    this.#signal = plan.signal ? AbortSignal.any([this.#stop.signal, plan.signal]) : this.#stop.signal;
  }

  /** All results, in the order of the prompts, samples of one prompt beside each other. Rejects with the first error. */
  results(): Promise<(GenerationResult | Failed)[]> {
    this.#results ??= this.#collect();
    return this.#results;
  }

  /** Each result as it ends, whatever its place. */
  completed(): AsyncIterableIterator<BatchOutcome> {
    return this.#read(this.#outcomes);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<BatchPiece> {
    if (!this.#plan.text) throw missingTokenizer();
    return this.#read(this.#pieces);
  }

  #read<Item>(feed: Feed<Item>): AsyncIterableIterator<Item> {
    if (!feed.complete) {
      throw new EngineError("BATCH_READ", "this batch has let go of what came so far", {
        limit: "loops and results() that begin before the answers come",
      });
    }
    const reader = feed.read();
    // A turn later, so that readers of one tick see everything.
    if (!this.#begun) void Promise.resolve().then(() => this.#run());
    this.#begun = true;
    return reader;
  }

  async #collect(): Promise<(GenerationResult | Failed)[]> {
    const { samples } = this.#plan;
    const results: (GenerationResult | Failed)[] = [];
    for await (const { index, sample, result } of this.completed()) results[index * samples + sample] = result;
    return Array.from({ length: this.#places }, (_, place) => results[place] ?? (null as Failed));
  }

  #onReaders(): void {
    if (this.#pieces.readers + this.#outcomes.readers === 0)
      this.#stop.abort(new EngineError("GENERATION_LEFT", "the reader left before the end"));
    this.#wake();
  }

  /** Never rejects: readers are told. */
  async #run(): Promise<void> {
    const { items } = this.#plan;
    const onAbort = () => {
      for (const generation of this.#running) generation.cancel();
      this.#wake();
    };
    this.#signal.addEventListener("abort", onAbort);
    let exhausted = false;
    try {
      await this.#begin(items);
      exhausted = true;
      await this.#until(() => this.#running.size === 0);
      this.#close("done");
    } catch (error) {
      this.#stop.abort(error);
      this.#close({ error: this.#signal.reason });
      if (!exhausted) leave(items);
    } finally {
      this.#signal.removeEventListener("abort", onAbort);
    }
  }

  /** Every sample of every prompt. As long as there is room nothing is awaited: what begins in one tick shares its steps. */
  async #begin(items: BatchPlan["items"]): Promise<void> {
    const { samples } = this.#plan;
    for (let index = 0; ; index++) {
      if (!this.#hasRoom()) await this.#until(() => this.#hasRoom());
      const next = checkStep(items.next());
      const step = "then" in next ? checkStep(await orAborted(Promise.resolve(next), this.#signal)) : next;
      if (step.done) return;
      this.#places += samples;
      const start = this.#prepare(step.value, index);
      if (typeof start !== "function") await start;
      else {
        for (let sample = 0; sample < samples; sample++) {
          if (!this.#hasRoom()) await this.#until(() => this.#hasRoom());
          void this.#follow({ index, sample }, start(sample));
        }
      }
    }
  }

  /** A promise: the prompt cannot begin, and somebody is told. */
  #prepare(item: BatchPrompt, index: number): Promise<void> | ((sample: number) => Generation) {
    try {
      return this.#plan.prepare(item, index);
    } catch (error) {
      return this.#tell({ index, sample: undefined, error });
    }
  }

  async #follow(place: BatchPlace, generation: Generation): Promise<void> {
    this.#running.add(generation);
    try {
      if (this.#plan.text) for await (const text of generation) this.#pieces.push({ ...place, text });
      this.#outcomes.push({ ...place, result: await generation.result() });
    } catch (error) {
      if (!this.#signal.aborted)
        await this.#tell({ ...place, error }).catch((fatal: unknown) => this.#stop.abort(fatal));
    } finally {
      this.#running.delete(generation);
      this.#wake();
    }
  }

  /** Rejects with what ends the batch. */
  async #tell(failure: BatchFailure): Promise<void> {
    const { onError } = this.#plan;
    const { error, index } = failure;
    if (onError === null || isOfAll(error)) throw ofPrompt(error, index);
    await onError(failure);
  }

  #hasRoom(): boolean {
    return (
      // Those that share a step, and as many that wait to take their places.
      this.#running.size < 2 * this.#plan.together &&
      this.#pieces.backlog < MOST_PIECES &&
      this.#outcomes.backlog < MOST_OUTCOMES
    );
  }

  async #until(met: () => boolean): Promise<void> {
    for (;;) {
      this.#signal.throwIfAborted();
      if (met()) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #close(end: End): void {
    this.#pieces.close(end);
    this.#outcomes.close(end);
  }
}

/** A generator may have something to close. Nobody waits for it: it may hang in what it awaits. */
async function leave(items: BatchPlan["items"]): Promise<void> {
  try {
    await items.return?.();
  } catch {
    // The batch has ended for another reason already.
  }
}

/** What an iterator's `next` gave: a step, or a promise of one. */
function checkStep<Step>(step: Step): Step & object {
  if (typeof step !== "object" || step === null || isRevoked(step)) throw notPrompts(step);
  return step;
}
