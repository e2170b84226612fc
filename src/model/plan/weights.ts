import type { Checkpoint, StoredTensor } from "../../checkpoint/checkpoint.ts";
import { EngineError, type ErrorPlace, quoteName } from "../../error.ts";
import { type StoredType, WEIGHT_TYPE_NAMES, WEIGHT_TYPES } from "../../weight-types.ts";
import { architectureOf, type ExpertNames, GGUF_NAMES, type Names, type Part } from "../config/architectures.ts";
import type { ModelConfig } from "../config/config.ts";
import type { Adapter } from "./adapter.ts";

/**
 * Where every weight of the model lies in the checkpoint; checkpoint quirks (names, fused or linearised experts,
 * input-major matrices) end here.
 */

/** y = W x: element (output o, input i) is element `start + o * outputStride + i * inputStride` of the stored tensor. */
export interface Matrix {
  /** Ours, for messages and plans: `layers.3.experts.gate.5`. */
  readonly name: string;
  readonly rows: number; // outputs
  readonly cols: number; // inputs
  readonly stored: StoredTensor;
  /** Elements; quantised tensors have inputStride 1 and outputStride = cols. */
  readonly start: number;
  readonly outputStride: number;
  readonly inputStride: number;
  /** Type in memory: the stored one, but the router is always f32. */
  readonly type: StoredType;
  readonly bias: Vector | null; // [rows]
  /** What each output's weights are multiplied by, [rows] or one for all: 8-bit floats have them. */
  readonly scales: Vector | null;
  /** Rows of a head that are stored as two halves and in memory take turns: rope turns neighbours. 0: rows lie as stored. */
  readonly halvedHead: number;
}

/** A norm weight, bias or rope divisors: always f32 in memory. */
export interface Vector {
  readonly name: string;
  readonly length: number;
  readonly stored: StoredTensor;
  /** Element of the stored tensor that it begins at. */
  readonly start: number;
  /** As of a matrix. */
  readonly halvedHead: number;
}

export interface FeedForward {
  readonly gate: Matrix; // [width, hidden]
  readonly up: Matrix; //   [width, hidden]
  readonly down: Matrix; // [hidden, width]
}

export interface LayerWeights {
  readonly attentionNorm: Vector; // [hidden]
  readonly q: Matrix; // [heads * headSize, hidden]
  readonly k: Matrix; // [kvHeads * headSize, hidden]
  readonly v: Matrix; // [kvHeads * headSize, hidden]
  readonly o: Matrix; // [hidden, heads * headSize]
  readonly feedForwardNorm: Vector; // [hidden]
  readonly dense: FeedForward | null;
  readonly router: Matrix | null; // [experts, hidden] f32
  readonly shared: FeedForward | null;
  readonly experts: readonly FeedForward[];
}

export interface ModelWeights {
  readonly embedding: Matrix; // [vocab, hidden]
  readonly layers: readonly LayerWeights[];
  readonly norm: Vector; // [hidden]
  /** null: tied to the embedding. */
  readonly output: Matrix | null; // [vocab, hidden]
  /** Per pair, theta's divisor (GGUF `rope_freqs.weight`); null: from `ropeScaling` or all 1. */
  readonly ropeDivisors: Vector | null; // [headSize / 2]
  /** What requests may choose among: applied beside the matrices, which stay as they are. */
  readonly adapters: readonly Adapter[];
}

/**
 * Finds every weight that `config` asks for and checks its shape. Reads no data.
 * A tensor that the model has no place for is an error too: it would be a part of the model left out in silence.
 */
export function mapWeights(checkpoint: Checkpoint, config: ModelConfig): { weights: ModelWeights; warnings: string[] } {
  const shelf = new Shelf(checkpoint);
  const { hfNames } = architectureOf(config.architecture);
  const names = checkpoint.format === "safetensors" ? hfNames : GGUF_NAMES;
  const { vocab, hidden } = config;
  const weights: ModelWeights = {
    embedding: shelf.matrix("embedding", names.embedding, vocab, hidden),
    layers: config.layers.map((_, layer) => mapLayer(shelf, names, config, layer)),
    norm: shelf.vector("norm", names.norm, hidden),
    output: config.tiedEmbeddings ? null : shelf.matrix("output", names.output, vocab, hidden),
    // Divisors beside a scaling would be one too many: an unknown tensor.
    ropeDivisors:
      config.ropeScaling === null && shelf.has(ROPE_DIVISORS)
        ? shelf.vector("ropeDivisors", ROPE_DIVISORS, config.headSize / 2)
        : null,
    adapters: [],
  };
  return { weights, warnings: shelf.close(config.tiedEmbeddings ? names.output : undefined) };
}

function mapLayer(shelf: Shelf, names: Names, config: ModelConfig, layer: number): LayerWeights {
  const { hidden, heads, kvHeads, headSize, denseWidth, expertWidth, experts } = config;
  const ours = `layers.${layer}`;
  const theirs = names.layer(layer);
  const halved = names !== GGUF_NAMES && architectureOf(config.architecture).hfPairs === "halves" ? headSize : 0;
  const attention = (name: "q" | "k" | "v" | "o", rows: number, cols: number, halvedHead = 0) => {
    const matrix = shelf.matrix(`${ours}.${name}`, theirs + names[name], rows, cols, halvedHead);
    return config.attentionBias ? shelf.biased(matrix, theirs + names[name]) : matrix;
  };
  const feedForward = (kind: "dense" | "shared", width: number): FeedForward => {
    const part = (name: Part, rows: number, cols: number) => {
      const matrix = shelf.matrix(`${ours}.${kind}.${name}`, theirs + names[kind](name), rows, cols);
      return config.feedForwardBias ? shelf.biased(matrix, theirs + names[kind](name)) : matrix;
    };
    return { gate: part("gate", width, hidden), up: part("up", width, hidden), down: part("down", hidden, width) };
  };
  const moe = config.layers[layer]!.moe;
  return {
    attentionNorm: shelf.vector(`${ours}.attentionNorm`, theirs + names.attentionNorm, hidden),
    q: attention("q", heads * headSize, hidden, halved),
    k: attention("k", kvHeads * headSize, hidden, halved),
    v: attention("v", kvHeads * headSize, hidden),
    o: attention("o", hidden, heads * headSize),
    feedForwardNorm: shelf.vector(`${ours}.feedForwardNorm`, theirs + names.feedForwardNorm, hidden),
    dense: moe ? null : feedForward("dense", denseWidth),
    // Near-ties between experts are decided by last bits: the router keeps f32.
    router: moe ? { ...shelf.matrix(`${ours}.router`, theirs + names.router, experts, hidden), type: "f32" } : null,
    shared: moe && config.sharedExpert ? feedForward("shared", expertWidth) : null,
    experts: moe ? mapExperts(shelf, names, ours, theirs, config) : [],
  };
}

const ROPE_DIVISORS = "rope_freqs.weight";

/** The first way of writing experts of which a tensor is there; of none, the last. */
function mapExperts(shelf: Shelf, names: Names, ours: string, theirs: string, config: ModelConfig): FeedForward[] {
  const { hidden, expertWidth: width, experts: count } = config;
  const firstOf = (way: ExpertNames) =>
    way.kind === "fused" ? way.gateUp : way.kind === "single" ? way.name("gate", 0) : way.name("gate");
  const way = names.experts.find((one) => shelf.has(theirs + firstOf(one))) ?? names.experts.at(-1)!;
  const find = partFinder(shelf, way, ours, theirs, config);
  return Array.from({ length: count }, (_, expert) => ({
    gate: find("gate", expert, width, hidden),
    up: find("up", expert, width, hidden),
    down: find("down", expert, hidden, width),
  }));
}

type PartFinder = (part: Part, expert: number, rows: number, cols: number) => Matrix;

function partFinder(
  shelf: Shelf,
  way: ExpertNames,
  ours: string,
  theirs: string,
  { hidden, expertWidth: width, experts }: ModelConfig,
): PartFinder {
  const name = (part: Part, expert: number) => `${ours}.experts.${part}.${expert}`;
  if (way.kind === "single") {
    return (part, expert, rows, cols) => shelf.matrix(name(part, expert), theirs + way.name(part, expert), rows, cols);
  }
  if (way.kind === "stacked") {
    const stored = (part: Part, rows: number, cols: number) =>
      shelf.take(theirs + way.name(part), [experts, rows, cols]);
    const parts = {
      gate: stored("gate", width, hidden),
      up: stored("up", width, hidden),
      down: stored("down", hidden, width),
    };
    return (part, expert, rows, cols) =>
      slice(name(part, expert), parts[part], rows, cols, expert * rows * cols, cols, 1);
  }
  const inputs = shelf.take(theirs + way.gateUp, [experts, hidden, 2 * width]);
  const outputs = shelf.take(theirs + way.down, [experts, width, hidden]);
  const inputScales = shelf.scales(inputs, theirs + way.gateUp, experts * 2 * width);
  const outputScales = shelf.scales(outputs, theirs + way.down, experts * hidden);
  return (part, expert, rows, cols) => {
    if (part === "down") {
      const matrix = slice(name(part, expert), outputs, rows, cols, expert * rows * cols, 1, rows);
      return { ...matrix, scales: scalesFrom(outputScales, expert * rows, rows) };
    }
    const half = part === "up" ? width : 0;
    const matrix = slice(name(part, expert), inputs, rows, cols, expert * hidden * 2 * width + half, 1, 2 * width);
    return { ...matrix, scales: scalesFrom(inputScales, expert * 2 * width + half, rows) };
  };
}

const scalesFrom = (all: Vector | null, start: number, rows: number): Vector | null =>
  all && all.length > 1 ? { ...all, start, length: rows } : all;

function slice(
  name: string,
  stored: StoredTensor,
  rows: number,
  cols: number,
  start: number,
  outputStride: number,
  inputStride: number,
  halvedHead = 0,
): Matrix {
  const type = MEMORY_TYPES[stored.type] ?? stored.type;
  return { name, rows, cols, stored, start, outputStride, inputStride, type, bias: null, scales: null, halvedHead };
}

/** Types that are kept as another one, without rounding anything. */
const MEMORY_TYPES: Partial<Record<StoredType, StoredType>> = { iq4_xs: "iq4_nl", f8_e4m3: "f32" };

const VECTOR_TYPES: readonly StoredType[] = ["f32", "f16", "bf16"];

const MOST_NAMED = 4;
/** Enough for a message; a hostile configuration could ask for millions. */
const MOST_MISSING = 100;

/** A checkpoint's tensors by name; knows at the end which were asked for in vain and which nobody asked for. */
class Shelf {
  readonly #checkpoint: Checkpoint;
  readonly #tensors = new Map<string, StoredTensor>();
  readonly #missing: { name: string; shape: readonly number[] }[] = [];
  readonly #taken = new Set<string>();
  readonly #unread = new Map<string, string>();
  /** Taken though they have further axes of length 1. */
  readonly #stretched: string[] = [];

  constructor(checkpoint: Checkpoint) {
    this.#checkpoint = checkpoint;
    for (const [name, tensor] of checkpoint.tensors) {
      const plain = checkpoint.format === "safetensors" ? plainName(name) : name;
      const other = this.#tensors.get(plain);
      if (other) throw this.#fault(`tensor has the role of ${quoteName(other.name)} too`, name);
      this.#tensors.set(plain, tensor);
    }
    for (const [name, type] of checkpoint.unread ?? [])
      this.#unread.set(checkpoint.format === "safetensors" ? plainName(name) : name, type);
  }

  /** Of whatever type: `take` says which ones are no weights. */
  has(name: string): boolean {
    return this.#tensors.has(name) || this.#unread.has(name);
  }

  take(name: string, shape: readonly number[]): StoredTensor {
    const stored = this.#find(name);
    if (!stored) {
      // Go on: a message that lists what is missing says more than the first name. `close` throws.
      this.#missing.push({ name, shape });
      if (this.#missing.length === MOST_MISSING) this.#refuseMissing();
      return { name, type: "f32", shape, source: NOWHERE, offset: 0, bytes: 0 };
    }
    this.#taken.add(name);
    if (!sameShape(stored.shape, shape)) {
      throw this.#fault("tensor has the wrong shape", stored.name, printShape(shape), printShape(stored.shape));
    }
    if (stored.shape.length !== shape.length) this.#stretched.push(stored.name);
    const block = WEIGHT_TYPES[stored.type].elements;
    const cols = shape[shape.length - 1]!;
    if (cols % block !== 0) {
      throw this.#fault(`${stored.type} tensor has ragged rows`, stored.name, `a multiple of ${block}`, `${cols}`);
    }
    return stored;
  }

  #find(name: string): StoredTensor | undefined {
    const stored = this.#tensors.get(name);
    const type = this.#unread.get(name);
    if (stored || type === undefined) return stored;
    throw this.#fault(`weights of type ${type} are not supported`, name, WEIGHT_TYPE_NAMES.join(", "), type);
  }

  matrix(name: string, storedName: string, rows: number, cols: number, halvedHead = 0): Matrix {
    const stored = this.take(storedName, [rows, cols]);
    const matrix = slice(name, stored, rows, cols, 0, cols, 1, halvedHead);
    return { ...matrix, scales: this.scales(stored, storedName, rows, halvedHead) };
  }

  /**
   * The scales of a matrix of 8-bit floats, `<its name>_scale`: one for each of `outputs`, whatever axes of length 1 stand around them
   * (fbgemm_fp8, compressed-tensors by channel), or one for all (compressed-tensors by tensor).
   */
  scales(stored: StoredTensor, storedName: string, outputs: number, halvedHead = 0): Vector | null {
    if (stored.type !== "f8_e4m3") return null;
    const name = `${storedName}_scale`;
    const scale = this.#find(name);
    if (!scale) {
      this.#missing.push({ name, shape: [outputs, 1] });
      return null;
    }
    this.#taken.add(name);
    const count = scale.shape.reduce((product, size) => product * size, 1);
    if (count !== outputs && count !== 1) {
      throw this.#fault("scales of another number", scale.name, `${outputs} or 1`, printShape(scale.shape));
    }
    this.#expectVector(scale);
    return { name, length: count, stored: scale, start: 0, halvedHead: count === 1 ? 0 : halvedHead };
  }

  #expectVector({ name, type }: StoredTensor): void {
    if (VECTOR_TYPES.includes(type)) return;
    throw this.#fault("vector has the wrong type", name, VECTOR_TYPES.join(", "), type);
  }

  /** With its bias, which a GGUF file may lack for one matrix and have for the next. */
  biased(matrix: Matrix, storedName: string): Matrix {
    const name = storedName.replace(/weight$/, "bias");
    if (this.#checkpoint.format === "gguf" && !this.has(name)) return matrix;
    const bias = { ...this.vector(`${matrix.name}.bias`, name, matrix.rows), halvedHead: matrix.halvedHead };
    return { ...matrix, bias };
  }

  vector(name: string, storedName: string, length: number): Vector {
    const stored = this.take(storedName, [length]);
    this.#expectVector(stored);
    return { name, length, stored, start: 0, halvedHead: 0 };
  }

  /** Throws for what is missing or left over; `tiedOutput` names a matrix that the tied embedding replaces. */
  close(tiedOutput: string | undefined): string[] {
    this.#refuseMissing();
    const left = [...this.#tensors.keys()].filter((name) => !this.#taken.has(name) && !REDUNDANT.test(name));
    const unknown = left.filter((name) => !VISION.test(name) && name !== tiedOutput);
    if (unknown.length > 0) {
      const known = unknown.map((name) => this.#tensors.get(name)!.name);
      throw this.#fault(`unknown tensors: ${listNames(known)}`, known[0]!);
    }
    const warnings: string[] = [];
    const vision = left.filter((name) => VISION.test(name)).length;
    if (this.#stretched.length > 0)
      warnings.push(`tensors with further axes of length 1 are taken without them: ${listNames(this.#stretched)}`);
    if (vision > 0) warnings.push(`${vision} vision tensors are left out: the model reads text only`);
    if (left.includes(tiedOutput!))
      warnings.push(`${tiedOutput} is left out: the configuration ties it to the embedding`);
    return warnings;
  }

  #refuseMissing(): void {
    const first = this.#missing[0];
    if (!first) return;
    const names = this.#missing.map(({ name }) => name);
    throw this.#fault(
      `missing tensors: ${names.length < MOST_MISSING ? "" : "at least "}${listNames(names)}`,
      first.name,
      printShape(first.shape),
      "nothing",
    );
  }

  #fault(what: string, tensor: string, limit?: string, actual?: string): EngineError {
    const { format, name } = this.#checkpoint;
    const source: ErrorPlace["source"] = format === "random" ? "option" : format;
    return new EngineError("MODEL_TENSOR", what, { at: { source, file: name, field: tensor }, limit, actual });
  }
}

/** Vision towers, in HF folders and in Ollama's single files. */
const VISION = /^(?:model\.)?(?:vision_model\.|multi_modal_projector\.)|^(?:v|mm)\./;
/** Tables that old exports stored and that are computed; scales of 8-bit activations, which are f32 or finer integers here. */
const REDUNDANT = /(?:^|\.)rotary_emb\.inv_freq$|(?:\.|_)(?:input|activation)_scale(?:_ub)?$/;

/** The name in the text-only class: multimodal exporters nest it in one of two ways. */
export function plainName(name: string): string {
  const nested = /^(?:model\.)?language_model\.(?:model\.)?(.+)$/s.exec(name);
  if (!nested) return name;
  return nested[1]!.startsWith("lm_head.") ? nested[1]! : `model.${nested[1]}`;
}

function listNames(names: readonly string[]): string {
  const named = names.slice(0, MOST_NAMED).map((name) => quoteName(name));
  return `${names.length} (${named.join(", ")}${names.length > MOST_NAMED ? ", ..." : ""})`;
}

export function printShape(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

/** Axes of length 1 move no element: [n, 1] and [n] hold the same bytes, and a single number is [] or [1]. */
function sameShape(stored: readonly number[], wanted: readonly number[]): boolean {
  const [a, b] = [stored, wanted].map((shape) => shape.filter((size) => size !== 1));
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** Stands in for a missing tensor's bytes until `close` throws. */
const NOWHERE: StoredTensor["source"] = {
  name: "",
  size: 0,
  read: () => Promise.reject(new Error("a missing tensor was read")),
  close: () => Promise.resolve(),
};
