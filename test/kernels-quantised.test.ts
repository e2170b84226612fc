/**
 * q8_0 and q4_0 weights, 8-bit activations, and the interpreter's matmul, panel and expert ops over every kind of weight.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as abi from "../assembly/abi.ts";
import {
  type Arena,
  bits,
  expectSameBits,
  faultOf,
  type Kernels,
  matmul,
  type Operand,
  on,
  onBoth,
  op,
  packOp,
  packOps,
  panelRoom,
  Random,
  type Run,
  runThrough,
  SEED,
} from "./kernels.ts";
import * as oracle from "./oracle.ts";

const random = new Random(SEED);
const HEIGHTS = [1, 2, 3, 4, 5, 6];
const FINITE_SCALES = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((half) => (half & 0x7c00) !== 0x7c00);

/** Stored blocks of random bytes; scales are any finite f16: negative, subnormal, zero. `tame`: of magnitude 2^-7 .. 2^-5. */
function storedBlocks(count: number, blockBytes: number, tame = false): Uint8Array {
  const stored = random.bytes(count * blockBytes);
  for (let at = 0; at < stored.length; at += blockBytes) {
    const scale = tame
      ? (random.integer(0, 2) << 15) | (random.integer(8, 10) << 10) | random.integer(0, 1024)
      : FINITE_SCALES[random.integer(0, FINITE_SCALES.length)];
    stored[at] = scale & 255;
    stored[at + 1] = scale >> 8;
  }
  return stored;
}

const FORMATS = [
  {
    name: "q8_0",
    type: abi.TYPE_Q8_0,
    stored: 34,
    packed: 288,
    dequantize: oracle.dequantizeQ8_0,
    form: abi.PANEL_Q16_PAIRS,
    panelBytes: 2,
    most: 32767,
    nmse: 1e-9,
  },
  {
    name: "q4_0",
    type: abi.TYPE_Q4_0,
    stored: 18,
    packed: 160,
    dequantize: oracle.dequantizeQ4_0,
    form: abi.PANEL_Q8_QUADS,
    panelBytes: 1,
    most: 127,
    nmse: 1e-4,
  },
] as const;
type Format = (typeof FORMATS)[number];

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
        const stored = storedBlocks((rows * cols) / 32, blockBytes);
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
    const stored = storedBlocks(FINITE_SCALES.length, blockBytes);
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
      const stored = storedBlocks(11 * 2, blockBytes);
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
      return arena.f32(out);
    }, shift);

  it(`tile of ${name}: |error| <= 1e-6 of the terms against the same q, NMSE <= ${format.nmse} unquantised; a row has the bits of height 1`, () => {
    const [all, unquantized]: number[][] = [[], []];
    for (const blocks of [1, 2, 3, 5, 16]) {
      for (const h of HEIGHTS) {
        const cols = blocks * 32;
        const stored = storedBlocks(8 * blocks, blockBytes, true);
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
      const stored = storedBlocks(8, blockBytes).fill(byte);
      for (let at = 0; at < stored.length; at += blockBytes) stored.set([0x00, 0x3c], at); // scale 1
      const row = { q: new Int16Array(32).fill(Math.sign(x) * format.most), scales: Float32Array.of(1) };
      const mixed = { q: row.q.map((value, k) => (k % 3 ? value : -value)), scales: row.scales };
      const expected = oracle.matmul(dequantize(stored), [...row.q, ...mixed.q, ...row.q], 32);
      expectSameBits(tile(stored, [row, mixed, row]), Float32Array.from(expected));
    }
  });
});

it(`gemv2_q8_0_q16: the bits of two tiles of height 1, 1..17 blocks, seed ${SEED}`, () => {
  for (let blocks = 1; blocks <= 17; blocks++) {
    const stored = storedBlocks(16 * blocks, 34, true);
    const { values, scales } = panelOf(FORMATS[0], [oracle.quantizeActivations(random.floats(blocks * 32), 32767)]);
    const [two, one] = onBoth((kernels, arena) => {
      const packed = pack(kernels, arena, FORMATS[0], stored, 16, blocks * 32);
      const [panel, scaleAt, both, apart] = [arena.in(values), arena.in(scales), arena.out(64), arena.out(64)];
      kernels.gemv2_q8_0_q16(both.at, packed.at, panel, scaleAt, blocks);
      for (const group of [0, 1])
        kernels.tile_q8_0_q16(1, apart.at + group * 32, packed.at + group * blocks * 288, panel, scaleAt, blocks);
      return [arena.f32(both), arena.f32(apart)] as const;
    }, blocks % 16);
    expectSameBits(two, one);
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

// ---- through the interpreter ----

/** Weights of one type: what a file holds, and what it means. */
const WEIGHTS = [
  { name: "f32", type: abi.TYPE_F32, step: 1, make: (count: number) => stored(random.floats(count), (value) => value) },
  { name: "f16", type: abi.TYPE_F16, step: 1, make: (count: number) => stored(halves(count, 0x2800), oracle.fromF16) },
  {
    name: "bf16",
    type: abi.TYPE_BF16,
    step: 1,
    make: (count: number) => stored(halves(count, 0x3e80), oracle.fromBf16),
  },
  ...FORMATS.map(({ name, type, stored: bytes, dequantize }) => ({
    ...{ name, type, step: 32 },
    make: (count: number) => {
      const bytesOfAll = storedBlocks(count / 32, bytes, true);
      return { bytes: bytesOfAll, values: dequantize(bytesOfAll) };
    },
  })),
];

function stored<T extends Float32Array | Uint16Array>(elements: T, widen: (element: number) => number) {
  return { bytes: new Uint8Array(elements.buffer), values: Float64Array.from(elements, widen) };
}

/** 16-bit patterns around an exponent, both signs. */
function halves(count: number, exponent: number): Uint16Array {
  return Uint16Array.from({ length: count }, () => (random.integer(0, 2) << 15) | (exponent + random.integer(0, 1024)));
}

/** Rows per segment -> [count, (weight, first, rows)...], the weights in falling order. */
const segmentsOf = (rows: readonly number[]) =>
  Uint32Array.from([
    rows.length,
    ...rows.flatMap((count, i) => [rows.length - 1 - i, rows.slice(0, i).reduce((sum, n) => sum + n, 0), count]),
  ]);

describe.each(WEIGHTS)(`run: $name weights, seed ${SEED}`, (weight) => {
  const forms = [abi.PANEL_F32, ...FORMATS.filter(({ type }) => type === weight.type).map(({ form }) => form)];

  it("PACK, PANEL, MATMUL of several segments: NMSE <= 1e-10; cut at every claim, other tiles, rows alone: the same bits", () => {
    for (const [form, rows, outputs, cols, extra] of forms.flatMap(
      (f) =>
        [
          [f, [7, 13], 9, 96, 0],
          [f, [1, 2, 6], 20, 320, 1],
          [f, [20], 1, 32, 1],
          [f, [1, 1, 5], 16, 64, 0],
          [f, [1], 17, 64, 1],
        ] as const,
    )) {
      const width = weight.step === 1 ? cols - 29 : cols;
      const entries = rows.reduce((sum, n) => sum + n, 0);
      const stride = outputs + 3;
      const matrices = rows.map(() => weight.make(outputs * width));
      const [x, residual, bias] = [
        random.floats(entries * width),
        random.floats(entries * stride),
        random.floats(outputs),
      ];
      const run = (segments: readonly number[], row: number, how: Run) =>
        onBoth((kernels, arena) => {
          const count = segments.reduce((sum, n) => sum + n, 0);
          // A row alone has one segment: its weight is put first.
          const own =
            segments.length === rows.length
              ? 0
              : rows.length - 1 - rows.findIndex((_, i) => row < rows.slice(0, i + 1).reduce((sum, n) => sum + n, 0));
          const { ops, table } = packOps(kernels, arena, weight.type, matrices.slice(own), outputs, width);
          const segmentsAt = arena.in(segmentsOf(segments));
          const [panel, matrix] = panelRoom(arena, form, count, width);
          const out = arena.inout(new Float32Array(count * stride).fill(99));
          const source = arena.in(x.slice(row * width, (row + count) * width));
          const shape = { TYPE: weight.type, ROWS: outputs, COLS: width, STRIDE: stride, TILES: how.tiles ?? 2 };
          const places = { SEGMENTS_AT: segmentsAt, TABLE_AT: table, OUT_AT: out.at + 8 };
          const added = { RESIDUAL_AT: arena.in(residual.slice(row * stride)) + 8, BIAS_AT: arena.in(bias) };
          const [copy, floats] = [arena.out(count * width * 4), arena.out(count * width * 4)];
          const also = { OUT_AT: copy.at, FLOAT_AT: floats.at };
          const all = [
            ...ops,
            op("PANEL", { SEGMENTS_AT: segmentsAt, SOURCE_AT: source, STRIDE: width, COLS: width, ...panel, ...also }),
            matmul({ ...shape, ...matrix, ...places, ...(extra ? added : {}) }),
          ];
          runThrough(kernels, arena, all, 0, how);
          const whole = x.slice(row * width, (row + count) * width);
          expectSameBits(arena.f32(copy), whole, "PANEL_OUT_AT");
          if (count === 1) expectSameBits(arena.f32(floats), whole, "PANEL_FLOAT_AT");
          else expectSameBits(arena.f32(floats).sort(), whole.sort(), "PANEL_FLOAT_AT");
          return arena.f32(out);
        });
      const kept =
        form === abi.PANEL_F32
          ? x
          : oracle.dequantizeActivations(oracle.quantizeActivations(x, form === abi.PANEL_Q16_PAIRS ? 32767 : 127));
      const expected = new Float64Array(entries * stride).fill(99);
      const weightOf = rows.flatMap((n, i) => new Array<number>(n).fill(rows.length - 1 - i));
      weightOf.forEach((which, entry) => {
        oracle
          .matmul(matrices[which].values, kept.slice(entry * width, (entry + 1) * width), width)
          .forEach((sum, i) => {
            expected[entry * stride + 2 + i] = sum + (extra ? bias[i] + residual[entry * stride + 2 + i] : 0);
          });
      });
      const out = run(rows, 0, {});
      const inside = (_: number, i: number) => i % stride >= 2 && i % stride < outputs + 2;
      expect(oracle.nmse(out.filter(inside), expected.filter(inside))).toBeLessThanOrEqual(1e-10);
      expect(out.filter((value, i) => !inside(value, i) && value !== 99)).toHaveLength(0);
      expectSameBits(run(rows, 0, { cut: true, tiles: 1 }), out, "cut");
      expectSameBits(run(rows, 0, { tiles: 64 }), out, "tiles");
      for (let row = 0; row < entries; row++)
        expectSameBits(run([1], row, {}), out.slice(row * stride, (row + 1) * stride), "alone");
    }
  });

  it("ROUTE, PANEL, MATMUL, SwiGLU, COMBINE, ADD: a mixture of 5 experts, 1..20 rows: NMSE <= 1e-10, 8-bit 2e-3; a row alone: the same bits", () => {
    const [experts, cols, hidden] = [5, 64, 32];
    const [gateUp, down] = [0, 1].map((i) =>
      Array.from({ length: experts }, () => weight.make(cols * hidden * (2 - i))),
    );
    const norm = random.floats(cols);
    const eps = Math.fround(1e-5);
    for (const [rows, used, softmax] of [
      [1, 1, 0],
      [7, 2, 0],
      [13, 5, 1],
      [20, 1, 0],
    ]) {
      const [x, shared, logits] = [
        random.floats(rows * cols),
        random.floats(rows * cols, 0.01),
        random.floats(rows * experts).map(Math.round),
      ];
      const run = (form: number, row: number, count: number, cut: boolean) =>
        onBoth((kernels, arena) => {
          const entries = count * used;
          const [gateUps, downs] = [
            packOps(kernels, arena, weight.type, gateUp, 2 * hidden, cols),
            packOps(kernels, arena, weight.type, down, cols, hidden),
          ];
          const stream = arena.inout(x.slice(row * cols, (row + count) * cols));
          const branch = arena.out(stream.bytes);
          const [picks, scores, gather, segments] = [entries, entries, entries, 1 + 3 * experts].map(
            (words) => arena.out(words * 4).at,
          );
          const [both, out] = [arena.out(entries * hidden * 8).at, arena.out(entries * cols * 4).at];
          const [[panel, matrix], [panelDown, matrixDown]] = [
            panelRoom(arena, form, entries, cols),
            panelRoom(arena, form, entries, hidden),
          ];
          const route = {
            LOGITS_AT: arena.in(logits.slice(row * experts, (row + count) * experts)),
            EXPERTS: experts,
            USED: used,
            SOFTMAX: softmax,
          };
          const routed = { PICKS_AT: picks, SCORES_AT: scores, GATHER_AT: gather, SEGMENTS_AT: segments };
          const normed = {
            GATHER_AT: gather,
            SOURCE_AT: stream.at,
            STRIDE: cols,
            COLS: cols,
            TRANSFORM: abi.TRANSFORM_NORM,
            WEIGHT_AT: arena.in(norm),
            EPS: bits(eps),
          };
          const gated = {
            SOURCE_AT: both,
            STRIDE: 2 * hidden,
            COLS: hidden,
            TRANSFORM: abi.TRANSFORM_SWIGLU,
            SCORES_AT: softmax ? 0 : scores,
          };
          const inner = { SEGMENTS_AT: segments, TYPE: weight.type, TILES: 1 };
          const wide = { TABLE_AT: gateUps.table, ROWS: 2 * hidden, COLS: cols, OUT_AT: both, STRIDE: 2 * hidden };
          const narrow = { TABLE_AT: downs.table, ROWS: cols, COLS: hidden, OUT_AT: out, STRIDE: cols };
          const sum = {
            X_AT: stream.at,
            COLS: cols,
            SHARED_AT: arena.in(shared.slice(row * cols, (row + count) * cols)),
            EXPERTS_AT: out,
            USED: used,
            PICKS_AT: picks,
            SCORES_AT: softmax ? scores : 0,
            BRANCH_AT: branch.at,
          };
          const ops = [
            op("ROUTE", { ...route, ...routed }),
            op("PANEL", { SEGMENTS_AT: segments, ...normed, ...panel }),
            matmul({ ...inner, ...wide, ...matrix }),
            op("PANEL", { SEGMENTS_AT: segments, ...gated, ...panelDown }),
            matmul({ ...inner, ...narrow, ...matrixDown }),
            op("COMBINE", sum),
            op("ADD", { X_AT: stream.at, BRANCH_AT: branch.at, COLS: cols }),
          ];
          runThrough(kernels, arena, [...gateUps.ops, ...downs.ops, ...ops], count, { cut });
          return [arena.f32(branch), arena.f32(stream)] as const;
        });
      const expected = Float64Array.from(shared);
      for (const { row, expert, score } of oracle.buckets(logits, experts, used, softmax !== 0)) {
        const input = oracle.rmsNorm(x.slice(row * cols, (row + 1) * cols), norm, eps);
        const hiddenRow = oracle.swiglu(oracle.matmul(gateUp[expert].values, input, cols), softmax ? 1 : score);
        oracle.matmul(down[expert].values, hiddenRow, hidden).forEach((value, col) => {
          expected[row * cols + col] += softmax ? value * score : value;
        });
      }
      for (const form of forms) {
        const [branch, stream] = run(form, 0, rows, false);
        expect(oracle.nmse(branch, expected)).toBeLessThanOrEqual(form === abi.PANEL_F32 ? 1e-10 : 2e-3);
        expectSameBits(
          stream,
          x.map((value, i) => value + branch[i]),
        );
        for (let row = 0; row < rows; row += 3)
          expectSameBits(run(form, row, 1, true)[1], stream.slice(row * cols, (row + 1) * cols), "alone");
      }
    }
  });

  it("EMBED: rows of the matrix, rows of the area; FAULT_TOKEN for id = vocab, id -1, row beyond the area; the row is named", () => {
    const [vocab, cols] = [11, 32];
    const { bytes, values } = weight.make(vocab * cols);
    const area = random.floats(2 * cols);
    const run = (inputs: readonly (readonly [input: number, flags: number])[], wanted: number) =>
      onBoth((kernels, arena) => {
        const [pack, at] = packOp(kernels, arena, weight.type, bytes, vocab, cols);
        const rowsAt = arena.in(
          Uint32Array.from(inputs.flatMap(([input, flags]) => [input >>> 0, flags, 0, 0, 0, 0, 0, 0])),
        );
        const out = arena.out(inputs.length * cols * 4);
        const matrix = { ROWS_AT: rowsAt, TYPE: weight.type, WEIGHT_AT: at, VOCAB: vocab, COLS: cols };
        const places = { OUT_AT: out.at, AREA_AT: arena.in(area), AREA_ROWS: 2 };
        const control = runThrough(
          kernels,
          arena,
          [pack, op("EMBED", { ...matrix, ...places })],
          inputs.length,
          {},
          wanted,
        );
        return [arena.f32(out), faultOf(control)] as const;
      });
    const [out] = run(
      [
        [0, 0],
        [10, 0],
        [1, 1],
        [7, 0],
      ],
      abi.STATUS_DONE,
    );
    const row = (from: ArrayLike<number>, index: number) =>
      Array.prototype.slice.call(from, index * cols, (index + 1) * cols);
    expect(oracle.absoluteError(out, [row(values, 0), row(values, 10), row(area, 1), row(values, 7)].flat())).toBe(0);
    for (const bad of [
      [vocab, 0],
      [-1, 0],
      [2, 1],
      [-1, 1],
    ] as const) {
      expect([...run([[3, 0], [0, 1], bad, [99, 0]], abi.STATUS_FAULT)[1]]).toEqual([
        abi.FAULT_TOKEN,
        2,
        1,
        4 * abi.PACK_WORDS,
      ]);
    }
  });
});
