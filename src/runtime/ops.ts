import { GROUP } from "../../assembly/abi.ts";
import { EngineError } from "../error.ts";
import type { Tensor } from "./memory.ts";
import { type Packed, type Panel, typeWord, type WeightType } from "./packed.ts";

/** Operands of the ops that take many, by name. */

export type Transform = { norm: Tensor; eps: number } | { swiglu: true; scores: Tensor | null } | null;

export interface PanelOp {
  segments: Tensor;
  gather?: Tensor;
  source: Tensor; // [rows, stride]
  cols: number;
  transform: Transform;
  /** Rows [entries, cols] f32. */
  out?: Tensor;
  panel?: Panel;
  /** A second panel, f32, of the same rows. */
  float?: Panel;
}

export interface MatrixOp {
  segments: Tensor;
  /** Weights that segments name by index; all of one type and shape. */
  weights: readonly Packed[];
  table: Tensor;
  panel: Panel;
  out: Tensor; // [entries, stride]
  /** First column of `out` that this matrix writes. */
  column?: number;
  residual?: Tensor;
  bias?: Tensor;
}

export interface RopeOp {
  rows: Tensor;
  qkv: Tensor;
  heads: number;
  kvHeads: number;
  headSize: number;
  rotate: boolean;
  norm: boolean;
  eps: number;
  angles: Tensor;
  temperature: Tensor | null;
  cache: CachePlace;
}

/** One layer's keys and values: page p of kv head h lies at `at + h * headBytes + p * pageBytes`. */
export interface CachePlace {
  readonly chunked: boolean;
  readonly type: number;
  readonly at: number;
  readonly pageBytes: number;
  readonly headBytes: number;
  readonly pages: number;
  readonly tableBlocks: number;
}

export interface AttendOp {
  tasks: Tensor;
  rows: Tensor;
  qkv: Tensor;
  heads: number;
  kvHeads: number;
  headSize: number;
  chunk: number;
  /** false: every key below `keys`. */
  causal: boolean;
  keys: number;
  cache: CachePlace;
  out: Tensor;
  partials: Tensor;
}

/** A part of a stored matrix in memory: outputs [rowBegin, rowEnd), inputs [colBegin, colEnd), the first element at `at`. */
export interface StoredPiece {
  readonly at: number;
  readonly type: WeightType;
  /** Elements from one output, and from one input, to the next. */
  readonly outputStride: number;
  readonly inputStride: number;
  readonly rowBegin: number;
  readonly rowEnd: number;
  readonly colBegin: number;
  readonly colEnd: number;
  /** f32 [rows] that outputs are multiplied by. */
  readonly scales?: Tensor | undefined;
}

/** The words of PACK and CONVERT, which writes to `to`. */
export function pieceOperands(
  piece: StoredPiece,
  to: number,
  { type, rows, cols }: Pick<Packed, "type" | "rows" | "cols">,
): number[] {
  if (piece.rowBegin % GROUP !== 0)
    throw new EngineError("PROGRAM_SHAPE", "pieces start at whole groups", { actual: piece.rowBegin });
  return [
    piece.at,
    typeWord(piece.type),
    piece.outputStride,
    piece.inputStride,
    to,
    typeWord(type),
    rows,
    cols,
    piece.rowBegin,
    piece.rowEnd,
    piece.colBegin,
    piece.colEnd,
    piece.scales?.at ?? 0,
  ];
}
