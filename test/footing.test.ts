/**
 * Footings (assembly/footing.ts): claims a word further down the stack are tried, taken where they are faster, and give the same bits.
 */
import { afterEach, describe, expect, it } from "vitest";
import * as abi from "../assembly/abi.ts";
import { type Arena, clock, expectSameBits, type Kernels, on, onBoth, Random, SEED } from "./kernels.ts";
import { choicesOf, matmul, op, packOp, panelRoom, runThrough } from "./program.ts";
import { weightsFrom } from "./stored-weights.ts";

const random = new Random(SEED);
const [entries, outputs, cols] = [7, 24 * 32, 1600]; // 24 visits, so many inputs that each may be a claim of its own
const weight = weightsFrom(random).find(({ name }) => name === "f32")!;
const [choice] = choicesOf(weight, abi.FORM_F32, cols);
const { bytes } = weight.make(outputs * cols);
const x = random.floats(entries * cols);
const segments = Uint32Array.of(1, 0, 0, entries);

function product(kernels: Kernels, arena: Arena) {
  const [pack, at] = packOp(kernels, arena, weight, bytes, outputs, cols);
  const [panel, matrix] = panelRoom(arena, abi.FORM_F32, entries, cols);
  const SEGMENTS_AT = arena.in(segments);
  const out = arena.out(entries * outputs * 4);
  const shape = {
    ...choice,
    ROWS: outputs,
    COLS: cols,
    STRIDE: outputs,
    TILES: 2,
    TABLE_AT: arena.in(Uint32Array.of(at)),
  };
  const laid = op("PANEL", { SEGMENTS_AT, SOURCE_AT: arena.in(x), STRIDE: cols, COLS: cols, ...panel });
  return { out, ops: [pack, laid, matmul({ ...shape, ...matrix, SEGMENTS_AT, OUT_AT: out.at })] };
}

/** The product, and the footing of its tile, where a claim takes `milliseconds`: of a trial, whether it goes where claims else do not. */
function run(milliseconds: (other: boolean) => number) {
  let [time, calls] = [0, 0];
  clock.now = () => {
    const claim = calls >> 1;
    if (calls++ % 2 === 1) time += milliseconds((claim & 1) === 1 ? (claim & 2) === 0 : (claim & 2) !== 0);
    return time;
  };
  return on("relaxed", (kernels, arena) => {
    const { out, ops } = product(kernels, arena);
    const control = runThrough(kernels, arena, ops, entries);
    const at = abi.CONTROL_AT + abi.FOOTINGS_AT + choice.TILE! * 4;
    return { out: arena.f32(out), footing: [...new Uint8Array(control.buffer, at, 4)], claims: calls / 2 };
  });
}

const real = clock.now;
afterEach(() => {
  clock.now = real;
});

describe("run: footings", () => {
  it("where every claim further down is faster, the trial ends with the eighth pair, and all go there", () => {
    const { footing, claims } = run((other) => (other ? 1 : 2));
    expect(footing).toEqual([1, 255, 0, 0]);
    expect(claims).toBe(16);
  });

  it("where they are slower, or the clock stands still, it ends with the fourth, and none does", () => {
    for (const milliseconds of [(other: boolean) => (other ? 2 : 1), () => 0]) {
      const { footing, claims } = run(milliseconds);
      expect(footing).toEqual([0, 255, 0, 0]);
      expect(claims).toBe(8);
    }
  });

  it("one pair lost in three of a trial delays it, and does not end it", () => {
    let pair = 0;
    const { footing } = run((other) => (other ? (pair++ % 3 === 2 ? 3 : 1) : 2));
    expect(footing).toEqual([0, 0, 12, 4]); // 24 claims: eight pairs won, four lost, and no more
  });

  it("every kernel of MATMUL has a place of its own", () => {
    const kernels = Object.entries(abi).filter(([name]) => name.startsWith("KERNEL_"));
    expect(kernels.length).toBeGreaterThan(50);
    expect(kernels.filter(([, id]) => Number(id) >= abi.FOOTINGS - 2)).toEqual([]);
    expect(abi.FOOTINGS_AT + abi.MAX_THREADS * abi.FOOTINGS * 4).toBe(abi.CONTROL_BYTES);
  });

  it("claims of either footing give the same bits, and the row at fault", () => {
    expectSameBits(run((other) => (other ? 1 : 2)).out, run(() => 0).out);
    const outs = [false, true].map((deeper) =>
      onBoth((kernels, arena) => {
        const { out, ops } = product(kernels, arena);
        runThrough(kernels, arena, ops.slice(0, 2), entries);
        const at = arena.in(Uint32Array.from(ops[2]));
        const scratch = arena.out(1 << 20).at;
        if (deeper) kernels.run_units_deeper(abi.CONTROL_AT, abi.OP_MATMUL, at, scratch, 0, 0, 24);
        else runThrough(kernels, arena, [ops[2]], entries);
        return arena.f32(out);
      }),
    );
    expectSameBits(outs[1], outs[0]);
    const row = onBoth((kernels, arena) => {
      const rowsAt = arena.in(Uint32Array.from([0, 1, 2].flatMap((row) => [row === 2 ? 99 : 0, 0, 0, 0, 0, 0, 0, 0])));
      const { at } = arena.inout(random.floats(32));
      const embed = { ROWS_AT: rowsAt, TYPE: abi.TYPE_F32, WEIGHT_AT: at, VOCAB: 1, COLS: 4, OUT_AT: arena.out(48).at };
      return kernels.run_units_deeper(
        abi.CONTROL_AT,
        abi.OP_EMBED,
        arena.in(Uint32Array.from(op("EMBED", embed))),
        0,
        0,
        0,
        3,
      );
    });
    expect(row).toBe(2);
  });
});
