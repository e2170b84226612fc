/**
 * SwiGLU, routing and the sum of the branches against the f64 oracle. `onBoth` runs both builds, demands equal bits, and checks
 * guards and inputs.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SEGMENT_WORDS } from "../assembly/abi.ts";
import { expectSameBits, onBoth, Random, SEED } from "./kernels.ts";
import * as oracle from "./oracle.ts";

const random = new Random(SEED);
const COLS = Array.from({ length: 67 }, (_, i) => i + 1);

describe(`feed-forward, seed ${SEED}`, () => {
  it("swiglu: relative error < 1e-6, cols 1..67, gates to +-80, with a score", () => {
    for (const cols of COLS) {
      const source = random.floats(cols * 2).map((value, i) => (i < cols && i % 3 === 0 ? value * 20 : value));
      for (const score of [1, Math.fround(0.37), 0, Math.fround(2.9e-20)]) {
        const out = onBoth((kernels, arena) => {
          const [from, to] = [arena.in(source), arena.out(cols * 4)];
          kernels.swiglu_f32(to.at, from, score, cols);
          return arena.f32(to);
        }, cols % 16);
        const expected = oracle.swiglu(source, score);
        const negligible = Math.fround(2 ** -126); // what f32 keeps of smaller products is not relative any more
        expect(
          oracle.relativeError(
            out.map((value, i) => (Math.abs(expected[i]) < negligible ? expected[i] : value)),
            Float32Array.from(expected),
          ),
        ).toBeLessThan(1e-6);
      }
    }
  });

  it.each([
    [-3e38, 0],
    [-Infinity, 0],
    [3e38, Math.fround(3e38)],
    [NaN, NaN],
  ])("swiglu: a gate of %d gives %d within 1e-36, in a vector and past its end", (gate, expected) => {
    for (let cols = 1; cols <= 9; cols++) {
      const source = new Float32Array(cols * 2).fill(gate, 0, cols).fill(1, cols);
      const out = onBoth((kernels, arena) => {
        const [from, to] = [arena.in(source), arena.out(cols * 4)];
        kernels.swiglu_f32(to.at, from, 1, cols);
        return arena.f32(to);
      }, cols);
      for (const value of out) {
        if (Number.isNaN(expected)) expect(value).toBeNaN();
        else expect(Math.abs(value - expected)).toBeLessThanOrEqual(1e-36);
      }
    }
  });

  const route = (logits: Float32Array, rows: number, experts: number, used: number, softmax: boolean) =>
    onBoth((kernels, arena) => {
      const [picks, scores, gather] = [rows * used * 4, rows * used * 4, rows * used * 4].map((bytes) =>
        arena.out(bytes),
      );
      const segments = arena.out((1 + SEGMENT_WORDS * Math.min(experts, rows * used)) * 4);
      const scratch = arena.out((2 * rows * used + experts) * 4);
      const fault = kernels.route_f32(
        picks.at,
        scores.at,
        gather.at,
        segments.at,
        arena.in(logits),
        scratch.at,
        rows,
        experts,
        used,
        softmax ? 1 : 0,
      );
      return [
        Int32Array.of(fault),
        arena.u32(picks),
        arena.f32(scores),
        arena.u32(gather),
        arena.u32(segments),
      ] as const;
    });

  it("route: every (row, pick) in one entry, by expert then row; ties to the lowest expert; sigmoid scores within 1e-6 relative, softmax 1e-6 absolute", () => {
    const logit = fc.oneof(fc.constantFrom(0, -0, 1, -1, 45, -45), fc.float({ noNaN: true, min: -50, max: 50 }));
    const shape = fc.record({
      rows: fc.integer({ min: 0, max: 20 }),
      experts: fc.integer({ min: 1, max: 17 }),
      used: fc.nat(),
      softmax: fc.boolean(),
    });
    const cases = shape.chain(({ rows, experts, used, softmax }) => {
      const count = rows * experts;
      return fc.record({
        logits: fc.array(logit, { minLength: count, maxLength: count }),
        experts: fc.constant(experts),
        used: fc.constant(1 + (used % experts)),
        softmax: fc.constant(softmax),
      });
    });
    const property = fc.property(cases, ({ logits, experts, used, softmax }) => {
      const rows = logits.length / experts;
      const [fault, picks, scores, gather, segments] = route(Float32Array.from(logits), rows, experts, used, softmax);
      const entries = oracle.buckets(Float32Array.from(logits), experts, used, softmax);
      expect(fault[0]).toBe(-1);
      expect([...gather]).toEqual(entries.map(({ row }) => row));
      const expected = entries.map(({ score }) => score);
      if (softmax) expect(oracle.absoluteError(scores, expected)).toBeLessThan(1e-6);
      else expect(oracle.relativeError(scores, expected)).toBeLessThan(1e-6);
      entries.forEach(({ row, pick }, entry) => {
        expect(picks[row * used + pick]).toBe(entry);
      });
      const counts = Array.from({ length: experts }, (_, expert) => [
        expert,
        entries.findIndex((entry) => entry.expert === expert),
        entries.filter((entry) => entry.expert === expert).length,
      ]);
      const filled = counts.filter(([, , count]) => count > 0).flat();
      expect(segments[0]).toBe(filled.length / SEGMENT_WORDS);
      expect([...segments.subarray(1, 1 + filled.length)]).toEqual(filled);
    });
    fc.assert(property, { seed: SEED, numRuns: 300 });
  });

  it.each([NaN, Infinity, -Infinity])("route: the first row with a logit of %d", (bad) => {
    for (const softmax of [false, true])
      expect(route(Float32Array.of(1, 2, 3, 4, bad, 5, 6, 7, bad), 3, 3, 2, softmax)[0][0]).toBe(1);
  });

  it("combine: (shared + e1) + e2 ..., then x + branch, f32 in that order", () => {
    for (const cols of COLS) {
      const used = 1 + (cols % 4);
      const entries = 9;
      const [x, shared, experts, scores] = [
        random.floats(cols),
        random.floats(cols),
        random.floats(entries * cols),
        random.floats(entries),
      ];
      const picks = Uint32Array.from({ length: used }, (_, pick) => (pick * 2 + cols) % entries);
      for (const [withX, withShared, withScores] of [
        [1, 1, 0],
        [0, 1, 1],
        [1, 0, 1],
        [0, 0, 0],
      ]) {
        const out = onBoth((kernels, arena) => {
          const [to, xAt, sharedAt, scoresAt] = [arena.out(cols * 4), arena.in(x), arena.in(shared), arena.in(scores)];
          kernels.combine_f32(
            to.at,
            withX && xAt,
            withShared && sharedAt,
            arena.in(experts),
            arena.in(picks),
            withScores && scoresAt,
            used,
            cols,
          );
          return arena.f32(to);
        }, cols % 16);
        const expected = x.map((residual, col) => {
          const terms = Array.from(picks, (entry) =>
            Math.fround(experts[entry * cols + col] * (withScores ? scores[entry] : 1)),
          );
          const branch = (withShared ? [shared[col], ...terms] : terms).reduce((sum, term) => Math.fround(sum + term));
          return withX ? residual + branch : branch;
        });
        expectSameBits(out, expected);
      }
    }
  });
});
