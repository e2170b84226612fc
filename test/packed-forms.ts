/**
 * The packed forms that integers meet, the kernels of each, and the panels of activations that those read.
 */
import * as abi from "../assembly/abi.ts";
import type { TermsName } from "./block-terms.ts";
import { BLOCKS } from "./blocks-golden.ts";
import type { Arena, KernelName, Kernels, Operand } from "./kernels.ts";
import type { QuantizedRow } from "./oracle.ts";

/** 16-bit activations: pairs; NMSE of a tile against activations that nobody quantised. */
const Q16 = { form: abi.FORM_Q16_PAIRS, most: 32767, nmse: 1e-9 } as const;
const Q8 = { form: abi.FORM_Q8_QUADS, most: 127, nmse: 1e-4 } as const;

/** `packed`: the type in memory; `fine`: the bytes of a stored block that are integer scales, [begin, end). */
export const FORMATS = [
  {
    ...{ name: "q8_0", packed: "q8_0", ...Q16 },
    ...{ pack: "pack_q8_0", dequantize: "dequantize_q8_0", tile: "tile_q8_0_q16", gemv: "gemv8_q8_0_q16" },
  },
  {
    ...{ name: "q4_0", packed: "q4_0", ...Q8 },
    ...{ pack: "pack_q4_0", dequantize: "dequantize_q4_0", tile: "tile_q4_0_q8", gemv: "gemv8_q4_0_q8" },
  },
  {
    ...{ name: "q4_1", packed: "q4_1", ...Q8 },
    ...{ pack: "pack_q4_1", dequantize: "dequantize_q4_1", tile: "tile_q4_1_q8", gemv: "gemv8_q4_1_q8" },
  },
  {
    ...{ name: "q5_0", packed: "q5_0", ...Q8 },
    ...{ pack: "pack_q5_0", dequantize: "dequantize_q5_0", tile: "tile_q5_0_q8", gemv: "gemv8_q5_0_q8" },
  },
  {
    ...{ name: "q4_k", packed: "q4_k", fine: [4, 16], ...Q8 },
    ...{ pack: "pack_q4_k", dequantize: "dequantize_q4_k", tile: "tile_q4_k_q8", gemv: "gemv8_q4_k_q8" },
  },
  {
    ...{ name: "q5_k", packed: "q5_k", fine: [4, 16], ...Q8 },
    ...{ pack: "pack_q5_k", dequantize: "dequantize_q5_k", tile: "tile_q5_k_q8", gemv: "gemv8_q5_k_q8" },
  },
  {
    ...{ name: "q6_k", packed: "q6_k", fine: [192, 208], ...Q8 },
    ...{ pack: "pack_q6_k", dequantize: "dequantize_q6_k", tile: "tile_q6_k_q8", gemv: "gemv8_q6_k_q8" },
  },
  {
    ...{ name: "iq4_nl", packed: "iq4_nl", ...Q16 },
    ...{ pack: "pack_iq4_nl", dequantize: "dequantize_iq4_nl", tile: "tile_iq4_nl_q16", gemv: "gemv8_iq4_nl_q16" },
  },
  {
    ...{ name: "iq4_xs", packed: "iq4_nl", fine: [2, 8], ...Q16 },
    ...{ pack: "pack_iq4_xs", dequantize: "dequantize_iq4_nl", tile: "tile_iq4_nl_q16", gemv: "gemv8_iq4_nl_q16" },
  },
] as const satisfies readonly Format[];

export interface Format {
  readonly name: TermsName;
  readonly packed: TermsName;
  readonly fine?: readonly [number, number];
  readonly form: number;
  /** Largest activation. */
  readonly most: number;
  readonly nmse: number;
  readonly pack: KernelName;
  readonly dequantize: KernelName;
  readonly tile: KernelName;
  readonly gemv: KernelName;
}

/** Packs a stored matrix by the format's own kernel, group after group. */
export function pack(
  kernels: Kernels,
  arena: Arena,
  { name, packed, pack: own }: Format,
  stored: Uint8Array,
  rows: number,
  cols: number,
): Operand {
  const rowBytes = (cols / BLOCKS[name].values) * BLOCKS[name].bytes;
  const bytes = kernels.group_bytes(BLOCKS[packed].type, cols);
  const groups = Math.ceil(rows / abi.GROUP);
  const [to, from] = [arena.out(groups * bytes), arena.in(stored)];
  for (let group = 0; group < groups; group++)
    kernels[own](to.at + group * bytes, from + 8 * group * rowBytes, rowBytes, Math.min(8, rows - 8 * group), cols);
  return to;
}

/** A panel, its scales and sums, written from the oracle's q: [cols / run][h][run], [blocks][h], [blocks][h][halves]. */
export function panelOf(
  form: number,
  rows: readonly QuantizedRow[],
): { values: Int16Array | Int8Array; scales: Float32Array; sums: Int16Array } {
  const h = rows.length;
  const cols = rows[0].q.length;
  const run = form === abi.FORM_Q16_PAIRS ? 2 : 4;
  const values = form === abi.FORM_Q16_PAIRS ? new Int16Array(h * cols) : new Int8Array(h * cols);
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

/** The operands of a tile or gemv after the weights: panel, scales, where the form has them sums, blocks. */
export function panelOperands(arena: Arena, form: number, rows: readonly QuantizedRow[]): number[] {
  const { values, scales, sums } = panelOf(form, rows);
  const places = [values, scales, ...(form === abi.FORM_Q8_QUADS ? [sums] : [])].map((array) => arena.in(array));
  return [...places, rows[0].scales.length];
}
