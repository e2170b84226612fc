import { describe, expect, test } from "vitest";
import { uniform } from "../src/draw/random.ts";
import { exp, expWeights, log } from "../src/exact.ts";

describe("exp and log", () => {
  test("exp has relative error < 1e-15 over its whole range", () => {
    for (let x = -708; x < 709.7; x += 0.0371) expect(Math.abs(exp(x) / Math.exp(x) - 1)).toBeLessThan(1e-15);
    for (let x = -1; x < 1; x += 0.00037) expect(Math.abs(exp(x) / Math.exp(x) - 1)).toBeLessThan(1e-15);
  });

  test("exp goes through the subnormals to 0, to Infinity, and keeps NaN", () => {
    expect(exp(-740)).toBeCloseTo(Math.exp(-740), 323);
    expect(exp(-740)).toBeGreaterThan(0);
    expect([exp(0), exp(-0), exp(-746.5), exp(-Infinity), exp(710), exp(Infinity)]).toEqual([
      1,
      1,
      0,
      0,
      Infinity,
      Infinity,
    ]);
    expect(exp(Number.NaN)).toBeNaN();
  });

  test("log has relative error < 1e-15 over its whole range", () => {
    for (let x = -1074; x < 1024; x += 0.317) {
      const value = 2 ** x;
      expect(Math.abs(log(value) / (Math.log(value) || 1) - (value === 1 ? 0 : 1))).toBeLessThan(1e-15);
    }
    for (let x = 0.5; x < 2; x += 0.00031) expect(Math.abs(log(x) / Math.log(x) - 1)).toBeLessThan(1e-15);
  });

  test("log of 0 is -Infinity, of 1 is 0, of Infinity is Infinity, of less than 0 is NaN", () => {
    expect([log(0), log(-0), log(1), log(Infinity), log(-1), log(Number.NaN)]).toEqual([
      -Infinity,
      -Infinity,
      0,
      Infinity,
      Number.NaN,
      Number.NaN,
    ]);
  });

  test("exp and log keep their bits (a changed constant changes tokens)", () => {
    let hash = 0n;
    const bits = new DataView(new ArrayBuffer(8));
    for (let i = 0; i < 4000; i++) {
      const x = uniform(3n, i);
      for (const value of [exp(x * 1400 - 700), log(x * 1e6 + 1e-9)]) {
        bits.setFloat64(0, value);
        hash = BigInt.asUintN(64, (hash ^ bits.getBigUint64(0)) * 0x100000001b3n);
      }
    }
    expect(hash.toString(16)).toBe("36e244ca45db9417");
  });

  test("weights have relative error < 1e-10 down to e^-64, are 1 at the maximum, never rise and end at 0", () => {
    const values = Float32Array.from({ length: 40_000 }, (_, i) => 3 - i / 500);
    const weights = new Float64Array(values.length);
    const total = expWeights(values, values.length, 3, 0.9, weights);
    expect(weights[0]).toBe(1);
    expect(total).toBe(weights.reduce((a, b) => a + b, 0));
    for (let i = 1; i < values.length; i++) {
      const scaled = (values[i] - 3) / 0.9;
      if (scaled > -63.9) expect(Math.abs(weights[i] / Math.exp(scaled) - 1)).toBeLessThan(1e-10);
      if (scaled < -64.1) expect(weights[i]).toBe(0);
      expect(weights[i]).toBeLessThanOrEqual(weights[i - 1]);
    }
  });
});
