import { EngineError } from "../error.ts";
import type { Memory, Tensor } from "../runtime/memory.ts";
import type { Packed } from "../runtime/packed.ts";
import { Program } from "../runtime/program.ts";
import { startAt, type Threads } from "../runtime/threads.ts";
import { WEIGHT_TYPES } from "../weight-types.ts";
import { orAborted } from "./abortable.ts";
import type { Layout } from "./layout.ts";
import { joinHalves, leastPieceBytes, type Piece, pieces } from "./pieces.ts";
import type { Matrix, Vector } from "./weights.ts";

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

/** Bytes of a piece at most: large enough that a wake costs nothing beside it, small enough to report progress. */
const PIECE_BYTES = 4 * 1024 * 1024;

export async function loadWeights(
  layouts: readonly Layout[],
  memories: readonly Memory[],
  programs: readonly Tensor[],
  threads: Threads,
  options: LoadOptions,
): Promise<void> {
  const total = layouts.reduce(
    (sum, { matrices }) => sum + matrices.reduce((bytes, { matrix }) => bytes + matrixBytes(matrix), 0),
    0,
  );
  let loaded = 0;
  options.onProgress?.({ phase: "weights", loaded, total });
  for (let index = 0; index < layouts.length; index++) {
    const layout = layouts[index];
    const memory = memories[index];
    for (const { vector, to } of layout.vectors) memory.f32(to).set(await readVector(vector, options.signal));
    for (const [weight, table] of layout.tablesOf) writeTable(memory, layout, weight, table);
    await packMatrices(layout, memory, programs[index], index, threads, options, (bytes) => {
      loaded += bytes;
      options.onProgress?.({ phase: "weights", loaded, total });
    });
  }
}

function matrixBytes({ rows, cols, stored }: Matrix): number {
  const { elements, bytes } = WEIGHT_TYPES[stored.type];
  return (rows * cols * bytes) / elements;
}

/** Addresses of the weights that an op reaches by index: those reserved together with the first. */
function writeTable(memory: Memory, layout: Layout, first: Packed, table: Tensor): void {
  const at = layout.matrices.findIndex(({ to }) => to === first);
  memory.u32(table).set(layout.matrices.slice(at, at + table.shape[0]).map(({ to }) => to.at.at));
}

async function packMatrices(
  layout: Layout,
  memory: Memory,
  program: Tensor,
  index: number,
  threads: Threads,
  options: LoadOptions,
  onPiece: (bytes: number) => void,
): Promise<void> {
  const least = Math.max(...layout.matrices.map(({ matrix }) => leastPieceBytes(matrix)));
  const half = Math.min(Math.max(PIECE_BYTES, least), Math.floor(layout.staging.bytes / 2 / 64) * 64);
  let packing: Promise<void> = Promise.resolve();
  let turn = 0;
  try {
    for (const { matrix, to } of layout.matrices) {
      const scales = await readScales(matrix, options.signal);
      if (scales) {
        await packing; // it may still read those of the matrix before
        memory.f32(layout.scales, 0, scales.length).set(scales);
      }
      for (const piece of pieces(matrix, half)) {
        options.signal?.throwIfAborted();
        const at = layout.staging.at + (turn++ % 2) * half;
        // The pack before last has ended; the last one may still run on the other half. A source that never answers is left
        // to itself: whatever it still writes goes to a memory that nobody reads.
        const into = memory.bytes.subarray(at, at + piece.bytes);
        await orAborted(matrix.stored.source.read(matrix.stored.offset + piece.offset, into), options.signal);
        if (matrix.halvedHead > 0) joinHalves(into, piece.bytes / (piece.rowEnd - piece.rowBegin), matrix.halvedHead);
        await packing;
        packing = packPiece(memory, layout, program, index, threads, matrix, to, piece, at, options.signal);
        packing.catch(() => {});
        onPiece(
          (matrixBytes(matrix) * (piece.rowEnd - piece.rowBegin) * (piece.colEnd - piece.colBegin)) /
            (matrix.rows * matrix.cols),
        );
      }
    }
  } finally {
    await packing;
  }
}

async function packPiece(
  memory: Memory,
  layout: Layout,
  program: Tensor,
  index: number,
  threads: Threads,
  matrix: Matrix,
  to: Packed,
  piece: Piece,
  at: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const pack = new Program();
  const { outputStride, inputStride, stored } = matrix;
  const scales = matrix.scales ? layout.scales : undefined;
  pack.pack({ ...piece, at, type: stored.type, outputStride, inputStride, scales }, to);
  memory.u32(program, 0, pack.bytes / 4).set(pack.words());
  startAt(memory, program.at);
  const result = await threads.run(index, index, signal);
  if (result.status === "fault") {
    if (to.type === "f16" && isFinite16(memory, at, piece.bytes)) {
      throw new EngineError(UNPACKABLE_F16, `${matrix.stored.name} holds an f16 that has no packed form`, {
        at: { source: "kernel", file: matrix.stored.source.name, field: matrix.name },
        limit: "weights below 128",
      });
    }
    const narrowed = to.type === matrix.stored.type ? "" : `, or is one no longer as ${to.type}`;
    throw new EngineError("WEIGHT_NONFINITE", `${matrix.stored.name} holds a value that is no number${narrowed}`, {
      at: {
        source: "kernel",
        file: matrix.stored.source.name,
        field: `${matrix.name}, outputs from ${result.fault.row}`,
      },
      limit: "finite weights",
    });
  }
}

/** A matrix whose f16 weights must be kept as f32; never leaves the engine. */
export const UNPACKABLE_F16 = "WEIGHT_F16_RANGE";

function isFinite16(memory: Memory, at: number, bytes: number): boolean {
  return new Uint16Array(memory.wasm.buffer, at, bytes / 2).every((half) => (half & 0x7c00) !== 0x7c00);
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
    else if (stored.type === "bf16") values[index] = bf16(view.getUint16(index * 2, true));
    else values[index] = f16(view.getUint16(index * 2, true));
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

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

function bf16(half: number): number {
  word[0] = half << 16;
  return float[0];
}

function f16(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const mantissa = half & 1023;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * mantissa * 2 ** -24 : sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}
