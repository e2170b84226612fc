import { EngineError, modelDisposed } from "../error.ts";
import type { ResidentModel } from "../model/run/resident.ts";
import { Ahead } from "./ahead.ts";
import { Company } from "./company.ts";
import { Idle } from "./idle.ts";
import { isFull, Jobs } from "./jobs.ts";
import { Leaning } from "./leaning.ts";
import type { Prefixes } from "./prefixes.ts";
import { Queue, queueFull } from "./queue.ts";
import {
  compose,
  draft,
  type End,
  follow,
  isGone,
  missing,
  promptRows,
  type Request,
  type Running,
  show,
  withdraw,
} from "./running.ts";
import type { SchedulerOptions } from "./scheduler-options.ts";
import { type Kin, Sequence } from "./sequence.ts";
import { StepTimes } from "./step-times.ts";

/**
 * Owner of all sequences, and the only caller of steps: every step takes one row of each sequence that decodes and fills up with
 * rows of prompts. A sequence's bits do not depend on its company: the rows of a step never touch each other.
 */

export class Scheduler {
  readonly leaning = new Leaning();
  readonly #resident: ResidentModel;
  readonly #prefixes: Prefixes | null;
  readonly #waiting = new Queue<Running>();
  readonly #maxWaiting: number;
  readonly times: StepTimes;
  /** They gave their pages back and are next, the last first. */
  readonly #postponed: Running[] = [];
  #running: Running[] = [];
  /** Of the step under way, where others may follow it by themselves. */
  #ahead: Ahead | null = null;
  /** They gave their places up until somebody wants more of them; their pages are as those of the idle. Nobody may: then they are gone. */
  readonly #resting = new WeakMap<Request, Running>();
  /** They hold pages that no step reads. */
  readonly #idle: Idle;
  /** Their pages are read or written by what is no step: nobody takes them until they are closed. */
  readonly #held = new Set<Sequence>();
  readonly #jobs = new Jobs();
  #loop: Promise<void> | null = null;
  #closed = false;
  /** How often pages were given back. */
  #freed = 0;
  /** The same when a sequence was postponed, or a job found no page: until others give theirs back nobody is admitted. */
  #crowdedAt = -1;
  #jobsAt = -1;

  constructor(
    resident: ResidentModel,
    {
      prefixes = null,
      maxWaiting = Number.POSITIVE_INFINITY,
      latency = Number.POSITIVE_INFINITY,
    }: SchedulerOptions = {},
  ) {
    this.#resident = resident;
    this.#prefixes = prefixes;
    this.#maxWaiting = maxWaiting;
    this.times = new StepTimes(latency);
    this.#idle = new Idle(prefixes);
    resident.cache.reclaim = (kind) => this.#idle.reclaim(kind);
  }

  get load(): { running: number; waiting: number } {
    return { running: this.#running.length, waiting: this.#waiting.size + this.#postponed.length };
  }

  /** Sequences in one step at most; more wait. */
  get together(): number {
    return this.#resident.sizes.sequences;
  }

  get closed(): boolean {
    return this.#closed;
  }

  open(kin?: Kin): Sequence {
    return new Sequence(this.#resident.cache, kin);
  }

  /** Gives its pages back: at once, or behind the step that reads them. */
  close(sequence: Sequence): void {
    sequence.closed = true;
    if (!this.#isRunning(sequence)) this.#release(sequence);
    if (this.#held.delete(sequence)) this.#begin();
  }

  /** Nobody takes its pages until it is closed. Returns whether it still has them. */
  hold(sequence: Sequence): boolean {
    this.#idle.delete(sequence);
    const whole = sequence.computed === sequence.ids.length;
    if (whole) this.#held.add(sequence);
    return whole;
  }

  /** The pages of a new sequence come from elsewhere: `fill` writes them. Others may begin with it afterwards. */
  async store(sequence: Sequence, fill: () => Promise<void>, signal?: AbortSignal): Promise<void> {
    const { ids } = sequence;
    try {
      await this.alone(() => {
        this.#resident.cache.reserveStored(sequence.timeline, ids.length);
        this.#held.add(sequence);
      }, signal);
      await fill();
      sequence.computed = ids.length;
    } finally {
      this.close(sequence);
    }
  }

  /** Pages of what lies behind the first `length` ids go back, unless an aborted request still has them in a step. */
  forget(sequence: Sequence, length: number): void {
    if (this.#isRunning(sequence)) return;
    sequence.forget(length);
    this.#freed++;
  }

  /** Resolves when nothing more is wanted, with how many ids were known before; rejects with the signal's reason or the error of a step. One request of a sequence at a time. */
  run(sequence: Sequence, request: Request): Promise<number> {
    return new Promise((resolve, reject) => {
      const { ids, logitsFrom, signal, caller, priority = 0 } = request;
      if (this.#closed || ids.length === 0) {
        reject(this.#closed ? modelDisposed() : new EngineError("REQ_EMPTY_PROMPT", "nothing to compute"));
        return;
      }
      const ahead = this.#waiting.size - this.#places;
      if (ahead >= this.#maxWaiting && !request.patient) {
        reject(queueFull(ahead));
        return;
      }
      const onAbort = () => this.#end(entry, { error: signal!.reason });
      const entry: Running = {
        ...{ sequence, request, resolve, reject, onAbort },
        ...{ begun: false, drafted: 0, wrong: false, next: logitsFrom, cached: 0, leader: null, follows: 0 },
        ...{ caller: caller ?? request, priority },
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
  async once(request: Request, kin?: Kin): Promise<number> {
    const sequence = this.open(kin);
    try {
      return await this.run(sequence, request);
    } finally {
      this.close(sequence);
    }
  }

  /** Somebody wants more of a request that paused: it waits for its turn. */
  resume(request: Request): void {
    const entry = this.#resting.get(request);
    if (!entry) return;
    if (this.#closed) this.#end(entry, { error: modelDisposed() });
    else {
      this.#resting.delete(request);
      this.#waiting.add(entry);
      this.#begin();
    }
  }

  /** Work between two steps, by itself. Where all pages are of others it waits until they give some back. */
  alone<Result>(work: () => Result | Promise<Result>, signal?: AbortSignal): Promise<Result> {
    const done = this.#jobs.add(work, () => this.#isBusy, signal);
    this.#begin();
    return done;
  }

  /** Somebody has pages and will give them back. */
  get #isBusy(): boolean {
    return this.#running.length + this.#held.size > 0;
  }

  get #jobsWait(): boolean {
    return this.#jobsAt === this.#freed && this.#isBusy;
  }

  /** That those who wait can take at once. */
  get #places(): number {
    if (this.#crowdedAt === this.#freed || this.#jobsWait) return 0;
    return Math.max(0, this.together - this.#running.length - this.#postponed.length);
  }

  /** Whoever is not in the next step comes behind it. */
  get #isAwaited(): boolean {
    return (this.#jobs.size > 0 && !this.#jobsWait) || (this.#waiting.size > 0 && this.#places > 0);
  }

  /** A turn later, so that calls of one tick start in one step. */
  #begin(): void {
    this.#ahead?.stop();
    this.#loop ??= Promise.resolve().then(() => this.#run());
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        const freed = this.#freed;
        if (!this.#jobsWait && !(await this.#jobs.next())) this.#jobsAt = freed;
        this.#dropAborted();
        this.#rest();
        this.#admit();
        this.#startFollowers();
        if (this.#running.length > 0) await this.#step();
        else if (this.#jobs.size === 0 || this.#jobsWait) return;
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

  #rest(): void {
    for (const entry of this.#running.filter(({ request }) => request.pauses?.())) {
      withdraw(entry);
      this.#running = this.#running.filter((other) => other !== entry);
      this.#resting.set(entry.request, entry);
      entry.request.signal?.addEventListener("abort", entry.onAbort, { once: true });
      this.#idle.add(entry.sequence);
      this.#freed++;
    }
  }

  #admit(): void {
    if ((this.#crowdedAt === this.#freed && this.#isBusy) || this.#jobsWait) return;
    this.#crowdedAt = -1;
    while (this.#running.length < this.together) {
      const entry = this.#postponed.pop() ?? this.#waiting.take((caller) => this.#runningOf(caller));
      if (entry === undefined) return;
      entry.request.signal?.removeEventListener("abort", entry.onAbort);
      const { sequence, request } = entry;
      this.#idle.delete(sequence);
      if (!entry.begun) sequence.take(request.ids, request.logitsFrom, request.rows);
      this.#running.push(entry);
      if (this.#prefixes && !entry.begun) follow(entry, this.#running, this.#prefixes);
      if (!entry.leader) this.#start(entry);
    }
  }

  #isRunning(sequence: Sequence): boolean {
    return this.#running.some((entry) => entry.sequence === sequence);
  }

  #runningOf(caller: object): number {
    let count = 0;
    for (const entry of this.#running) if (entry.caller === caller) count++;
    return count;
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

  async #step(): Promise<void> {
    const ended = new Map<Running, End>();
    const company = new Company(this.#running, () => this.#ahead?.stop());
    let composed: ReturnType<typeof compose> = [];
    let [prompts, begun, asked] = [0, 0, 0];
    try {
      const { pace, cost } = this.times;
      const failed = await draft(this.#running, this.#resident.sizes.rows, pace.rows(), cost);
      for (const [entry, end] of failed) ended.set(entry, end);
      const needed = this.#running.filter((entry) => !isGone(entry) && !ended.has(entry));
      composed = compose(needed, this.#resident.sizes.rows, pace.rows());
      if (composed.length === 0) return;
      company.needs(composed.map(({ entry }) => entry));
      prompts = promptRows(composed);
      begun = performance.now();
      const alone = composed.length === this.#running.length && !this.#isAwaited;
      const ahead = alone ? Ahead.of(composed, ended, () => this.#resident.threads.halt()) : null;
      this.#ahead = ahead;
      let seen = ahead === null; // by whoever asked: workers may draw from the last step too
      await this.#resident.step(
        composed.map(({ part }) => part),
        (logits, _row, index, spans) => {
          seen = true;
          const { entry } = composed[index];
          if (isGone(entry) || ended.has(entry)) return;
          const end = show(entry, logits, spans);
          if (end) ended.set(entry, end);
        },
        company.signal,
        ahead,
      );
      asked = Number(seen);
      for (const { entry, part } of composed) {
        // Nothing of one that ended before.
        if (seen && missing(entry) > 0) entry.sequence.computed += part.inputs.length;
        // Wrong guesses were computed as well; the id in the place of the first is still to be.
        if (entry.wrong) entry.sequence.forget(entry.sequence.ids.length - (ended.has(entry) ? 0 : 1));
        entry.wrong = false;
        // Others may begin with it from now on; with its chunked keys, so before those are given back.
        this.#prefixes?.keep(entry.sequence);
        entry.sequence.release();
        if (missing(entry) === 0 && !ended.has(entry)) ended.set(entry, "done");
      }
    } catch (error) {
      if (company.signal.aborted) return;
      if (isFull(error) && this.#running.length + this.#held.size > 1) this.#postpone();
      else for (const { entry } of composed) if (!ended.has(entry)) ended.set(entry, { error });
    } finally {
      this.times.took(performance.now() - begun, { asked, following: this.#ahead?.steps ?? 0 }, composed, prompts);
      this.#ahead = null;
      company.close();
      // Whoever saw its last logits has ended, also where the step stopped at a later piece of them.
      for (const [entry, end] of ended) this.#end(entry, end);
    }
  }

  /** No page is free: the sequence that came last waits, and is computed again when there is room. */
  #postpone(): void {
    const entry = this.#running.pop()!;
    withdraw(entry);
    entry.sequence.forget(0);
    entry.leader = null;
    this.#postponed.push(entry);
    this.#crowdedAt = this.#freed;
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
      this.#freed++;
    }
    if (end === "done") entry.resolve(entry.cached);
    else entry.reject(end.error);
  }

  #release(sequence: Sequence): void {
    this.#idle.giveUp(sequence);
    this.#freed++;
  }

  #leaveQueue(entry: Running): void {
    if (this.#waiting.delete(entry) || this.#resting.delete(entry.request))
      entry.request.signal?.removeEventListener("abort", entry.onAbort);
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
