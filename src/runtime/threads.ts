import { host } from "#host";
import {
  CONTROL_AT,
  STATUS_ABORTED,
  STATUS_FAULT,
  STATUS_STOPPED,
  STATUS_YIELD,
  WORD_ABORT,
  WORD_ARRIVED,
  WORD_CLAIM,
  WORD_DEADLINE,
  WORD_DONE,
  WORD_FAULT,
  WORD_FAULT_PC,
  WORD_FAULT_ROW,
  WORD_FINISHED,
  WORD_FIRST_MEMORY,
  WORD_GENERATION,
  WORD_LAST_MEMORY,
  WORD_PC,
  WORD_SLEEPERS,
  WORD_STATUS,
  WORD_STEP,
  WORD_STOPPED_IN,
  WORD_THREADS,
  WORD_WAKES,
} from "../../assembly/abi.ts";
import { EngineError, modelDisposed } from "../error.ts";
import type { Crossing, Spawned } from "../host/worker-start.ts";
import type { Memory } from "./memory.ts";
import { type Instance, instantiate, walk } from "./worker.ts";

/**
 * The threads of a model: `count` resident workers, or with 0 the caller's own thread, which yields to its event loop every
 * few milliseconds. One step at a time; a step is one wake of every worker.
 */

/** Where a kernel found something that cannot be: memory, op and row, as codes of abi.ts. */
export interface Fault {
  readonly code: number;
  readonly memory: number;
  readonly pc: number;
  readonly row: number;
}

export type RunResult = { status: "done" } | { status: "stopped"; memory: number } | { status: "fault"; fault: Fault };

/** How long workers may take to start. */
const START_MS = 30_000;

export class Threads {
  readonly #memories: readonly Memory[];
  readonly #crossings: readonly (Crossing | null)[];
  readonly #control: Int32Array;
  /** By thread number; undefined where one did not start. */
  readonly #workers: Spawned[] = [];
  readonly #instances: Instance[] = [];
  #step = 0;
  /** When the event loop last had a turn, for the caller's thread. */
  #turnedAt = 0;
  #failure: EngineError | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #closing = false;

  private constructor(memories: readonly Memory[], crossings: readonly (Crossing | null)[]) {
    this.#memories = memories;
    this.#crossings = crossings;
    this.#control = memories[0].control;
  }

  static async start(
    count: number,
    module: WebAssembly.Module,
    memories: readonly Memory[],
    crossings: readonly (Crossing | null)[],
    signal?: AbortSignal,
  ): Promise<Threads> {
    const threads = new Threads(memories, crossings);
    for (const memory of memories) memory.control[WORD_THREADS] = Math.max(1, count);
    if (count === 0) {
      for (const memory of memories) threads.#instances.push(instantiate(module, memory.wasm));
      return threads;
    }
    const starts = Array.from({ length: count }, async (_, thread) => {
      const start = { module, memories: memories.map((memory) => memory.wasm), crossings, thread };
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

  /** Times each worker was woken since it started. */
  get wakes(): number[] {
    return this.#workers.map((_, thread) => Atomics.load(this.#control, WORD_WAKES + thread));
  }

  /** Runs memories [first, last] from the WORD_PC of each. Rejects with the signal's reason when it aborts. */
  run(first: number, last: number, signal?: AbortSignal): Promise<RunResult> {
    const run = this.#running.then(() => this.#run(first, last, signal));
    this.#running = run.catch(() => {});
    return run;
  }

  async #run(first: number, last: number, signal: AbortSignal | undefined): Promise<RunResult> {
    signal?.throwIfAborted();
    if (this.#failure) throw this.#failure;
    if (this.#closing) throw modelDisposed();
    for (const { control } of this.#memories) {
      for (const word of [WORD_ABORT, WORD_ARRIVED, WORD_CLAIM, WORD_SLEEPERS, WORD_FAULT])
        Atomics.store(control, word, 0);
    }
    const [status, memory] =
      this.count === 0 ? await this.#walkHere(first, last, signal) : await this.#wake(first, last, signal);
    if (this.#failure) throw this.#failure;
    const fault = this.#fault();
    if (fault) return { status: "fault", fault };
    if (status === STATUS_ABORTED) {
      signal?.throwIfAborted();
      if (this.#closing) throw modelDisposed();
      throw new EngineError("WORKER_ABORTED", "the step was stopped", { at: { source: "worker" } });
    }
    return status === STATUS_STOPPED ? { status: "stopped", memory } : { status: "done" };
  }

  /** One wake of every worker, then the last one's report. */
  async #wake(first: number, last: number, signal: AbortSignal | undefined): Promise<[number, number]> {
    const control = this.#control;
    this.#step = (this.#step + 1) & 0x3fffffff;
    const finished = Atomics.load(control, WORD_FINISHED);
    Atomics.store(control, WORD_DONE, 0);
    Atomics.store(control, WORD_FIRST_MEMORY, first);
    Atomics.store(control, WORD_LAST_MEMORY, last);
    const abort = () => this.#abort();
    signal?.addEventListener("abort", abort, { once: true });
    // Atomics.waitAsync alone does not keep a process alive.
    for (const worker of this.#workers) worker.ref();
    try {
      const report = Atomics.waitAsync(control, WORD_FINISHED, finished);
      Atomics.store(control, WORD_STEP, this.#step);
      Atomics.notify(control, WORD_STEP);
      await report.value;
    } finally {
      signal?.removeEventListener("abort", abort);
      for (const worker of this.#workers) worker.unref();
    }
    return [Atomics.load(control, WORD_STATUS), Atomics.load(control, WORD_STOPPED_IN)];
  }

  /**
   * The caller's thread: runs until the deadline, gives the event loop a turn, goes on where it was. The deadline counts from the
   * last turn, not from the step: short steps that follow each other would else keep the loop waiting until the last of them.
   */
  async #walkHere(first: number, last: number, signal: AbortSignal | undefined): Promise<[number, number]> {
    const memories = this.#memories.map((memory) => memory.wasm);
    for (let from = first; ; ) {
      if (performance.now() >= this.#turnedAt + host.turnMs) {
        await host.turn();
        this.#turnedAt = performance.now();
        if (signal?.aborted || this.#closing) return [STATUS_ABORTED, from];
      }
      for (const { control } of this.#memories) {
        new Float64Array(control.buffer, CONTROL_AT + WORD_DEADLINE * 4, 1)[0] = this.#turnedAt + host.turnMs;
      }
      const [status, memory] = walk(this.#instances, memories, this.#crossings, 0, from, last);
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
    Atomics.notify(this.#control, WORD_FINISHED);
  }

  /** Stops a running step, ends the workers, and returns when they are gone. */
  async dispose(): Promise<void> {
    this.#closing = true;
    this.#abort();
    await this.#running;
    Atomics.store(this.#control, WORD_STEP, -1);
    Atomics.notify(this.#control, WORD_STEP);
    await Promise.all(this.#workers.map((worker) => worker?.end()));
    this.#workers.length = 0;
    this.#instances.length = 0;
  }
}

/** Address of the first op of the next run of a memory. */
export function startAt(memory: Memory, pc: number): void {
  memory.control[WORD_PC] = pc;
}
