/**
 * The packed forms that integers meet, the kernels of each, and the panels of activations that those read.
 */
import * as abi from "../assembly/abi.ts";
import { formOf, type PanelForm } from "../src/runtime/forms.ts";
import { type Candidates, WEIGHT_TYPE_NAMES, weightType } from "../src/weight-types.ts";
import type { TermsName } from "./block-terms.ts";
import { BLOCKS } from "./blocks-golden.ts";
import type { Arena, KernelName, Kernels, Operand } from "./kernels.ts";
import type { QuantizedRow } from "./oracle.ts";
import * as oracle from "./oracle.ts";

/** Largest activation; NMSE of a tile against activations that nobody quantised. */
const MET = {
  "q16 pairs": { form: abi.FORM_Q16_PAIRS, most: 32767, nmse: 1e-9 },
  "q16 bytes": { form: abi.FORM_Q16_BYTES, most: 32767, nmse: 1e-9 },
  "q8 pairs": { form: abi.FORM_Q8_PAIRS, most: 127, nmse: 1e-4 },
  "q8 quads": { form: abi.FORM_Q8_QUADS, most: 127, nmse: 1e-4 },
  "q8 supers": { form: abi.FORM_Q8_SUPERS, most: 127, nmse: 1e-4 },
} as const;
/** Two i16 lie beside each other, or four i8. */
export const arePairs = (form: number): boolean => form === abi.FORM_Q16_PAIRS || form === abi.FORM_Q8_PAIRS;
/** Bytes of an activation. */
export const bytesIn = (form: number): number => (arePairs(form) || form === abi.FORM_Q16_BYTES ? 2 : 1);

/** The bytes of a stored block that are integer scales, [begin, end). */
const FINE: Partial<Record<TermsName, readonly [number, number]>> = {
  q4_k: [4, 16],
  q5_k: [4, 16],
  q6_k: [192, 208],
  iq4_xs: [2, 8],
};

function formatOf(
  [name, packed]: readonly [TermsName, TermsName],
  met: Exclude<PanelForm, "f32">,
  { tiles, rows }: Candidates,
  { word, dot }: { readonly word: number; readonly dot?: "unsigned" | "signed" },
): Format {
  const [tile, ...others] = Object.keys(tiles) as KernelName[];
  const quads = dot ? "_quads" : "";
  return {
    ...{ name, packed, met: dot ? `${met}, ${dot}` : met, word, dot, fine: FINE[name], ...MET[met], tile, others },
    ...{ pack: `pack_${name}${quads}` as KernelName, dequantize: `dequantize_${packed}${quads}` as KernelName },
    rows: Object.entries(rows) as [KernelName, number][],
  };
}

function formatsOf(name: TermsName, packed: TermsName): Format[] {
  const { word, integers, signedBytes } = weightType(packed);
  const names = [name, packed] as const;
  const met = formOf(packed, { activations: "q8", dot: "saturating" });
  if (integers && met !== "f32") return [formatOf(names, met, integers, { word })];
  if (!signedBytes) return [];
  return [
    ...(["q16 pairs", "q8 pairs"] as const).map((met) => formatOf(names, met, signedBytes.pairs, { word })),
    ...(["unsigned", "signed"] as const).flatMap((dot) => {
      const packed = { word: signedBytes.word, dot };
      const sixteens = signedBytes.sixteens?.[dot];
      return [
        formatOf(names, "q8 quads", signedBytes[dot], packed),
        ...(sixteens ? [formatOf(names, "q16 bytes", sixteens, packed)] : []),
      ];
    }),
  ];
}

export const FORMATS: readonly Format[] = [
  ...WEIGHT_TYPE_NAMES.flatMap((type) => formatsOf(type as TermsName, type as TermsName)),
  ...formatsOf("iq4_xs", "iq4_nl"),
];

export interface Format {
  readonly name: TermsName;
  readonly packed: TermsName;
  /** What it meets, for names of tests. */
  readonly met: string;
  /** The packed type, as programs say it. */
  readonly word: number;
  /** What the dot of bytes must be. */
  readonly dot?: "unsigned" | "signed" | undefined;
  readonly fine?: readonly [number, number] | undefined;
  readonly form: number;
  /** Largest activation. */
  readonly most: number;
  readonly nmse: number;
  readonly pack: KernelName;
  readonly dequantize: KernelName;
  readonly tile: KernelName;
  /** Further tiles of the form. */
  readonly others: readonly KernelName[];
  /** Kernels of one row, and their numbers. */
  readonly rows: readonly (readonly [KernelName, number])[];
}

/** From 32 bytes of a group to its next 32: the groups of a visit are woven. */
export const stepOf = (group: number, groups: number): number =>
  (abi.VISIT_STEP / abi.VISIT_GROUPS) * Math.min(abi.VISIT_GROUPS, groups - group + (group % abi.VISIT_GROUPS));

/** Packs a stored matrix by the format's own kernel, group after group. */
export function pack(
  kernels: Kernels,
  arena: Arena,
  { name, word, pack: own }: Format,
  stored: Uint8Array,
  rows: number,
  cols: number,
): Operand {
  const rowBytes = (cols / BLOCKS[name].values) * BLOCKS[name].bytes;
  const groups = Math.ceil(rows / abi.GROUP);
  const [to, from] = [arena.out(groups * kernels.group_bytes(word, cols)), arena.in(stored)];
  for (let group = 0; group < groups; group++)
    kernels[own](
      ...[kernels.packed_at(word, to.at, group, groups, cols, 0), word & abi.TYPE_APART ? 32 : stepOf(group, groups)],
      ...[from + 8 * group * rowBytes, rowBytes, Math.min(8, rows - 8 * group), cols],
    );
  return to;
}

/** Zeros between the others: of two products that a dot of bytes adds, one is 0, so that none saturates. */
export const everySecond = (x: Float32Array): Float32Array => x.map((value, k) => (k % 2 ? 0 : value));

/** Rows as a form wants them, by the oracle. */
export const quantizedFor = (form: number, most: number) => (x: Float32Array) =>
  form === abi.FORM_Q8_SUPERS ? oracle.quantizeSupers(x) : oracle.quantizeActivations(x, most);

/** The records of super-blocks: [supers][SUPER_WORDS][h]. */
export function recordsOf(rows: readonly QuantizedRow[]): Uint32Array {
  const h = rows.length;
  const records = new Uint32Array((rows[0].q.length / 256) * abi.SUPER_WORDS * h);
  const [floats, pairs] = [new Float32Array(records.buffer), new Int16Array(records.buffer)];
  const at = (block: number, word: number, lane: number) => ((block >> 3) * abi.SUPER_WORDS + word) * h + lane;
  rows.forEach(({ q, supers }, lane) => {
    supers!.d.forEach((d, index) => {
      floats[at(8 * index, 0, lane)] = d;
    });
    supers!.times.forEach((count, block) => {
      const halves = [0, 16].map((from) => q.subarray(block * 32 + from, block * 32 + from + 16));
      const [first, last] = halves.map((half) => half.reduce((a, b) => a + b));
      pairs.set([count, count], 2 * at(block, abi.SUPER_TIMES + (block & 7), lane));
      pairs.set([-first, -last], 2 * at(block, abi.SUPER_HALVES + (block & 7), lane));
      pairs[2 * at(block, abi.SUPER_PAIRS + ((block & 7) >> 1), lane) + (block & 1)] = (first + last) * count;
    });
  });
  return records;
}

/** A panel, its scales and sums, written from the oracle's q: [cols / run][h][run], [blocks][h], [blocks][h][halves]. */
export function panelOf(
  form: number,
  rows: readonly QuantizedRow[],
): { values: Int16Array | Int8Array; scales: Float32Array; sums: Int16Array | Int32Array } {
  if (form === abi.FORM_Q16_BYTES) return panelOfBytes(rows);
  const h = rows.length;
  const cols = rows[0].q.length;
  const run = arePairs(form) ? 2 : 4;
  const values = arePairs(form) ? new Int16Array(h * cols) : new Int8Array(h * cols);
  const scales = new Float32Array((h * cols) / 32);
  const sums = new Int16Array(2 * scales.length);
  rows.forEach((row, lane) => {
    row.q.forEach((value, k) => {
      values[(Math.floor(k / run) * h + lane) * run + (k % run)] = value;
      sums[((k >> 5) * h + lane) * 2 + ((k >> 4) & 1)] += value;
    });
    row.scales.forEach((scale, block) => {
      scales[block * h + lane] = scale;
    });
  });
  return { values, scales, sums };
}

/** [blocks][8 quads of high bytes, 8 of low ones][h][4], [blocks][h], [blocks][h] -128 x the sum of high bytes. */
function panelOfBytes(rows: readonly QuantizedRow[]): { values: Int8Array; scales: Float32Array; sums: Int32Array } {
  const h = rows.length;
  const scales = new Float32Array((h * rows[0].q.length) / 32);
  const [values, sums] = [new Int8Array(64 * scales.length), new Int32Array(scales.length)];
  rows.forEach((row, lane) => {
    row.q.forEach((value, k) => {
      const [block, quad] = [k >> 5, (k & 31) >> 2];
      values[((block * 16 + quad) * h + lane) * 4 + (k & 3)] = value >> 8;
      values[((block * 16 + 8 + quad) * h + lane) * 4 + (k & 3)] = value & 255;
      sums[block * h + lane] -= 128 * (value >> 8);
    });
    row.scales.forEach((scale, block) => {
      scales[block * h + lane] = scale;
    });
  });
  return { values, scales, sums };
}

/** The operands of a tile or gemv after the weights: panel, scales, where the form has them sums or room for integers, blocks. */
export function panelOperands(arena: Arena, form: number, rows: readonly QuantizedRow[]): number[] {
  const { values, scales, sums } = panelOf(form, rows);
  if (form === abi.FORM_Q8_SUPERS) {
    const room = arena.out(Math.max(256, rows.length * 32)); // of two visits of one row, or of a tile
    return [arena.in(values), arena.in(recordsOf(rows)), room.at, rows[0].q.length / 32];
  }
  const places = [values, scales, ...(arePairs(form) ? [] : [sums])].map((array) => arena.in(array));
  return [...places, rows[0].scales.length];
}
