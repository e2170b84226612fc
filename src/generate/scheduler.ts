import { EngineError, modelDisposed } from "../error.ts";
import type { PageKind } from "../model/plan/pages.ts";
import type { ResidentModel } from "../model/run/resident.ts";
import type { StepPart } from "../model/run/step.ts";
import type { Prefixes } from "./prefixes.ts";
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
  readonly resolve: (cached: number) => void;
  readonly reject: (error: unknown) => void;
  /** Of its signal, while it waits: nobody looks through a long queue before every step. */
  readonly onAbort: () => void;
  /** The sequence holds its ids. */
  begun: boolean;
  /** Index of the first id whose logits are still wanted. */
  next: number;
  /** Ids that were known when it began. */
  cached: number;
  /** Computes what this one begins with as well; it begins when `follows` ids of the leader are there. */
  leader: Running | null;
  follows: number;
}

/** Sequences in one step at most; more wait. */
export const MOST_RUNNING = 32;
/** Ids in common for whose sake one request waits for another: less is computed by the way. */
const LEAST_FOLLOWED = 64;

export class Scheduler {
  readonly #resident: ResidentModel;
  readonly #prefixes: Prefixes | null;
  /** In order of coming. */
  readonly #waiting = new Set<Running>();
  /** They gave their pages back and are next, the last first. */
  readonly #postponed: Running[] = [];
  #running: Running[] = [];
  /** They hold pages that no step reads; least recently used first. */
  readonly #idle = new Map<Sequence, number>();
  readonly #jobs: (() => Promise<void>)[] = [];
  #loop: Promise<void> | null = null;
  #closed = false;
  /** A sequence was postponed: nobody is admitted until another gives its pages back. */
  #crowded = false;

  constructor(resident: ResidentModel, prefixes: Prefixes | null = null) {
    this.#resident = resident;
    this.#prefixes = prefixes;
    resident.cache.reclaim = (kind) => this.#reclaim(kind);
  }

  /** `salt`: only sequences of the same one share prefixes. */
  open(salt = ""): Sequence {
    return new Sequence(this.#resident.cache, salt);
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

  /** Resolves when nothing more is wanted, with how many ids were known before; rejects with the signal's reason or the error of a step. One request of a sequence at a time. */
  run(sequence: Sequence, request: Request): Promise<number> {
    return new Promise((resolve, reject) => {
      const { ids, logitsFrom, signal } = request;
      if (this.#closed || ids.length === 0) {
        reject(this.#closed ? modelDisposed() : new EngineError("REQ_EMPTY_PROMPT", "nothing to compute"));
        return;
      }
      const onAbort = () => this.#end(entry, { error: signal!.reason });
      const entry: Running = {
        ...{ sequence, request, resolve, reject, onAbort },
        ...{ begun: false, next: logitsFrom, cached: 0, leader: null, follows: 0 },
      };
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
  async once(request: Request, salt?: string): Promise<number> {
    const sequence = this.open(salt);
    try {
      return await this.run(sequence, request);
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
        this.#startFollowers();
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
      this.#idle.delete(sequence);
      if (!entry.begun) sequence.take(request.ids, request.logitsFrom);
      this.#running.push(entry);
      if (this.#prefixes && !entry.begun) this.#follow(entry, this.#prefixes);
      if (!entry.leader) this.#start(entry);
    }
  }

  /** Requests that come together compute what is common to them once: one goes ahead. */
  #follow(entry: Running, prefixes: Prefixes): void {
    const { ids, salt } = entry.sequence;
    for (const leader of this.#running) {
      if (leader === entry || leader.sequence.salt !== salt) continue;
      const theirs = leader.sequence.ids;
      const most = Math.min(ids.length, theirs.length, entry.request.logitsFrom);
      let same = 0;
      while (same < most && ids[same] === theirs[same]) same++;
      if (same <= entry.follows || same <= leader.sequence.computed) continue;
      entry.leader = leader;
      entry.follows = same;
    }
    const known = Math.max(entry.sequence.computed, prefixes.known(entry.sequence, entry.request.logitsFrom));
    if (entry.follows - known < LEAST_FOLLOWED) entry.leader = null;
  }

  /** Those whose leader is far enough, or gone, begin. */
  #startFollowers(): void {
    for (const entry of this.#running) {
      const { leader, follows } = entry;
      if (!leader) continue;
      const there = leader.begun && leader.sequence.computed >= follows;
      if (!there && this.#running.includes(leader)) continue;
      if (there) this.#prefixes?.insert(leader.sequence, follows);
      entry.leader = null;
      this.#start(entry);
    }
  }

  #start(entry: Running): void {
    const { sequence, request } = entry;
    const again = entry.begun;
    this.#prefixes?.adopt(sequence, Math.min(sequence.ids.length, again ? entry.next : request.logitsFrom));
    if (!again) {
      entry.cached = sequence.computed;
      this.#prefixes?.count(entry.cached);
    }
    entry.begun = true;
    if (missing(entry) === 0) this.#end(entry, "done");
  }

  /** Decoding sequences first: a long prompt never starves them. */
  #compose(): { entry: Running; part: StepPart }[] {
    let left = this.#resident.sizes.rows;
    const order = this.#running.filter(({ leader }) => !leader).sort((a, b) => missing(a) - missing(b));
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
        // Others may begin with it from now on; with its chunked keys, so before those are given back.
        this.#prefixes?.keep(entry.sequence);
        entry.sequence.release();
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

  /** Pages that nobody has used the longest: of a prefix, or of a sequence that nobody asks; false: there are none. */
  #reclaim(kind: PageKind): boolean {
    const [sequence, used] = first(this.#idle) ?? [null, Number.POSITIVE_INFINITY];
    if (this.#prefixes && this.#prefixes.oldest(kind) <= used && this.#prefixes.reclaim(kind)) return true;
    if (!sequence) return false;
    this.#idle.delete(sequence);
    this.#giveUp(sequence);
    return true;
  }

  /** Its pages stay as a prefix for as long as there is room. */
  #giveUp(sequence: Sequence): void {
    if (sequence.computed > 0) this.#prefixes?.insert(sequence, sequence.computed);
    sequence.forget(0);
  }

  /** No page is free: the sequence that came last waits, and is computed again when there is room. */
  #postpone(): void {
    const entry = this.#running.pop()!;
    entry.sequence.forget(0);
    entry.leader = null;
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
      this.#idle.set(sequence, this.#prefixes?.tick() ?? 0);
      this.#crowded = false;
    }
    if (end === "done") entry.resolve(entry.cached);
    else entry.reject(end.error);
  }

  #release(sequence: Sequence): void {
    this.#idle.delete(sequence);
    this.#giveUp(sequence);
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

function first<Entry>(entries: Iterable<Entry>): Entry | undefined {
  for (const entry of entries) return entry;
  return undefined;
}
