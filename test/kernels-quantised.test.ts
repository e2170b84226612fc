/**
 * Tiles and kernels of one row that meet integers, of every type that has them, and 8-bit and 16-bit activations, against the oracle.
 */
import { describe, expect, it } from "vitest";
import * as abi from "../assembly/abi.ts";
import { weightType } from "../src/weight-types.ts";
import { integerSums, termsOf, valuesOf } from "./block-terms.ts";
import { BLOCKS } from "./blocks-golden.ts";
import { expectSameBits, hasDot, on, onBoth, Random, SEED } from "./kernels.ts";
import * as oracle from "./oracle.ts";
import {
  arePairs,
  bytesIn,
  everySecond,
  FORMATS,
  type Format,
  pack,
  panelOf,
  panelOperands,
  quantizedFor,
  recordsOf,
  stepOf,
} from "./packed-forms.ts";
import { storedBlocks } from "./stored-weights.ts";

const random = new Random(SEED);
const HEIGHTS = [1, 2, 3, 4, 5, 6];
/** Any dot of bytes will do. */
const ANY = "any";
type Dot = NonNullable<Format["dot"]> | typeof ANY;
/** Blocks of 1 to 1/16 of the largest. */
const uneven = (count: number) => random.floats(count).map((value, k) => value / 2 ** ((k >> 5) % 5));

/** One group of 8 outputs: [h][8]; in the relaxed build where the processor's dot is `dot`. */
function tile(
  format: Format,
  stored: Uint8Array,
  rows: readonly oracle.QuantizedRow[],
  shift = 0,
  dot: Dot = format.dot ?? ANY,
): Float32Array {
  const sums = onBoth(
    (kernels, arena) => {
      const packed = pack(kernels, arena, format, stored, 8, rows[0].q.length);
      const out = arena.out(rows.length * 32);
      const operands = [rows.length, out.at, packed.at, stepOf(0, 1), ...panelOperands(arena, format.form, rows)];
      kernels[format.tile](...operands);
      const gathered = arena.f32(out).slice();
      for (const other of format.others) {
        if (other.startsWith("tile2_")) continue;
        const own = arena.out(rows.length * 32);
        kernels[other](operands[0], own.at, ...operands.slice(2));
        expectSameBits(arena.f32(own), gathered, other);
      }
      return gathered;
    },
    shift,
    dot === ANY ? undefined : dot,
  );
  expectPairs(format, stored, rows, sums, dot);
  return sums;
}

/** Tiles of two groups, which the relaxed build has, woven and apart: the bits of the single one; the second group holds the outputs turned by one. */
function expectPairs(
  format: Format,
  stored: Uint8Array,
  rows: readonly oracle.QuantizedRow[],
  single: Float32Array,
  dot: Dot,
): void {
  const pairs = format.others.filter((name) => name.startsWith("tile2_"));
  if (rows.length < 5 || (dot !== ANY && !hasDot(dot))) return;
  const [cols, rowBytes] = [rows[0].q.length, stored.length / 8];
  const both = Uint8Array.from([...stored, ...stored.subarray(rowBytes), ...stored.subarray(0, rowBytes)]);
  const turned = single.map((_, at) => single[(at & ~7) | ((at + 1) & 7)]);
  for (const name of pairs)
    for (const word of [format.word, format.word | abi.TYPE_APART]) {
      const apart = word !== format.word;
      const sums = on("relaxed", (kernels, arena) => {
        const packed = pack(kernels, arena, { ...format, word }, both, 16, cols);
        const out = arena.out(2 * abi.TILE_ROWS * 32);
        const [lane, step] = apart ? [kernels.group_bytes(word, cols), 32] : [32, stepOf(0, 2)];
        kernels[name](rows.length, out.at, packed.at, lane, step, ...panelOperands(arena, format.form, rows));
        return arena.f32(out);
      });
      const second = sums.slice(abi.TILE_ROWS * 8);
      expectSameBits(sums.slice(0, single.length), single, `${name}, first group`);
      expectSameBits(second.slice(0, single.length), turned, `${name}, second group`);
    }
}

/** Eight groups, two visits, by the kernel of one row: [64]. Both together, one after the other, and by the kernel itself: the same bits. */
function gemv(
  format: Format,
  stored: Uint8Array,
  row: oracle.QuantizedRow,
  shift = 0,
  dot: Dot = format.dot ?? ANY,
): Float32Array {
  const [sums, ...others] = format.rows.map((kernel) => gemvBy(kernel, format, stored, row, shift, dot));
  for (const [index, other] of others.entries()) expectSameBits(other, sums, format.rows[index + 1][0]);
  return sums;
}

function gemvBy(
  [kernel, id]: Format["rows"][number],
  format: Format,
  stored: Uint8Array,
  row: oracle.QuantizedRow,
  shift: number,
  dot: Dot,
): Float32Array {
  return onBoth(
    (kernels, arena) => {
      const cols = row.q.length;
      const packed = pack(kernels, arena, format, stored, 64, cols);
      const bytes = kernels.group_bytes(format.word, cols);
      const [together, apart, direct] = [arena.out(256), arena.out(256), arena.inout(new Float32Array(64))];
      const operands = panelOperands(arena, format.form, [row]);
      const panelBytes = bytesIn(format.form);
      const [panel, scales, sums] = operands.length === 4 ? operands : [operands[0], operands[1], 0];
      const run = (out: number, visit: number, visits: number) =>
        kernels.multiply_row(
          id,
          out,
          packed.at + visit * 4 * bytes,
          visits,
          bytes,
          panel,
          panelBytes,
          scales,
          sums,
          cols,
        );
      run(together.at, 0, 2);
      for (const visit of [0, 1]) run(apart.at + 128 * visit, visit, 1);
      expectSameBits(arena.f32(apart), arena.f32(together), "visit after visit");
      for (const visit of [0, 1])
        for (let block = 0; block < cols / 32; block += 8) {
          const at = packed.at + visit * 4 * bytes + (block * 4 * bytes * 32) / cols;
          const supers = format.form === abi.FORM_Q8_SUPERS;
          const integers = arePairs(format.form) ? [] : [supers ? sums : sums + 4 * block];
          const from = panel + block * 32 * panelBytes;
          const few = Math.min(8, cols / 32 - block);
          kernels[kernel](
            direct.at + 128 * visit,
            at,
            from,
            scales + (supers ? (block / 8) * 4 * abi.SUPER_WORDS : 4 * block),
            ...integers,
            few,
          );
        }
      expectSameBits(arena.f32(direct), arena.f32(together), kernel);
      if (weightType(format.packed).apart) {
        const { at } = pack(kernels, arena, { ...format, word: format.word | abi.TYPE_APART }, stored, 64, cols);
        const [both, each, hopped] = [arena.out(256), arena.out(256), arena.out(256)];
        const shared = [panel, panelBytes, scales, sums, cols, 1];
        kernels.multiply_row(id, both.at, at, 2, bytes, ...shared);
        for (const visit of [0, 1]) {
          kernels.multiply_row(id, each.at + 128 * visit, at + visit * 4 * bytes, 1, bytes, ...shared);
          kernels.multiply_row(id, hopped.at + 128 * visit, at + visit * bytes, 1, 2 * bytes, ...shared);
        }
        expectSameBits(arena.f32(both), arena.f32(together), `${kernel}, groups apart`);
        expectSameBits(arena.f32(each), arena.f32(together), `${kernel}, groups apart, visit after visit`);
        const second = arena.f32(hopped).map((_, at, all) => all[((at >> 3) & 1) * 32 + (at >> 4) * 8 + (at & 7)]);
        expectSameBits(second, arena.f32(together), `${kernel}, groups apart, every second one`);
      }
      return arena.f32(together);
    },
    shift,
    dot === ANY ? undefined : dot,
  );
}

describe.each<Format>(FORMATS)(`$name weights beside $met, seed ${SEED}`, (format) => {
  const { values: step, bytes: blockBytes } = BLOCKS[format.name];
  const quantize = quantizedFor(format.form, format.most);
  const terms = (stored: Uint8Array) => termsOf(format.name, stored, blockBytes);

  it(`tile: the bits of exact integers scaled in f32, for each row alone, heights 1..6; NMSE <= ${format.nmse} against f64`, () => {
    const [all, unquantized]: number[][] = [[], []];
    for (const blocks of step === 32 ? [1, 2, 3, 5, 16] : [8, 16, 24]) {
      for (const h of HEIGHTS) {
        const cols = blocks * 32;
        const stored = storedBlocks(random, format.name, (8 * cols) / step, true);
        const own = terms(stored);
        const x = uneven(h * cols);
        const rows = Array.from({ length: h }, (_, row) => quantize(x.slice(row * cols, (row + 1) * cols)));
        const sums = tile(format, stored, rows, (blocks + h) % 16);
        rows.forEach((row, i) => {
          expectSameBits(sums.slice(i * 8, i * 8 + 8), integerSums(own, row), `row ${i} of ${h}, ${blocks} blocks`);
        });
        all.push(...sums);
        unquantized.push(...oracle.matmul(valuesOf(own), x, cols));
      }
    }
    expect(oracle.nmse(all, unquantized)).toBeLessThanOrEqual(format.nmse);
  });

  it("extreme codes, scales and activations: exact integers in both builds", () => {
    for (const byte of [0xff, 0x00, 0x80, 0x7f, 0x0f, 0xf0]) {
      for (const fine of format.fine ? [0xff, 0x7f, 0x80, 0x00] : [0]) {
        const stored = new Uint8Array((256 / step) * 8 * blockBytes).fill(byte);
        for (let at = 0; at < stored.length; at += blockBytes) {
          if (format.fine) stored.fill(fine, at + format.fine[0], at + format.fine[1]);
          for (const scaleAt of BLOCKS[format.name].scales) stored.set([0x00, 0x3c], at + scaleAt); // 1
        }
        const supers = { d: Float32Array.of(1 / 8), times: new Uint8Array(8).fill(8) };
        const full = {
          ...{ q: new Int16Array(256).fill(format.most), scales: new Float32Array(8).fill(1) },
          ...(format.form === abi.FORM_Q8_SUPERS ? { supers } : {}),
        };
        const rows = [
          full,
          ...[2, 3, 16, 17, 32].map((every) => ({
            ...full,
            q: full.q.map((q, k) => (k % every < every / 2 ? -q : q)),
          })),
        ];
        const negative = rows.map((row) => ({ ...row, q: row.q.map((q) => -q) }));
        const eight = terms(stored);
        const all = Uint8Array.from({ length: 8 * stored.length }, (_, i) => stored[i % stored.length]);
        for (const six of [rows, negative]) {
          const expected = six.map((row) => integerSums(eight, row));
          const what = `codes ${byte}, scales ${fine}`;
          expectSameBits(tile(format, stored, six), Float32Array.from(expected.flatMap((sums) => [...sums])), what);
          six.forEach((row, i) => {
            expectSameBits(gemv(format, all, row), new Float32Array(64).fill(expected[i][0]), `${what}, one row`);
          });
        }
      }
    }
  });

  // Where two products saturate, one does not: so relaxed kernels are tested on processors for which no load would choose them.
  if (format.dot === "unsigned")
    it.skipIf(hasDot("signed"))(
      "every second activation zero: exact integers in the relaxed build, too, unless this processor's dot takes signed bytes",
      () => {
        for (const h of HEIGHTS) {
          const cols = Math.max(96, step);
          const stored = storedBlocks(random, format.name, (64 * cols) / step, true);
          const own = terms(stored);
          const rows = Array.from({ length: h }, () => quantize(everySecond(uneven(cols))));
          const sums = tile(format, stored.subarray(0, stored.length / 8), rows, h, ANY);
          rows.forEach((row, i) => {
            const expected = integerSums(own, row);
            expectSameBits(sums.slice(i * 8, i * 8 + 8), expected.slice(0, 8), `row ${i} of ${h}`);
            expectSameBits(gemv(format, stored, row, h, ANY), expected, `row ${i} alone`);
          });
        }
      },
    );

  it("one row: the bits of its tile, two visits, 1..17 blocks", () => {
    for (const blocks of step === 32 ? Array.from({ length: 17 }, (_, i) => i + 1) : [8, 16, 24]) {
      const cols = blocks * 32;
      const stored = storedBlocks(random, format.name, (64 * cols) / step, true);
      const row = quantize(uneven(cols));
      expectSameBits(gemv(format, stored, row, blocks % 16), integerSums(terms(stored), row));
    }
  });
});

const FORMS = [
  { name: "q16 pairs", form: abi.FORM_Q16_PAIRS, most: 32767, bytes: 2 },
  { name: "q16 bytes", form: abi.FORM_Q16_BYTES, most: 32767, bytes: 2 },
  { name: "q8 pairs", form: abi.FORM_Q8_PAIRS, most: 127, bytes: 2 },
  { name: "q8 quads", form: abi.FORM_Q8_QUADS, most: 127, bytes: 1 },
];

describe.each(FORMS)(`activations as $name, seed ${SEED}`, ({ form, most, bytes: size }) => {
  const summed = !arePairs(form);
  const quantize = (rows: readonly Float32Array[], shift: number) =>
    onBoth((kernels, arena) => {
      const [h, cols] = [rows.length, rows[0].length];
      const [panel, scales, sums] = [h * cols * size, (h * cols) / 8, (h * cols) / 8].map((bytes) => arena.out(bytes));
      rows.forEach((row, lane) => {
        const x = arena.in(row);
        if (form === abi.FORM_Q8_QUADS) kernels.quantize_f32_q8_quads(panel.at, scales.at, sums.at, x, cols, h, lane);
        else if (form === abi.FORM_Q16_BYTES)
          kernels.quantize_f32_q16_bytes(panel.at, scales.at, sums.at, x, cols, h, lane);
        else if (form === abi.FORM_Q8_PAIRS) kernels.quantize_f32_q8_pairs(panel.at, scales.at, x, cols, h, lane);
        else kernels.quantize_f32_q16_pairs(panel.at, scales.at, x, cols, h, lane);
      });
      return [arena.u8(panel), arena.f32(scales), ...(summed ? [arena.u8(sums)] : [])] as const;
    }, shift);
  const expectQuantized = (rows: readonly Float32Array[], shift = 0) => {
    const { values, scales, sums } = panelOf(
      form,
      rows.map((row) => oracle.quantizeActivations(row, most)),
    );
    expectSameBits(quantize(rows, shift), [values, scales, ...(summed ? [sums] : [])]);
  };

  it("q, scale and sums of the halves exact, heights 1..6, all lanes; 2^-100 .. 2^100; any alignment", () => {
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

describe(`activations as q8 supers, seed ${SEED}`, () => {
  const quantize = (rows: readonly Float32Array[], shift = 0) =>
    onBoth((kernels, arena) => {
      const [h, cols] = [rows.length, rows[0].length];
      const [panel, records] = [arena.out(h * cols), arena.inout(new Uint32Array((h * cols * abi.SUPER_WORDS) / 256))];
      rows.forEach((row, lane) => {
        kernels.quantize_f32_q8_supers(panel.at, records.at, arena.in(row), cols, h, lane);
      });
      return [arena.u8(panel), arena.f32(records)] as const;
    }, shift);
  const expectQuantized = (rows: readonly Float32Array[], shift = 0) => {
    const quantized = rows.map((row) => oracle.quantizeSupers(row));
    const { values } = panelOf(abi.FORM_Q8_SUPERS, quantized);
    expectSameBits(quantize(rows, shift), [values, new Float32Array(recordsOf(quantized).buffer)]);
  };

  it("q, scale, what each block counts and the sums exact, heights 1..6, all lanes, blocks of 1 to 1/64 of the largest", () => {
    for (const cols of [256, 512, 1792])
      for (const h of HEIGHTS)
        expectQuantized(
          Array.from({ length: h }, (_, row) =>
            random.floats(cols, 2 ** (row * 40 - 100)).map((value) => value / 2 ** (6 * random.next())),
          ).map((row) => row.map((value, k) => value / 2 ** ((k >> 5) % 7))),
          (cols + h) % 16,
        );
  });

  it("exactly a half, a quarter and an eighth count 4, 2 and 1; a hair more counts twice; zeros count 1", () => {
    const row = new Float32Array(256);
    const largest = [1, 0.5, 0.25, 0.125, 0.0625, 0.50001, 0.25001, 0];
    largest.forEach((value, block) => {
      row[block * 32 + block] = -value;
    });
    expectQuantized([row]);
    expect([...oracle.quantizeSupers(row).supers!.times]).toEqual([8, 4, 2, 1, 1, 8, 4, 1]);
  });

  it("a super-block below 1e-34 is zeros; a NaN anywhere in it reaches its scale", () => {
    expectQuantized([random.floats(256, 1e-36), random.floats(256, 1e-30)]);
    for (let k = 0; k < 256; k += 17) {
      const row = new Float32Array(256).fill(1).fill(Number.NaN, k, k + 1);
      expect(quantize([row])[1][0], `NaN at ${k}`).toBeNaN();
    }
  });
});
