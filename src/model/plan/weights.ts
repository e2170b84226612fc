import type { Checkpoint, StoredTensor } from "../../checkpoint/checkpoint.ts";
import type { StoredType } from "../../weight-types.ts";
import { architectureOf, type ExpertNames, GGUF_NAMES, type Names, type Part } from "../config/architectures.ts";
import type { ModelConfig } from "../config/config.ts";
import type { Adapter } from "./adapter.ts";
import { isVisionName, Shelf, slice } from "./shelf.ts";

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
 * A tensor that the model has no place for is an error too: it would be a part of the model left out in silence. `sees`: those of a vision
 * tower are taken elsewhere.
 */
export function mapWeights(
  checkpoint: Checkpoint,
  config: ModelConfig,
  sees = false,
): { weights: ModelWeights; warnings: string[] } {
  const shelf = new Shelf(checkpoint, (name) => !isVisionName(name));
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
  const warnings = shelf.close(config.tiedEmbeddings ? names.output : undefined);
  const vision = sees ? 0 : [...checkpoint.tensors.keys()].filter(isVisionName).length;
  if (vision > 0) warnings.push(`${vision} vision tensors are left out: the model reads text only`);
  return { weights, warnings };
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
