/**
 * f32, f16 and bf16 weights, their tiles and the panels of f32 rows, against the f64 oracle. `onBoth` runs both builds, demands
 * equal bits, and checks guards and inputs.
 */
import { describe, expect, it } from "vitest";
import { TYPE_BF16, TYPE_F16, TYPE_F32 } from "../assembly/abi.ts";
import { bytesOf, expectSameBits, on, onBoth, Random, SEED } from "./kernels.ts";
import * as oracle from "./oracle.ts";

const random = new Random(SEED);
const COLS = Array.from({ length: 67 }, (_, i) => i + 1);
const HEIGHTS = [1, 2, 3, 4, 5, 6];

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

  it.each([
    ["f16", 0x3fff],
    ["bf16", 0x3fff],
  ] as const)(
    "gemv2_%s_f32: the bits of two dequantised tiles of height 1, fused and not, cols 0..67, subnormals and signs",
    (type, mask) => {
      for (const cols of [0, ...COLS]) {
        const halves = Uint16Array.from(
          random.floats(16 * cols),
          (value, i) => (i % 7 ? Math.abs(value * 7919) & mask : i & 31) | (i & 1 ? 0x8000 : 0),
        );
        const x = random.floats(cols);
        for (const build of ["simd", "relaxed"] as const) {
          for (const fused of [0, 1]) {
            const [both, apart] = on(
              build,
              (kernels, arena) => {
                const [weights, panel, out] = [arena.in(halves), arena.in(x), arena.out(64)];
                const [wide, tiles] = [arena.out(cols * 32), arena.inout(new Float32Array(16))];
                if (type === "f16") kernels.gemv2_f16_f32(out.at, weights, panel, cols, fused);
                else kernels.gemv2_bf16_f32(out.at, weights, panel, cols, fused);
                for (const group of [0, 1]) {
                  if (type === "f16") kernels.dequantize_f16(wide.at, weights + group * cols * 16, 0, cols);
                  else kernels.dequantize_bf16(wide.at, weights + group * cols * 16, 0, cols);
                  if (fused) kernels.tile_f32_fused(1, tiles.at + group * 32, wide.at, panel, cols);
                  else kernels.tile_f32(1, tiles.at + group * 32, wide.at, panel, cols);
                }
                return [arena.f32(out), arena.f32(tiles)] as const;
              },
              cols % 16,
            );
            expectSameBits(both, apart, `${build}, fused ${fused}, ${cols} cols`);
          }
        }
      }
    },
  );

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
