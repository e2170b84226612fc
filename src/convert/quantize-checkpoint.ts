import { WORD_SCRATCH_AT, WORD_SCRATCH_BYTES } from "../../assembly/abi.ts";
import { orAborted } from "../abortable.ts";
import type { Checkpoint, StoredTensor, WrittenValue } from "../checkpoint/checkpoint.ts";
import type { Sink } from "../checkpoint/file-sink.ts";
import { EngineError } from "../error.ts";
import { readConfig } from "../model/config/config.ts";
import { generationPairs, readStoredGeneration } from "../model/config/stored-generation.ts";
import { CONVERT_BYTES, matricesOfModel } from "../model/plan/layout.ts";
import { joinHalves, type Piece, pieces, wholeRows } from "../model/plan/pieces.ts";
import { type Recipe, RecipeTypes } from "../model/plan/recipes.ts";
import { type Matrix, mapWeights, type Vector } from "../model/plan/weights.ts";
import { readScales, readVector } from "../model/run/load.ts";
import { Memory, MemoryPlan, type Tensor } from "../runtime/memory.ts";
import { openKernels } from "../runtime/module.ts";
import { Program } from "../runtime/program.ts";
import { startAt, Threads } from "../runtime/threads.ts";
import { bytesOf, isQuantized, type StoredType, WEIGHT_TYPES, weightType } from "../weight-types.ts";
import { padding, tensorBytes, type WrittenTensor, writeHeader, writePair } from "./gguf-writer.ts";
import { configPairs, namedWeights } from "./model-pairs.ts";

/**
 * A checkpoint -> a GGUF file of other types, tensor by tensor: a piece is read, converted by the threads, written. Memory is two
 * pieces, whatever the size of the model.
 */

export interface QuantizeProgress {
  readonly phase: "quantize";
  /** Bytes of the new file. */
  readonly loaded: number;
  readonly total: number;
  readonly tensor: string;
}

export interface QuantizeWork {
  readonly recipe: Recipe;
  /** Of a source that is no GGUF file: its tokenizer and chat template. */
  readonly tokenizer: (vocab: number) => {
    readonly pairs: readonly (readonly [string, WrittenValue])[];
    readonly warnings: readonly string[];
  };
  /** Also where it makes the file no smaller. */
  readonly requantize: boolean;
  readonly threads: number;
  readonly onProgress?: ((progress: QuantizeProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Quantized {
  readonly bytes: number;
  /** By type of the new file: tensors and bytes. */
  readonly types: Readonly<Record<string, { tensors: number; bytes: number }>>;
  readonly warnings: readonly string[];
}

/** A tensor of the new file and where its values come from: matrices one behind the other, a vector, or bytes that are copied. */
interface Output extends WrittenTensor {
  readonly matrices: readonly Matrix[];
  readonly vector: Vector | Float32Array | null;
  readonly copied: StoredTensor | null;
}

/** Of a matrix read and converted at a time, where its rows are not larger. */
const PIECE_ELEMENTS = 2 ** 22;
const COPY_BYTES = 2 ** 23;

export async function quantizeCheckpoint(checkpoint: Checkpoint, sink: Sink, work: QuantizeWork): Promise<Quantized> {
  const { config, warnings } = readConfig(checkpoint);
  const { weights, warnings: mapped } = mapWeights(checkpoint, config);
  const recipe = new RecipeTypes(work.recipe, config.layers.length, weights.output === null);
  const typeOf = (matrix: Matrix): StoredType => recipe.of(matrix);
  const own = checkpoint.format === "gguf";
  const outputs = own
    ? outputsOf(checkpoint, matricesOfModel(weights), typeOf)
    : namedWeights(weights, config).map(
        (named): Output => ({ ...named, type: named.vector ? "f32" : typeOf(named.matrices[0]), copied: null }),
      );
  const again = requantized(checkpoint, outputs, work.requantize);
  const tokenizer = own ? { pairs: [], warnings: [] } : work.tokenizer(config.vocab);
  const generation = own ? { pairs: [], warnings: [] } : generationPairs(readStoredGeneration(checkpoint));
  const pairs = own
    ? await storedPairs(checkpoint)
    : [...configPairs(config, checkpoint.name), ...tokenizer.pairs, ...generation.pairs].map(([key, value]) =>
        writePair(key, value),
      );
  const header = writeHeader([...pairs, ...typePairs(outputs, work.recipe)], outputs);
  const total = outputs.reduce(
    (sum, output) => sum + tensorBytes(output) + padding(tensorBytes(output)),
    header.length,
  );
  const types: Record<string, { tensors: number; bytes: number }> = Object.create(null);
  let loaded = 0;
  const write = async (bytes: Uint8Array, tensor: string) => {
    await orAborted(sink.write(bytes), work.signal);
    loaded += bytes.length;
    work.onProgress?.({ phase: "quantize", loaded, total, tensor });
  };
  await write(header, "header");
  const converter = await Converter.open(
    outputs.flatMap(({ matrices }) => matrices),
    work,
  );
  try {
    for (const output of outputs) {
      const bytes = tensorBytes(output);
      for (const matrix of output.matrices)
        await converter.convert(matrix, output.type, (piece) => write(piece, output.name));
      if (output.vector) await write(await vectorBytes(output.vector, work.signal), output.name);
      if (output.copied) await copyTensor(output.copied, (piece) => write(piece, output.name), work.signal);
      await write(new Uint8Array(padding(bytes)), output.name);
      types[output.type] ??= { tensors: 0, bytes: 0 };
      types[output.type].tensors++;
      types[output.type].bytes += bytes;
    }
  } finally {
    await converter.dispose();
  }
  await checkpoint.verify?.();
  return {
    bytes: loaded,
    types,
    warnings: [
      ...[...checkpoint.warnings, ...warnings, ...mapped, ...tokenizer.warnings, ...generation.warnings],
      ...[...recipe.warnings(), ...again],
    ],
  };
}

/** What to say of weights that were quantised before. Where a second time saves nothing it is refused: it only loses quality. */
function requantized(checkpoint: Checkpoint, outputs: readonly Output[], allowed: boolean): string[] {
  const stored = [...checkpoint.tensors.values()];
  if (outputs.every(({ copied }) => copied !== null))
    return ["quantize: every matrix has its type already, the new file holds the same weights"];
  const before = new Set<StoredType>();
  let count = 0;
  for (const { matrices, type } of outputs) {
    const from = matrices[0]?.stored.type;
    if (from === undefined || !isQuantized(from) || !isQuantized(type)) continue;
    before.add(from);
    count++;
  }
  if (count === 0) return [];
  const bytes = stored.reduce((sum, tensor) => sum + tensor.bytes, 0);
  const written = outputs.reduce((sum, output) => sum + tensorBytes(output), 0);
  const what = `${count === 1 ? "1 tensor is" : `${count} tensors are`} quantised already (${[...before].join(", ")})`;
  if (written < bytes)
    return [`quantize: ${what}: a second time loses more, the float weights would give a better file`];
  if (allowed) return [`quantize: ${what}: a second time loses more, and saves nothing`];
  throw new EngineError("QUANTIZE_AGAIN", `${what}: a second time would lose quality and save nothing`, {
    at: { source: "file", file: checkpoint.name },
    actual: `${written} bytes of tensors`,
    limit: `less than the ${bytes} there are, or the option requantize`,
  });
}

/** The tensors of a GGUF file in their order; those that are no matrices are copied as they are. */
function outputsOf(
  checkpoint: Checkpoint,
  matrices: readonly Matrix[],
  typeOf: (matrix: Matrix) => StoredType,
): Output[] {
  const byTensor = new Map<string, Matrix[]>();
  for (const matrix of matrices) {
    const parts = byTensor.get(matrix.stored.name);
    if (parts) parts.push(matrix);
    else byTensor.set(matrix.stored.name, [matrix]);
  }
  return [...checkpoint.tensors.values()].map((stored): Output => {
    const parts = byTensor.get(stored.name) ?? [];
    const type = parts.length === 0 ? stored.type : typeOf(parts[0]);
    const { name, shape } = stored;
    return type === stored.type
      ? { name, shape, type, matrices: [], vector: null, copied: stored }
      : { name, shape, type, matrices: parts, vector: null, copied: null };
  });
}

/** `general.file_type` of ggml for its mix. */
const MIX_FILE_TYPE = 15;
const REPLACED = /^(?:general\.(?:file_type|quantization_version|alignment)$|split\.)/;

async function storedPairs(checkpoint: Checkpoint): Promise<Uint8Array[]> {
  const pairs: Uint8Array[] = [];
  for (const key of checkpoint.metadata.keys()) {
    if (!REPLACED.test(key)) pairs.push(await checkpoint.storedPair!(key));
  }
  return pairs;
}

function typePairs(outputs: readonly Output[], recipe: Recipe): Uint8Array[] {
  const counts = new Map<StoredType, number>();
  for (const { type, shape } of outputs) counts.set(type, (counts.get(type) ?? 0) + (shape.length > 1 ? 1 : 0));
  const [most] = [...counts].sort(([, a], [, b]) => b - a)[0];
  return [
    writePair("general.file_type", {
      u32: recipe === "q4_k_m" && most === "q4_k" ? MIX_FILE_TYPE : (weightType(most).fileType ?? 0),
    }),
    writePair("general.quantization_version", { u32: 2 }),
  ];
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

  static async open(matrices: readonly Matrix[], work: QuantizeWork): Promise<Converter> {
    const kernels = await openKernels(undefined, false, work.signal);
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
    const threads = await Threads.start(work.threads, kernels.module, [memory], [null], work.signal);
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
