import {
  ATTEND_STREAMS,
  FOR_ITSELF,
  MATMUL_WORDS,
  MATRIX_ROW,
  MATRIX_STREAMS,
  MATRIX_TILE,
  MATRIX_TOUCH,
  MATRIX_WORDS,
  OP_END,
  PEAK,
} from "../../assembly/abi.ts";
import type { Choice } from "../choice.ts";
import { EngineError } from "../error.ts";
import { choiceWords, type MatrixPlace, type Vectors } from "./kernels.ts";
import type { Tensor } from "./memory.ts";
import { type Operands, type OpName, opWords, recordWords } from "./operands.ts";
import {
  type AttendOp,
  attendOperands,
  bits,
  type CombineOp,
  expectShape,
  type MatrixOp,
  matrixOperands,
  type PanelOp,
  type PeaksOp,
  panelOperands,
  pieceOperands,
  type RopeOp,
  type RouteOp,
  type StoredPiece,
} from "./ops.ts";
import { isApart, type Packed } from "./packed.ts";

/**
 * Builder of programs: one method per op; checks every shape; writes the words that the interpreter reads.
 *
 * Ops hold addresses, not sizes of a step: rows, segments, tasks and pages are read from memory when the program runs.
 *
 * What is little work for few rows, and does not write over what it reads, every thread does for itself in steps of few rows: no
 * barrier stands behind it (FOR_ITSELF in abi.ts).
 */

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
  readonly #vectors: Vectors;
  readonly matrices: MatrixPlace[] = [];
  readonly #attends: number[] = [];

  constructor(vectors: Vectors = { wide: false, dot: "saturating" }) {
    this.#vectors = vectors;
  }

  /** Names of STOP ops by their order: taps. */
  readonly stops: string[] = [];

  /** Ops behind which threads wait for each other in a step of few rows. */
  get barriers(): number {
    return this.places.filter(({ word }) => (this.#words[word] & FOR_ITSELF) === 0).length;
  }

  words(): Uint32Array {
    return Uint32Array.from([...this.#words, OP_END]);
  }

  get bytes(): number {
    return (this.#words.length + 1) * 4;
  }

  #emit<Name extends OpName>(name: Name, operands: Operands<Name>, further?: readonly number[]): void {
    this.#push(name, opWords(name, operands, further));
  }

  #push(name: OpName, words: readonly number[]): void {
    this.places.push({ word: this.#words.length, op: name.toLowerCase(), part: this.part });
    this.#words.push(...words);
  }

  #emitForItself<Name extends OpName>(name: Name, operands: Operands<Name>, further?: readonly number[]): void {
    const [head, ...words] = opWords(name, operands, further);
    this.#push(name, [head | FOR_ITSELF, ...words]);
  }

  /** All threads return here; the caller reads what it wants and runs on. */
  stop(name: string): void {
    this.stops.push(name);
    this.#emit("STOP", {});
  }

  /** Nothing but the barrier: after x crossed from another memory. */
  meet(): void {
    this.#emit("MEET", {});
  }

  embed(rows: Tensor, weight: Packed, out: Tensor, area: Tensor): void {
    expectShape("embed out", out.shape[1], weight.cols);
    expectShape("embed area", area.shape[1], weight.cols);
    this.#emitForItself("EMBED", {
      ROWS_AT: rows.at,
      TYPE: weight.word,
      WEIGHT_AT: weight.at.at,
      VOCAB: weight.rows,
      COLS: weight.cols,
      OUT_AT: out.at,
      AREA_AT: area.at,
      AREA_ROWS: area.shape[0],
    });
  }

  angles(rows: Tensor, frequencies: Tensor, out: Tensor, temperature: Tensor, floor: number, scale: number): void {
    const pairs = frequencies.shape[0];
    expectShape("angles out", out.shape[1], pairs * 2);
    this.#emitForItself("ANGLES", {
      ROWS_AT: rows.at,
      FREQUENCIES_AT: frequencies.at,
      PAIRS: pairs,
      OUT_AT: out.at,
      TEMPERATURE_AT: temperature.at,
      FLOOR: floor,
      SCALE: bits(scale),
    });
  }

  panel(op: PanelOp): void {
    this.#emitForItself("PANEL", panelOperands(op));
  }

  /** Several matrices in one op; `fused`: float weights may round once a multiply-add. */
  matmul(matrices: readonly MatrixOp[], fused: boolean): void {
    this.#emit("MATMUL", { MATRICES: matrices.length }, this.#records(matrices, fused));
  }

  /** One matrix, so small that few rows are work for one thread: a router. */
  smallMatmul(matrix: MatrixOp, fused: boolean): void {
    if (matrix.residual) throw new EngineError("PROGRAM_SHAPE", "a small matmul adds to nothing");
    this.#emitForItself("MATMUL", { MATRICES: 1 }, this.#records([matrix], fused));
  }

  #records(matrices: readonly MatrixOp[], fused: boolean): number[] {
    for (const [index, { weights, panel }] of matrices.entries()) {
      const word = this.#words.length + MATMUL_WORDS + index * MATRIX_WORDS;
      const [{ type, word: packed }] = weights;
      this.matrices.push({ word, type, form: panel.form, fused, dot: this.#vectors.dot, apart: isApart(packed) });
    }
    return matrices.flatMap((op) => recordWords("MATRIX", matrixOperands(op, fused, this.#vectors)));
  }

  /** Reads the cache as so many streams from the next run on. */
  chooseCacheStreams(words: Uint32Array, streams: number): void {
    for (const word of this.#attends) words[word + ATTEND_STREAMS] = streams;
  }

  /** Multiplies a matrix of the program with these kernels from the next run on; `words`: the program where it lies. */
  choose(words: Uint32Array, place: MatrixPlace, choice: Choice): void {
    const { TILE, ROW, STREAMS, TOUCH } = choiceWords(place, choice);
    words[place.word + MATRIX_TILE] = TILE;
    words[place.word + MATRIX_ROW] = ROW;
    words[place.word + MATRIX_STREAMS] = STREAMS;
    words[place.word + MATRIX_TOUCH] = TOUCH;
  }

  rope({ rows, qkv, heads, kvHeads, headSize, rotate, norm, eps, angles, temperature, cache }: RopeOp): void {
    expectShape("qkv", qkv.shape[1], (heads + 2 * kvHeads) * headSize);
    this.#emit("ROPE", {
      ROWS_AT: rows.at,
      QKV_AT: qkv.at,
      HEADS: heads,
      KV_HEADS: kvHeads,
      HEAD_SIZE: headSize,
      ROTATE: rotate ? 1 : 0,
      NORM: norm ? 1 : 0,
      EPS: bits(eps),
      ANGLES_AT: angles.at,
      TEMPERATURE_AT: temperature?.at ?? 0,
      CHUNKED: cache.chunked ? 1 : 0,
      TABLE_BLOCKS: cache.tableBlocks,
      CACHE_TYPE: cache.type,
      CACHE_AT: cache.at,
      PAGE_BYTES: cache.pageBytes,
      PAGES: cache.pages,
      HEAD_BYTES: cache.headBytes,
    });
  }

  attend(op: AttendOp): void {
    this.#attends.push(this.#words.length);
    this.#emit("ATTEND", attendOperands(op, this.#vectors.wide));
  }

  /** Tap: out [heads, rows, keys]. */
  probabilities(op: AttendOp, out: Tensor, keys: number): void {
    const words = opWords("PROBABILITIES", { OUT_AT: out.at, KEYS: keys });
    const attend = recordWords("ATTEND", attendOperands(op, this.#vectors.wide));
    this.#push("PROBABILITIES", [words[0], ...attend.slice(1), ...words.slice(attend.length)]);
  }

  merge(list: Tensor, heads: number, headSize: number, partials: Tensor, out: Tensor): void {
    expectShape("attention out", out.shape[1], heads * headSize);
    this.#emitForItself("MERGE", {
      LIST_AT: list.at,
      HEADS: heads,
      HEAD_SIZE: headSize,
      PARTIALS_AT: partials.at,
      OUT_AT: out.at,
    });
  }

  route({ logits, used, softmax, picks, scores, gather, segments }: RouteOp): void {
    expectShape("picks", picks.shape[1], used);
    this.#emitForItself("ROUTE", {
      LOGITS_AT: logits.at,
      EXPERTS: logits.shape[1],
      USED: used,
      SOFTMAX: softmax ? 1 : 0,
      PICKS_AT: picks.at,
      SCORES_AT: scores.at,
      GATHER_AT: gather.at,
      SEGMENTS_AT: segments.at,
    });
  }

  /** out = x + (shared + experts). */
  combine({ x, shared, experts, used, picks, scores, out }: CombineOp): void {
    expectShape("expert out", experts.shape[1], out.shape[1]);
    if (x === out) throw new EngineError("PROGRAM_SHAPE", "experts are not added in place");
    this.#emitForItself("COMBINE", {
      X_AT: x?.at ?? 0,
      COLS: out.shape[1],
      SHARED_AT: shared?.at ?? 0,
      EXPERTS_AT: experts.at,
      USED: used,
      PICKS_AT: picks.at,
      SCORES_AT: scores?.at ?? 0,
      OUT_AT: out.at,
    });
  }

  /** Peaks and masses of every span, for steps that want them. */
  peaks({ segments, logits, scales, peaks, masses }: PeaksOp): void {
    const spans = Math.ceil(logits.shape[1] / PEAK);
    expectShape("peaks", peaks.shape[1], spans);
    expectShape("masses", masses.shape[1], spans);
    this.#emit("PEAKS", {
      SEGMENTS_AT: segments.at,
      LOGITS_AT: logits.at,
      COLS: logits.shape[1],
      OUT_AT: peaks.at,
      SCALES_AT: scales.at,
      MASSES_AT: masses.at,
    });
  }

  /** out = x + branch. */
  add(x: Tensor, branch: Tensor, out: Tensor): void {
    expectShape("branch", branch.shape[1], x.shape[1]);
    expectShape("sum", out.shape[1], x.shape[1]);
    this.#emit("ADD", { X_AT: x.at, BRANCH_AT: branch.at, COLS: x.shape[1], OUT_AT: out.at });
  }

  /** x += table, over and over: what each patch of a tile, and its class row, begins with. */
  place(x: Tensor, table: Tensor): void {
    expectShape("table", table.shape[1], x.shape[1]);
    this.#emit("PLACE", { X_AT: x.at, TABLE_AT: table.at, TOKENS: table.shape[0], COLS: x.shape[1] });
  }

  /** Angles of patches, by column and by row. `side`: patches of a tile's side. */
  gridAngles(side: number, frequencies: Tensor, out: Tensor): void {
    const pairs = frequencies.shape[0];
    expectShape("angles out", out.shape[1], pairs * 4);
    this.#emit("GRID_ANGLES", { SIDE: side, FREQUENCIES_AT: frequencies.at, PAIRS: pairs, OUT_AT: out.at });
  }

  /** Four patches each become one row of `out`; class rows go. */
  shuffle(source: Tensor, side: number, out: Tensor): void {
    expectShape("shuffled", out.shape[1], 4 * source.shape[1]);
    this.#emit("SHUFFLE", { SOURCE_AT: source.at, COLS: source.shape[1], SIDE: side, OUT_AT: out.at });
  }

  /** Stored elements of a matrix -> its packed form: outputs [rowBegin, rowEnd), inputs [colBegin, colEnd) lie at `source`. */
  pack(piece: StoredPiece, to: Packed): void {
    this.#emit("PACK", pieceOperands(piece, to.at.at, to));
  }

  /** Stored elements of a matrix -> stored rows of another type at `to`. */
  convert(piece: StoredPiece, to: number, shape: Pick<Packed, "word" | "rows" | "cols">): void {
    this.#push("CONVERT", opWords("PACK", pieceOperands(piece, to, shape), [], "CONVERT"));
  }
}
