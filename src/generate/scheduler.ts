import { EngineError, modelDisposed } from "../error.ts";
import type { Timeline } from "../model/cache.ts";
import type { ResidentModel } from "../model/resident.ts";
import type { StepPart } from "../model/step.ts";

/**
 * Many timelines in one batch: every step takes one row of each sequence that decodes and fills up with rows of prompts. A
 * sequence's tokens do not depend on its company: the rows of a step never touch each other.
 */

/** One sequence that grows until its owner ends it. */
export interface Growth {
  /** Prompt and, as they come, generated ids. The scheduler computes what it has not seen yet. */
  readonly ids: number[];
  readonly signal: AbortSignal | undefined;
  /** Sees the logits after the last id (valid during the call); pushes the next id and returns true, or returns false to end. */
  onLogits(logits: Float32Array): boolean;
}

interface Running {
  readonly growth: Growth;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** Of its signal, while it waits: nobody looks through a long queue before every step. */
  readonly onAbort: () => void;
  timeline: Timeline | null;
  /** Ids in the cache. */
  position: number;
}

/** Sequences in one step at most; more wait. */
export const MOST_RUNNING = 32;

export class Scheduler {
  readonly #resident: ResidentModel;
  /** In order of coming. */
  readonly #waiting = new Set<Running>();
  /** They gave their pages back and are next, the last first. */
  readonly #postponed: Running[] = [];
  #running: Running[] = [];
  #loop: Promise<void> | null = null;
  #closed = false;
  /** A sequence was postponed: nobody is admitted until another gives its pages back. */
  #crowded = false;

  constructor(resident: ResidentModel) {
    this.#resident = resident;
  }

  /** Resolves when the growth ended itself; rejects with its signal's reason or the error of its step. */
  grow(growth: Growth): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed || growth.ids.length === 0) {
        reject(this.#closed ? modelDisposed() : new EngineError("REQ_EMPTY_PROMPT", "nothing to grow from"));
        return;
      }
      const { signal } = growth;
      const onAbort = () => this.#end(entry, signal!.reason);
      const entry: Running = { growth, resolve, reject, onAbort, timeline: null, position: 0 };
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(entry);
      // A turn later, so that calls of one tick start in one step.
      this.#loop ??= Promise.resolve().then(() => this.#run());
    });
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        this.#dropAborted();
        this.#admit();
        if (this.#running.length === 0) return;
        await this.#step();
      }
    } finally {
      this.#loop = null;
    }
  }

  #dropAborted(): void {
    for (const entry of [...this.#running, ...this.#postponed]) {
      if (entry.growth.signal?.aborted) this.#end(entry, entry.growth.signal.reason);
    }
  }

  #admit(): void {
    if (this.#crowded && this.#running.length > 0) return;
    this.#crowded = false;
    while (this.#running.length < MOST_RUNNING) {
      const entry = this.#postponed.pop() ?? first(this.#waiting);
      if (entry === undefined) return;
      this.#leaveQueue(entry);
      entry.timeline = this.#resident.cache.open();
      entry.position = 0;
      this.#running.push(entry);
    }
  }

  /** Decoding sequences first: a long prompt never starves them. */
  #compose(): { entry: Running; part: StepPart }[] {
    let left = this.#resident.sizes.rows;
    const order = [...this.#running].sort(
      (a, b) => a.growth.ids.length - a.position - (b.growth.ids.length - b.position),
    );
    const composed: { entry: Running; part: StepPart }[] = [];
    for (const entry of order) {
      if (left === 0) break;
      const inputs = entry.growth.ids.slice(entry.position, entry.position + left);
      left -= inputs.length;
      const complete = entry.position + inputs.length === entry.growth.ids.length;
      composed.push({
        entry,
        part: { timeline: entry.timeline!, position: entry.position, inputs, logits: complete ? "last" : "none" },
      });
    }
    return composed;
  }

  async #step(): Promise<void> {
    const composed = this.#compose();
    const ended = new Map<Running, unknown>();
    // Whoever aborts hears it at once; the step goes on as long as somebody needs it, so that strangers who come and go starve
    // nobody.
    const stop = new AbortController();
    const gone = ({ growth }: Running) => growth.signal?.aborted === true;
    const onAbort = () => {
      for (const { entry } of composed) if (gone(entry)) entry.reject(entry.growth.signal!.reason);
      if (composed.every(({ entry }) => gone(entry))) stop.abort();
    };
    for (const { entry } of composed) entry.growth.signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await this.#resident.step(
        composed.map(({ part }) => part),
        (logits, _row, index) => {
          const { entry } = composed[index];
          if (gone(entry)) return;
          try {
            if (!entry.growth.onLogits(logits)) ended.set(entry, undefined);
          } catch (error) {
            ended.set(entry, error);
          }
        },
        stop.signal,
      );
      for (const { entry, part } of composed) entry.position += part.inputs.length;
    } catch (error) {
      if (stop.signal.aborted) return;
      if (error instanceof EngineError && error.code === "CACHE_FULL" && this.#running.length > 1) this.#postpone();
      else for (const { entry } of composed) if (!ended.has(entry)) this.#end(entry, error);
    } finally {
      for (const { entry } of composed) entry.growth.signal?.removeEventListener("abort", onAbort);
      // Whoever saw its last logits has ended, also where the step stopped at a later piece of them.
      for (const [entry, error] of ended) this.#end(entry, error);
    }
  }

  /** No page is free: the sequence that came last waits, and is computed again when there is room. */
  #postpone(): void {
    const entry = this.#running.pop()!;
    this.#resident.cache.close(entry.timeline!);
    entry.timeline = null;
    this.#postponed.push(entry);
    this.#crowded = true;
  }

  #end(entry: Running, error: unknown): void {
    this.#running = this.#running.filter((other) => other !== entry);
    if (this.#postponed.includes(entry)) this.#postponed.splice(this.#postponed.indexOf(entry), 1);
    this.#leaveQueue(entry);
    if (entry.timeline) {
      this.#resident.cache.close(entry.timeline);
      this.#crowded = false;
    }
    entry.timeline = null;
    if (error === undefined) entry.resolve();
    else entry.reject(error);
  }

  #leaveQueue(entry: Running): void {
    if (this.#waiting.delete(entry)) entry.growth.signal?.removeEventListener("abort", entry.onAbort);
  }

  /** Ends everything; nothing new is taken. */
  async dispose(): Promise<void> {
    this.#closed = true;
    const error = modelDisposed();
    for (const entry of [...this.#postponed, ...this.#waiting, ...this.#running]) {
      this.#leaveQueue(entry);
      entry.reject(error);
    }
    this.#postponed.length = 0;
  }
}

function first<Entry>(entries: ReadonlySet<Entry>): Entry | undefined {
  for (const entry of entries) return entry;
  return undefined;
}
