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
    ["f32", "gemv4_f32_f32", "gemv4_f32_f32_fused"],
    ["f16", "gemv4_f16_f32", "gemv4_f16_f32_fused"],
    ["bf16", "gemv4_bf16_f32", "gemv4_bf16_f32_fused"],
  ] as const)(
    "gemv4_%s_f32: the bits of four dequantised tiles of height 1, fused and not, cols 0..67, subnormals and signs",
    (type, plain, once) => {
      for (const cols of [0, ...COLS]) {
        // Any finite bf16 of some size, and any packed f16: all patterns are weights there.
        const halves = Uint16Array.from(
          random.floats(32 * cols),
          (value, i) => (i % 7 ? Math.abs(value * 7919) & 0x3fff : i & 31) | (i & 1 ? 0x8000 : 0),
        );
        const stored = type === "f32" ? random.floats(32 * cols) : halves;
        const bytes = cols * 8 * stored.BYTES_PER_ELEMENT;
        const x = random.floats(cols);
        for (const build of ["simd", "relaxed"] as const) {
          for (const [gemv, tile] of [
            [plain, "tile_f32"],
            [once, "tile_f32_fused"],
          ] as const) {
            const [all, apart] = on(
              build,
              (kernels, arena) => {
                const [weights, panel, out] = [arena.in(stored), arena.in(x), arena.out(128)];
                const [wide, tiles] = [arena.out(cols * 32), arena.inout(new Float32Array(32))];
                kernels[gemv](out.at, weights, panel, cols);
                for (const group of [0, 1, 2, 3]) {
                  const at = weights + group * bytes;
                  if (type !== "f32") kernels[`dequantize_${type}`](wide.at, at, 0, cols);
                  kernels[tile](1, tiles.at + group * 32, type === "f32" ? at : wide.at, panel, cols);
                }
                return [arena.f32(out), arena.f32(tiles)] as const;
              },
              cols % 16,
            );
            expectSameBits(all, apart, `${build}, ${gemv}, ${cols} cols`);
          }
        }
      }
    },
  );

  it("row_fits_f16: 0 and 2^-80 <= |x| < 2^31, wherever it stands", () => {
    const good = [0, -0, 2 ** -80, -(2 ** -80), 1, 2 ** 31 - 128, -(2 ** 30)];
    const bad = [2 ** -81, -(2 ** -100), 1e-44, 2 ** 31, -(2 ** 40), Infinity, NaN];
    for (const cols of COLS) {
      const x = Float32Array.from({ length: cols }, (_, i) => good[i % good.length]);
      const fits = (row: Float32Array) => onBoth((kernels, arena) => kernels.row_fits_f16(arena.in(row), cols));
      expect(fits(x)).toBe(1);
      for (const value of bad) {
        const at = random.integer(0, cols);
        expect([value, at, fits(x.map((own, i) => (i === at ? value : own)))]).toEqual([value, at, 0]);
      }
    }
  });

  it("tile2_f32, tile2_f32_fused: the bits of two tiles, heights 1..6, sums go on", () => {
    for (const cols of [0, 1, 7, 64]) {
      for (const h of HEIGHTS) {
        const [weights, x, sums] = [random.floats(16 * cols), random.floats(h * cols), random.floats(96)];
        for (const [pair, tile] of [
          ["tile2_f32", "tile_f32"],
          ["tile2_f32_fused", "tile_f32_fused"],
        ] as const) {
          for (const build of ["simd", "relaxed"] as const) {
            const [two, one] = on(build, (kernels, arena) => {
              const [w, panel, both, apart] = [arena.in(weights), arena.in(x), arena.inout(sums), arena.inout(sums)];
              kernels[pair](h, both.at, w, w + cols * 32, panel, cols);
              for (const group of [0, 1]) kernels[tile](h, apart.at + group * 192, w + group * cols * 32, panel, cols);
              return [arena.f32(both), arena.f32(apart)] as const;
            });
            expectSameBits(two, one, `${build}, ${pair}, ${h} rows, ${cols} cols`);
          }
        }
      }
    }
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
  // f16 is packed with its exponents moved: what is not below 128 has no packed form.
  const packable = finite.filter((bits) => type !== TYPE_F16 || (bits & 0x7fff) < 0x5800);
  const widened = Float32Array.from(packable, widen);

  it(`dequantize_${name}: exact for all patterns that pack, any piece of k, any alignment`, () => {
    const cols = packable.length / 8;
    for (const [begin, end, shift] of [
      [0, cols, 0],
      [1, 2, 1],
      [7, 300, 5],
      [cols - 1, cols, 15],
      [5, 5, 3],
    ]) {
      const out = onBoth((kernels, arena) => {
        // As outputs [8][cols] of one group, [cols][8] when packed.
        const source = arena.in(packable.map((_, i) => packable[(i % cols) * 8 + Math.floor(i / cols)]));
        const [group, to] = [arena.out(packable.byteLength), arena.out((end - begin) * 32)];
        expect(kernels.pack_float(group.at, source, type, type, 8, cols, cols, 1)).toBe(1);
        kernels[`dequantize_${name}`](to.at, group.at, begin, end);
        return arena.f32(to);
      }, shift);
      expectSameBits(out, widened.slice(begin * 8, end * 8));
    }
  });

  it("pack_float to f32, embed_float from both types: exact for all patterns that pack", () => {
    const cols = packable.length / 16;
    for (const to of [TYPE_F32, type]) {
      const rows = onBoth((kernels, arena) => {
        const [source, packed] = [arena.in(packable), arena.out(16 * cols * (to === TYPE_F32 ? 4 : 2))];
        for (const group of [0, 1])
          expect(
            kernels.pack_float(
              packed.at + group * (packed.bytes / 2),
              source + group * 16 * cols,
              to,
              type,
              8,
              cols,
              cols,
              1,
            ),
          ).toBe(1);
        const out = arena.out(16 * cols * 4);
        for (let row = 0; row < 16; row++) kernels.embed_float(out.at + row * cols * 4, packed.at, to, row, cols);
        return arena.f32(out);
      });
      expectSameBits(rows, widened);
    }
  });

  it("pack_float refuses every non-finite pattern, wherever it stands, to f32 and to its own type; f16 from 128 on to f16", () => {
    for (const pattern of ALL_PATTERNS.filter((bits) => !packable.includes(bits))) {
      const stored = packable.slice(0, 24);
      stored[pattern % 24] = pattern;
      for (const to of (pattern & exponent) === exponent ? [TYPE_F32, type] : [type]) {
        const accepted = on(pattern % 2 ? "simd" : "relaxed", (kernels, arena) => {
          const [source, packed] = [arena.in(stored), arena.out(8 * 3 * (to === TYPE_F32 ? 4 : 2))];
          return kernels.pack_float(packed.at, source, to, type, 8, 3, 3, 1);
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
                out.at + (rowBegin * cols + colBegin * 8) * 4,
                source,
                TYPE_F32,
                TYPE_F32,
                height,
                width,
                strides[0],
                strides[1],
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
        return kernels.pack_float(out.at, source, TYPE_F32, TYPE_F32, 8, 3, 3, 1);
      });
      expect(accepted).toBe(0);
    }
  });
});
