/**
 * q8_0 and q4_0 weights, their tiles, and 8-bit and 16-bit activations against the f64 oracle.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as abi from "../assembly/abi.ts";
import { type Arena, expectSameBits, type Kernels, type Operand, on, onBoth, Random, SEED } from "./kernels.ts";
import * as oracle from "./oracle.ts";
import { FINITE_SCALES, FORMATS, type Format, storedBlocks } from "./stored-weights.ts";

const random = new Random(SEED);
const HEIGHTS = [1, 2, 3, 4, 5, 6];

/** Packs all groups of a stored matrix; returns the packed operand. */
function pack(
  kernels: Kernels,
  arena: Arena,
  { name, stored: blockBytes, packed }: Format,
  stored: Uint8Array,
  rows: number,
  cols: number,
): Operand {
  const groups = Math.ceil(rows / 8);
  const to = arena.out((groups * cols * packed) / 32);
  const source = arena.in(stored);
  for (let group = 0; group < groups; group++) {
    // Every second group from a piece of its own that begins with the group's first row.
    const piece = group % 2 ? arena.in(stored.slice((group * 8 * cols * blockBytes) / 32)) : source;
    expect(kernels[`pack_${name}`](to.at, piece, rows, cols, group % 2 ? group * 8 : 0, group)).toBe(1);
  }
  return to;
}

/** A panel and its scales and sums, written from the oracle's q: [cols / run][h][run]. */
function panelOf(
  { form }: Format,
  rows: readonly oracle.QuantizedRow[],
): { values: Int16Array | Int8Array; scales: Float32Array; sums: Int32Array } {
  const h = rows.length;
  const cols = rows[0].q.length;
  const run = form === abi.PANEL_Q16_PAIRS ? 2 : 4;
  const values = form === abi.PANEL_Q16_PAIRS ? new Int16Array(h * cols) : new Int8Array(h * cols);
  const scales = new Float32Array((h * cols) / 32);
  const sums = new Int32Array(scales.length);
  rows.forEach((row, lane) => {
    row.q.forEach((value, k) => {
      values[(Math.floor(k / run) * h + lane) * run + (k % run)] = value;
      sums[(k >> 5) * h + lane] += value;
    });
    row.scales.forEach((scale, block) => {
      scales[block * h + lane] = scale;
    });
  });
  return { values, scales, sums };
}

describe.each(FORMATS)(`$name weights, seed ${SEED}`, (format) => {
  const { name, stored: blockBytes, dequantize } = format;

  it("pack, dequantise, embed: exactly scale x q, 1..20 rows, any finite scale, zeros past the last row", () => {
    for (let rows = 1; rows <= 20; rows++) {
      for (const cols of [32, 96, 160]) {
        const stored = storedBlocks(random, (rows * cols) / 32, blockBytes);
        const exact = Float32Array.from(dequantize(stored));
        const groups = Math.ceil(rows / 8);
        const [embedded, wide] = onBoth((kernels, arena) => {
          const packed = pack(kernels, arena, format, stored, rows, cols);
          const [out, all] = [arena.out(rows * cols * 4), arena.out(groups * 8 * cols * 4)];
          for (let row = 0; row < rows; row++) kernels[`embed_${name}`](out.at + row * cols * 4, packed.at, row, cols);
          for (let group = 0; group < groups; group++) {
            for (const [begin, end] of [
              [0, 32],
              [32, cols],
            ]) {
              kernels[`dequantize_${name}`](
                all.at + (group * cols + begin) * 32,
                packed.at + (group * cols * format.packed) / 32,
                begin,
                end,
              );
            }
          }
          return [arena.f32(out), arena.f32(all)] as const;
        }, rows % 16);
        expect(oracle.absoluteError(embedded, exact)).toBe(0);
        const expected = new Float32Array(wide.length);
        exact.forEach((value, i) => {
          const [row, col] = [Math.floor(i / cols), i % cols];
          expected[(Math.floor(row / 8) * cols + col) * 8 + (row % 8)] = value;
        });
        expect(oracle.absoluteError(wide, expected)).toBe(0);
      }
    }
  });

  it("pack, embed: exact for every byte under every finite scale", () => {
    const stored = storedBlocks(random, FINITE_SCALES.length, blockBytes);
    FINITE_SCALES.forEach((scale, block) => {
      stored[block * blockBytes] = scale & 255;
      stored[block * blockBytes + 1] = scale >> 8;
      stored.fill(block % 256, block * blockBytes + 2, block * blockBytes + 10);
    });
    const cols = FINITE_SCALES.length * 4;
    const embedded = onBoth((kernels, arena) => {
      const packed = pack(kernels, arena, format, stored, 8, cols);
      const out = arena.out(cols * 32);
      for (let row = 0; row < 8; row++) kernels[`embed_${name}`](out.at + row * cols * 4, packed.at, row, cols);
      return arena.f32(out);
    });
    expect(oracle.absoluteError(embedded, dequantize(stored))).toBe(0);
  });

  it("pack refuses every non-finite scale, wherever it stands", () => {
    for (let half = 0; half < 65536; half++) {
      if ((half & 0x7c00) !== 0x7c00) continue;
      const stored = storedBlocks(random, 11 * 2, blockBytes);
      const block = half % 22;
      stored[block * blockBytes] = half & 255;
      stored[block * blockBytes + 1] = half >> 8;
      const group = block < 16 ? 0 : 1;
      const accepted = on(half % 3 ? "simd" : "relaxed", (kernels, arena) => {
        const [source, out] = [arena.in(stored), arena.out(4 * format.packed)];
        return [0, 1].map((each) => kernels[`pack_${name}`](out.at, source, 11, 64, 0, each));
      });
      expect(accepted).toEqual(group === 0 ? [0, 1] : [1, 0]);
    }
  });

  it("golden blocks of ggml: equal to the bit", () => {
    const golden = JSON.parse(readFileSync(new URL("./golden/quant.json", import.meta.url), "utf8"))[name];
    const stored = Uint8Array.from(Buffer.from(golden.raw, "base64"));
    const values = new Float32Array(Uint8Array.from(Buffer.from(golden.values, "base64")).buffer);
    const embedded = onBoth((kernels, arena) => {
      const packed = pack(kernels, arena, format, stored, 1, values.length);
      const out = arena.out(values.byteLength);
      kernels[`embed_${name}`](out.at, packed.at, 0, values.length);
      return arena.f32(out);
    });
    expect(values.length).toBe(32 * 32);
    expect(oracle.absoluteError(dequantize(stored), values)).toBe(0);
    expectSameBits(
      embedded.map((value) => value + 0),
      values.map((value) => value + 0),
    ); // + 0: ggml's -0 for q = 0 too
  });

  const tile = (stored: Uint8Array, rows: readonly oracle.QuantizedRow[], shift = 0) =>
    onBoth((kernels, arena) => {
      const cols = rows[0].q.length;
      const { values, scales, sums } = panelOf(format, rows);
      const packed = pack(kernels, arena, format, stored, 8, cols);
      const [panel, scaleAt, sumAt, out] = [
        arena.in(values),
        arena.in(scales),
        arena.in(sums),
        arena.out(rows.length * 32),
      ];
      if (name === "q8_0") kernels.tile_q8_0_q16(rows.length, out.at, packed.at, panel, scaleAt, cols / 32);
      else kernels.tile_q4_0_q8(rows.length, out.at, packed.at, panel, scaleAt, sumAt, cols / 32);
      const gathered = arena.f32(out).slice();
      if (name === "q4_0") {
        kernels.tile_q4_0_q8_add(rows.length, out.at, packed.at, panel, scaleAt, sumAt, cols / 32);
        expectSameBits(arena.f32(out), gathered, "sums in i32");
      }
      return gathered;
    }, shift);

  it(`tile of ${name}: |error| <= 1e-6 of the terms against the same q, NMSE <= ${format.nmse} unquantised; a row has the bits of height 1`, () => {
    const [all, unquantized]: number[][] = [[], []];
    for (const blocks of [1, 2, 3, 5, 16]) {
      for (const h of HEIGHTS) {
        const cols = blocks * 32;
        const stored = storedBlocks(random, 8 * blocks, blockBytes, true);
        const weights = dequantize(stored);
        const x = random.floats(h * cols);
        const rows = Array.from({ length: h }, (_, row) =>
          oracle.quantizeActivations(x.slice(row * cols, (row + 1) * cols), format.most),
        );
        const sums = tile(stored, rows, (blocks + h) % 16);
        const kept = Float64Array.from(rows.flatMap((row) => [...oracle.dequantizeActivations(row)]));
        const exact = oracle.matmul(weights, kept, cols);
        const terms = oracle.matmul(weights.map(Math.abs), kept.map(Math.abs), cols);
        expect(
          oracle.absoluteError(
            sums.map((sum, i) => (sum - exact[i]) / terms[i]),
            new Float32Array(h * 8),
          ),
        ).toBeLessThan(1e-6);
        all.push(...sums);
        unquantized.push(...oracle.matmul(weights, x, cols));
        rows.forEach((row, i) => {
          expectSameBits(tile(stored, [row]), sums.slice(i * 8, i * 8 + 8), "height 1");
        });
      }
    }
    expect(oracle.nmse(all, unquantized)).toBeLessThanOrEqual(format.nmse);
  });

  it("extreme values: x and weights at the ends of their ranges, exact integers in both builds", () => {
    for (const [x, byte] of [
      [127, 0xff],
      [-127, 0xff],
      [127, 0x80],
      [-127, 0x80],
      [127, 0x7f],
      [-127, 0x00],
      [127, 0x0f],
      [-127, 0xf0],
    ]) {
      const stored = storedBlocks(random, 8, blockBytes).fill(byte);
      for (let at = 0; at < stored.length; at += blockBytes) stored.set([0x00, 0x3c], at); // scale 1
      const row = { q: new Int16Array(32).fill(Math.sign(x) * format.most), scales: Float32Array.of(1) };
      const mixed = { q: row.q.map((value, k) => (k % 3 ? value : -value)), scales: row.scales };
      const expected = oracle.matmul(dequantize(stored), [...row.q, ...mixed.q, ...row.q], 32);
      expectSameBits(tile(stored, [row, mixed, row]), Float32Array.from(expected));
    }
  });
});

it.each(FORMATS)(`gemv8 of $name: the bits of eight tiles of height 1, 1..17 blocks, seed ${SEED}`, (format) => {
  for (let blocks = 1; blocks <= 17; blocks++) {
    const stored = storedBlocks(random, 64 * blocks, format.stored, true);
    const row = oracle.quantizeActivations(random.floats(blocks * 32), format.most);
    const { values, scales, sums } = panelOf(format, [row]);
    const [all, one] = onBoth((kernels, arena) => {
      const packed = pack(kernels, arena, format, stored, 64, blocks * 32);
      const [panel, scaleAt, sumAt] = [arena.in(values), arena.in(scales), arena.in(sums)];
      const [together, apart] = [arena.out(256), arena.out(256)];
      if (format.name === "q8_0") kernels.gemv8_q8_0_q16(together.at, packed.at, panel, scaleAt, blocks);
      else kernels.gemv8_q4_0_q8(together.at, packed.at, panel, scaleAt, sumAt, blocks);
      for (let group = 0; group < 8; group++) {
        const [to, from] = [apart.at + group * 32, packed.at + group * blocks * format.packed];
        if (format.name === "q8_0") kernels.tile_q8_0_q16(1, to, from, panel, scaleAt, blocks);
        else kernels.tile_q4_0_q8(1, to, from, panel, scaleAt, sumAt, blocks);
      }
      return [arena.f32(together), arena.f32(apart)] as const;
    }, blocks % 16);
    expectSameBits(all, one);
  }
});

describe.each(FORMATS)(`quantised activations for $name, seed ${SEED}`, (format) => {
  const quantize = (rows: readonly Float32Array[], shift: number) =>
    onBoth((kernels, arena) => {
      const [h, cols] = [rows.length, rows[0].length];
      const [panel, scales, sums] = [h * cols * format.panelBytes, (h * cols) / 8, (h * cols) / 8].map((bytes) =>
        arena.out(bytes),
      );
      rows.forEach((row, lane) => {
        const x = arena.in(row);
        if (format.name === "q8_0") kernels.quantize_f32_q16_pairs(panel.at, scales.at, x, cols, h, lane);
        else kernels.quantize_f32_q8_quads(panel.at, scales.at, sums.at, x, cols, h, lane);
      });
      return [arena.u8(panel), arena.f32(scales), ...(format.name === "q8_0" ? [] : [arena.u8(sums)])] as const;
    }, shift);
  const expectQuantized = (rows: readonly Float32Array[], shift = 0) => {
    const { values, scales, sums } = panelOf(
      format,
      rows.map((row) => oracle.quantizeActivations(row, format.most)),
    );
    expectSameBits(quantize(rows, shift), [values, scales, ...(format.name === "q8_0" ? [] : [sums])]);
  };

  it("q, scale and sum exact, heights 1..6, all lanes; 2^-100 .. 2^100; any alignment", () => {
    for (const blocks of [1, 2, 3, 7]) {
      for (const h of HEIGHTS)
        expectQuantized(
          Array.from({ length: h }, (_, row) => random.floats(blocks * 32, 2 ** (row * 40 - 100))),
          (blocks * h) % 16,
        );
    }
  });

  it("ties to even, zeros, -0, the greatest at each place", () => {
    expectQuantized([
      Float32Array.from({ length: 32 }, (_, k) => (k === 31 ? -127 : k - 15.5)),
      new Float32Array(32),
      new Float32Array(32).fill(-0),
    ]);
    for (let k = 0; k < 32; k++) expectQuantized([random.floats(32).fill(k % 2 ? -9 : 9, k, k + 1)]);
  });

  it("a block below 1e-34 is zeros; a NaN anywhere in a block reaches its scale", () => {
    expectQuantized([random.floats(32, 1e-36), random.floats(32, 1e-30)]);
    for (let k = 0; k < 32; k++) {
      const row = new Float32Array(32).fill(1, 0, 32).fill(Number.NaN, k, k + 1);
      expect(quantize([row], 0)[1][0], `NaN at ${k}`).toBeNaN();
    }
  });
});
