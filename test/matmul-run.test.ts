/**
 * The interpreter's PACK, PANEL and MATMUL over every kind of weight: several segments, panels of several rows.
 */
import { describe, expect, it } from "vitest";
import * as abi from "../assembly/abi.ts";
import { expectSameBits, hasDot, onBoth, Random, SEED } from "./kernels.ts";
import * as oracle from "./oracle.ts";
import { everySecond, quantizedFor } from "./packed-forms.ts";
import { bits, choicesOf, matmul, op, packOps, panelRoom, type Run, runThrough } from "./program.ts";
import { formsOf, weightsFrom } from "./stored-weights.ts";

const random = new Random(SEED);

/** Rows per segment -> [count, (weight, first, rows)...], the weights in falling order. */
const segmentsOf = (rows: readonly number[]) =>
  Uint32Array.from([
    rows.length,
    ...rows.flatMap((count, i) => [rows.length - 1 - i, rows.slice(0, i).reduce((sum, n) => sum + n, 0), count]),
  ]);

/** Rows of a segment -> the heights of its tiles: as few as hold them, the higher ones first. */
function heightsOf(rows: number): number[] {
  const tiles = Math.ceil(rows / abi.TILE_ROWS);
  return Array.from({ length: tiles }, (_, tile) => Math.floor(rows / tiles) + (tile < rows % tiles ? 1 : 0));
}

describe.each([
  ["f32", abi.FORM_F32],
  ["q16 pairs", abi.FORM_Q16_PAIRS],
  ["q16 bytes", abi.FORM_Q16_BYTES],
  ["q8 quads", abi.FORM_Q8_QUADS],
  ["q8 pairs", abi.FORM_Q8_PAIRS],
  ["q8 supers", abi.FORM_Q8_SUPERS],
])(`run: PANEL_FLOAT_AT beside a panel of %s, seed ${SEED}`, (_, form) => {
  it("holds the exact values of each row, tiles of 1..6 rows, gathered, plain and normed; cut at every claim: the same", () => {
    for (const rows of [[1], [2], [3], [4], [5], [6], [7, 1, 13], [2, 20, 6]]) {
      for (const cols of form === abi.FORM_Q8_SUPERS ? [256] : [32, 96]) {
        const entries = rows.reduce((sum, n) => sum + n, 0);
        const [x, norm] = [random.floats(entries * (cols + 5)), random.floats(cols)];
        const gather = Uint32Array.from({ length: entries }, (_, entry) => (entry * 7 + 3) % entries);
        for (const transform of [0, abi.TRANSFORM_NORM]) {
          const run = (cut: boolean) =>
            onBoth((kernels, arena) => {
              const [panel] = panelRoom(arena, form, entries, cols);
              const [copy, floats] = [arena.out(entries * cols * 4), arena.out(entries * cols * 4)];
              const source = { SOURCE_AT: arena.in(x), STRIDE: cols + 5, COLS: cols, GATHER_AT: arena.in(gather) };
              const change = { TRANSFORM: transform, WEIGHT_AT: arena.in(norm), EPS: bits(1e-5) };
              const places = { SEGMENTS_AT: arena.in(segmentsOf(rows)), OUT_AT: copy.at, FLOAT_AT: floats.at };
              runThrough(kernels, arena, [op("PANEL", { ...panel, ...source, ...change, ...places })], 0, { cut });
              return [arena.f32(copy), arena.f32(floats)] as const;
            });
          const [copy, floats] = run(false);
          if (transform === 0)
            gather.forEach((row, entry) => {
              const own = x.slice(row * (cols + 5), row * (cols + 5) + cols);
              expectSameBits(copy.slice(entry * cols, (entry + 1) * cols), own, `entry ${entry}`);
            });
          let first = 0;
          for (const h of rows.flatMap(heightsOf)) {
            const tile = floats.slice(first * cols, (first + h) * cols);
            for (let lane = 0; lane < h; lane++)
              expectSameBits(
                tile.filter((_, i) => i % h === lane),
                copy.slice((first + lane) * cols, (first + lane + 1) * cols),
                `entry ${first + lane}`,
              );
            first += h;
          }
          expect(first).toBe(entries);
          expectSameBits(run(true), [copy, floats], "cut");
        }
      }
    }
  });
});

describe.each(weightsFrom(random))(`run: weights of $name, seed ${SEED}`, (weight) => {
  /** Where products saturate, only so are relaxed kernels of such bytes right. */
  const second = weight.dot === "unsigned" && !hasDot("unsigned") && !hasDot("signed");
  it("PACK, PANEL, MATMUL of several segments: NMSE <= 1e-10; cut at every claim, other tiles, every choice of kernels, rows alone: the same bits", () => {
    for (const [form, rows, outputs, cols, extra] of formsOf(weight).flatMap(
      (f) =>
        [
          [f, [7, 13], 9, 96, 0],
          [f, [1, 2, 5], 20, 320, 1],
          [f, [17], 1, 32, 1],
          [f, [1, 1, 5], 64, 64, 0], // eight groups: what the kernels of one row take
          [f, [1], 71, 64, 1],
          [f, [2, 3], 64, 64, 1], // each row alone, where the choice says so
          [f, [1], 189, 64, 1], // several visits, of which streams take every second or third group
        ] as const,
    )) {
      const width = weight.step === 1 ? cols - 29 : Math.ceil(cols / weight.step) * weight.step;
      const entries = rows.reduce((sum, n) => sum + n, 0);
      const stride = outputs + 3;
      const matrices = rows.map(() => weight.make(outputs * width));
      const [x, residual, bias] = [
        second ? everySecond(random.floats(entries * width)) : random.floats(entries * width),
        random.floats(entries * stride),
        random.floats(outputs),
      ];
      const choices = choicesOf(weight, form, width);
      const run = (segments: readonly number[], row: number, how: Run, choice = choices[0]) =>
        onBoth(
          (kernels, arena) => {
            const count = segments.reduce((sum, n) => sum + n, 0);
            // A row alone has one segment: its weight is put first.
            const own =
              segments.length === rows.length
                ? 0
                : rows.length - 1 - rows.findIndex((_, i) => row < rows.slice(0, i + 1).reduce((sum, n) => sum + n, 0));
            const { ops, table } = packOps(
              kernels,
              arena,
              { ...weight, type: choice.TYPE ?? weight.type },
              matrices.slice(own),
              outputs,
              width,
            );
            const segmentsAt = arena.in(segmentsOf(segments));
            const [panel, matrix] = panelRoom(arena, form, count, width);
            const out = arena.inout(new Float32Array(count * stride).fill(99));
            const source = arena.in(x.slice(row * width, (row + count) * width));
            const shape = { ...choice, ROWS: outputs, COLS: width, STRIDE: stride, TILES: how.tiles ?? 2 };
            const places = { SEGMENTS_AT: segmentsAt, TABLE_AT: table, OUT_AT: out.at + 8 };
            const added = { RESIDUAL_AT: arena.in(residual.slice(row * stride)) + 8, BIAS_AT: arena.in(bias) };
            const [copy, floats] = [arena.out(count * width * 4), arena.out(count * width * 4)];
            const also = { OUT_AT: copy.at, FLOAT_AT: floats.at };
            const all = [
              ...ops,
              op("PANEL", {
                SEGMENTS_AT: segmentsAt,
                SOURCE_AT: source,
                STRIDE: width,
                COLS: width,
                ALONE: choice.ALONE ?? 0,
                ...panel,
                ...also,
              }),
              matmul({ ...shape, ...matrix, ...places, ...(extra ? added : {}) }),
            ];
            runThrough(kernels, arena, all, 0, how);
            const whole = x.slice(row * width, (row + count) * width);
            expectSameBits(arena.f32(copy), whole, "PANEL_OUT_AT");
            if (count === 1) expectSameBits(arena.f32(floats), whole, "PANEL_FLOAT_AT");
            else expectSameBits(arena.f32(floats).sort(), whole.sort(), "PANEL_FLOAT_AT");
            return arena.f32(out);
          },
          0,
          form === abi.FORM_F32 || second ? undefined : weight.dot,
        );
      const kept =
        form === abi.FORM_F32
          ? x
          : oracle.dequantizeActivations(
              quantizedFor(form, form === abi.FORM_Q16_PAIRS || form === abi.FORM_Q16_BYTES ? 32767 : 127)(x),
            );
      const expected = new Float64Array(entries * stride).fill(99);
      const weightOf = rows.flatMap((n, i) => new Array<number>(n).fill(rows.length - 1 - i));
      weightOf.forEach((which, entry) => {
        oracle
          .matmul(matrices[which].values, kept.slice(entry * width, (entry + 1) * width), width)
          .forEach((sum, i) => {
            expected[entry * stride + 2 + i] = sum + (extra ? bias[i] + residual[entry * stride + 2 + i] : 0);
          });
      });
      const out = run(rows, 0, {});
      const inside = (_: number, i: number) => i % stride >= 2 && i % stride < outputs + 2;
      expect(oracle.nmse(out.filter(inside), expected.filter(inside))).toBeLessThanOrEqual(1e-10);
      expect(out.filter((value, i) => !inside(value, i) && value !== 99)).toHaveLength(0);
      expectSameBits(run(rows, 0, { cut: true, tiles: 1 }), out, "cut");
      expectSameBits(run(rows, 0, { tiles: 64 }), out, "tiles");
      for (const choice of choices) expectSameBits(run(rows, 0, {}, choice), out, JSON.stringify(choice));
      for (let row = 0; row < entries; row++)
        for (const choice of row === 0 ? choices : choices.slice(0, 1))
          expectSameBits(run([1], row, {}, choice), out.slice(row * stride, (row + 1) * stride), "alone");
    }
  });
});
