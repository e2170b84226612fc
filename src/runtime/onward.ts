import {
  CONTROL_AT,
  CONTROL_BYTES,
  PAGE,
  PEAK,
  ROW_FLAGS,
  ROW_INPUT,
  ROW_POSITION,
  ROW_WORDS,
  WORD_ABORT,
  WORD_ALLOWED,
  WORD_FOLLOWED,
  WORD_NEWS,
  WORD_ONWARD,
  WORD_PEAKS,
  WORD_ROWS,
} from "../../assembly/abi.ts";
import { Candidates } from "../draw/candidates.ts";
import { DRAWING_NUMBERS, type Drawing, draw, readDrawing, writeDrawing } from "../draw/draw.ts";
import type { OnwardTables } from "../host/worker-start.ts";

/**
 * Steps that follow each other without the caller: the first worker draws the ids, the next step begins with them, and the caller hears of
 * them while it is computed. Where an id is a matter of more than its logits (a grammar, a penalty), steps are asked for one by one.
 *
 * Between two steps that are asked for, 160 us pass until the caller has woken and then a worker, and its JavaScript takes 100
 * (docs/performance.md).
 */

/** What a run may do by itself. Steps that follow lie on the pages, and have the tasks of attention, of the first. */
export interface Onward {
  /** How many steps may follow: asked when the run begins. */
  readonly most: () => number;
  /** Behind any of these ids nothing follows; MOST_ENDS at most. */
  readonly ends: readonly number[];
  /** How the ids of each row are drawn, and the number of the first of them. */
  readonly draws: readonly { readonly drawing: Drawing; readonly step: number }[];
  /** The ids that the rows of a step drew which another one follows, in order. */
  readonly onIds: (ids: Uint32Array) => void;
}

export const MOST_ENDS = 32;
export const MOST_ROWS = 64;
/** Words of the tables: [count, ids], drawings [rows], ids [steps][rows]. */
export const ENDS_WORDS = 1 + MOST_ENDS;
export const DRAWINGS_WORDS = MOST_ROWS * DRAWING_NUMBERS * 2;
export const DRAWN_WORDS = PAGE * MOST_ROWS;

/** Looks at the first worker before another one sleeps: most draws take less. */
const LEADER_TURNS = 20_000;
/** Of one sleep: the first worker may be dead. */
const SLEEP_MS = 20;

/** The caller's side. */
export class OnwardRuns {
  readonly #control: Int32Array;
  readonly #tables: OnwardTables;
  /** The last that a step walks. */
  readonly #memory: WebAssembly.Memory;

  constructor(memories: readonly WebAssembly.Memory[], tables: OnwardTables) {
    this.#control = controlOf(memories[0]);
    this.#tables = tables;
    this.#memory = memories[tables.rows.length - 1];
  }

  /** Before a run begins. */
  allow({ ends, draws }: Onward, most: number): void {
    const { buffer } = this.#memory;
    new Uint32Array(buffer, this.#tables.ends, ENDS_WORDS).set([ends.length, ...ends]);
    const numbers = new Float64Array(buffer, this.#tables.drawings, draws.length * DRAWING_NUMBERS);
    for (const [row, { drawing, step }] of draws.entries())
      writeDrawing(numbers.subarray(row * DRAWING_NUMBERS), drawing, step);
    Atomics.store(this.#control, WORD_ALLOWED, most);
    Atomics.store(this.#control, WORD_ONWARD, 1);
  }

  /** Tells of what steps behind the first `told` drew that others follow. Returns how many these are. */
  tell({ onIds }: Onward, told: number): number {
    const word = Atomics.load(this.#control, WORD_FOLLOWED);
    const followed = word < 0 ? ~word : word;
    for (let step = told; step < followed; step++) onIds(drawnIds(this.#memory, this.#tables, step));
    return followed;
  }
}

const controlOf = ({ buffer }: WebAssembly.Memory) => new Int32Array(buffer, CONTROL_AT, CONTROL_BYTES / 4);

/** What the rows of step `step` drew. */
function drawnIds(memory: WebAssembly.Memory, { drawn }: OnwardTables, step: number): Uint32Array {
  return new Uint32Array(memory.buffer, drawn + step * MOST_ROWS * 4, controlOf(memory)[WORD_ROWS]);
}

/** The first worker's side. */
export class Leader {
  readonly #control: Int32Array;
  readonly #memories: readonly WebAssembly.Memory[];
  readonly #tables: OnwardTables;
  /** Of the first draw on: 16 bytes a token. */
  #candidates: Candidates | null = null;

  constructor(memories: readonly WebAssembly.Memory[], tables: OnwardTables) {
    this.#control = controlOf(memories[0]);
    this.#memories = memories.slice(0, tables.rows.length);
    this.#tables = tables;
  }

  /** Behind step `step`: whether the next one follows, which then begins for all. `well`: the step was done. */
  leads(step: number, well: boolean): boolean {
    const control = this.#control;
    const follows = well && Atomics.sub(control, WORD_ALLOWED, 1) > 0 && this.#draw(step);
    Atomics.store(control, WORD_FOLLOWED, follows ? step + 1 : ~step);
    Atomics.notify(control, WORD_FOLLOWED);
    if (follows) {
      Atomics.add(control, WORD_NEWS, 1);
      Atomics.notify(control, WORD_NEWS);
    }
    return follows;
  }

  /** Writes the rows of the step that follows. False: an end was drawn, or nothing could be, which whoever asked for the step will find. */
  #draw(step: number): boolean {
    const tables = this.#tables;
    const memory = this.#memories[this.#memories.length - 1];
    const words = new Uint32Array(memory.buffer, tables.ends, ENDS_WORDS);
    const ends = words.subarray(1, 1 + words[0]);
    const ids = drawnIds(memory, tables, step);
    for (let row = 0; row < ids.length; row++) {
      const id = this.#drawRow(memory, row, step);
      if (id < 0 || ends.includes(id)) return false;
      ids[row] = id;
    }
    for (const [index, at] of tables.rows.entries()) {
      const rows = new Uint32Array(this.#memories[index].buffer, at, ids.length * ROW_WORDS);
      for (let row = 0; row < ids.length; row++) {
        rows[row * ROW_WORDS + ROW_INPUT] = ids[row];
        rows[row * ROW_WORDS + ROW_FLAGS] = 0;
        rows[row * ROW_WORDS + ROW_POSITION]++;
      }
    }
    return true;
  }

  #drawRow(memory: WebAssembly.Memory, row: number, step: number): number {
    const { logits, peaks, vocab, drawings } = this.#tables;
    const numbers = new Float64Array(memory.buffer, drawings + row * DRAWING_NUMBERS * 8, DRAWING_NUMBERS);
    const { drawing, step: first } = readDrawing(numbers);
    const ofRow = (at: number, count: number) => new Float32Array(memory.buffer, at + row * count * 4, count);
    const known = controlOf(memory)[WORD_PEAKS] !== 0 ? ofRow(peaks, Math.ceil(vocab / PEAK)) : null;
    this.#candidates ??= new Candidates(vocab);
    try {
      return draw(this.#candidates, drawing, first + step, ofRow(logits, vocab), known);
    } catch {
      return -1;
    }
  }
}

/** The other workers, behind step `step`: whether the next one follows. */
export function follow(control: Int32Array, step: number): boolean {
  for (let turn = 0; ; turn++) {
    const followed = Atomics.load(control, WORD_FOLLOWED);
    if (followed !== step) return followed > step;
    if (turn < LEADER_TURNS) continue;
    if (Atomics.load(control, WORD_ABORT) !== 0) return false;
    Atomics.wait(control, WORD_FOLLOWED, step, SLEEP_MS);
  }
}
