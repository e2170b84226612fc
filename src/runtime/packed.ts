import {
  BLOCK,
  GROUP,
  PANEL_F32,
  PANEL_Q8_QUADS,
  PANEL_Q16_PAIRS,
  TYPE_BF16,
  TYPE_F16,
  TYPE_F32,
  TYPE_Q4_0,
  TYPE_Q8_0,
} from "../../assembly/abi.ts";
import type { MemoryPlan, Tensor } from "./memory.ts";

/** What a matmul reads: packed weights, and panels of activations in the form that those weights want. */

export type WeightType = "f32" | "f16" | "bf16" | "q8_0" | "q4_0";
export type PanelForm = "f32" | "q16 pairs" | "q8 quads";

export const TYPE_WORDS: Record<WeightType, number> = {
  f32: TYPE_F32,
  f16: TYPE_F16,
  bf16: TYPE_BF16,
  q8_0: TYPE_Q8_0,
  q4_0: TYPE_Q4_0,
};
export const FORM_WORDS: Record<PanelForm, number> = {
  f32: PANEL_F32,
  "q16 pairs": PANEL_Q16_PAIRS,
  "q8 quads": PANEL_Q8_QUADS,
};
export const FORM_BYTES: Record<PanelForm, number> = { f32: 4, "q16 pairs": 2, "q8 quads": 1 };
/** Bytes of a packed group of 8 outputs per block of 32 inputs. */
const GROUP_BYTES: Record<WeightType, number> = { f32: 1024, f16: 512, bf16: 512, q8_0: 288, q4_0: 160 };

/** The form of activations that weights of a type are multiplied with. */
export function formOf(type: WeightType, activations: "q8" | "f32"): PanelForm {
  if (activations === "f32") return "f32";
  return type === "q8_0" ? "q16 pairs" : type === "q4_0" ? "q8 quads" : "f32";
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
  return (Math.ceil(rows / GROUP) * cols * GROUP_BYTES[type]) / BLOCK;
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
  const blocks = Math.ceil(cols / BLOCK);
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
