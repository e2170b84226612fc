import {
  ADD_WORDS,
  ANGLES_WORDS,
  ATTEND_WORDS,
  BLOCK,
  COMBINE_WORDS,
  EMBED_WORDS,
  MATMUL_WORDS,
  MATRIX_WORDS,
  MERGE_OP_WORDS,
  OP_ADD,
  OP_ANGLES,
  OP_ATTEND,
  OP_COMBINE,
  OP_CONVERT,
  OP_EMBED,
  OP_END,
  OP_MATMUL,
  OP_MEET,
  OP_MERGE,
  OP_PACK,
  OP_PANEL,
  OP_PROBABILITIES,
  OP_ROPE,
  OP_ROUTE,
  OP_STOP,
  PACK_WORDS,
  PANEL_WORDS,
  PROBABILITIES_WORDS,
  ROPE_WORDS,
  ROUTE_WORDS,
  TILE_ROWS,
  TRANSFORM_COPY,
  TRANSFORM_NORM,
  TRANSFORM_SWIGLU,
} from "../../assembly/abi.ts";
import { EngineError } from "../error.ts";
import type { Tensor } from "./memory.ts";
import { type AttendOp, type MatrixOp, type PanelOp, pieceOperands, type RopeOp, type StoredPiece } from "./ops.ts";
import { FORM_BYTES, FORM_WORDS, formOf, type Packed, typeWord } from "./packed.ts";

/**
 * Builder of programs: one method per op; checks every shape; writes the words that the interpreter reads.
 *
 * Ops hold addresses, not sizes of a step: rows, segments, tasks and pages are read from memory when the program runs.
 */

/** A pass over a weight group serves so many bytes of panel: they and the group stay in a 512 KiB L2. */
const PANEL_CACHE_BYTES = 224 * 1024;
const MOST_TILES = 64;

const OP_NAMES: Record<number, string> = {
  [OP_STOP]: "stop",
  [OP_MEET]: "meet",
  [OP_EMBED]: "embed",
  [OP_ANGLES]: "angles",
  [OP_PANEL]: "panel",
  [OP_MATMUL]: "matmul",
  [OP_ROPE]: "rope",
  [OP_ATTEND]: "attend",
  [OP_MERGE]: "merge",
  [OP_ROUTE]: "route",
  [OP_COMBINE]: "combine",
  [OP_PACK]: "pack",
  [OP_PROBABILITIES]: "probabilities",
  [OP_ADD]: "add",
};

const floatBits = new Float32Array(1);
const floatWords = new Uint32Array(floatBits.buffer);

function bits(value: number): number {
  floatBits[0] = value;
  return floatWords[0];
}

/** An op of a program: where its words begin, what it is, and the part of the model it belongs to. */
export interface OpPlace {
  readonly word: number;
  readonly op: string;
  readonly part: string;
}

export class Program {
  readonly #words: number[] = [];
  readonly places: OpPlace[] = [];
  /** The part of the model that the next ops belong to, for profiles. */
  part = "";
  /** V8 pairs vectors: kernels choose their tiles for that. 4-bit tiles sum in i32: dots.ts. */
  readonly wide: boolean;
  readonly dotAdd: boolean;

  constructor({ wide, dotAdd } = { wide: false, dotAdd: false }) {
    this.wide = wide;
    this.dotAdd = dotAdd;
  }

  /** Names of STOP ops by their order: taps. */
  readonly stops: string[] = [];

  /** Ops between barriers. */
  get ops(): number {
    return this.places.length;
  }

  words(): Uint32Array {
    return Uint32Array.from([...this.#words, OP_END]);
  }

  get bytes(): number {
    return (this.#words.length + 1) * 4;
  }

  #emit(opcode: number, words: number, operands: readonly number[]): void {
    if (operands.length !== words - 1)
      throw new EngineError("PROGRAM_OPERANDS", `op ${opcode} of ${operands.length} operands`, { limit: words - 1 });
    for (const operand of operands) {
      if (!Number.isInteger(operand) || operand < 0 || operand > 0xffffffff) {
        throw new EngineError("PROGRAM_OPERANDS", `op ${opcode} has an operand that is no 32-bit word`, {
          actual: operand,
        });
      }
    }
    this.places.push({ word: this.#words.length, op: OP_NAMES[opcode], part: this.part });
    this.#words.push(opcode | (words << 16), ...operands);
  }

  /** All threads return here; the caller reads what it wants and runs on. */
  stop(name: string): void {
    this.stops.push(name);
    this.#emit(OP_STOP, 1, []);
  }

  /** Nothing but the barrier: after x crossed from another memory. */
  meet(): void {
    this.#emit(OP_MEET, 1, []);
  }

  embed(rows: Tensor, weight: Packed, out: Tensor, area: Tensor): void {
    expectShape("embed out", out.shape[1], weight.cols);
    expectShape("embed area", area.shape[1], weight.cols);
    this.#emit(OP_EMBED, EMBED_WORDS, [
      rows.at,
      typeWord(weight.type),
      weight.at.at,
      weight.rows,
      weight.cols,
      out.at,
      area.at,
      area.shape[0],
    ]);
  }

  angles(rows: Tensor, frequencies: Tensor, out: Tensor, temperature: Tensor, floor: number, scale: number): void {
    const pairs = frequencies.shape[0];
    expectShape("angles out", out.shape[1], pairs * 2);
    this.#emit(OP_ANGLES, ANGLES_WORDS, [rows.at, frequencies.at, pairs, out.at, temperature.at, floor, bits(scale)]);
  }

  panel({ segments, gather, source, cols, transform, out, panel, float }: PanelOp): void {
    let kind = TRANSFORM_COPY;
    let weight = 0;
    let eps = 0;
    let scores = 0;
    if (transform && "norm" in transform) {
      kind = TRANSFORM_NORM;
      expectShape("norm weight", transform.norm.shape[0], cols);
      weight = transform.norm.at;
      eps = bits(transform.eps);
    } else if (transform) {
      kind = TRANSFORM_SWIGLU;
      expectAtMost("gate and up", cols * 2, source.shape[1]);
      scores = transform.scores?.at ?? 0;
    }
    if (panel) expectAtMost("panel", cols, panel.cols);
    if (panel && panel.form !== "f32" && cols % BLOCK !== 0)
      throw new EngineError("PROGRAM_SHAPE", "integer activations come in blocks", {
        actual: cols,
        limit: `a multiple of ${BLOCK}`,
      });
    this.#emit(OP_PANEL, PANEL_WORDS, [
      segments.at,
      gather?.at ?? 0,
      source.at,
      source.shape[1],
      cols,
      kind,
      weight,
      eps,
      scores,
      out?.at ?? 0,
      panel ? FORM_WORDS[panel.form] : 0,
      panel?.values.at ?? 0,
      panel?.scales?.at ?? 0,
      panel?.sums?.at ?? 0,
      float?.values.at ?? 0,
      (panel ?? float)?.tileRows ?? TILE_ROWS,
    ]);
  }

  /** Several matrices in one op; `fused`: float weights may round once a multiply-add. */
  matmul(matrices: readonly MatrixOp[], fused: boolean): void {
    const operands = [matrices.length, fused ? 1 : 0, this.wide ? 1 : 0, this.dotAdd ? 1 : 0];
    for (const { segments, weights, table, panel, out, column = 0, residual, bias } of matrices) {
      const { type, rows, cols } = weights[0];
      for (const weight of weights) {
        if (weight.type !== type || weight.rows !== rows || weight.cols !== cols) {
          throw new EngineError("PROGRAM_SHAPE", `${weight.name} is not like ${weights[0].name}`, {
            actual: `${weight.type} ${weight.rows} x ${weight.cols}`,
            limit: `${type} ${rows} x ${cols}`,
          });
        }
      }
      const form = panel.form;
      if (form !== "f32" && form !== formOf(type, "q8"))
        throw new EngineError("PROGRAM_SHAPE", `${type} weights do not read ${form} activations`);
      expectAtMost(`${weights[0].name} inputs`, cols, panel.cols);
      expectAtMost(`${weights[0].name} outputs`, column + rows, out.shape[1]);
      if (residual) expectShape("residual", residual.shape[1], out.shape[1]);
      const tiles = Math.floor(PANEL_CACHE_BYTES / (cols * FORM_BYTES[form] * panel.tileRows));
      operands.push(
        segments.at,
        typeWord(type),
        FORM_WORDS[form],
        table.at,
        rows,
        cols,
        panel.values.at,
        panel.scales?.at ?? 0,
        panel.sums?.at ?? 0,
        out.at + column * 4,
        out.shape[1],
        residual ? residual.at + column * 4 : 0,
        bias?.at ?? 0,
        Math.min(MOST_TILES, Math.max(1, tiles)),
        panel.tileRows,
      );
    }
    this.#emit(OP_MATMUL, MATMUL_WORDS + MATRIX_WORDS * matrices.length, operands);
  }

  rope({ rows, qkv, heads, kvHeads, headSize, rotate, norm, eps, angles, temperature, cache }: RopeOp): void {
    expectShape("qkv", qkv.shape[1], (heads + 2 * kvHeads) * headSize);
    this.#emit(OP_ROPE, ROPE_WORDS, [
      rows.at,
      qkv.at,
      heads,
      kvHeads,
      headSize,
      rotate ? 1 : 0,
      norm ? 1 : 0,
      bits(eps),
      angles.at,
      temperature?.at ?? 0,
      cache.chunked ? 1 : 0,
      cache.tableBlocks,
      cache.type,
      cache.at,
      cache.pageBytes,
      cache.pages,
      cache.headBytes,
    ]);
  }

  attend(op: AttendOp): void {
    this.#emit(OP_ATTEND, ATTEND_WORDS, attendOperands(op));
  }

  /** Tap: out [heads, rows, keys]. */
  probabilities(op: AttendOp, out: Tensor, keys: number): void {
    this.#emit(OP_PROBABILITIES, PROBABILITIES_WORDS, [...attendOperands(op), out.at, keys]);
  }

  merge(list: Tensor, heads: number, headSize: number, partials: Tensor, out: Tensor): void {
    expectShape("attention out", out.shape[1], heads * headSize);
    this.#emit(OP_MERGE, MERGE_OP_WORDS, [list.at, heads, headSize, partials.at, out.at]);
  }

  route(
    logits: Tensor,
    used: number,
    softmax: boolean,
    picks: Tensor,
    scores: Tensor,
    gather: Tensor,
    segments: Tensor,
  ): void {
    expectShape("picks", picks.shape[1], used);
    this.#emit(OP_ROUTE, ROUTE_WORDS, [
      logits.at,
      logits.shape[1],
      used,
      softmax ? 1 : 0,
      picks.at,
      scores.at,
      gather.at,
      segments.at,
    ]);
  }

  /** x += (shared + experts), or branch = shared + experts. */
  combine(
    x: Tensor,
    shared: Tensor | null,
    experts: Tensor,
    used: number,
    picks: Tensor,
    scores: Tensor | null,
    branch: Tensor | null,
  ): void {
    expectShape("expert out", experts.shape[1], x.shape[1]);
    this.#emit(OP_COMBINE, COMBINE_WORDS, [
      x.at,
      x.shape[1],
      shared?.at ?? 0,
      experts.at,
      used,
      picks.at,
      scores?.at ?? 0,
      branch?.at ?? 0,
    ]);
  }

  /** x += branch. */
  add(x: Tensor, branch: Tensor): void {
    expectShape("branch", branch.shape[1], x.shape[1]);
    this.#emit(OP_ADD, ADD_WORDS, [x.at, branch.at, x.shape[1]]);
  }

  /** Stored elements of a matrix -> its packed form: outputs [rowBegin, rowEnd), inputs [colBegin, colEnd) lie at `source`. */
  pack(piece: StoredPiece, to: Packed): void {
    this.#emit(OP_PACK, PACK_WORDS, pieceOperands(piece, to.at.at, to));
  }

  /** Stored elements of a matrix -> stored rows of another type at `to`. */
  convert(piece: StoredPiece, to: number, shape: Pick<Packed, "type" | "rows" | "cols">): void {
    this.#emit(OP_CONVERT, PACK_WORDS, pieceOperands(piece, to, shape));
  }
}

function attendOperands({
  tasks,
  rows,
  qkv,
  heads,
  kvHeads,
  headSize,
  chunk,
  causal,
  keys,
  cache,
  out,
  partials,
}: AttendOp): number[] {
  expectShape("attention out", out.shape[1], heads * headSize);
  return [
    tasks.at,
    rows.at,
    qkv.at,
    heads,
    kvHeads,
    headSize,
    bits(Math.fround(1 / Math.sqrt(headSize))),
    chunk,
    cache.chunked ? 1 : 0,
    causal ? 1 : 0,
    keys,
    cache.type,
    cache.at,
    cache.pageBytes,
    cache.pages,
    out.at,
    partials.at,
    cache.headBytes,
  ];
}

function expectShape(what: string, actual: number, expected: number): void {
  if (actual !== expected) throw new EngineError("PROGRAM_SHAPE", what, { actual, limit: expected });
}

function expectAtMost(what: string, actual: number, most: number): void {
  if (actual > most) throw new EngineError("PROGRAM_SHAPE", what, { actual, limit: `at most ${most}` });
}
