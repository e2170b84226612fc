import {
  DRAWS,
  DRAWS_NOT,
  PAGE,
  PEAK,
  ROW_FLAGS,
  ROW_INPUT,
  ROW_POSITION,
  ROW_WORDS,
  WORD_ABORT,
  WORD_ALLOWED,
  WORD_DRAWN,
  WORD_DRAWS,
  WORD_NEWS,
  WORD_PEAKS,
  WORD_ROWS,
  WORD_SHARES,
  WORD_THREADS,
} from "../../assembly/abi.ts";
import { Candidates } from "../draw/candidates.ts";
import { DRAWING_NUMBERS, type Drawing, draw, readDrawing, writeDrawing } from "../draw/draw.ts";
import type { Spans } from "../draw/spans.ts";
import type { OnwardTables } from "../host/worker-start.ts";
import { controlOf } from "./memory.ts";

/**
 * Steps that follow each other without the caller: the workers draw the ids, a row after the other each, the next step begins with them, and the
 * caller hears of them while it is computed. Where an id is a matter of more than its logits (a grammar, a penalty), steps are asked for one by one.
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
  /** What the rows of each step drew, in order. */
  readonly onIds: (ids: Uint32Array) => void;
}

export const MOST_ENDS = 32;
export const MOST_ROWS = 64;
/** Words of the tables: [count, ids], drawings [rows], ids [steps][rows]. */
export const ENDS_WORDS = 1 + MOST_ENDS;
export const DRAWINGS_WORDS = MOST_ROWS * DRAWING_NUMBERS * 2;
export const DRAWN_WORDS = PAGE * MOST_ROWS;

/** In the place of an id: there is none. */
const NONE = 0xffffffff;
/** Looks at the others before a worker sleeps: most draws take less. */
const SPIN_TURNS = 20_000;
/** Of one sleep: whom it waits for may be dead. */
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
  allow({ ends, draws, most }: Onward): void {
    const { buffer } = this.#memory;
    new Uint32Array(buffer, this.#tables.ends, ENDS_WORDS).set([ends.length, ...ends]);
    const numbers = new Float64Array(buffer, this.#tables.drawings, draws.length * DRAWING_NUMBERS);
    for (const [row, { drawing, step }] of draws.entries())
      writeDrawing(numbers.subarray(row * DRAWING_NUMBERS), drawing, step);
    Atomics.store(this.#control, WORD_ALLOWED, most());
    Atomics.store(this.#control, WORD_DRAWS, DRAWS);
  }

  /** Tells of what steps behind the first `told` drew. Returns how many there are. */
  tell({ onIds }: Onward, told: number): number {
    const word = Atomics.load(this.#control, WORD_DRAWN);
    const drawn = word < 0 ? ~word : word;
    for (let step = told; step < drawn; step++) onIds(drawnIds(this.#memory, this.#tables, step));
    return drawn;
  }
}

/** What the rows of step `step` drew. */
function drawnIds(memory: WebAssembly.Memory, { drawn }: OnwardTables, step: number): Uint32Array {
  return new Uint32Array(memory.buffer, drawn + step * MOST_ROWS * 4, controlOf(memory)[WORD_ROWS]);
}

/** A worker's side. */
export class Drawer {
  readonly #control: Int32Array;
  readonly #memories: readonly WebAssembly.Memory[];
  readonly #tables: OnwardTables;
  readonly #thread: number;
  /** Of the first draw on: 16 bytes a token. */
  #candidates: Candidates | null = null;

  constructor(memories: readonly WebAssembly.Memory[], tables: OnwardTables, thread: number) {
    this.#control = controlOf(memories[0]);
    this.#memories = memories.slice(0, tables.rows.length);
    this.#tables = tables;
    this.#thread = thread;
  }

  /** Behind step `step`: whether the next one follows. `well`: the step was done. */
  goesOn(step: number, well: boolean): boolean {
    const control = this.#control;
    if (well) {
      this.#drawShare(step);
      Atomics.add(control, WORD_SHARES, 1);
      Atomics.notify(control, WORD_SHARES);
    }
    if (this.#thread === 0) return this.#lead(step, well);
    return well && this.#reach(WORD_DRAWN, (drawn) => drawn !== step) && control[WORD_DRAWN] > step;
  }

  /** The first worker: the next step begins for all, or none does. */
  #lead(step: number, well: boolean): boolean {
    const control = this.#control;
    const shares = (step + 1) * control[WORD_THREADS];
    const all = well && this.#reach(WORD_SHARES, (drawn) => drawn === shares);
    const ids = drawnIds(this.#last, this.#tables, step);
    const drawn = all && !ids.includes(NONE);
    const follows = drawn && Atomics.sub(control, WORD_ALLOWED, 1) > 0 && !this.#ends(ids);
    if (follows) this.#writeRows(ids);
    if (!drawn) Atomics.store(control, WORD_DRAWS, DRAWS_NOT);
    Atomics.store(control, WORD_DRAWN, follows ? step + 1 : drawn ? ~(step + 1) : ~step);
    Atomics.notify(control, WORD_DRAWN);
    if (follows) {
      Atomics.add(control, WORD_NEWS, 1);
      Atomics.notify(control, WORD_NEWS);
    }
    return follows;
  }

  get #last(): WebAssembly.Memory {
    return this.#memories[this.#memories.length - 1];
  }

  /** Until the word is as wanted. False: the run was given up. */
  #reach(word: number, wanted: (value: number) => boolean): boolean {
    const control = this.#control;
    for (let turn = 0; ; turn++) {
      const value = Atomics.load(control, word);
      if (wanted(value)) return true;
      if (turn < SPIN_TURNS) continue;
      if (Atomics.load(control, WORD_ABORT) !== 0) return false;
      Atomics.wait(control, word, value, SLEEP_MS);
    }
  }

  #ends(ids: Uint32Array): boolean {
    const words = new Uint32Array(this.#last.buffer, this.#tables.ends, ENDS_WORDS);
    const ends = words.subarray(1, 1 + words[0]);
    return ids.some((id) => ends.includes(id));
  }

  /** Of the step that follows. */
  #writeRows(ids: Uint32Array): void {
    for (const [index, at] of this.#tables.rows.entries()) {
      const rows = new Uint32Array(this.#memories[index].buffer, at, ids.length * ROW_WORDS);
      for (let row = 0; row < ids.length; row++) {
        rows[row * ROW_WORDS + ROW_INPUT] = ids[row];
        rows[row * ROW_WORDS + ROW_FLAGS] = 0;
        rows[row * ROW_WORDS + ROW_POSITION]++;
      }
    }
  }

  #drawShare(step: number): void {
    const ids = drawnIds(this.#last, this.#tables, step);
    const threads = this.#control[WORD_THREADS];
    for (let row = this.#thread; row < ids.length; row += threads) ids[row] = this.#drawRow(row, step);
  }

  /** NONE: not all logits are numbers, which whoever asked for the step will find. */
  #drawRow(row: number, step: number): number {
    const { logits, vocab, drawings } = this.#tables;
    const { buffer } = this.#last;
    const numbers = new Float64Array(buffer, drawings + row * DRAWING_NUMBERS * 8, DRAWING_NUMBERS);
    const { drawing, step: first } = readDrawing(numbers);
    const values = new Float32Array(buffer, logits + row * vocab * 4, vocab);
    this.#candidates ??= new Candidates(vocab);
    try {
      return draw(this.#candidates, drawing, first + step, values, this.#spansOf(row));
    } catch {
      return NONE;
    }
  }

  #spansOf(row: number): Spans | null {
    if (controlOf(this.#last)[WORD_PEAKS] === 0) return null;
    const { peaks, scales, masses, vocab } = this.#tables;
    const { buffer } = this.#last;
    const spans = Math.ceil(vocab / PEAK);
    const ofRow = (at: number) => new Float32Array(buffer, at + row * spans * 4, spans);
    const [scale] = new Float32Array(buffer, scales + row * 4, 1);
    return { peaks: ofRow(peaks), masses: scale > 0 ? ofRow(masses) : null };
  }
}
