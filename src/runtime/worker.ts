import {
  CONTROL_AT,
  STATUS_DONE,
  WORD_DONE,
  WORD_DRAWS,
  WORD_FINISHED,
  WORD_FIRST_MEMORY,
  WORD_FIRST_STEP,
  WORD_JOINED,
  WORD_LAST_MEMORY,
  WORD_NEWS,
  WORD_STATUS,
  WORD_STEP,
  WORD_STOPPED_IN,
  WORD_THREADS,
  WORD_WAKES,
} from "../../assembly/abi.ts";
import type { Crossing, WorkerStart } from "../host/worker-start.ts";
import { controlOf } from "./memory.ts";
import { Drawer } from "./onward.ts";

/**
 * A resident worker: one instance of the kernels per memory; waits for a step, walks its share of every program, reports.
 */

/**
 * A sleeper takes 90 us to wake, and between two tokens JavaScript has 100 to 250 us of work: a worker that spins so long is there at once.
 * Only while the caller computes too, and needs no core beside those of the threads.
 */
const SPIN_MS = 0.4;
/** Looks at the step between two at the clock. */
const SPIN_TURNS = 200;

export interface Instance {
  run(control: number, thread: number): number;
  /** Four equal products, a sum of them. */
  byte_dot(activation: number, weight: number): number;
  read_lines(at: number, bytes: number, streams: number): number;
}

export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Instance {
  const env = {
    memory,
    now: () => performance.now(),
    abort: () => {
      throw new Error("the kernels aborted");
    },
  };
  return new WebAssembly.Instance(module, { env }).exports as unknown as Instance;
}

/** Walks memories first..last from their WORD_PC; returns [status, memory it stopped in]. */
export function walk(
  instances: readonly Instance[],
  memories: readonly WebAssembly.Memory[],
  crossings: readonly (Crossing | null)[],
  thread: number,
  first: number,
  last: number,
  onCross = true,
): [status: number, memory: number] {
  for (let index = first; index <= last; index++) {
    const crossing = crossings[index];
    if (crossing && thread === 0 && index > first && onCross) cross(memories[index - 1], memories[index], crossing);
    const status = instances[index].run(CONTROL_AT, thread);
    if (status !== STATUS_DONE) return [status, index];
  }
  return [STATUS_DONE, last];
}

/** x of the step's rows: the only thing that one memory hands to the next. */
function cross(from: WebAssembly.Memory, to: WebAssembly.Memory, crossing: Crossing): void {
  const rows = controlOf(from)[crossing.rowsWord];
  const bytes = rows * crossing.rowBytes;
  new Uint8Array(to.buffer, crossing.to, bytes).set(new Uint8Array(from.buffer, crossing.from, bytes));
}

/** Waits a while for a step that follows soon, as short ones do. */
function spin(control: Int32Array, step: number): void {
  const until = performance.now() + SPIN_MS;
  do {
    for (let turn = 0; turn < SPIN_TURNS; turn++) if (Atomics.load(control, WORD_STEP) !== step) return;
  } while (performance.now() < until);
}

/** Serves steps until the step word turns negative; `onReady` when it waits for the first. */
export function serve({ module, memories, crossings, onward, thread }: WorkerStart, onReady: () => void): void {
  const control = controlOf(memories[0]);
  const instances = memories.map((memory) => instantiate(module, memory));
  const drawer = onward && new Drawer(memories, onward, thread);
  onReady();
  const word = thread === 0 ? WORD_FIRST_STEP : WORD_STEP;
  let step = 0;
  for (;;) {
    if (thread > 0 && control[WORD_JOINED] === 1) spin(control, step);
    Atomics.wait(control, word, step);
    const next = Atomics.load(control, word);
    if (next === step) continue;
    if (next < 0) return;
    step = next;
    Atomics.add(control, WORD_WAKES + thread, 1);
    const [first, last, draws] = [control[WORD_FIRST_MEMORY], control[WORD_LAST_MEMORY], control[WORD_DRAWS] !== 0];
    let result: ReturnType<typeof walk>;
    let done = 0;
    do result = walk(instances, memories, crossings, thread, first, last);
    while (draws && drawer!.goesOn(done++, result[0] === STATUS_DONE));
    const [status, stoppedIn] = result;
    if (thread === 0) {
      Atomics.store(control, WORD_STATUS, status);
      Atomics.store(control, WORD_STOPPED_IN, stoppedIn);
    }
    if (Atomics.add(control, WORD_DONE, 1) === control[WORD_THREADS] - 1) {
      Atomics.store(control, WORD_FINISHED, step);
      Atomics.add(control, WORD_NEWS, 1);
      Atomics.notify(control, WORD_NEWS);
    }
  }
}
