/**
 * Peaks and masses of spans: the kernels and their op. A largest value is exact, so the oracle is compared bit by bit.
 */
import { describe, expect, it } from "vitest";
import * as abi from "../assembly/abi.ts";
import { MASS_ERROR } from "../src/draw/spans.ts";
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

const masses = (logits: Float32Array, scale: number, begin = 0, end = Math.ceil(logits.length / abi.PEAK)) =>
  onBoth((kernels, arena) => {
    const from = arena.in(logits);
    const known = arena.in(Float32Array.from(oracle.peaks(logits, abi.PEAK)));
    const out = arena.out(Math.ceil(logits.length / abi.PEAK) * 4);
    kernels.masses_f32(out.at, known, from, logits.length, scale, begin, end);
    return arena.f32(out).slice(begin, end);
  });

/** Half of what the sampler allows for. */
function expectNear(actual: Float32Array, expected: ArrayLike<number>): void {
  const errors = [...actual].map((mass, span) => Math.abs(mass - expected[span]) / Math.max(expected[span], 1e-300));
  expect(errors.length).toBe(expected.length);
  expect(Math.max(...errors)).toBeLessThan(MASS_ERROR / 2);
}

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

  it.each(COLS)("%d logits: what every span weighs, at any scale, far below its peak and at it", (cols) => {
    for (const scale of [1e-3, 1, Math.fround(1 / 0.6), 20, 1e6]) {
      for (const spread of [1e-3, 1, 3, 30, 1e30]) {
        const logits = random.floats(cols).map((value) => value * spread + 100 * (spread === 3 ? 1 : 0));
        for (let at = 0; at < cols; at += 7) logits[at] = Number.NEGATIVE_INFINITY;
        const expected = oracle.masses(logits, abi.PEAK, scale);
        expectNear(masses(logits, scale), expected);
        const spans = expected.length;
        expectNear(masses(logits, scale, spans >> 1, spans), expected.slice(spans >> 1));
      }
    }
  });

  it("a last span of 63 logits whose weights vanish in a sum of f32", () => {
    const logits = new Float32Array(64 + 63).fill(-16.64);
    logits[64] = 0;
    expectNear(masses(logits, 1), oracle.masses(logits, abi.PEAK, 1));
  });

  it("a span whose peak is no finite number has no mass, those beside it have theirs", () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const logits = random.floats(130);
      logits.fill(bad, 64, 128);
      const [first, second, third] = masses(logits, 1);
      expect([first > 1, second, third > 1]).toEqual([true, 0, true]);
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
      const scales = Float32Array.from({ length: rows }, (_, row) => row % 3);
      const run = (wanted: boolean, cut: boolean) =>
        onBoth((kernels, arena) => {
          const [out, sums] = [0, 1].map(() => arena.inout(new Float32Array(rows * spans).fill(7)));
          const segments = arena.in(Uint32Array.of(1, 0, 0, rows));
          const words = {
            SEGMENTS_AT: segments,
            LOGITS_AT: arena.in(logits),
            COLS: cols,
            OUT_AT: out.at,
            SCALES_AT: arena.in(scales),
            MASSES_AT: sums.at,
          };
          if (wanted) runThrough(kernels, arena, [op("PEAKS", words)], rows, { cut });
          else {
            arena.start([op("PEAKS", words)], rows)[abi.WORD_PEAKS] = 0;
            expect(kernels.run(abi.CONTROL_AT, 0)).toBe(abi.STATUS_DONE);
          }
          return Float32Array.of(...arena.f32(out), ...arena.f32(sums));
        });
      const expected = Array.from({ length: rows }, (_, row) => [
        ...oracle.peaks(logits.slice(row * cols, (row + 1) * cols), abi.PEAK),
      ]).flat();
      const weights = Array.from({ length: rows }, (_, row) => {
        if (row % 3 === 0) return new Float32Array(spans).fill(7);
        return masses(logits.slice(row * cols, (row + 1) * cols), row % 3);
      });
      const whole = Float32Array.of(...expected, ...weights.flatMap((row) => [...row]));
      for (const cut of [false, true]) expectSameBits(run(true, cut), whole);
      expectSameBits(run(false, false), new Float32Array(2 * rows * spans).fill(7));
    }
  });
});
