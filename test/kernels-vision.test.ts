/**
 * What the tower of pictures has beside the text model's kernels, against the f64 oracle: layer norm, GELU, places, angles by column and row,
 * pixel shuffle. `onBoth` runs both builds, demands equal bits, and checks guards and inputs.
 */
import { describe, expect, it } from "vitest";
import * as abi from "../assembly/abi.ts";
import { expectSameBits, onBoth, Random, SEED } from "./kernels.ts";
import * as oracle from "./oracle.ts";
import { bits, op, panelRoom, runThrough } from "./program.ts";

const random = new Random(SEED);
const COLS = Array.from({ length: 67 }, (_, i) => i + 1);
const SHIFTS = Array.from({ length: 15 }, (_, i) => i + 1);

const gelu = (x: Float32Array, shift = 0) =>
  onBoth((kernels, arena) => {
    const [from, out, within] = [arena.in(x), arena.out(x.byteLength), arena.inout(x)];
    kernels.gelu_f32(out.at, from, x.length);
    kernels.gelu_f32(within.at, within.at, x.length);
    expectSameBits(arena.f32(within), arena.f32(out), "in place");
    return arena.f32(out);
  }, shift);

describe(`GELU, seed ${SEED}`, () => {
  it("|error| < 1.5e-7 (1 + |z|), by the error function: tanh's approximation is 4e-4 off", () => {
    const z = Float32Array.from({ length: 3000 }, (_, i) => (i - 1500) / 150);
    const values = gelu(z);
    const worst = Math.max(...values.map((value, i) => Math.abs(value - oracle.gelu(z[i])) / (1 + Math.abs(z[i]))));
    expect(worst).toBeLessThan(1.5e-7);
  });

  it("0 at 0 and far below, z far above; NaN stays; any count and alignment gives the same bits", () => {
    expectSameBits(gelu(Float32Array.of(0, -20, -1e20, 20, 1e20)), Float32Array.of(0, 0, 0, 20, 1e20));
    expect(gelu(Float32Array.of(NaN))[0]).toBeNaN();
    const z = random.floats(67);
    for (const shift of SHIFTS) expectSameBits(gelu(z, shift), gelu(z));
    for (const count of COLS) expectSameBits(gelu(z.slice(0, count)), gelu(z).slice(0, count));
  });
});

describe(`layer norm, seed ${SEED}`, () => {
  const norm = (x: Float32Array, weight: Float32Array, bias: Float32Array, shift = 0) =>
    onBoth((kernels, arena) => {
      const [from, w, b, out] = [arena.in(x), arena.in(weight), arena.in(bias), arena.out(x.byteLength)];
      kernels.layernorm_f32(out.at, w, b, from, 1e-5, x.length);
      const within = arena.inout(x);
      kernels.layernorm_f32(within.at, w, b, within.at, 1e-5, x.length);
      expectSameBits(arena.f32(within), arena.f32(out), "in place");
      return arena.f32(out);
    }, shift);

  it("error < 2e-6 of the largest value for cols 1..67, rows of any size; far from 0 it keeps its digits", () => {
    for (const cols of COLS) {
      for (const [deviation, mean] of [
        [1, 0],
        [1e-3, 0],
        [1e8, 0],
        [1, 100],
      ] as const) {
        const x = random.floats(cols, deviation).map((value) => value + mean);
        const [weight, bias] = [random.floats(cols), random.floats(cols)];
        const expected = oracle.layerNorm(x, weight, bias, Math.fround(1e-5));
        const largest = Math.max(1, ...expected.map(Math.abs));
        const error = oracle.absoluteError(norm(x, weight, bias, cols % 16), expected);
        expect(error / largest).toBeLessThan(mean === 0 ? 2e-6 : 2e-5);
      }
    }
  });

  it("a row that is all the same becomes the bias", () => {
    const bias = random.floats(9);
    expectSameBits(norm(new Float32Array(9).fill(7), random.floats(9), bias), bias);
  });

  it("PANEL makes rows of it, and of GELU", () => {
    const [rows, cols] = [7, 37];
    const [x, weight, bias] = [random.floats(rows * cols), random.floats(cols), random.floats(cols)];
    const run = (transform: number) =>
      onBoth((kernels, arena) => {
        const out = arena.out(rows * cols * 4);
        const [panel] = panelRoom(arena, abi.FORM_F32, rows, cols);
        const places = { SEGMENTS_AT: arena.in(Uint32Array.of(1, 0, 0, rows)), SOURCE_AT: arena.in(x), OUT_AT: out.at };
        const norms = { WEIGHT_AT: arena.in(weight), BIAS_AT: arena.in(bias), EPS: bits(1e-5) };
        const operands = { ...panel, ...places, ...norms, STRIDE: cols, COLS: cols, TRANSFORM: transform };
        runThrough(kernels, arena, [op("PANEL", operands)], rows);
        return arena.f32(out);
      });
    const row = (index: number) => x.slice(index * cols, (index + 1) * cols);
    const normed = Array.from({ length: rows }, (_, index) => [...norm(row(index), weight, bias)]).flat();
    expectSameBits(run(abi.TRANSFORM_LAYER_NORM), Float32Array.from(normed));
    expectSameBits(run(abi.TRANSFORM_GELU), gelu(x));
  });
});

describe(`patches, seed ${SEED}`, () => {
  const [side, tiles] = [4, 3];
  const tokens = side * side + 1;
  const rows = tiles * tokens;

  it("PLACE adds the table of a tile to every tile", () => {
    const cols = 5;
    const [x, table] = [random.floats(rows * cols), random.floats(tokens * cols)];
    const placed = onBoth((kernels, arena) => {
      const within = arena.inout(x);
      const operands = { X_AT: within.at, TABLE_AT: arena.in(table), TOKENS: tokens, COLS: cols };
      runThrough(kernels, arena, [op("PLACE", operands)], rows);
      return arena.f32(within);
    });
    expectSameBits(
      placed,
      x.map((value, i) => value + table[i % table.length]),
    );
  });

  it("GRID_ANGLES: columns first, then rows, both from 1; the class row is not turned", () => {
    const frequencies = Float32Array.of(1, 0.25, 0.01);
    const pairs = frequencies.length;
    const turns = onBoth((kernels, arena) => {
      const out = arena.out(rows * pairs * 16);
      const operands = { SIDE: side, FREQUENCIES_AT: arena.in(frequencies), PAIRS: pairs, OUT_AT: out.at };
      runThrough(kernels, arena, [op("GRID_ANGLES", operands)], rows);
      return arena.f32(out);
    });
    for (let row = 0; row < rows; row++) {
      const patch = row % tokens;
      const isClass = patch === side * side;
      const [x, y] = isClass ? [0, 0] : [(patch % side) + 1, Math.floor(patch / side) + 1];
      const expected = [...oracle.angles(frequencies, x), ...oracle.angles(frequencies, y)];
      expect(oracle.absoluteError(turns.slice(row * pairs * 4, (row + 1) * pairs * 4), expected)).toBeLessThan(6e-8);
    }
  });

  it("SHUFFLE: channel (2 dy + dx) cols + c of row (i, j) is that of patch (2 i + dy, 2 j + dx); class rows go", () => {
    const cols = 3;
    const half = side / 2;
    const source = Float32Array.from({ length: rows * cols }, (_, i) => i);
    const shuffled = onBoth((kernels, arena) => {
      const out = arena.out(tiles * half * half * 4 * cols * 4);
      const operands = { SOURCE_AT: arena.in(source), COLS: cols, SIDE: side, OUT_AT: out.at };
      runThrough(kernels, arena, [op("SHUFFLE", operands)], rows);
      return arena.f32(out);
    });
    const expected: number[] = [];
    for (let tile = 0; tile < tiles; tile++)
      for (let i = 0; i < half; i++)
        for (let j = 0; j < half; j++)
          for (const [dy, dx] of [
            [0, 0],
            [0, 1],
            [1, 0],
            [1, 1],
          ])
            for (let c = 0; c < cols; c++)
              expected.push(source[(tile * tokens + (2 * i + dy) * side + 2 * j + dx) * cols + c]);
    expectSameBits(shuffled, Float32Array.from(expected));
  });
});
