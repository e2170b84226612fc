/**
 * Rope angles, temperature and rotation against the f64 oracle. `onBoth` runs both builds, demands equal bits, and checks guards
 * and inputs.
 */
import { describe, expect, it } from "vitest";
import { expectSameBits, onBoth, Random, SEED } from "./kernels.ts";
import * as oracle from "./oracle.ts";

const random = new Random(SEED);
const SHIFTS = Array.from({ length: 15 }, (_, i) => i + 1);

describe(`rope, seed ${SEED}`, () => {
  it("rope angles: |error| < 6e-8 up to position 10^7 and at 2^32 - 1, of the product that is rounded to f32 below 65,536", () => {
    for (const position of [
      0,
      1,
      2,
      8191,
      8192,
      65535,
      65536,
      262143,
      1e6,
      1e7,
      2 ** 32 - 1,
      ...SHIFTS.map(() => random.integer(0, 1e7)),
    ]) {
      const pairs = 1 + (position % 64);
      const frequencies = Float32Array.from({ length: pairs }, (_, j) => 500000 ** (-j / pairs) / (j % 3 ? 1 : 8));
      const turns = onBoth((kernels, arena) => {
        const [from, out] = [arena.in(frequencies), arena.out(pairs * 8)];
        kernels.angles_f32(out.at, from, position, pairs);
        return arena.f32(out);
      }, position % 16);
      expect(oracle.absoluteError(turns, oracle.angles(frequencies, position))).toBeLessThan(6e-8);
    }
  });

  it("temperature: relative error < 6e-8 up to position 2^32 - 1; exactly 1 below the first step and without a floor", () => {
    const temperature = (...operands: number[]) => onBoth((kernels) => kernels.temperature_f32(...operands));
    for (const floor of [1, 8, 8192, 2 ** 31]) {
      for (const position of [
        0,
        floor - 2,
        floor - 1,
        floor,
        2 * floor - 1,
        1e7,
        2 ** 32 - 1,
        ...SHIFTS.map(() => random.integer(0, 1e7)),
      ]) {
        if (position < 0 || position > 2 ** 32 - 1) continue;
        const scale = Math.fround(0.1);
        const value = temperature(position, floor, scale);
        expect(oracle.relativeError([value], [oracle.temperature(position, floor, scale)])).toBeLessThan(6e-8);
        if (position + 1 < floor) expect(value).toBe(1);
        expect(temperature(position, 0, scale)).toBe(1);
      }
    }
  });

  it("rope_f32: |error| < 2e-7 of the pair's length, 1..40 pairs; scale_f32: one rounding", () => {
    for (let pairs = 1; pairs <= 40; pairs++) {
      const x = random.floats(pairs * 2);
      const turns = Float32Array.from(oracle.angles(random.floats(pairs), 1234));
      const [turned, scaled] = onBoth((kernels, arena) => {
        const [rotated, cut, from] = [arena.inout(x), arena.inout(x), arena.in(turns)];
        kernels.rope_f32(rotated.at, from, pairs);
        kernels.scale_f32(cut.at, turns[0], x.length);
        return [arena.f32(rotated), arena.f32(cut)];
      }, pairs % 16);
      const exact = oracle.rope(x, turns);
      const error = Float64Array.from(x, (_, i) => (turned[i] - exact[i]) / Math.hypot(x[i & ~1], x[i | 1]));
      expect(oracle.absoluteError(error, new Float64Array(x.length))).toBeLessThan(2e-7);
      expectSameBits(
        scaled,
        x.map((value) => value * turns[0]),
      );
    }
  });
});
