/**
 * The float kernels against the f64 oracle. `onBoth` runs both builds, demands equal bits, and checks guards and inputs.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as abi from "../assembly/abi.ts";
import { SEGMENT_WORDS, TYPE_BF16, TYPE_F16, TYPE_F32 } from "../assembly/abi.ts";
import {
  type Arena,
  bytesOf,
  expectSameBits,
  faultOf,
  matmul,
  on,
  onBoth,
  op,
  Random,
  runThrough,
  SEED,
} from "./kernels.ts";
import * as oracle from "./oracle.ts";

const random = new Random(SEED);
const COLS = Array.from({ length: 67 }, (_, i) => i + 1);
const HEIGHTS = [1, 2, 3, 4, 5, 6];
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

describe(`f32 tiles, seed ${SEED}`, () => {
  const run = (
    build: "simd" | "relaxed",
    kernel: "tile_f32" | "tile_f32_fused",
    h: number,
    weights: Float32Array,
    x: Float32Array,
    sums: Float32Array,
    shift = 0,
  ) =>
    on(
      build,
      (kernels, arena) => {
        const [w, panel, out] = [arena.in(weights), arena.in(x), arena.inout(sums)];
        kernels[kernel](h, out.at, w, panel, x.length / h);
        return arena.f32(out);
      },
      shift,
    );
  /** [n][cols] -> [cols][n] */
  const turned = (x: Float32Array, n: number) => x.map((_, i) => x[(i % n) * (x.length / n) + Math.floor(i / n)]);

  it("tile_f32, tile_f32_fused: NMSE <= 1e-10, cols 0..67, heights 1..6; a row has the bits of height 1; sums go on", () => {
    for (const cols of [0, ...COLS, 1000]) {
      for (const h of HEIGHTS) {
        const [weights, rows, sums] = [random.floats(8 * cols), random.floats(h * cols), random.floats(h * 8)];
        const product = cols ? oracle.matmul(weights, rows, cols) : new Float64Array(h * 8);
        const packed = turned(weights, 8);
        const shift = (cols + h) % 16;
        const plain = run("simd", "tile_f32", h, packed, turned(rows, h), sums, shift);
        expect(
          oracle.nmse(
            plain,
            product.map((sum, i) => sum + sums[i]),
          ),
        ).toBeLessThanOrEqual(1e-10);
        expectSameBits(run("relaxed", "tile_f32", h, packed, turned(rows, h), sums, shift), plain, "relaxed");
        expectSameBits(run("simd", "tile_f32_fused", h, packed, turned(rows, h), sums), plain, "simd does not fuse");
        const fused = run("relaxed", "tile_f32_fused", h, packed, turned(rows, h), sums, shift);
        expect(
          oracle.nmse(
            fused,
            product.map((sum, i) => sum + sums[i]),
          ),
        ).toBeLessThanOrEqual(1e-10);
        for (let row = 0; row < h; row++) {
          const [one, own] = [rows.slice(row * cols, (row + 1) * cols), sums.slice(row * 8, (row + 1) * 8)];
          expectSameBits(run("simd", "tile_f32", 1, packed, one, own), plain.slice(row * 8, (row + 1) * 8), "height 1");
          expectSameBits(
            run("relaxed", "tile_f32_fused", 1, packed, one, own),
            fused.slice(row * 8, (row + 1) * 8),
            "fused, height 1",
          );
        }
      }
    }
  });

  it("tile_f32_fused in the relaxed build rounds once: differs from tile_f32", () => {
    const [weights, x, sums] = [random.floats(8 * 64), random.floats(64), random.floats(8)];
    const [plain, fused] = (["tile_f32", "tile_f32_fused"] as const).map((kernel) =>
      run("relaxed", kernel, 1, weights, x, sums),
    );
    expect(Buffer.compare(bytesOf(plain), bytesOf(fused))).not.toBe(0);
  });

  it("panel_f32: a row into its lane, the other lanes untouched", () => {
    for (const cols of COLS) {
      for (const h of HEIGHTS) {
        const x = random.floats(h * cols);
        const panel = onBoth(
          (kernels, arena) => {
            const out = arena.out(x.byteLength);
            const rows = Array.from({ length: h }, (_, lane) => arena.in(x.slice(lane * cols, (lane + 1) * cols)));
            for (let lane = h - 1; lane >= 0; lane--) kernels.panel_f32(out.at, rows[lane], cols, h, lane);
            return arena.f32(out);
          },
          (cols + h) % 16,
        );
        expectSameBits(panel, turned(x, h));
      }
    }
  });
});

const HALF_TYPES = [
  { name: "f16", type: TYPE_F16, widen: oracle.fromF16, exponent: 0x7c00 },
  { name: "bf16", type: TYPE_BF16, widen: oracle.fromBf16, exponent: 0x7f80 },
] as const;
const ALL_PATTERNS = Uint16Array.from({ length: 65536 }, (_, i) => i);

describe.each(HALF_TYPES)("$name weights", ({ name, type, widen, exponent }) => {
  const finite = ALL_PATTERNS.filter((bits) => (bits & exponent) !== exponent);
  const widened = Float32Array.from(finite, widen);

  it(`dequantize_${name}: exact for all finite patterns, any piece of k, any alignment`, () => {
    const cols = finite.length / 8;
    for (const [begin, end, shift] of [
      [0, cols, 0],
      [1, 2, 1],
      [7, 300, 5],
      [cols - 1, cols, 15],
      [5, 5, 3],
    ]) {
      const out = onBoth((kernels, arena) => {
        const [group, to] = [arena.in(finite), arena.out((end - begin) * 32)];
        kernels[`dequantize_${name}`](to.at, group, begin, end);
        return arena.f32(to);
      }, shift);
      expectSameBits(out, widened.slice(begin * 8, end * 8));
    }
  });

  it("pack_float to f32, embed_float from both types: exact for all finite patterns", () => {
    const cols = finite.length / 16;
    for (const to of [TYPE_F32, type]) {
      const rows = onBoth((kernels, arena) => {
        const [source, packed] = [arena.in(finite), arena.out(16 * cols * (to === TYPE_F32 ? 4 : 2))];
        for (const group of [0, 1])
          expect(kernels.pack_float(packed.at, source, to, type, 16, cols, 0, cols, 1, 0, cols, group)).toBe(1);
        const out = arena.out(16 * cols * 4);
        for (let row = 0; row < 16; row++) kernels.embed_float(out.at + row * cols * 4, packed.at, to, row, cols);
        return arena.f32(out);
      });
      expectSameBits(rows, widened);
    }
  });

  it("pack_float refuses every non-finite pattern, wherever it stands, to f32 and to its own type", () => {
    for (const pattern of ALL_PATTERNS.filter((bits) => (bits & exponent) === exponent)) {
      const stored = finite.slice(0, 24);
      stored[pattern % 24] = pattern;
      for (const to of [TYPE_F32, type]) {
        const accepted = on(pattern % 2 ? "simd" : "relaxed", (kernels, arena) => {
          const [source, packed] = [arena.in(stored), arena.out(8 * 3 * (to === TYPE_F32 ? 4 : 2))];
          return kernels.pack_float(packed.at, source, to, type, 8, 3, 0, 3, 1, 0, 3, 0);
        });
        expect(accepted).toBe(0);
      }
    }
  });
});

describe(`pack_float, f32, seed ${SEED}`, () => {
  it("groups of 8 outputs [cols][8], zeros past the last row; pieces of rows and cols, transposed sources: same bytes", () => {
    for (let rows = 1; rows <= 20; rows++) {
      const cols = 1 + (rows % 7);
      const weights = random.floats(rows * cols);
      const expected = new Float32Array(Math.ceil(rows / 8) * cols * 8);
      weights.forEach((weight, i) => {
        const [row, col] = [Math.floor(i / cols), i % cols];
        expected[(Math.floor(row / 8) * cols + col) * 8 + (row % 8)] = weight;
      });
      const packed = onBoth((kernels, arena) => {
        const out = arena.out(expected.byteLength);
        for (let rowBegin = 0; rowBegin < rows; rowBegin += 8) {
          const rowEnd = Math.min(rowBegin + 8, rows);
          for (const [colBegin, colEnd] of [
            [0, cols >> 1],
            [cols >> 1, cols],
          ]) {
            // The piece, outputs fastest in every second case.
            const [height, width] = [rowEnd - rowBegin, colEnd - colBegin];
            const strides = rows % 2 ? [width, 1] : [1, height];
            const piece = new Float32Array(height * width);
            for (let i = 0; i < height; i++)
              for (let k = 0; k < width; k++)
                piece[i * strides[0] + k * strides[1]] = weights[(rowBegin + i) * cols + colBegin + k];
            const source = arena.in(piece);
            expect(
              kernels.pack_float(
                out.at,
                source,
                TYPE_F32,
                TYPE_F32,
                rows,
                cols,
                rowBegin,
                strides[0],
                strides[1],
                colBegin,
                colEnd,
                rowBegin / 8,
              ),
            ).toBe(1);
          }
        }
        return arena.f32(out);
      }, rows % 16);
      expectSameBits(packed, expected);
    }
  });

  it.each([NaN, Infinity, -Infinity])("refuses %d", (bad) => {
    for (let i = 0; i < 24; i++) {
      const accepted = onBoth((kernels, arena) => {
        const [source, out] = [arena.in(new Float32Array(24).fill(1).fill(bad, i, i + 1)), arena.out(96)];
        return kernels.pack_float(out.at, source, TYPE_F32, TYPE_F32, 8, 3, 0, 3, 1, 0, 3, 0);
      });
      expect(accepted).toBe(0);
    }
  });
});

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

describe("run: faults and nothing to do", () => {
  const fault = (build: (arena: Arena) => number[], rows: number) =>
    onBoth((kernels, arena) => {
      return faultOf(runThrough(kernels, arena, [op("MEET"), build(arena)], rows, {}, abi.STATUS_FAULT));
    });

  it("an unknown opcode: FAULT_OPCODE", () => {
    for (const opcode of [abi.OPCODES, 999, 0xffff])
      expect([...fault(() => [opcode | (4 << 16), 0, 0, 0], 1)]).toEqual([abi.FAULT_OPCODE, 0, 1, 4]);
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

  it("a weight that is no number: FAULT_WEIGHT and the first output of its group", () => {
    const pack = (arena: Arena) => {
      const source = {
        SOURCE_AT: arena.in(new Float32Array(60).fill(NaN, 9 * 3, 9 * 3 + 1)),
        OUTPUT_STRIDE: 3,
        INPUT_STRIDE: 1,
      };
      return op("PACK", { ...source, AT: arena.out(3 * 3 * 32).at, ROWS: 20, COLS: 3, ROW_END: 20, COL_END: 3 });
    };
    expect([...fault(pack, 0)]).toEqual([abi.FAULT_WEIGHT, 8, 1, 4]);
  });

  it("no rows, no segments, no tasks: nothing is read or written", () => {
    onBoth((kernels, arena) => {
      const nothing = arena.in(Uint32Array.of(0));
      const empty = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14].map((opcode) => [
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
      const add = op("ADD", { X_AT: x.at, BRANCH_AT: arena.in(Float32Array.of(10, 20)), COLS: 2 });
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
