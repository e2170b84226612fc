/**
 * exp and rms norm against the f64 oracle. `onBoth` runs both builds, demands equal bits, and checks guards and inputs.
 */
import { describe, expect, it } from "vitest";
import { expectSameBits, onBoth, Random, SEED } from "./kernels.ts";
import * as oracle from "./oracle.ts";

const random = new Random(SEED);
const COLS = Array.from({ length: 67 }, (_, i) => i + 1);
const SHIFTS = Array.from({ length: 15 }, (_, i) => i + 1);
const f32 = (bits: number) => new Float32Array(Uint32Array.of(bits).buffer)[0];

/** exp_f32 of a list, both builds. */
const exp = (x: Float32Array) =>
  onBoth((kernels, arena) => {
    const [from, out] = [arena.in(x), arena.out(x.byteLength)];
    kernels.exp_f32(out.at, from, x.length);
    return arena.f32(out);
  });

describe(`exp, seed ${SEED}`, () => {
  it("relative error < 1e-7 on [-87.3, 88.3]", () => {
    const [low, high] = [Math.fround(-87.3), Math.fround(88.3)];
    const x = Float32Array.from({ length: 400_000 }, (_, i) =>
      i % 4 ? low + (high - low) * random.next() : random.floats(1)[0],
    );
    x.set([low, high, -0.34657359, 0.34657359, 1e-30, -1e-30, 1e-45]);
    expect(oracle.relativeError(exp(x), Float64Array.from(x, Math.exp))).toBeLessThan(1e-7);
  });

  it("exactly 1 at 0, 0 below -87.3 and for NaN, cut at 88.3 above", () => {
    const below = f32(new Uint32Array(Float32Array.of(-87.3).buffer)[0] + 1);
    const top = exp(Float32Array.of(88.3))[0];
    expect(below).toBeLessThan(Math.fround(-87.3));
    const powers = exp(Float32Array.of(0, -0, below, -1e30, -Infinity, NaN, 89, 3e38, Infinity));
    expectSameBits(powers, Float32Array.of(1, 1, 0, 0, 0, 0, top, top, top));
  });
});

describe(`rms norm, seed ${SEED}`, () => {
  const norm = (x: Float32Array, weight: Float32Array | null, eps: number, shift = 0) =>
    onBoth((kernels, arena) => {
      const [from, w, out] = [arena.in(x), weight ? arena.in(weight) : 0, arena.out(x.byteLength)];
      kernels.rmsnorm_f32(out.at, w, from, eps, x.length);
      const within = arena.inout(x);
      kernels.rmsnorm_f32(within.at, w, within.at, eps, x.length);
      expectSameBits(arena.f32(within), arena.f32(out), "in place");
      return arena.f32(out);
    }, shift);

  it("relative error < 1e-6 for cols 1..67, weighted and weightless, eps near the mean square, in place too", () => {
    for (const cols of COLS) {
      for (const deviation of [1e-3, 1, 1e10]) {
        const [x, weight] = [random.floats(cols, deviation), random.floats(cols)];
        const eps = Math.fround(1e-6);
        expect(oracle.relativeError(norm(x, weight, eps, cols % 16), oracle.rmsNorm(x, weight, eps))).toBeLessThan(
          1e-6,
        );
        expect(oracle.relativeError(norm(x, null, eps, cols % 16), oracle.rmsNorm(x, null, eps))).toBeLessThan(1e-6);
      }
    }
  });

  it("a row of zeros stays zeros; any alignment gives the same bits", () => {
    expectSameBits(norm(new Float32Array(9), null, 1e-5), new Float32Array(9));
    const [x, weight] = [random.floats(67), random.floats(67)];
    for (const shift of SHIFTS) expectSameBits(norm(x, weight, 1e-5, shift), norm(x, weight, 1e-5));
  });
});
