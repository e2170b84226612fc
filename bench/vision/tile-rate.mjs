/** What the tile kernel of a type reaches by itself: the same threads, rows of one tile, weights that stay in the cache. */

import { SEGMENT_WORDS, WORD_ROWS, WORD_SCRATCH_AT, WORD_SCRATCH_BYTES } from "../../dist/assembly/abi.js";
import { MATMUL_BYTES } from "../../dist/src/model/plan/layout.js";
import { tileRowsFor } from "../../dist/src/model/plan/sizes.js";
import { formOf } from "../../dist/src/runtime/forms.js";
import { Memory, MemoryPlan } from "../../dist/src/runtime/memory.js";
import { reservePacked, reservePanel } from "../../dist/src/runtime/packed.js";
import { Program } from "../../dist/src/runtime/program.js";
import { startAt, Threads } from "../../dist/src/runtime/threads.js";
import { isFloat } from "../../dist/src/weight-types.js";

const ROWS = 576;
const COLS = 1408;
const OUTPUTS = 256;
const OPS = 8;
const ROUNDS = 5;

/** GFLOP/s. Float weights as f32: what others cost beside, the tower pays. */
export async function tileRate({ module }, type, options) {
  const { threads: count, wide } = options;
  const stored = isFloat(type) ? "f32" : type;
  const plan = new MemoryPlan();
  const scratch = plan.reserve("scratch", "bytes", [Math.max(1, count), Math.max(MATMUL_BYTES, 4 * COLS) + 64]);
  const segments = plan.reserve("segments", "u32", [1 + SEGMENT_WORDS]);
  const panel = reservePanel(
    plan,
    "panel",
    formOf(stored, options),
    { tileRows: tileRowsFor(wide), threads: count },
    ROWS,
    COLS,
  );
  const weight = reservePacked(plan, { name: "weight", type: stored }, OUTPUTS, COLS, options);
  const table = plan.reserve("table", "u32", [1]);
  const out = plan.reserve("out", "f32", [ROWS, OUTPUTS]);
  const program = new Program(options);
  for (let op = 0; op < OPS; op++) program.matmul([{ segments, weights: [weight], table, panel, out }], isFloat(type));
  const words = plan.reserve("program", "u32", [program.bytes / 4]);
  const memory = new Memory(plan);
  memory.control[WORD_SCRATCH_AT] = scratch.at;
  memory.control[WORD_SCRATCH_BYTES] = scratch.shape[1];
  memory.control[WORD_ROWS] = ROWS;
  memory.u32(segments).set([1, 0, 0, ROWS]);
  memory.u32(table).set([weight.at.at]);
  memory.u32(words).set(program.words());
  const threads = await Threads.start(count, module, [memory], [null], null);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round <= ROUNDS; round++) {
    startAt(memory, words.at);
    const begun = performance.now();
    await threads.run(0, 0);
    if (round > 0) best = Math.min(best, performance.now() - begun);
  }
  await threads.dispose();
  return (2 * ROWS * COLS * OUTPUTS * OPS) / best / 1e6;
}
