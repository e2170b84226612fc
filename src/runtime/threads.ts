import { host } from "#host";
import {
  CONTROL_AT,
  DRAWS,
  STATUS_ABORTED,
  STATUS_FAULT,
  STATUS_STOPPED,
  STATUS_YIELD,
  WORD_ABORT,
  WORD_ALLOWED,
  WORD_ARRIVED,
  WORD_CLAIM,
  WORD_DEADLINE,
  WORD_DONE,
  WORD_DRAWN,
  WORD_DRAWS,
  WORD_FAULT,
  WORD_FAULT_PC,
  WORD_FAULT_ROW,
  WORD_FINISHED,
  WORD_FIRST_MEMORY,
  WORD_FIRST_STEP,
  WORD_GENERATION,
  WORD_JOINED,
  WORD_LAST_MEMORY,
  WORD_LEFT,
  WORD_LEFT_PC,
  WORD_NEWS,
  WORD_PC,
  WORD_SHARES,
  WORD_SLEEPERS,
  WORD_STATUS,
  WORD_STEP,
  WORD_STOPPED_IN,
  WORD_THREADS,
  WORD_WAKES,
} from "../../assembly/abi.ts";
import { EngineError, modelDisposed } from "../error.ts";
import type { Crossing, OnwardTables, Spawned } from "../host/worker-start.ts";
import { Turns } from "../turns.ts";
import type { Memory } from "./memory.ts";
import { type Onward, OnwardRuns } from "./onward.ts";
import { type Instance, instantiate, walk } from "./worker.ts";

/**
 * The threads of a model: `count` resident workers, or with 0 the caller's own thread, which yields to its event loop every
 * few milliseconds. One run at a time: one wake of every worker, for one step or several that follow each other (onward.ts). Short ones,
 * where each of two wakes would count, the caller's thread walks in the first worker's place.
 */

export interface RunOptions {
  /** It will take about as long as the last run of which this was said. */
  readonly alike?: boolean;
  /** Workers draw its ids, and more steps may follow the first. */
  readonly onward?: Onward | null;
}

/** Where a kernel found something that cannot be: memory, op and row, as codes of abi.ts. */
export interface Fault {
  readonly code: number;
  readonly memory: number;
  readonly pc: number;
  readonly row: number;
}

/** `drawn`: the caller has heard of the ids of every step. */
export type RunResult =
  | { status: "done"; drawn: boolean }
  | { status: "stopped"; memory: number }
  | { status: "fault"; fault: Fault };

/** Words that every run begins with at 0. */
const OF_ONE_RUN = [
  WORD_ABORT,
  WORD_ARRIVED,
  WORD_CLAIM,
  WORD_SLEEPERS,
  WORD_FAULT,
  WORD_JOINED,
  WORD_LEFT_PC,
  WORD_DRAWS,
  WORD_ALLOWED,
  WORD_DRAWN,
  WORD_SHARES,
] as const;

/** How long workers may take to start. */
const START_MS = 30_000;
/**
 * The caller's thread walks runs that take less: so long its event loop waits for one. Two wakes less, of 90 us and 70
 * (EPYC, Zen 4, 2 cores): greedy texts of 12 million weights in 0.4 ms a step 1853 -> 2131 tokens/s, best 2545 -> 3353; steps of 3.2 ms,
 * `small` q4_0, gain nothing, for what else V8 does on the caller's core then holds all threads up.
 */
const JOINED_MS = 2;
/** Looks at who has finished before the caller waits for a notice of it. */
const LEAVING_TURNS = 20_000;

export class Threads {
  readonly #module: WebAssembly.Module;
  readonly #memories: readonly Memory[];
  readonly #wasm: readonly WebAssembly.Memory[];
  readonly #crossings: readonly (Crossing | null)[];
  readonly #onward: OnwardRuns | null;
  readonly #control: Int32Array;
  /** By thread number; undefined where one did not start. */
  readonly #workers: Spawned[] = [];
  /** Of the caller's thread. */
  readonly #instances: Instance[] = [];
  #step = 0;
  /** Of the last run that was said to be like others. */
  #alikeMs = Number.POSITIVE_INFINITY;
  /** When the event loop last had a turn, for the caller's thread. */
  #turnedAt = 0;
  #failure: EngineError | undefined;
  readonly #running = new Turns();
  #joins = 0;
  #closing = false;

  private constructor(
    module: WebAssembly.Module,
    memories: readonly Memory[],
    crossings: readonly (Crossing | null)[],
    onward: OnwardTables | null,
  ) {
    this.#module = module;
    this.#memories = memories;
    this.#wasm = memories.map(({ wasm }) => wasm);
    this.#crossings = crossings;
    this.#onward = onward && new OnwardRuns(this.#wasm, onward);
    this.#control = memories[0].control;
  }

  static async start(
    count: number,
    module: WebAssembly.Module,
    memories: readonly Memory[],
    crossings: readonly (Crossing | null)[],
    onward: OnwardTables | null,
    signal?: AbortSignal,
  ): Promise<Threads> {
    const threads = new Threads(module, memories, crossings, onward);
    for (const memory of memories) memory.control[WORD_THREADS] = Math.max(1, count);
    if (count === 0) {
      threads.#instantiate();
      return threads;
    }
    const starts = Array.from({ length: count }, async (_, thread) => {
      const start = { module, memories: threads.#wasm, crossings, onward, thread };
      threads.#workers[thread] = await host.spawn(start, START_MS, (reason) => threads.#fail(thread, reason), signal);
    });
    // All of them: those that started must be ended too.
    const failed = (await Promise.allSettled(starts)).find((start) => start.status === "rejected");
    if (failed) {
      await threads.dispose();
      throw failed.reason;
    }
    return threads;
  }

  /** Worker threads, or 0 for the caller's thread. */
  get count(): number {
    return this.#workers.length;
  }

  /** Runs that each worker has taken part in since it started; the first one's with those that the caller walked in its place. */
  get wakes(): number[] {
    return this.#workers.map((_, thread) => Atomics.load(this.#control, WORD_WAKES + thread));
  }

  /** Runs that the caller's thread has walked in the first worker's place. */
  get joins(): number {
    return this.#joins;
  }

  /** Runs memories [first, last] from the WORD_PC of each. Rejects with the signal's reason when it aborts. */
  run(first: number, last: number, signal?: AbortSignal, options: RunOptions = {}): Promise<RunResult> {
    return this.#running.take(() => this.#run(first, last, signal, options));
  }

  /** No step follows the one that is under way. */
  halt(): void {
    Atomics.store(this.#control, WORD_ALLOWED, 0);
  }

  async #run(
    first: number,
    last: number,
    signal: AbortSignal | undefined,
    { alike = false, onward = null }: RunOptions,
  ): Promise<RunResult> {
    signal?.throwIfAborted();
    if (this.#failure) throw this.#failure;
    if (this.#closing) throw modelDisposed();
    for (const { control } of this.#memories) {
      for (const word of OF_ONE_RUN) Atomics.store(control, word, 0);
    }
    const begun = performance.now();
    const [status, memory] =
      this.count === 0
        ? await this.#walkHere(first, last, signal)
        : alike && !onward && host.mayBlock && this.#alikeMs < JOINED_MS
          ? await this.#join(first, last, signal)
          : await this.#wake(first, last, signal, onward);
    if (alike && !onward) this.#alikeMs = performance.now() - begun;
    if (this.#failure) throw this.#failure;
    const fault = this.#fault();
    if (fault) return { status: "fault", fault };
    if (status === STATUS_ABORTED) {
      signal?.throwIfAborted();
      if (this.#closing) throw modelDisposed();
      throw new EngineError("WORKER_ABORTED", "the step was stopped", { at: { source: "worker" } });
    }
    return status === STATUS_STOPPED
      ? { status: "stopped", memory }
      : { status: "done", drawn: Atomics.load(this.#control, WORD_DRAWS) === DRAWS };
  }

  /** One wake of every worker, then the last one's report; on the way news of steps that follow. */
  async #wake(
    first: number,
    last: number,
    signal: AbortSignal | undefined,
    onward: Onward | null,
  ): Promise<[number, number]> {
    const control = this.#control;
    const abort = () => this.#abort();
    signal?.addEventListener("abort", abort, { once: true });
    if (onward) this.#onward!.allow(onward);
    let told = 0;
    try {
      const before = this.#begin(first, last, [WORD_FIRST_STEP, WORD_STEP]);
      await this.#until(control, WORD_NEWS, () => {
        const ended = Atomics.load(control, WORD_FINISHED) !== before;
        if (onward) told = this.#onward!.tell(onward, told);
        return ended;
      });
    } finally {
      signal?.removeEventListener("abort", abort);
    }
    return [Atomics.load(control, WORD_STATUS), Atomics.load(control, WORD_STOPPED_IN)];
  }

  /** Wakes those that wait on `words`; returns what WORD_FINISHED was before. */
  #begin(first: number, last: number, words: readonly number[]): number {
    const control = this.#control;
    const before = Atomics.load(control, WORD_FINISHED);
    this.#step = (this.#step + 1) & 0x3fffffff;
    Atomics.store(control, WORD_DONE, 0);
    Atomics.store(control, WORD_FIRST_MEMORY, first);
    Atomics.store(control, WORD_LAST_MEMORY, last);
    for (const word of words) {
      Atomics.store(control, word, this.#step);
      Atomics.notify(control, word);
    }
    return before;
  }

  /**
   * Until `over`, which is asked whenever the word has changed. The notice of a change that was seen without it wakes the next who waits, so
   * it may be asked once more than that.
   */
  async #until(control: Int32Array, word: number, over: () => boolean): Promise<void> {
    // Atomics.waitAsync alone does not keep a process alive.
    for (const worker of this.#workers) worker.ref();
    try {
      for (let seen = Atomics.load(control, word); !over(); seen = Atomics.load(control, word))
        await Atomics.waitAsync(control, word, seen).value;
    } finally {
      for (const worker of this.#workers) worker.unref();
    }
  }

  /**
   * The caller's thread in the first worker's place: its event loop waits, and has a turn behind as much work. Where another thread is
   * late at a barrier, or dead, it waits for that one as for a whole step.
   */
  async #join(first: number, last: number, signal: AbortSignal | undefined): Promise<[number, number]> {
    if (!(await this.#turn(JOINED_MS, signal))) return [STATUS_ABORTED, first];
    for (const { control } of this.#memories) Atomics.store(control, WORD_JOINED, 1);
    this.#instantiate();
    const before = this.#begin(first, last, [WORD_STEP]);
    this.#joins++;
    Atomics.add(this.#control, WORD_WAKES, 1);
    let result: [number, number];
    try {
      for (let from = first; ; from = result[1]) {
        result = walk(this.#instances, this.#wasm, this.#crossings, 0, from, last);
        if (result[0] !== STATUS_YIELD) break;
        const { control } = this.#memories[result[1]];
        const left = control[WORD_LEFT];
        await this.#until(
          control,
          WORD_GENERATION,
          () => Atomics.load(control, WORD_GENERATION) !== left || Atomics.load(control, WORD_ABORT) !== 0,
        );
        Atomics.sub(control, WORD_SLEEPERS, 1);
      }
    } catch (cause) {
      this.#abort();
      result = [STATUS_ABORTED, first];
      this.#failure ??= new EngineError("WORKER_EXIT", `the kernels ended: ${cause}`, {
        at: { source: "worker" },
        cause,
      });
    }
    if (Atomics.add(this.#control, WORD_DONE, 1) === this.count - 1) return result;
    // The others leave behind the same barrier.
    const left = () => Atomics.load(this.#control, WORD_FINISHED) !== before;
    for (let turn = 0; !left(); turn++) if (turn >= LEAVING_TURNS) await this.#until(this.#control, WORD_NEWS, left);
    return result;
  }

  /** The kernels on the caller's thread, once. */
  #instantiate(): void {
    if (this.#instances.length > 0) return;
    this.#instances.push(...this.#wasm.map((memory) => instantiate(this.#module, memory)));
  }

  /** A turn of the event loop where the last is `ms` ago. False: the step was given up in it. */
  async #turn(ms: number, signal: AbortSignal | undefined): Promise<boolean> {
    if (performance.now() < this.#turnedAt + ms) return true;
    await host.turn();
    this.#turnedAt = performance.now();
    return !signal?.aborted && !this.#closing && !this.#failure;
  }

  /**
   * The caller's thread: runs until the deadline, gives the event loop a turn, goes on where it was. The deadline counts from the
   * last turn, not from the step: short steps that follow each other would else keep the loop waiting until the last of them.
   */
  async #walkHere(first: number, last: number, signal: AbortSignal | undefined): Promise<[number, number]> {
    for (let from = first; ; ) {
      if (!(await this.#turn(host.turnMs, signal))) return [STATUS_ABORTED, from];
      for (const { control } of this.#memories) {
        new Float64Array(control.buffer, CONTROL_AT + WORD_DEADLINE * 4, 1)[0] = this.#turnedAt + host.turnMs;
      }
      const [status, memory] = walk(this.#instances, this.#wasm, this.#crossings, 0, from, last);
      if (status !== STATUS_YIELD) return [status, memory];
      from = memory;
    }
  }

  #abort(): void {
    for (const { control } of this.#memories) {
      Atomics.store(control, WORD_ABORT, 1);
      Atomics.notify(control, WORD_GENERATION);
    }
  }

  #fault(): Fault | undefined {
    for (let memory = 0; memory < this.#memories.length; memory++) {
      const control = this.#memories[memory].control;
      if (control[WORD_FAULT] === 0) continue;
      return { code: control[WORD_FAULT], memory, pc: control[WORD_FAULT_PC] >>> 0, row: control[WORD_FAULT_ROW] };
    }
    return undefined;
  }

  /** A worker died: its peers leave their barrier, the running step fails, and so does every later one. */
  #fail(thread: number, reason: string): void {
    if (this.#closing) return;
    this.#failure ??= new EngineError("WORKER_EXIT", `worker ${thread} of ${this.count} ended: ${reason}`, {
      at: { source: "worker" },
    });
    this.#abort();
    // Nobody else may be left to report.
    Atomics.store(this.#control, WORD_STATUS, STATUS_FAULT);
    Atomics.add(this.#control, WORD_FINISHED, 1);
    Atomics.add(this.#control, WORD_NEWS, 1);
    Atomics.notify(this.#control, WORD_NEWS);
  }

  /** Stops a running step, ends the workers, and returns when they are gone. */
  async dispose(): Promise<void> {
    this.#closing = true;
    this.#abort();
    await this.#running.ended();
    for (const word of [WORD_FIRST_STEP, WORD_STEP]) {
      Atomics.store(this.#control, word, -1);
      Atomics.notify(this.#control, word);
    }
    await Promise.all(this.#workers.map((worker) => worker?.end()));
    this.#workers.length = 0;
    this.#instances.length = 0;
  }
}

/** Address of the first op of the next run of a memory. */
export function startAt(memory: Memory, pc: number): void {
  memory.control[WORD_PC] = pc;
}
