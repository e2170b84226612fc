/**
 * A mixture of experts through the interpreter, over every kind of weight: ROUTE, PANEL, MATMUL, COMBINE and ADD.
 */
import { describe, expect, it } from "vitest";
import * as abi from "../assembly/abi.ts";
import { expectSameBits, onBoth, Random, SEED } from "./kernels.ts";
import * as oracle from "./oracle.ts";
import { bits, choicesOf, matmul, op, packOps, panelRoom, runThrough } from "./program.ts";
import { formsOf, weightsFrom } from "./stored-weights.ts";

const random = new Random(SEED);

describe.each(weightsFrom(random))(`run: weights of $name, seed ${SEED}`, (weight) => {
  it("ROUTE, PANEL, MATMUL, SwiGLU, COMBINE, ADD: a mixture of 5 experts, 1..20 rows: NMSE <= 1e-10, 8-bit 2e-3; a row alone: the same bits", () => {
    const [experts, cols, hidden] = [5, 64, 32].map((n, i) => (i ? Math.max(n, weight.step) : n));
    const [gateUp, down] = [0, 1].map((i) =>
      Array.from({ length: experts }, () => weight.make(cols * hidden * (2 - i))),
    );
    const norm = random.floats(cols);
    const eps = Math.fround(1e-5);
    for (const [rows, used, softmax] of [
      [1, 1, 0],
      [7, 2, 0],
      [13, 5, 1],
      [20, 1, 0],
    ]) {
      const [x, shared, logits] = [
        random.floats(rows * cols),
        random.floats(rows * cols, 0.01),
        random.floats(rows * experts).map(Math.round),
      ];
      const run = (form: number, row: number, count: number, cut: boolean) =>
        onBoth(
          (kernels, arena) => {
            const entries = count * used;
            const [gateUps, downs] = [
              packOps(kernels, arena, weight, gateUp, 2 * hidden, cols),
              packOps(kernels, arena, weight, down, cols, hidden),
            ];
            const stream = arena.inout(x.slice(row * cols, (row + count) * cols));
            const [branch, added] = [arena.out(stream.bytes), arena.out(stream.bytes)];
            const [picks, scores, gather, segments] = [entries, entries, entries, 1 + 3 * experts].map(
              (words) => arena.out(words * 4).at,
            );
            const [both, out] = [arena.out(entries * hidden * 8).at, arena.out(entries * cols * 4).at];
            const [[panel, matrix], [panelDown, matrixDown]] = [
              panelRoom(arena, form, entries, cols),
              panelRoom(arena, form, entries, hidden),
            ];
            const route = {
              LOGITS_AT: arena.in(logits.slice(row * experts, (row + count) * experts)),
              EXPERTS: experts,
              USED: used,
              SOFTMAX: softmax,
            };
            const routed = { PICKS_AT: picks, SCORES_AT: scores, GATHER_AT: gather, SEGMENTS_AT: segments };
            const normed = {
              GATHER_AT: gather,
              SOURCE_AT: stream.at,
              STRIDE: cols,
              COLS: cols,
              TRANSFORM: abi.TRANSFORM_NORM,
              WEIGHT_AT: arena.in(norm),
              EPS: bits(eps),
            };
            const gated = {
              SOURCE_AT: both,
              STRIDE: 2 * hidden,
              COLS: hidden,
              TRANSFORM: abi.TRANSFORM_SWIGLU,
              SCORES_AT: softmax ? 0 : scores,
            };
            const inner = { SEGMENTS_AT: segments, TILES: 1 };
            const [[first], [second]] = [cols, hidden].map((width) => choicesOf(weight, form, width));
            const wide = { TABLE_AT: gateUps.table, ROWS: 2 * hidden, COLS: cols, OUT_AT: both, STRIDE: 2 * hidden };
            const narrow = { TABLE_AT: downs.table, ROWS: cols, COLS: hidden, OUT_AT: out, STRIDE: cols };
            const sum = {
              X_AT: 0,
              COLS: cols,
              SHARED_AT: arena.in(shared.slice(row * cols, (row + count) * cols)),
              EXPERTS_AT: out,
              USED: used,
              PICKS_AT: picks,
              SCORES_AT: softmax ? scores : 0,
              OUT_AT: branch.at,
            };
            const ops = [
              op("ROUTE", { ...route, ...routed }),
              op("PANEL", { SEGMENTS_AT: segments, ...normed, ...panel }),
              matmul({ ...inner, ...first, ...wide, ...matrix }),
              op("PANEL", { SEGMENTS_AT: segments, ...gated, ...panelDown }),
              matmul({ ...inner, ...second, ...narrow, ...matrixDown }),
              op("COMBINE", sum),
              op("COMBINE", { ...sum, X_AT: stream.at, OUT_AT: added.at }),
              op("ADD", { X_AT: stream.at, BRANCH_AT: branch.at, COLS: cols, OUT_AT: stream.at }),
            ];
            runThrough(kernels, arena, [...gateUps.ops, ...downs.ops, ...ops], count, { cut });
            expectSameBits(arena.f32(added), arena.f32(stream), "the branch added at once");
            return [arena.f32(branch), arena.f32(stream)] as const;
          },
          0,
          form === abi.FORM_F32 ? undefined : weight.dot,
        );
      const expected = Float64Array.from(shared);
      for (const { row, expert, score } of oracle.buckets(logits, experts, used, softmax !== 0)) {
        const input = oracle.rmsNorm(x.slice(row * cols, (row + 1) * cols), norm, eps);
        const hiddenRow = oracle.swiglu(oracle.matmul(gateUp[expert].values, input, cols), softmax ? 1 : score);
        oracle.matmul(down[expert].values, hiddenRow, hidden).forEach((value, col) => {
          expected[row * cols + col] += softmax ? value * score : value;
        });
      }
      for (const form of formsOf(weight)) {
        const [branch, stream] = run(form, 0, rows, false);
        expect(oracle.nmse(branch, expected)).toBeLessThanOrEqual(form === abi.FORM_F32 ? 1e-10 : 2e-3);
        expectSameBits(
          stream,
          x.map((value, i) => value + branch[i]),
        );
        for (let row = 0; row < rows; row += 3)
          expectSameBits(run(form, row, 1, true)[1], stream.slice(row * cols, (row + 1) * cols), "alone");
      }
    }
  });
});
