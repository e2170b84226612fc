/**
 * The largest logits of spans: the kernel and its op. A largest value is exact, so the oracle is compared bit by bit.
 */
import { describe, expect, it } from "vitest";
import * as abi from "../assembly/abi.ts";
import { expectSameBits, onBoth, Random, SEED } from "./kernels.ts";
import * as oracle from "./oracle.ts";
import { op, runThrough } from "./program.ts";

const random = new Random(SEED);
const COLS = [1, 3, 63, 64, 65, 128, 1000, 64 * 16, 64 * 16 + 1, 5000];

const peaks = (logits: Float32Array, begin = 0, end = Math.ceil(logits.length / abi.PEAK)) =>
  onBoth((kernels, arena) => {
    const [from, out] = [arena.in(logits), arena.out(Math.ceil(logits.length / abi.PEAK) * 4)];
    kernels.peaks_f32(out.at, from, logits.length, begin, end);
    return arena.f32(out).slice(begin, end);
  });

describe(`peaks, seed ${SEED}`, () => {
  it.each(COLS)("%d logits: the largest of every span, negative ones and -Infinity too", (cols) => {
    const logits = random.floats(cols).map((value) => value - 3);
    for (let at = 0; at < cols; at += 7) logits[at] = Number.NEGATIVE_INFINITY;
    const expected = Float32Array.from(oracle.peaks(logits, abi.PEAK));
    expectSameBits(peaks(logits), expected);
    const spans = expected.length;
    expectSameBits(peaks(logits, spans >> 1, spans), expected.slice(spans >> 1), "some spans");
  });

  it("a NaN anywhere in a span, or Infinity, is its peak", () => {
    for (let at = 0; at < 130; at++) {
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
        const logits = random.floats(130);
        logits[at] = bad;
        expect([...peaks(logits)].map((peak) => Object.is(peak, bad))).toEqual(
          [0, 1, 2].map((span) => span === at >> 6),
        );
      }
    }
  });

  it("the op: every row of the segment, whoever claims it, and nothing where nobody looks", () => {
    for (const [rows, cols] of [
      [1, 5000],
      [3, 1000],
      [5, 65],
    ]) {
      const logits = random.floats(rows * cols);
      const spans = Math.ceil(cols / abi.PEAK);
      const run = (wanted: boolean, cut: boolean) =>
        onBoth((kernels, arena) => {
          const out = arena.inout(new Float32Array(rows * spans).fill(7));
          const segments = arena.in(Uint32Array.of(1, 0, 0, rows));
          const words = { SEGMENTS_AT: segments, LOGITS_AT: arena.in(logits), COLS: cols, OUT_AT: out.at };
          if (wanted) runThrough(kernels, arena, [op("PEAKS", words)], rows, { cut });
          else {
            arena.start([op("PEAKS", words)], rows)[abi.WORD_PEAKS] = 0;
            expect(kernels.run(abi.CONTROL_AT, 0)).toBe(abi.STATUS_DONE);
          }
          return arena.f32(out);
        });
      const expected = Array.from({ length: rows }, (_, row) => [
        ...oracle.peaks(logits.slice(row * cols, (row + 1) * cols), abi.PEAK),
      ]).flat();
      for (const cut of [false, true]) expectSameBits(run(true, cut), Float32Array.from(expected));
      expectSameBits(run(false, false), new Float32Array(rows * spans).fill(7));
    }
  });
});
