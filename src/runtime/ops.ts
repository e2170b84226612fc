import {
  BLOCK,
  GROUP,
  SUPER_COLS,
  TILE_ROWS,
  TRANSFORM_COPY,
  TRANSFORM_GELU,
  TRANSFORM_LAYER_NORM,
  TRANSFORM_NORM,
  TRANSFORM_SWIGLU,
} from "../../assembly/abi.ts";
import { EngineError } from "../error.ts";
import { type StoredType, weightType } from "../weight-types.ts";
import { choiceWords, defaultChoice, queriesTogether, type Vectors } from "./kernels.ts";
import type { Tensor } from "./memory.ts";
import type { Operands } from "./operands.ts";
import { FORM_BYTES, FORM_WORDS, groupBytes, isApart, type Packed, type Panel } from "./packed.ts";

/** The ops that take many operands: what they are given, and the words of it. */

/** A norm with a bias is a layer norm, one without an RMS norm. */
export type Transform =
  | { norm: Tensor; bias?: Tensor; eps: number }
  | { swiglu: true; scores: Tensor | null }
  | { gelu: true }
  | null;

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
  /** What a row alone reads of it at once. */
  readonly streams: number;
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

export interface RouteOp {
  logits: Tensor; // [rows, experts]
  used: number;
  softmax: boolean;
  picks: Tensor; // [rows, used]
  scores: Tensor;
  gather: Tensor;
  segments: Tensor;
}

export interface PeaksOp {
  segments: Tensor; // one: the rows
  logits: Tensor; // [rows, vocab]
  scales: Tensor; // [rows]: 1 / temperature of its masses, 0: none
  peaks: Tensor; // [rows, spans]
  masses: Tensor; // [rows, spans]
}

export interface CombineOp {
  x: Tensor | null;
  shared: Tensor | null;
  experts: Tensor;
  used: number;
  picks: Tensor;
  scores: Tensor | null;
  /** x + branch, or where `x` is null the branch alone; not x. */
  out: Tensor;
}

/** A part of a stored matrix in memory: outputs [rowBegin, rowEnd), inputs [colBegin, colEnd), the first element at `at`. */
export interface StoredPiece {
  readonly at: number;
  readonly type: StoredType;
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

/** The operands of PACK and CONVERT, which writes to `to`. */
export function pieceOperands(
  piece: StoredPiece,
  to: number,
  { word, rows, cols }: Pick<Packed, "word" | "rows" | "cols">,
): Operands<"PACK"> {
  if (piece.rowBegin % GROUP !== 0)
    throw new EngineError("PROGRAM_SHAPE", "pieces start at whole groups", { actual: piece.rowBegin });
  return {
    SOURCE_AT: piece.at,
    SOURCE_TYPE: weightType(piece.type).word,
    OUTPUT_STRIDE: piece.outputStride,
    INPUT_STRIDE: piece.inputStride,
    AT: to,
    TYPE: word,
    ROWS: rows,
    COLS: cols,
    ROW_BEGIN: piece.rowBegin,
    ROW_END: piece.rowEnd,
    COL_BEGIN: piece.colBegin,
    COL_END: piece.colEnd,
    SCALES_AT: piece.scales?.at ?? 0,
  };
}

export function attendOperands(op: AttendOp, wide: boolean): Operands<"ATTEND"> {
  const { tasks, rows, qkv, heads, kvHeads, headSize, chunk, causal, keys, cache, out, partials } = op;
  expectShape("attention out", out.shape[1], heads * headSize);
  return {
    TASKS_AT: tasks.at,
    ROWS_AT: rows.at,
    QKV_AT: qkv.at,
    HEADS: heads,
    KV_HEADS: kvHeads,
    HEAD_SIZE: headSize,
    SCALE: bits(Math.fround(1 / Math.sqrt(headSize))),
    CHUNK: chunk,
    CHUNKED: cache.chunked ? 1 : 0,
    CAUSAL: causal ? 1 : 0,
    KEYS: keys,
    CACHE_TYPE: cache.type,
    CACHE_AT: cache.at,
    PAGE_BYTES: cache.pageBytes,
    PAGES: cache.pages,
    OUT_AT: out.at,
    PARTIALS_AT: partials.at,
    HEAD_BYTES: cache.headBytes,
    STREAMS: cache.streams,
    QUERIES: queriesTogether(wide),
  };
}

/** A pass over a weight group serves so many bytes of panel: they and the group stay in a 512 KiB L2. */
const PANEL_CACHE_BYTES = 224 * 1024;
/**
 * Weights that are dequantised serve so many tiles at least, whatever cache those want: rows of 5,632 inputs were two tiles a pass, and a
 * bf16 tower ran at 69 % of its tile's rate, 62 % wide. EPYC (Zen 4), two threads: 8 tiles 77 / 79 %, 16 80 / 85, 32 83 / 87, 64 85 / 88.
 */
const DEQUANTIZED_TILES = 32;
export const MOST_TILES = 64;

/** One matrix of a MATMUL with the kernels that are taken where nothing was measured. */
export function matrixOperands(op: MatrixOp, fused: boolean, { wide, dot }: Vectors): Operands<"MATRIX"> {
  const { segments, weights, table, panel, out, column = 0, residual, bias } = op;
  const [{ name, type, word, rows, cols }] = weights;
  for (const weight of weights) {
    if (weight.type === type && weight.rows === rows && weight.cols === cols) continue;
    throw new EngineError("PROGRAM_SHAPE", `${weight.name} is not like ${name}`, {
      actual: `${weight.type} ${weight.rows} x ${weight.cols}`,
      limit: `${type} ${rows} x ${cols}`,
    });
  }
  expectAtMost(`${name} inputs`, cols, panel.cols);
  expectAtMost(`${name} outputs`, column + rows, out.shape[1]);
  if (residual) expectShape("residual", residual.shape[1], out.shape[1]);
  const place = { type, form: panel.form, fused, dot, apart: isApart(word) };
  const dequantized = panel.form === "f32" && type !== "f32";
  const cached = Math.floor(PANEL_CACHE_BYTES / (cols * FORM_BYTES[panel.form] * panel.tileRows));
  return {
    SEGMENTS_AT: segments.at,
    TABLE_AT: table.at,
    ROWS: rows,
    COLS: cols,
    GROUP_BYTES: groupBytes(type, cols),
    ...choiceWords(place, defaultChoice(place, wide)),
    TYPE: word,
    PANEL_AT: panel.values.at,
    PANEL_BYTES: FORM_BYTES[panel.form],
    SCALE_AT: panel.scales?.at ?? 0,
    SUM_AT: panel.sums?.at ?? 0,
    OUT_AT: out.at + column * 4,
    STRIDE: out.shape[1],
    RESIDUAL_AT: residual ? residual.at + column * 4 : 0,
    BIAS_AT: bias?.at ?? 0,
    TILES: Math.min(MOST_TILES, Math.max(dequantized ? DEQUANTIZED_TILES : panel.alone, cached)),
    TILE_ROWS: panel.tileRows,
    OWN: panel.own,
    ALONE: panel.alone,
  };
}

export function panelOperands({
  segments,
  gather,
  source,
  cols,
  transform,
  out,
  panel,
  float,
}: PanelOp): Operands<"PANEL"> {
  const norm = transform && "norm" in transform ? transform : null;
  if (norm) expectShape("norm weight", norm.norm.shape[0], cols);
  if (norm?.bias) expectShape("norm bias", norm.bias.shape[0], cols);
  const swiglu = transform && "swiglu" in transform ? transform : null;
  if (swiglu) expectAtMost("gate and up", cols * 2, source.shape[1]);
  if (panel) expectAtMost("panel", cols, panel.cols);
  if (panel && float) {
    expectShape("own entries of the float panel", float.own, panel.own);
    expectShape("rows alone of the float panel", float.alone, panel.alone);
  }
  const block = panel?.form === "q8 supers" ? SUPER_COLS : BLOCK;
  if (panel && panel.form !== "f32" && cols % block !== 0)
    throw new EngineError("PROGRAM_SHAPE", "integer activations come in blocks", {
      actual: cols,
      limit: `a multiple of ${block}`,
    });
  return {
    SEGMENTS_AT: segments.at,
    GATHER_AT: gather?.at ?? 0,
    SOURCE_AT: source.at,
    STRIDE: source.shape[1],
    COLS: cols,
    TRANSFORM: transformWord(transform),
    WEIGHT_AT: norm?.norm.at ?? 0,
    EPS: norm ? bits(norm.eps) : 0,
    SCORES_AT: swiglu?.scores?.at ?? 0,
    OUT_AT: out?.at ?? 0,
    FORM: panel ? FORM_WORDS[panel.form] : 0,
    AT: panel?.values.at ?? 0,
    SCALE_AT: panel?.scales?.at ?? 0,
    SUM_AT: panel?.sums?.at ?? 0,
    FLOAT_AT: float?.values.at ?? 0,
    TILE_ROWS: (panel ?? float)?.tileRows ?? TILE_ROWS,
    OWN: (panel ?? float)?.own ?? 0,
    BIAS_AT: norm?.bias?.at ?? 0,
    ALONE: (panel ?? float)?.alone ?? 1,
  };
}

function transformWord(transform: Transform): number {
  if (transform === null) return TRANSFORM_COPY;
  if ("swiglu" in transform) return TRANSFORM_SWIGLU;
  if ("gelu" in transform) return TRANSFORM_GELU;
  return transform.bias ? TRANSFORM_LAYER_NORM : TRANSFORM_NORM;
}

const floatBits = new Float32Array(1);
const floatWords = new Uint32Array(floatBits.buffer);

/** The bits of a number as f32. */
export function bits(value: number): number {
  floatBits[0] = value;
  return floatWords[0];
}

export function expectShape(what: string, actual: number, expected: number): void {
  if (actual !== expected) throw new EngineError("PROGRAM_SHAPE", what, { actual, limit: expected });
}

export function expectAtMost(what: string, actual: number, most: number): void {
  if (actual > most) throw new EngineError("PROGRAM_SHAPE", what, { actual, limit: `at most ${most}` });
}
