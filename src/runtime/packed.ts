import * as abi from "../../assembly/abi.ts";
import { type StoredType, weightType } from "../weight-types.ts";
import { areQuads, type Met, type PanelForm, packedWord } from "./forms.ts";
import type { MemoryPlan, Tensor } from "./memory.ts";

/** What a matmul reads: packed weights, and panels of activations in the form that those weights want. */

export const FORM_WORDS: Record<PanelForm, number> = {
  f32: abi.FORM_F32,
  "q16 pairs": abi.FORM_Q16_PAIRS,
  "q16 bytes": abi.FORM_Q16_BYTES,
  "q8 pairs": abi.FORM_Q8_PAIRS,
  "q8 quads": abi.FORM_Q8_QUADS,
  "q8 supers": abi.FORM_Q8_SUPERS,
};
export const FORM_BYTES: Record<PanelForm, number> = {
  f32: 4,
  "q16 pairs": 2,
  "q16 bytes": 2,
  "q8 pairs": 2,
  "q8 quads": 1,
  "q8 supers": 1,
};

/** Words of scales beside one row of activations. */
export function scaleWords(form: PanelForm, cols: number): number {
  if (form === "f32") return 0;
  return form === "q8 supers" ? Math.ceil(cols / abi.SUPER_COLS) * abi.SUPER_WORDS : Math.ceil(cols / abi.BLOCK);
}

/** A packed matrix: y = W x. */
export interface Packed {
  readonly name: string;
  readonly type: StoredType;
  /** How it is packed. */
  readonly word: number;
  readonly rows: number;
  readonly cols: number;
  readonly at: Tensor;
}

/** Whether groups of a visit lie apart. */
export const isApart = (word: number): boolean => (word & abi.TYPE_APART) !== 0;

/**
 * Bytes [begin, begin + count) of a packed matrix as every host would have them, whatever it packed them for: its groups woven
 * (assembly/visits.ts), weights of signed bytes for pairs of i16.
 */
export function portableBytes(bytes: Uint8Array, packed: Packed, begin: number, count: number): Uint8Array {
  const { at, word, type, cols } = packed;
  const quads = isQuads(packed);
  if (!isApart(word) && !quads) return bytes.subarray(at.at + begin, at.at + begin + count);
  const group = groupBytes(type, cols),
    visit = abi.VISIT_GROUPS * group;
  const groups = at.bytes / group,
    unit = abi.VISIT_STEP / abi.VISIT_GROUPS;
  const block = groupBytes(type, abi.BLOCK) / unit;
  const found = new Uint8Array(count);
  for (let byte = 0; byte < count; byte++) {
    const from = begin + byte;
    const first = Math.floor(from / visit) * abi.VISIT_GROUPS;
    const step = unit * Math.min(abi.VISIT_GROUPS, groups - first);
    const [turn, rest] = [Math.floor((from % visit) / step), (from % visit) % step];
    const own = Math.floor(rest / unit);
    const codes = quads && turn % block < block - 1; // the last unit is its scales
    const inside = codes ? pairInQuads(rest % unit) : rest % unit;
    const place = isApart(word) ? (first + own) * group + turn * unit : first * group + turn * step + own * unit;
    found[byte] = bytes[at.at + place + inside] ^ (codes && type === "q8_0" ? EXCESS : 0);
  }
  return found;
}

/** What bytes of q8_0 are too large by beside quads (assembly/forms/bytes.ts). */
const EXCESS = 0x80;

/** Where a byte of a unit of pairs, [2][8 outputs][2 k], stands among quads: [8 outputs][4 k]. */
const pairInQuads = (byte: number): number => ((byte >> 1) & 7) * 4 + (byte >> 4) * 2 + (byte & 1);

const isQuads = ({ word, type }: Packed): boolean => (word & ~abi.TYPE_APART) === weightType(type).signedBytes?.word;

/** Bytes of one packed group of 8 outputs; also of a part of it that is whole blocks. */
export function groupBytes(type: StoredType, cols: number): number {
  const { elements, bytes, group = bytes * abi.GROUP } = weightType(type);
  return (cols * group) / elements;
}

export function packedBytes(type: StoredType, rows: number, cols: number): number {
  return Math.ceil(rows / abi.GROUP) * groupBytes(type, cols);
}

export function reservePacked(
  plan: MemoryPlan,
  { name, type }: { readonly name: string; readonly type: StoredType },
  rows: number,
  cols: number,
  met: Met,
): Packed {
  return {
    name,
    type,
    word: packedWord(type, met),
    rows,
    cols,
    at: plan.reserve(name, "bytes", [packedBytes(type, rows, cols)]),
  };
}

/** Activations of up to `rows` rows as a matmul reads them. */
export interface Panel {
  readonly form: PanelForm;
  readonly rows: number;
  readonly cols: number;
  /** Rows of a tile at most. */
  readonly tileRows: number;
  /** Segments of at most so many rows have tiles of one row. */
  readonly alone: number;
  /** From one thread's own entries to the next one's, in steps of few rows. */
  readonly own: number;
  readonly values: Tensor;
  readonly scales: Tensor | null;
  readonly sums: Tensor | null;
}

/**
 * Rows that are multiplied one after the other where groups lie apart: there memory is slow, and after the first row weights come out of a
 * cache, where the kernel of one row is as fast as a tile.
 */
const ROWS_ALONE = 4;

/** `entries`: of each row of a step; `threads`: who make panels of their own of a few rows; `apart`: types whose groups lie apart. */
export interface PanelSizes {
  readonly tileRows: number;
  readonly apart?: readonly StoredType[] | undefined;
  readonly threads: number;
  readonly entries?: number;
}

/** Without rows: none, for nobody. */
export function reservePanel(
  plan: MemoryPlan,
  name: string,
  form: PanelForm,
  { tileRows, apart = [], threads, entries = 1 }: PanelSizes,
  most: number,
  cols: number,
): Panel {
  const words = scaleWords(form, cols);
  const own = abi.OWN_ROWS * entries;
  const rows = most === 0 ? 0 : Math.max(most, own * threads);
  return {
    form,
    rows,
    cols,
    tileRows,
    alone: apart.length === 0 ? 1 : ROWS_ALONE,
    own,
    values: plan.reserve(`${name} (${form})`, "bytes", [rows * cols * FORM_BYTES[form]]),
    scales: form === "f32" ? null : plan.reserve(`${name} scales`, "f32", [rows, words]),
    sums: areQuads(form) ? plan.reserve(`${name} sums`, "u32", [rows, words]) : null,
  };
}
