import { orAborted } from "../../abortable.ts";
import { bf16ToF32, f16ToF32, isFiniteF16 } from "../../checkpoint/halves.ts";
import { EngineError } from "../../error.ts";
import type { Memory, Tensor } from "../../runtime/memory.ts";
import type { Packed } from "../../runtime/packed.ts";
import { Program } from "../../runtime/program.ts";
import { startAt, type Threads } from "../../runtime/threads.ts";
import { WEIGHT_TYPES } from "../../weight-types.ts";
import type { Layout } from "../plan/layout.ts";
import type { LoaderPlace } from "../plan/loader-place.ts";
import { joinHalves, type Piece, pieces, storedBytes } from "../plan/pieces.ts";
import type { Matrix, Vector } from "../plan/weights.ts";

/**
 * Checkpoint -> memories: file bytes are read straight into the memory they belong to, a piece at a time, and packed there by
 * the threads while the next piece is read. No tensor is ever held twice.
 */

export interface LoadProgress {
  readonly phase: "weights";
  readonly loaded: number;
  readonly total: number;
}

export interface LoadOptions {
  onProgress?: (progress: LoadProgress) => void;
  signal?: AbortSignal;
}

/** What is to be filled. */
type Filled = Pick<Layout, "vectors" | "tablesOf" | "matrices">;

/** Fills the memories with their vectors, tables and matrices. */
export async function loadWeights(
  placed: readonly { readonly layout: Filled; readonly loader: Loader }[],
  options: LoadOptions,
): Promise<void> {
  const matrices = placed.flatMap(({ layout }) => layout.matrices);
  const total = matrices.reduce((bytes, { matrix }) => bytes + storedBytes(matrix), 0);
  let loaded = 0;
  options.onProgress?.({ phase: "weights", loaded, total });
  for (const { layout, loader } of placed) {
    const { memory } = loader;
    for (const { vector, to } of layout.vectors) memory.f32(to).set(await readVector(vector, options.signal));
    for (const [weight, table] of layout.tablesOf) writeTable(memory, layout, weight, table);
    await loader.load(layout.matrices, options.signal, (bytes) => {
      loaded += bytes;
      options.onProgress?.({ phase: "weights", loaded, total });
    });
  }
}

/** Addresses of the weights that an op reaches by index: those reserved together with the first. */
function writeTable(memory: Memory, layout: Filled, first: Packed, table: Tensor): void {
  const at = layout.matrices.findIndex(({ to }) => to === first);
  memory.u32(table).set(layout.matrices.slice(at, at + table.shape[0]).map(({ to }) => to.at.at));
}

/** Packs matrices into one memory, before its first step. */
export class Loader {
  readonly memory: Memory;
  readonly #place: LoaderPlace;
  readonly #index: number;
  readonly #threads: Threads;

  /** `index`: of the memory among those of the threads. */
  constructor(memory: Memory, place: LoaderPlace, index: number, threads: Threads) {
    this.memory = memory;
    this.#place = place;
    this.#index = index;
    this.#threads = threads;
  }

  /** Reads and packs matrices one after the other, a piece while the one before is packed. `onPiece`: bytes of the file. */
  async load(
    matrices: readonly { readonly matrix: Matrix; readonly to: Packed }[],
    signal: AbortSignal | undefined,
    onPiece: (bytes: number) => void,
  ): Promise<void> {
    const { staging, scales } = this.#place;
    const half = staging.shape[1];
    let packing: Promise<void> = Promise.resolve();
    let turn = 0;
    try {
      for (const { matrix, to } of matrices) {
        const factors = await readScales(matrix, signal);
        if (factors) {
          await packing; // it may still read those of the matrix before
          this.memory.f32(scales, 0, factors.length).set(factors);
        }
        for (const piece of pieces(matrix, half)) {
          signal?.throwIfAborted();
          const at = staging.at + (turn++ % 2) * half;
          // The pack before last has ended; the last one may still run on the other half. A source that never answers is left
          // to itself: whatever it still writes goes to a memory that nobody reads.
          const into = this.memory.bytes.subarray(at, at + piece.bytes);
          await orAborted(matrix.stored.source.read(matrix.stored.offset + piece.offset, into), signal);
          if (matrix.halvedHead > 0) joinHalves(into, piece.bytes / (piece.rowEnd - piece.rowBegin), matrix.halvedHead);
          await packing;
          packing = this.#pack(matrix, to, piece, at, signal);
          packing.catch(() => {});
          const part = (piece.rowEnd - piece.rowBegin) * (piece.colEnd - piece.colBegin);
          onPiece((storedBytes(matrix) * part) / (matrix.rows * matrix.cols));
        }
      }
    } finally {
      await packing;
    }
    clearStaging(this.memory, this.#place);
  }

  async #pack(matrix: Matrix, to: Packed, piece: Piece, at: number, signal: AbortSignal | undefined): Promise<void> {
    const { words, scales } = this.#place;
    const pack = new Program();
    const { outputStride, inputStride, stored } = matrix;
    const factors = matrix.scales ? scales : undefined;
    // Of an adapter that is narrower than another beside it, what lies behind its own rank stays zero.
    pack.pack(
      { ...piece, at, type: stored.type, outputStride, inputStride, scales: factors },
      { ...to, rows: matrix.rows },
    );
    this.memory.u32(words).set(pack.words());
    startAt(this.memory, words.at);
    const result = await this.#threads.run(this.#index, this.#index, signal);
    if (result.status !== "fault") return;
    const { name, source } = stored;
    if (to.type === "f16" && areFiniteF16(this.memory, at, piece.bytes)) {
      throw new EngineError(UNPACKABLE_F16, `${name} holds an f16 that has no packed form`, {
        at: { source: "kernel", file: source.name, field: matrix.name },
        limit: "weights below 128",
      });
    }
    const narrowed = to.type === stored.type ? "" : `, or is one no longer as ${to.type}`;
    throw new EngineError("WEIGHT_NONFINITE", `${name} holds a value that is no number${narrowed}`, {
      at: { source: "kernel", file: source.name, field: `${matrix.name}, outputs from ${result.fault.row}` },
      limit: "finite weights",
    });
  }
}

/** As in a fresh memory, for the activations that the staging ring may lie over. */
export function clearStaging(memory: Memory, { staging }: LoaderPlace): void {
  memory.bytes.fill(0, staging.at, staging.at + staging.bytes);
}

/** A matrix whose f16 weights must be kept as f32; never leaves the engine. */
export const UNPACKABLE_F16 = "WEIGHT_F16_RANGE";

function areFiniteF16(memory: Memory, at: number, bytes: number): boolean {
  return new Uint16Array(memory.wasm.buffer, at, bytes / 2).every(isFiniteF16);
}

/** The scales of a matrix, one for each output. */
export async function readScales({ rows, scales }: Matrix, signal?: AbortSignal): Promise<Float32Array | null> {
  if (!scales) return null;
  const values = await readVector(scales, signal);
  return values.length === rows ? values : new Float32Array(rows).fill(values[0]);
}

/** A vector as f32: exact, whatever float type it was stored in. */
export async function readVector(vector: Vector, signal?: AbortSignal): Promise<Float32Array> {
  const { name, length, stored, start, halvedHead } = vector;
  const { bytes: elementBytes } = WEIGHT_TYPES[stored.type];
  const bytes = new Uint8Array(length * elementBytes);
  await orAborted(stored.source.read(stored.offset + start * elementBytes, bytes), signal);
  const values = new Float32Array(length);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < length; index++) {
    if (stored.type === "f32") values[index] = view.getFloat32(index * 4, true);
    else if (stored.type === "bf16") values[index] = bf16ToF32(view.getUint16(index * 2, true));
    else values[index] = f16ToF32(view.getUint16(index * 2, true));
    if (!Number.isFinite(values[index])) {
      throw new EngineError("WEIGHT_NONFINITE", `${stored.name} holds a value that is no number`, {
        at: { source: "kernel", file: stored.source.name, field: `${name}[${start + index}]` },
        limit: "finite weights",
      });
    }
  }
  if (halvedHead > 0) joinHalves(new Uint8Array(values.buffer), 4, halvedHead);
  return values;
}
