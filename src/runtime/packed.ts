import * as abi from "../../assembly/abi.ts";
import type { MemoryPlan, Tensor } from "./memory.ts";

/** What a matmul reads: packed weights, and panels of activations in the form that those weights want. */

export type PanelForm = "f32" | "q16 pairs" | "q8 quads";

/** By stored type: its number, what a packed group of 8 outputs takes for 256 inputs, the integers it meets (else f32). */
const TYPES = {
  f32: { word: abi.TYPE_F32, groupBytes: 8192 },
  f16: { word: abi.TYPE_F16, groupBytes: 4096 },
  bf16: { word: abi.TYPE_BF16, groupBytes: 4096 },
  q8_0: { word: abi.TYPE_Q8_0, groupBytes: 2304, form: "q16 pairs" },
  q4_0: { word: abi.TYPE_Q4_0, groupBytes: 1280, form: "q8 quads" },
  q4_1: { word: abi.TYPE_Q4_1, groupBytes: 1536, form: "q8 quads" },
  q5_0: { word: abi.TYPE_Q5_0, groupBytes: 1536, form: "q8 quads" },
  q5_1: { word: abi.TYPE_Q5_1, groupBytes: 1536 },
  q2_k: { word: abi.TYPE_Q2_K, groupBytes: 672 },
  q3_k: { word: abi.TYPE_Q3_K, groupBytes: 880 },
  q4_k: { word: abi.TYPE_Q4_K, groupBytes: 1216, form: "q8 quads" },
  q5_k: { word: abi.TYPE_Q5_K, groupBytes: 1472, form: "q8 quads" },
  q6_k: { word: abi.TYPE_Q6_K, groupBytes: 1696, form: "q8 quads" },
  iq4_nl: { word: abi.TYPE_IQ4_NL, groupBytes: 1280, form: "q16 pairs" },
  iq4_xs: { word: abi.TYPE_IQ4_XS, groupBytes: 1088 },
  mxfp4: { word: abi.TYPE_MXFP4, groupBytes: 1088 },
  tq1_0: { word: abi.TYPE_TQ1_0, groupBytes: 432 },
  tq2_0: { word: abi.TYPE_TQ2_0, groupBytes: 528 },
  f8_e4m3: { word: abi.TYPE_F8_E4M3, groupBytes: 2048 },
} as const satisfies Record<string, { word: number; groupBytes: number; form?: PanelForm }>;

export type WeightType = keyof typeof TYPES;

export const typeWord = (type: WeightType): number => TYPES[type].word;

export const FORM_WORDS: Record<PanelForm, number> = {
  f32: abi.PANEL_F32,
  "q16 pairs": abi.PANEL_Q16_PAIRS,
  "q8 quads": abi.PANEL_Q8_QUADS,
};
export const FORM_BYTES: Record<PanelForm, number> = { f32: 4, "q16 pairs": 2, "q8 quads": 1 };

/** The form of activations that weights of a type are multiplied with. */
export function formOf(type: WeightType, activations: "q8" | "f32"): PanelForm {
  const row = TYPES[type];
  return activations === "q8" && "form" in row ? row.form : "f32";
}

/** A packed matrix: y = W x. */
export interface Packed {
  readonly name: string;
  readonly type: WeightType;
  readonly rows: number;
  readonly cols: number;
  readonly at: Tensor;
}

export function packedBytes(type: WeightType, rows: number, cols: number): number {
  return (Math.ceil(rows / abi.GROUP) * cols * TYPES[type].groupBytes) / 256;
}

export function reservePacked(plan: MemoryPlan, name: string, type: WeightType, rows: number, cols: number): Packed {
  return { name, type, rows, cols, at: plan.reserve(name, "bytes", [packedBytes(type, rows, cols)]) };
}

/** Activations of up to `rows` rows as a matmul reads them. */
export interface Panel {
  readonly form: PanelForm;
  readonly rows: number;
  readonly cols: number;
  /** Rows of a tile at most. */
  readonly tileRows: number;
  readonly values: Tensor;
  readonly scales: Tensor | null;
  readonly sums: Tensor | null;
}

export function reservePanel(
  plan: MemoryPlan,
  name: string,
  form: PanelForm,
  tileRows: number,
  rows: number,
  cols: number,
): Panel {
  const blocks = Math.ceil(cols / abi.BLOCK);
  return {
    form,
    rows,
    cols,
    tileRows,
    values: plan.reserve(`${name} (${form})`, "bytes", [rows * cols * FORM_BYTES[form]]),
    scales: form === "f32" ? null : plan.reserve(`${name} scales`, "f32", [rows, blocks]),
    sums: form === "q8 quads" ? plan.reserve(`${name} sums`, "u32", [rows, blocks]) : null,
  };
}
