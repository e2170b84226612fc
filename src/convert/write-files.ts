import { WORD_SCRATCH_AT, WORD_SCRATCH_BYTES } from "../../assembly/abi.ts";
import { orAborted } from "../abortable.ts";
import type { StoredTensor } from "../checkpoint/checkpoint.ts";
import type { Sink } from "../checkpoint/file-sink.ts";
import { EngineError } from "../error.ts";
import { CONVERT_BYTES } from "../model/plan/layout.ts";
import { joinHalves, type Piece, pieces, wholeRows } from "../model/plan/pieces.ts";
import type { Matrix, Vector } from "../model/plan/weights.ts";
import { readScales, readVector } from "../model/run/load.ts";
import { Memory, MemoryPlan, type Tensor } from "../runtime/memory.ts";
import { openKernels } from "../runtime/module.ts";
import { Program } from "../runtime/program.ts";
import { startAt, Threads } from "../runtime/threads.ts";
import { bytesOf, type StoredType, WEIGHT_TYPES, weightType } from "../weight-types.ts";
import { padding, tensorBytes, type WrittenTensor, writeHeader } from "./gguf-writer.ts";

/** Writes planned GGUF files, tensor by tensor: a piece is read, converted by the threads, written. Memory is two pieces, whatever the size. */

/** A tensor of a new file and where its values come from: matrices one behind the other, a vector, or bytes that are copied. */
export interface Output extends WrittenTensor {
  readonly matrices: readonly Matrix[];
  readonly vector: Vector | Float32Array | null;
  readonly copied: StoredTensor | null;
}

export interface PlannedFile {
  readonly pairs: readonly Uint8Array[];
  readonly outputs: readonly Output[];
}

export interface QuantizeProgress {
  readonly phase: "quantize";
  /** Bytes of the new files. */
  readonly loaded: number;
  readonly total: number;
  readonly tensor: string;
}

export interface WriteWork {
  readonly threads: number;
  readonly onProgress?: ((progress: QuantizeProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WrittenFile {
  readonly bytes: number;
  /** By type of the new file: tensors and bytes. */
  readonly types: Readonly<Record<string, { tensors: number; bytes: number }>>;
}

/** Of a matrix read and converted at a time, where its rows are not larger. */
const PIECE_ELEMENTS = 2 ** 22;
const COPY_BYTES = 2 ** 23;

/** One after the other, by the same threads. */
export async function writeFiles(
  files: readonly { readonly file: PlannedFile; readonly sink: Sink }[],
  work: WriteWork,
): Promise<WrittenFile[]> {
  const headers = files.map(({ file }) => writeHeader(file.pairs, file.outputs));
  const outputs = files.flatMap(({ file }) => file.outputs);
  const total = outputs.reduce(
    (sum, output) => sum + tensorBytes(output) + padding(tensorBytes(output)),
    headers.reduce((sum, header) => sum + header.length, 0),
  );
  let loaded = 0;
  const converter = await Converter.open(
    outputs.flatMap(({ matrices }) => matrices),
    work,
  );
  const written: WrittenFile[] = [];
  try {
    for (const [index, { file, sink }] of files.entries()) {
      const before = loaded;
      const types = await writeFile(file, headers[index], converter, work, async (bytes, tensor) => {
        await orAborted(sink.write(bytes), work.signal);
        loaded += bytes.length;
        work.onProgress?.({ phase: "quantize", loaded, total, tensor });
      });
      written.push({ bytes: loaded - before, types });
    }
  } finally {
    await converter.dispose();
  }
  return written;
}

async function writeFile(
  { outputs }: PlannedFile,
  header: Uint8Array,
  converter: Converter,
  { signal }: WriteWork,
  write: (bytes: Uint8Array, tensor: string) => Promise<void>,
): Promise<WrittenFile["types"]> {
  const types: Record<string, { tensors: number; bytes: number }> = Object.create(null);
  await write(header, "header");
  for (const output of outputs) {
    const { name, type, matrices, vector, copied } = output;
    const bytes = tensorBytes(output);
    for (const matrix of matrices) await converter.convert(matrix, type, (piece) => write(piece, name));
    if (vector) await write(await vectorBytes(vector, signal), name);
    if (copied) await copyTensor(copied, (piece) => write(piece, name), signal);
    await write(new Uint8Array(padding(bytes)), name);
    types[type] ??= { tensors: 0, bytes: 0 };
    types[type].tensors++;
    types[type].bytes += bytes;
  }
  return types;
}

async function vectorBytes(vector: Vector | Float32Array, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const values = vector instanceof Float32Array ? vector : await readVector(vector, signal);
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

async function copyTensor(
  stored: StoredTensor,
  write: (piece: Uint8Array) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let offset = 0; offset < stored.bytes; offset += COPY_BYTES) {
    signal?.throwIfAborted();
    const piece = new Uint8Array(Math.min(COPY_BYTES, stored.bytes - offset));
    await orAborted(stored.source.read(stored.offset + offset, piece), signal);
    await write(piece);
  }
}

interface Places {
  readonly program: Tensor;
  readonly source: Tensor;
  readonly scales: Tensor;
  readonly out: Tensor;
}

/** One memory with threads that turn stored pieces into stored rows of another type. */
class Converter {
  readonly #memory: Memory;
  readonly #threads: Threads;
  readonly #places: Places;
  readonly #signal: AbortSignal | undefined;

  private constructor(memory: Memory, threads: Threads, places: Places, signal: AbortSignal | undefined) {
    this.#memory = memory;
    this.#threads = threads;
    this.#places = places;
    this.#signal = signal;
  }

  static async open(matrices: readonly Matrix[], work: WriteWork): Promise<Converter> {
    const kernels = await openKernels(undefined, false, { signal: work.signal });
    const plan = new MemoryPlan();
    const most = (size: (matrix: Matrix) => number) => [Math.max(0, ...matrices.map(size))];
    const places: Places = {
      program: plan.reserve("program", "u32", [64]),
      source: plan.reserve(
        "source",
        "bytes",
        most((matrix) => storedBytes(matrix, pieceElements(matrix))),
      ),
      scales: plan.reserve(
        "scales",
        "f32",
        most(({ rows, scales }) => (scales ? rows : 0)),
      ),
      out: plan.reserve("out", "f32", most(outElements)),
    };
    const scratch = plan.reserve("scratch", "bytes", [Math.max(1, work.threads), CONVERT_BYTES]);
    const memory = new Memory(plan);
    memory.control[WORD_SCRATCH_AT] = scratch.at;
    memory.control[WORD_SCRATCH_BYTES] = CONVERT_BYTES;
    const threads = await Threads.start(work.threads, kernels.module, [memory], [null], null, work.signal);
    return new Converter(memory, threads, places, work.signal);
  }

  async convert(matrix: Matrix, type: StoredType, write: (rows: Uint8Array) => Promise<void>): Promise<void> {
    const scales = await readScales(matrix, this.#signal);
    if (scales) this.#memory.f32(this.#places.scales, 0, scales.length).set(scales);
    for (const piece of pieces({ ...matrix, type }, storedBytes(matrix, pieceElements(matrix)))) {
      this.#signal?.throwIfAborted();
      const into = this.#memory.bytes.subarray(this.#places.source.at, this.#places.source.at + piece.bytes);
      await orAborted(matrix.stored.source.read(matrix.stored.offset + piece.offset, into), this.#signal);
      if (matrix.halvedHead > 0) joinHalves(into, piece.bytes / (piece.rowEnd - piece.rowBegin), matrix.halvedHead);
      await this.#run(matrix, type, piece);
      const written = bytesOf(type, (piece.rowEnd - piece.rowBegin) * matrix.cols);
      // A copy: streams and files may keep what they are given, and shared memory is refused by some.
      await write(this.#memory.bytes.slice(this.#places.out.at, this.#places.out.at + written));
    }
  }

  async #run(matrix: Matrix, type: StoredType, piece: Piece): Promise<void> {
    const { outputStride, inputStride, stored, rows, cols } = matrix;
    const scales = matrix.scales ? this.#places.scales : undefined;
    const program = new Program();
    program.convert(
      { ...piece, at: this.#places.source.at, type: stored.type, outputStride, inputStride, scales },
      this.#places.out.at,
      { word: weightType(type).word, rows, cols },
    );
    this.#memory.u32(this.#places.program, 0, program.bytes / 4).set(program.words());
    startAt(this.#memory, this.#places.program.at);
    const result = await this.#threads.run(0, 0, this.#signal);
    if (result.status !== "fault") return;
    throw new EngineError(
      "WEIGHT_NONFINITE",
      `${stored.name} holds a value that is no number, or is one no longer as ${type}`,
      {
        at: { source: "kernel", file: stored.source.name, field: `${matrix.name}, outputs from ${result.fault.row}` },
        limit: "finite weights",
      },
    );
  }

  dispose(): Promise<void> {
    return this.#threads.dispose();
  }
}

/** Rows are converted whole, so input-major matrices (fused experts) are read as one piece. */
function pieceElements(matrix: Matrix): number {
  const { cols, outputStride, inputStride } = matrix;
  return inputStride === 1 ? Math.max(PIECE_ELEMENTS, wholeRows(matrix) * outputStride) : cols * inputStride;
}

/** Of an input-major piece that holds gate and up, one is written at a time. */
function outElements(matrix: Matrix): number {
  return matrix.inputStride === 1 ? pieceElements(matrix) : matrix.rows * matrix.cols;
}

function storedBytes({ stored }: Matrix, count: number): number {
  const { elements, bytes } = WEIGHT_TYPES[stored.type];
  return Math.ceil(count / elements) * bytes;
}
