/**
 * The interpreter itself: EMBED over every kind of weight, faults, ops with nothing to do, STOP and abort.
 */
import { describe, expect, it } from "vitest";
import * as abi from "../assembly/abi.ts";
import { type Arena, onBoth, Random, SEED } from "./kernels.ts";
import * as oracle from "./oracle.ts";
import { faultOf, matmul, op, packOp, runThrough } from "./program.ts";
import { weightsFrom } from "./stored-weights.ts";

const random = new Random(SEED);

describe.each(weightsFrom(random))(`run: $name weights, seed ${SEED}`, (weight) => {
  it("EMBED: rows of the matrix, rows of the area; FAULT_TOKEN for id = vocab, id -1, row beyond the area; the row is named", () => {
    const [vocab, cols] = [11, Math.max(weight.step, 32)];
    const { bytes, values } = weight.make(vocab * cols);
    const area = random.floats(2 * cols);
    const run = (inputs: readonly (readonly [input: number, flags: number])[], wanted: number) =>
      onBoth((kernels, arena) => {
        const [pack, at] = packOp(kernels, arena, weight, bytes, vocab, cols);
        const rowsAt = arena.in(
          Uint32Array.from(inputs.flatMap(([input, flags]) => [input >>> 0, flags, 0, 0, 0, 0, 0, 0])),
        );
        const out = arena.out(inputs.length * cols * 4);
        const matrix = { ROWS_AT: rowsAt, TYPE: weight.type, WEIGHT_AT: at, VOCAB: vocab, COLS: cols };
        const places = { OUT_AT: out.at, AREA_AT: arena.in(area), AREA_ROWS: 2 };
        const control = runThrough(
          kernels,
          arena,
          [pack, op("EMBED", { ...matrix, ...places })],
          inputs.length,
          {},
          wanted,
        );
        return [arena.f32(out), faultOf(control)] as const;
      });
    const [out] = run(
      [
        [0, 0],
        [10, 0],
        [1, 1],
        [7, 0],
      ],
      abi.STATUS_DONE,
    );
    const row = (from: ArrayLike<number>, index: number) =>
      Array.prototype.slice.call(from, index * cols, (index + 1) * cols);
    expect(oracle.absoluteError(out, [row(values, 0), row(values, 10), row(area, 1), row(values, 7)].flat())).toBe(0);
    for (const bad of [
      [vocab, 0],
      [-1, 0],
      [2, 1],
      [-1, 1],
    ] as const) {
      expect([...run([[3, 0], [0, 1], bad, [99, 0]], abi.STATUS_FAULT)[1]]).toEqual([
        abi.FAULT_TOKEN,
        2,
        1,
        4 * abi.PACK_WORDS,
      ]);
    }
  });
});

describe("run: faults and nothing to do", () => {
  const fault = (build: (arena: Arena) => number[], rows: number) =>
    onBoth((kernels, arena) => {
      return faultOf(runThrough(kernels, arena, [op("MEET"), build(arena)], rows, {}, abi.STATUS_FAULT));
    });

  it("an unknown opcode: FAULT_OPCODE", () => {
    for (const opcode of [abi.OPCODES, 999, 0xffff])
      expect([...fault(() => [opcode | (4 << 16), 0, 0, 0], 1)]).toEqual([abi.FAULT_OPCODE, 0, 1, 4]);
  });

  it.each([
    [0, 4],
    [0, 0],
    [1, 0],
  ])("an unknown opcode, %d rows and a word count of %d: FAULT_OPCODE too", (rows, words) => {
    for (const opcode of [abi.OPCODES, 999, 0xffff])
      expect([...fault(() => [opcode | (words << 16), 0, 0, 0], rows)]).toEqual([abi.FAULT_OPCODE, 0, 1, 4]);
  });

  it("a router logit that is no number: FAULT_ROUTER and the row", () => {
    const route = (bad: number) => (arena: Arena) => {
      const [picks, scores, gather, segments] = [64, 64, 64, 64].map((bytes) => arena.out(bytes).at);
      return op("ROUTE", {
        PICKS_AT: picks,
        SCORES_AT: scores,
        GATHER_AT: gather,
        SEGMENTS_AT: segments,
        LOGITS_AT: arena.in(Float32Array.of(1, 2, 3, 4, bad, 5)),
        EXPERTS: 2,
        USED: 1,
      });
    };
    for (const bad of [NaN, Infinity, -Infinity])
      expect([...fault(route(bad), 3)]).toEqual([abi.FAULT_ROUTER, 2, 1, 4]);
  });

  it.each(["PACK", "CONVERT"] as const)(
    "%s of a weight that is no number: FAULT_WEIGHT and the first output of its group",
    (name) => {
      const pack = (arena: Arena) => {
        const source = {
          SOURCE_AT: arena.in(new Float32Array(60).fill(NaN, 9 * 3, 9 * 3 + 1)),
          OUTPUT_STRIDE: 3,
          INPUT_STRIDE: 1,
        };
        const words = op("PACK", {
          ...source,
          AT: arena.out(3 * 3 * 32).at,
          ROWS: 20,
          COLS: 3,
          ROW_END: 20,
          COL_END: 3,
        });
        return words.with(0, (name === "PACK" ? abi.OP_PACK : abi.OP_CONVERT) | (abi.PACK_WORDS << 16));
      };
      expect([...fault(pack, 0)]).toEqual([abi.FAULT_WEIGHT, 8, 1, 4]);
    },
  );

  it("no rows, no segments, no tasks: nothing is read or written", () => {
    onBoth((kernels, arena) => {
      const nothing = arena.in(Uint32Array.of(0));
      const empty = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 16].map((opcode) => [
        opcode | (32 << 16),
        ...new Array<number>(31).fill(nothing),
      ]);
      const product = matmul({ SEGMENTS_AT: nothing, ROWS: 9, COLS: 32, TILES: 1 });
      const route = op("ROUTE", { EXPERTS: 3, USED: 2, SEGMENTS_AT: arena.inout(Uint32Array.of(7)).at });
      const ops = empty.filter(([head]) => ![abi.OP_STOP, abi.OP_MATMUL, abi.OP_ROUTE].includes(head & 0xffff));
      runThrough(kernels, arena, [...ops, product, route], 0);
      return 0;
    });
  });

  it("STOP returns STATUS_STOPPED behind itself; an abort word ends the run", () => {
    onBoth((kernels, arena) => {
      const x = arena.inout(Float32Array.of(1, 2));
      const add = op("ADD", { X_AT: x.at, BRANCH_AT: arena.in(Float32Array.of(10, 20)), COLS: 2, OUT_AT: x.at });
      const control = arena.start([add, op("STOP"), add], 1);
      expect(kernels.run(abi.CONTROL_AT, 0)).toBe(abi.STATUS_STOPPED);
      expect([...arena.f32(x)]).toEqual([11, 22]);
      control[abi.WORD_ABORT] = 1;
      expect(kernels.run(abi.CONTROL_AT, 0)).toBe(abi.STATUS_ABORTED);
      expect([...arena.f32(x)]).toEqual([11, 22]);
      control[abi.WORD_ABORT] = 0;
      expect(kernels.run(abi.CONTROL_AT, 0)).toBe(abi.STATUS_DONE);
      expect([...arena.f32(x)]).toEqual([21, 42]);
      return 0;
    });
  });
});
