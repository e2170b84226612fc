/**
 * Weights on their way: stored rows -> packed groups -> f32, of every type that models keep as blocks.
 */
import { describe, expect, it } from "vitest";
import * as abi from "../assembly/abi.ts";
import { termsOf, valuesOf } from "./block-terms.ts";
import { BLOCKS, type BlockName } from "./blocks-golden.ts";
import { type Arena, expectSameBits, type Kernels, type Operand, onBoth, Random, SEED } from "./kernels.ts";
import * as oracle from "./oracle.ts";
import { FORMATS, type Format, pack, stepOf } from "./packed-forms.ts";
import { faultOf, packOp, runThrough } from "./program.ts";
import { decode, FINITE_SCALES, GENERIC, storedBlocks } from "./stored-weights.ts";

const random = new Random(SEED);
/** Twice: eight rows of a piece in f32. */
const SCRATCH_BYTES = 2 * 8 * abi.DEQUANTIZE_COLS * 4;
const KEPT: readonly { label: string; name: BlockName; packed: BlockName; own?: Format }[] = [
  ...FORMATS.filter(
    ({ word }, index) => FORMATS.findIndex((one) => one.word === word && one.name === FORMATS[index].name) === index,
  ).map((own) => ({ label: `${own.name} (${own.met})`, name: own.name, packed: own.packed, own })),
  ...GENERIC.map((name) => ({ label: name, name, packed: name })),
];

describe.each(KEPT)(`$label weights, seed ${SEED}`, ({ name, packed, own }) => {
  const { values: step, bytes: blockBytes } = BLOCKS[name];
  const [type, source] = [own?.word ?? BLOCKS[packed].type, BLOCKS[name].type];
  const rowBytes = (cols: number) => (cols / step) * blockBytes;

  /** By dispatch: all inputs at once, or (types with a form of their own) the first `cut` apart. */
  function packRows(kernels: Kernels, arena: Arena, stored: Uint8Array, rows: number, cols: number, cut = 0): Operand {
    expect(kernels.row_bytes(source, cols)).toBe(rowBytes(cols));
    const groups = Math.ceil(rows / abi.GROUP);
    const [to, from] = [arena.out(groups * kernels.group_bytes(type, cols)), arena.in(stored)];
    for (let group = 0; group < groups; group++)
      for (const [begin, end] of cut
        ? [
            [0, cut],
            [cut, cols],
          ]
        : [[0, cols]])
        kernels.pack_rows(
          ...[type, source, kernels.packed_at(type, to.at, group, groups, cols, begin), stepOf(group, groups)],
          ...[from + 8 * group * rowBytes(cols) + rowBytes(begin), rowBytes(cols)],
          ...[Math.min(8, rows - 8 * group), end - begin],
        );
    return to;
  }

  /** Groups of a packed matrix -> [groups][cols][8], the first block and the rest apart; by dispatch and by the type's own kernel. */
  function dequantized(kernels: Kernels, arena: Arena, from: Operand, groups: number, cols: number): Float32Array {
    const [all, direct] = [arena.out(groups * cols * 32), arena.out(groups * cols * 32)];
    const scratch = arena.out(SCRATCH_BYTES / 2).at;
    const pieces = [0, step, ...Array.from({ length: Math.ceil(cols / 256) }, (_, i) => (i + 1) * 256), cols]
      .filter((col, i, cols_) => col <= cols && cols_.indexOf(col) === i)
      .sort((a, b) => a - b);
    for (let group = 0; group < groups; group++) {
      const groupAt = kernels.packed_at(type, from.at, group, groups, cols, 0);
      const step = stepOf(group, groups);
      pieces.slice(1).forEach((end, i) => {
        const to = (group * cols + pieces[i]) * 32;
        kernels.dequantize(type, all.at + to, groupAt, step, cols, pieces[i], end, scratch);
        if (own) kernels[own.dequantize](direct.at + to, groupAt, step, pieces[i], end);
      });
    }
    if (own) expectSameBits(arena.f32(direct), arena.f32(all), "by its own kernel");
    return arena.f32(all);
  }

  it("pack, dequantise, embed: the bits of the decoded rows, 1..20 rows, any finite scale, zeros past the last row", () => {
    for (let rows = 1; rows <= 20; rows++) {
      for (const cols of step === 32 ? [32, 96, 320] : [256, 512]) {
        const stored = storedBlocks(random, name, (rows * cols) / step);
        const exact = decode(name, stored);
        const groups = Math.ceil(rows / 8);
        const [embedded, wide] = onBoth((kernels, arena) => {
          const matrix = packRows(kernels, arena, stored, rows, cols);
          if (own) {
            const pieces = packRows(kernels, arena, stored, rows, cols, step);
            expectSameBits(arena.u8(pieces), arena.u8(matrix), "by pieces of inputs");
            expectSameBits(arena.u8(pack(kernels, arena, own, stored, rows, cols)), arena.u8(matrix), own.pack);
          }
          const [out, scratch] = [arena.out(rows * cols * 4), arena.out(SCRATCH_BYTES).at];
          for (let row = 0; row < rows; row++)
            kernels.embed_packed(type, out.at + row * cols * 4, matrix.at, row, rows, cols, scratch);
          return [arena.f32(out), dequantized(kernels, arena, matrix, groups, cols)] as const;
        }, rows % 16);
        expectSameBits(embedded, exact, "embedded");
        const expected = new Float32Array(wide.length);
        exact.forEach((value, i) => {
          const [row, col] = [Math.floor(i / cols), i % cols];
          expected[(Math.floor(row / 8) * cols + col) * 8 + (row % 8)] = value;
        });
        expect(oracle.absoluteError(wide, expected)).toBe(0);
        if (own) {
          const meant = Float32Array.from(valuesOf(termsOf(own.name, stored, blockBytes)));
          expect(oracle.absoluteError(exact, meant), "terms").toBe(0);
        }
      }
    }
  });

  it("every finite scale (in blocks of 256 every eighth) at each place: the bits of the decoded rows", () => {
    const pattern = random.bytes(256 * blockBytes);
    const all = FINITE_SCALES.filter((_, i) => step === 32 || i % 8 === 0);
    for (let begin = 0; begin < all.length; begin += all.length / 16) {
      const scales = all.subarray(begin, begin + all.length / 16);
      const blocks = scales.length;
      const stored = new Uint8Array(blocks * blockBytes);
      for (let at = 0; at < stored.length; at += pattern.length)
        stored.set(pattern.subarray(0, stored.length - at), at);
      scales.forEach((scale, block) => {
        for (const at of BLOCKS[name].scales) {
          stored[block * blockBytes + at] = scale & 255;
          stored[block * blockBytes + at + 1] = scale >> 8;
        }
        if (name === "mxfp4") stored[block * blockBytes] = block % 251;
      });
      const cols = (blocks / 8) * step;
      const exact = decode(name, stored);
      const wide = onBoth((kernels, arena) => {
        const matrix = packRows(kernels, arena, stored, 8, cols);
        return dequantized(kernels, arena, matrix, 1, cols);
      });
      const expected = new Float32Array(wide.length);
      for (let i = 0; i < expected.length; i++) expected[i] = exact[(i & 7) * cols + (i >> 3)];
      expectSameBits(wide, expected);
    }
  });

  it("PACK refuses infinity and NaN in any scale: FAULT_WEIGHT and the first output of the group", () => {
    const [rows, cols] = [11, 2 * step];
    for (const scaleAt of name === "mxfp4" ? [0] : BLOCKS[name].scales) {
      for (let block = 0; block < rows * 2; block++) {
        const stored = storedBlocks(random, name, rows * 2);
        const bad = [0x7c00, 0xfc00, 0x7e01][block % 3];
        if (name === "mxfp4") stored[block * blockBytes] = 255;
        else stored.set([bad & 255, bad >> 8], block * blockBytes + scaleAt);
        const fault = onBoth((kernels, arena) => {
          const [op] = packOp(kernels, arena, { type, source }, stored, rows, cols);
          return faultOf(runThrough(kernels, arena, [op], 0, {}, abi.STATUS_FAULT));
        });
        expect([...fault]).toEqual([abi.FAULT_WEIGHT, block < 16 ? 0 : 8, 1, 0]);
      }
    }
  });
});
