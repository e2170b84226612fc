import { EngineError, modelDisposed } from "../error.ts";
import type { ResidentModel } from "../model/run/resident.ts";
import type { StepPart } from "../model/run/step.ts";
import { Sequence } from "./sequence.ts";

/**
 * Owner of all sequences, and the only caller of steps: every step takes one row of each sequence that decodes and fills up with
 * rows of prompts. A sequence's bits do not depend on its company: the rows of a step never touch each other.
 */

/** What a sequence is to hold, and whose logits are wanted. */
export interface Request {
  readonly ids: readonly number[];
  /** Logits are wanted behind the id of this index and all that follow; `ids.length`: of none. */
  readonly logitsFrom: number;
  readonly signal: AbortSignal | undefined;
  /** Sees the logits behind one id (valid during the call). Behind the last: the id that follows it, or null to end. */
  onLogits(logits: Float32Array, index: number): number | null;
}

interface Running {
  readonly sequence: Sequence;
  readonly request: Request;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** Of its signal, while it waits: nobody looks through a long queue before every step. */
  readonly onAbort: () => void;
  /** The sequence holds its ids. */
  begun: boolean;
  /** Index of the first id whose logits are still wanted. */
  next: number;
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
  /** They hold pages that no step reads; least recently used first. */
  readonly #idle = new Set<Sequence>();
  readonly #jobs: (() => Promise<void>)[] = [];
  #loop: Promise<void> | null = null;
  #closed = false;
  /** A sequence was postponed: nobody is admitted until another gives its pages back. */
  #crowded = false;

  constructor(resident: ResidentModel) {
    this.#resident = resident;
    resident.cache.reclaim = () => this.#reclaim();
  }

  open(): Sequence {
    return new Sequence(this.#resident.cache);
  }

  /** Gives its pages back: at once, or behind the step that reads them. */
  close(sequence: Sequence): void {
    sequence.closed = true;
    if (!this.#running.some((entry) => entry.sequence === sequence)) this.#release(sequence);
  }

  /** Pages of what lies behind the first `length` ids go back, unless an aborted request still has them in a step. */
  forget(sequence: Sequence, length: number): void {
    if (this.#running.some((entry) => entry.sequence === sequence)) return;
    sequence.forget(length);
    this.#crowded = false;
  }

  /** Resolves when nothing more is wanted; rejects with the signal's reason or the error of a step. One request of a sequence at a time. */
  run(sequence: Sequence, request: Request): Promise<void> {
    return new Promise((resolve, reject) => {
      const { ids, logitsFrom, signal } = request;
      if (this.#closed || ids.length === 0) {
        reject(this.#closed ? modelDisposed() : new EngineError("REQ_EMPTY_PROMPT", "nothing to compute"));
        return;
      }
      const onAbort = () => this.#end(entry, { error: signal!.reason });
      const entry: Running = { sequence, request, resolve, reject, onAbort, begun: false, next: logitsFrom };
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(entry);
      this.#begin();
    });
  }

  /** A request of a sequence that nobody needs afterwards. */
  async once(request: Request): Promise<void> {
    const sequence = this.open();
    try {
      await this.run(sequence, request);
    } finally {
      this.close(sequence);
    }
  }

  /** Work between two steps, by itself. */
  alone<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#jobs.push(async () => {
        try {
          resolve(await work());
        } catch (error) {
          reject(error);
        }
      });
      this.#begin();
    });
  }

  /** A turn later, so that calls of one tick start in one step. */
  #begin(): void {
    this.#loop ??= Promise.resolve().then(() => this.#run());
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        await this.#jobs.shift()?.();
        this.#dropAborted();
        this.#admit();
        if (this.#running.length > 0) await this.#step();
        else if (this.#jobs.length === 0) return;
      }
    } finally {
      this.#loop = null;
    }
  }

  #dropAborted(): void {
    for (const entry of [...this.#running, ...this.#postponed]) {
      if (isGone(entry)) this.#end(entry, { error: entry.request.signal!.reason });
    }
  }

  #admit(): void {
    if (this.#crowded && this.#running.length > 0) return;
    this.#crowded = false;
    while (this.#running.length < MOST_RUNNING) {
      const entry = this.#postponed.pop() ?? first(this.#waiting);
      if (entry === undefined) return;
      this.#leaveQueue(entry);
      const { sequence, request } = entry;
      if (!entry.begun) sequence.take(request.ids, request.logitsFrom);
      entry.begun = true;
      this.#idle.delete(sequence);
      if (sequence.computed < sequence.ids.length) this.#running.push(entry);
      else this.#end(entry, "done");
    }
  }

  /** Decoding sequences first: a long prompt never starves them. */
  #compose(): { entry: Running; part: StepPart }[] {
    let left = this.#resident.sizes.rows;
    const order = [...this.#running].sort((a, b) => missing(a) - missing(b));
    const composed: { entry: Running; part: StepPart }[] = [];
    for (const entry of order) {
      if (left === 0) break;
      const { timeline, ids, computed: position } = entry.sequence;
      const inputs = ids.slice(position, position + left);
      left -= inputs.length;
      const logits = Math.min(inputs.length, Math.max(0, position + inputs.length - entry.next));
      composed.push({ entry, part: { timeline, position, inputs, logits } });
    }
    return composed;
  }

  async #step(): Promise<void> {
    const composed = this.#compose();
    const ended = new Map<Running, End>();
    // Whoever aborts hears it at once; the step goes on as long as somebody needs it, so that strangers who come and go starve
    // nobody.
    const stop = new AbortController();
    const onAbort = () => {
      for (const { entry } of composed) if (isGone(entry)) entry.reject(entry.request.signal!.reason);
      if (composed.every(({ entry }) => isGone(entry))) stop.abort();
    };
    for (const { entry } of composed) entry.request.signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await this.#resident.step(
        composed.map(({ part }) => part),
        (logits, _row, index) => {
          const { entry } = composed[index];
          if (isGone(entry) || ended.has(entry)) return;
          const end = show(entry, logits);
          if (end) ended.set(entry, end);
        },
        stop.signal,
      );
      for (const { entry, part } of composed) {
        entry.sequence.computed += part.inputs.length;
        if (missing(entry) === 0 && !ended.has(entry)) ended.set(entry, "done");
      }
    } catch (error) {
      if (stop.signal.aborted) return;
      if (error instanceof EngineError && error.code === "CACHE_FULL" && this.#running.length > 1) this.#postpone();
      else for (const { entry } of composed) if (!ended.has(entry)) ended.set(entry, { error });
    } finally {
      for (const { entry } of composed) entry.request.signal?.removeEventListener("abort", onAbort);
      // Whoever saw its last logits has ended, also where the step stopped at a later piece of them.
      for (const [entry, end] of ended) this.#end(entry, end);
    }
  }

  /** Pages of the sequence that nobody has asked for the longest; false: there is none. */
  #reclaim(): boolean {
    const sequence = first(this.#idle);
    if (!sequence) return false;
    this.#idle.delete(sequence);
    sequence.forget(0);
    return true;
  }

  /** No page is free: the sequence that came last waits, and is computed again when there is room. */
  #postpone(): void {
    const entry = this.#running.pop()!;
    entry.sequence.forget(0);
    this.#postponed.push(entry);
    this.#crowded = true;
  }

  /** The one way out, whatever ended it. */
  #end(entry: Running, end: End): void {
    const { sequence } = entry;
    this.#running = this.#running.filter((other) => other !== entry);
    if (this.#postponed.includes(entry)) this.#postponed.splice(this.#postponed.indexOf(entry), 1);
    this.#leaveQueue(entry);
    if (sequence.closed) this.#release(sequence);
    else if (sequence.computed > 0) {
      this.#idle.add(sequence);
      this.#crowded = false;
    }
    if (end === "done") entry.resolve();
    else entry.reject(end.error);
  }

  #release(sequence: Sequence): void {
    this.#idle.delete(sequence);
    sequence.forget(0);
    this.#crowded = false;
  }

  #leaveQueue(entry: Running): void {
    if (this.#waiting.delete(entry)) entry.request.signal?.removeEventListener("abort", entry.onAbort);
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

type End = "done" | { readonly error: unknown };

const isGone = ({ request }: Running) => request.signal?.aborted === true;
/** Rows that are still to be computed. */
const missing = ({ sequence }: Running) => sequence.ids.length - sequence.computed;

/** Shows the owner the logits that come next; says how it ended where it did. */
function show(entry: Running, logits: Float32Array): End | null {
  const { ids } = entry.sequence;
  const index = entry.next++;
  try {
    const id = entry.request.onLogits(logits, index);
    if (index < ids.length - 1) return null;
    if (id === null) return "done";
    ids.push(id);
    return null;
  } catch (error) {
    return { error };
  }
}

function first<Entry>(entries: ReadonlySet<Entry>): Entry | undefined {
  for (const entry of entries) return entry;
  return undefined;
}
