/**
 * Blocks of the types that meet integers, taken apart: which integers are summed, and what their sums are scaled by.
 */
import { fromF16, type QuantizedRow } from "./oracle.ts";

/** 32 inputs of one output: value k = d (scale code), where there are mins + m min; one scale each for the first and the last 16. */
export interface Terms {
  readonly d: number;
  readonly scales: readonly [number, number];
  readonly codes: readonly number[];
  readonly least?: { readonly m: number; readonly min: number };
}

const IQ4 = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
const ONE = [1, 1] as const;

const each = <T>(count: number, make: (i: number) => T) => Array.from({ length: count }, (_, i) => make(i));
const half = (stored: Uint8Array, at: number) => fromF16(stored[at] | (stored[at + 1] << 8));
/** Byte j holds k = j in its low nibble, k = j + 16 in its high one. */
const nibbles = (stored: Uint8Array, at: number) =>
  each(32, (k) => (k < 16 ? stored[at + k] & 15 : stored[at + k - 16] >> 4));
const signed = (byte: number) => (byte << 24) >> 24;

/** q4_k and q5_k: 6-bit scale and min of block 0..7 out of 12 bytes; where the codes of the block lie; their fifth bits. */
function kTerms(stored: Uint8Array, at: number, codesAt: number, fifthsAt?: number): Terms[] {
  const six = stored.subarray(at + 4, at + 16);
  return each(8, (block) => {
    const scale = block < 4 ? six[block] & 63 : (six[block + 4] & 15) | ((six[block - 4] >> 6) << 4);
    const min = block < 4 ? six[block + 4] & 63 : (six[block + 4] >> 4) | ((six[block] >> 6) << 4);
    const codes = each(32, (k) => {
      const nibble = (stored[codesAt + (block >> 1) * 32 + k] >> (4 * (block & 1))) & 15;
      return fifthsAt === undefined ? nibble : nibble | (((stored[fifthsAt + k] >> block) & 1) << 4);
    });
    return { d: half(stored, at), scales: [scale, scale], codes, least: { m: -half(stored, at + 2), min } };
  });
}

/** By type, the terms of the stored block at an address: one, or eight of a block of 256. */
export const BLOCK_TERMS = {
  q8_0: (s: Uint8Array, at: number) => [{ d: half(s, at), scales: ONE, codes: each(32, (k) => signed(s[at + 2 + k])) }],
  q4_0: (s: Uint8Array, at: number) => [
    { d: half(s, at), scales: ONE, codes: nibbles(s, at + 2).map((code) => code - 8) },
  ],
  q4_1: (s: Uint8Array, at: number) => [
    { d: half(s, at), scales: ONE, codes: nibbles(s, at + 4), least: { m: half(s, at + 2), min: 1 } },
  ],
  q5_0: (s: Uint8Array, at: number) => [
    {
      ...{ d: half(s, at), scales: ONE },
      codes: nibbles(s, at + 6).map((code, k) => code + ((s[at + 2 + (k >> 3)] >> (k & 7)) & 1) * 16 - 16),
    },
  ],
  q5_1: (s: Uint8Array, at: number) => [
    {
      ...{ d: half(s, at), scales: ONE, least: { m: half(s, at + 2), min: 1 } },
      codes: nibbles(s, at + 8).map((code, k) => code + ((s[at + 4 + (k >> 3)] >> (k & 7)) & 1) * 16),
    },
  ],
  q4_k: (s: Uint8Array, at: number) => kTerms(s, at, at + 16),
  q5_k: (s: Uint8Array, at: number) => kTerms(s, at, at + 48, at + 16),
  q6_k: (s: Uint8Array, at: number) =>
    each(8, (block) => ({
      d: half(s, at + 208),
      scales: [signed(s[at + 192 + 2 * block]), signed(s[at + 193 + 2 * block])] as const,
      codes: each(32, (k) => {
        const low = (s[at + (block >> 2) * 64 + (block & 1) * 32 + k] >> (4 * ((block >> 1) & 1))) & 15;
        return low + ((s[at + 128 + (block >> 2) * 32 + k] >> (2 * (block & 3))) & 3) * 16 - 32;
      }),
    })),
  iq4_nl: (s: Uint8Array, at: number) => [
    { d: half(s, at), scales: ONE, codes: nibbles(s, at + 2).map((code) => IQ4[code]) },
  ],
  // The 6-bit scale is multiplied into d when the block is packed, which is exact.
  iq4_xs: (s: Uint8Array, at: number) =>
    each(8, (block) => {
      const low = (s[at + 4 + (block >> 1)] >> (4 * (block & 1))) & 15;
      const six = low | (((s[at + 2 + (block >> 2)] >> (2 * (block & 3))) & 3) << 4);
      return {
        ...{ d: half(s, at) * (six - 32), scales: ONE },
        codes: nibbles(s, at + 8 + 16 * block).map((code) => IQ4[code]),
      };
    }),
} as const satisfies Record<string, (stored: Uint8Array, at: number) => readonly Terms[]>;
export type TermsName = keyof typeof BLOCK_TERMS;

export function termsOf(name: TermsName, stored: Uint8Array, blockBytes: number): Terms[] {
  return each(stored.length / blockBytes, (block) => BLOCK_TERMS[name](stored, block * blockBytes)).flat();
}

/** What the terms mean, exactly. */
export const valuesOf = (terms: readonly Terms[]): Float64Array =>
  Float64Array.from(
    terms.flatMap(({ d, scales, codes, least }) =>
      codes.map((code, k) => d * scales[k >> 4] * code + (least ? least.m * least.min : 0)),
    ),
  );

/**
 * W x of one row, as the integer kernels promise it: sums of integers exact, each turned to f32 once, then f32 operations in this
 * order, block after block. terms [outputs][blocks].
 */
export function integerSums(terms: readonly Terms[], row: QuantizedRow): Float32Array {
  const { q, scales } = row;
  if (row.supers) return superSums(terms, q, row.supers);
  const f = Math.fround;
  const blocks = scales.length;
  return Float32Array.from({ length: terms.length / blocks }, (_, output) => {
    let sum = 0;
    for (let block = 0; block < blocks; block++) {
      const { d, scales: own, codes, least } = terms[output * blocks + block];
      let [integer, all] = [0, 0];
      codes.forEach((code, k) => {
        integer += own[k >> 4] * code * q[block * 32 + k];
        all += q[block * 32 + k];
      });
      const row = scales[block];
      if (least === undefined) sum = f(sum + f(f(integer) * f(row * d)));
      else sum = f(sum + f(row * f(f(d * f(integer)) + f(least.m * f(least.min * all)))));
    }
    return sum;
  });
}

/** The same beside one scale for 256 inputs: integers of eight blocks are summed, as often as each counts, before they become f32. */
function superSums(
  terms: readonly Terms[],
  q: QuantizedRow["q"],
  { d: rows, times }: NonNullable<QuantizedRow["supers"]>,
): Float32Array {
  const f = Math.fround;
  return Float32Array.from({ length: terms.length / times.length }, (_, output) =>
    rows.reduce((sum, row, at) => {
      let [integer, all] = [0, 0];
      const blocks = terms.slice(output * times.length + at * 8, output * times.length + at * 8 + 8);
      blocks.forEach(({ scales, codes, least }, block) => {
        codes.forEach((code, k) => {
          const value = times[at * 8 + block] * q[(at * 8 + block) * 32 + k];
          integer += scales[k >> 4] * code * value;
          all += (least?.min ?? 0) * value;
        });
      });
      const [{ d, least }] = blocks;
      if (least === undefined) return f(sum + f(f(integer) * f(row * d)));
      return f(sum + f(row * f(f(d * f(integer)) + f(least.m * f(all)))));
    }, 0),
  );
}
