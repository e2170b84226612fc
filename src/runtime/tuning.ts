import { type Choice, TOUCHES } from "../choice.ts";
import { candidatesFor, defaultChoice, type MatrixKind, streamsFor } from "./kernels.ts";

/**
 * Which choice is the fastest one here. That hangs on the processor (its prefetchers, AVX-VNNI), on what the compiler makes of a kernel and
 * on the threads that share a memory, and none of it can be asked; all choices give the same bits, so a clock may decide.
 */

/** What is multiplied: one row; a few, whose time is their weights' way out of memory; rows enough for many full tiles. */
export type Rows = "one" | "few" | "many";

/** Milliseconds of one multiplication as a choice says. */
export type Timing = (choice: Choice, rows: Rows) => Promise<number>;

const ROUNDS = 4;
/** Where the difference is smaller it is noise. */
const FASTER = 0.96;

/** The fastest choice, and how many times faster than the default it is with one row. */
export async function fastest(
  place: MatrixKind,
  wide: boolean,
  time: Timing,
): Promise<{ choice: Choice; gain: number }> {
  const { tiles, rows } = candidatesFor(place);
  const start = defaultChoice(place, wide);
  // Float kernels of one row follow four groups whatever is asked.
  const ways = place.form === "f32" ? [] : streamsFor(place).map((streams) => ({ streams }));
  const touched = await best(
    start,
    TOUCHES.map((touch) => ({ touch })),
    "few",
    time,
  );
  const kernels = Object.keys(rows).length === 0 ? [] : [...Object.keys(rows), null].map((row) => ({ row }));
  const row = await best(touched.choice, kernels, "one", time);
  const read = row.choice.row === null ? row : await best(row.choice, ways, "one", time);
  const tile = place.form === "f32" ? [] : Object.keys(tiles).map((tile) => ({ tile }));
  const { choice } = await best(read.choice, tile, "many", time);
  return { choice, gain: row === read ? row.gain : row.gain * read.gain };
}

/** The first of `changes` that is faster than all before it by more than noise; interleaved, the best of some rounds each. */
async function best(
  start: Choice,
  changes: readonly Partial<Choice>[],
  rows: Rows,
  time: Timing,
): Promise<{ choice: Choice; gain: number }> {
  const all = [start, ...changes.map((change) => ({ ...start, ...change }))].filter(
    (choice, index, list) => list.findIndex((other) => JSON.stringify(other) === JSON.stringify(choice)) === index,
  );
  if (all.length < 2) return { choice: start, gain: 1 };
  const least = all.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < ROUNDS; round++)
    for (const [index, choice] of all.entries()) least[index] = Math.min(least[index], await time(choice, rows));
  let taken = 0;
  for (const [index, ms] of least.entries()) if (ms < least[taken] * FASTER) taken = index;
  return { choice: all[taken], gain: least[0] / least[taken] };
}

/** Whether a clock can tell such times apart: some hosts let it stand still or round it against spies. */
export function clockIsFine(): boolean {
  const begun = performance.now();
  for (let turn = 0; turn < 100_000; turn++) {
    const passed = performance.now() - begun;
    if (passed > 0) return passed <= 0.02;
  }
  return false;
}
