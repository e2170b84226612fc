import { type Checkpoint, STORED_BLOCKS, type StoredTensor, type StoredType } from "../checkpoint/checkpoint.ts";
import { EngineError, type ErrorPlace, quoteName } from "../error.ts";
import type { ModelConfig } from "./config.ts";

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
}

/** A norm weight or rope divisors: always f32 in memory. */
export interface Vector {
  readonly name: string;
  readonly length: number;
  readonly stored: StoredTensor;
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
}

/**
 * Finds every weight that `config` asks for and checks its shape. Reads no data.
 * A tensor that the model has no place for is an error too: it would be a part of the model left out in silence.
 */
export function mapWeights(checkpoint: Checkpoint, config: ModelConfig): { weights: ModelWeights; warnings: string[] } {
  const shelf = new Shelf(checkpoint);
  const names = checkpoint.format === "safetensors" ? HF_NAMES : GGUF_NAMES;
  const { vocab, hidden } = config;
  const weights: ModelWeights = {
    embedding: shelf.matrix("embedding", names.embedding, vocab, hidden),
    layers: config.layers.map((_, layer) => mapLayer(shelf, names, config, layer)),
    norm: shelf.vector("norm", names.norm, hidden),
    output: config.tiedEmbeddings ? null : shelf.matrix("output", names.output, vocab, hidden),
    ropeDivisors: shelf.has(ROPE_DIVISORS) ? shelf.vector("ropeDivisors", ROPE_DIVISORS, config.headSize / 2) : null,
  };
  return { weights, warnings: shelf.close(config.tiedEmbeddings ? names.output : undefined) };
}

function mapLayer(shelf: Shelf, names: Names, config: ModelConfig, layer: number): LayerWeights {
  const { hidden, heads, kvHeads, headSize, denseWidth, expertWidth, experts } = config;
  const ours = `layers.${layer}`;
  const theirs = names.layer(layer);
  const matrix = (name: keyof LayerNames, rows: number, cols: number) =>
    shelf.matrix(`${ours}.${name}`, theirs + names[name], rows, cols);
  const feedForward = (kind: "dense" | "shared", width: number): FeedForward => {
    const part = (name: Part, rows: number, cols: number) =>
      shelf.matrix(`${ours}.${kind}.${name}`, theirs + names[kind](name), rows, cols);
    return { gate: part("gate", width, hidden), up: part("up", width, hidden), down: part("down", hidden, width) };
  };
  const moe = config.layers[layer]!.moe;
  return {
    attentionNorm: shelf.vector(`${ours}.attentionNorm`, theirs + names.attentionNorm, hidden),
    q: matrix("q", heads * headSize, hidden),
    k: matrix("k", kvHeads * headSize, hidden),
    v: matrix("v", kvHeads * headSize, hidden),
    o: matrix("o", hidden, heads * headSize),
    feedForwardNorm: shelf.vector(`${ours}.feedForwardNorm`, theirs + names.feedForwardNorm, hidden),
    dense: moe ? null : feedForward("dense", denseWidth),
    // Near-ties between experts are decided by last bits: the router keeps f32.
    router: moe ? { ...matrix("router", experts, hidden), type: "f32" } : null,
    shared: moe && config.sharedExpert ? feedForward("shared", expertWidth) : null,
    experts: moe ? names.experts(shelf, ours, theirs, config) : [],
  };
}

type Part = "gate" | "up" | "down";

interface LayerNames {
  readonly attentionNorm: string;
  readonly q: string;
  readonly k: string;
  readonly v: string;
  readonly o: string;
  readonly feedForwardNorm: string;
  readonly router: string;
}

/** What a family of files calls our weights. */
interface Names extends LayerNames {
  readonly embedding: string;
  readonly norm: string;
  readonly output: string;
  readonly layer: (layer: number) => string;
  readonly dense: (part: Part) => string;
  readonly shared: (part: Part) => string;
  readonly experts: (shelf: Shelf, ours: string, theirs: string, config: ModelConfig) => FeedForward[];
}

const ROPE_DIVISORS = "rope_freqs.weight";

const GGUF_NAMES: Names = {
  embedding: "token_embd.weight",
  norm: "output_norm.weight",
  output: "output.weight",
  layer: (layer) => `blk.${layer}.`,
  attentionNorm: "attn_norm.weight",
  q: "attn_q.weight",
  k: "attn_k.weight",
  v: "attn_v.weight",
  o: "attn_output.weight",
  feedForwardNorm: "ffn_norm.weight",
  router: "ffn_gate_inp.weight",
  dense: (part) => `ffn_${part}.weight`,
  shared: (part) => `ffn_${part}_shexp.weight`,
  experts: stackedExperts,
};

const HF_NAMES: Names = {
  embedding: "model.embed_tokens.weight",
  norm: "model.norm.weight",
  output: "lm_head.weight",
  layer: (layer) => `model.layers.${layer}.`,
  attentionNorm: "input_layernorm.weight",
  q: "self_attn.q_proj.weight",
  k: "self_attn.k_proj.weight",
  v: "self_attn.v_proj.weight",
  o: "self_attn.o_proj.weight",
  feedForwardNorm: "post_attention_layernorm.weight",
  router: "feed_forward.router.weight",
  dense: (part) => `feed_forward.${part}_proj.weight`,
  shared: (part) => `feed_forward.shared_expert.${part}_proj.weight`,
  experts: (shelf, ours, theirs, config) =>
    shelf.has(`${theirs}feed_forward.experts.0.gate_proj.weight`)
      ? singleExperts(shelf, ours, theirs, config)
      : fusedExperts(shelf, ours, theirs, config),
};

/** GGUF: one output-major tensor per part, [experts, rows, cols]. */
function stackedExperts(shelf: Shelf, ours: string, theirs: string, config: ModelConfig): FeedForward[] {
  const { hidden, expertWidth, experts } = config;
  const part = (name: Part, rows: number, cols: number) => {
    const stored = shelf.take(`${theirs}ffn_${name}_exps.weight`, [experts, rows, cols]);
    return (expert: number) =>
      slice(`${ours}.experts.${name}.${expert}`, stored, rows, cols, expert * rows * cols, cols, 1);
  };
  const gate = part("gate", expertWidth, hidden);
  const up = part("up", expertWidth, hidden);
  const down = part("down", hidden, expertWidth);
  return Array.from({ length: experts }, (_, expert) => ({ gate: gate(expert), up: up(expert), down: down(expert) }));
}

/**
 * HF as published: input-major, gate and up side by side on the last axis.
 *
 *   gate_up_proj  [experts, hidden, 2 * width]     down_proj  [experts, width, hidden]
 */
function fusedExperts(shelf: Shelf, ours: string, theirs: string, config: ModelConfig): FeedForward[] {
  const { hidden, expertWidth: width, experts } = config;
  const inputs = shelf.take(`${theirs}feed_forward.experts.gate_up_proj`, [experts, hidden, 2 * width]);
  const outputs = shelf.take(`${theirs}feed_forward.experts.down_proj`, [experts, width, hidden]);
  return Array.from({ length: experts }, (_, expert) => {
    const name = (part: Part) => `${ours}.experts.${part}.${expert}`;
    const start = expert * hidden * 2 * width;
    return {
      gate: slice(name("gate"), inputs, width, hidden, start, 1, 2 * width),
      up: slice(name("up"), inputs, width, hidden, start + width, 1, 2 * width),
      down: slice(name("down"), outputs, hidden, width, expert * width * hidden, 1, hidden),
    };
  });
}

/** HF "linearised", as quantising tools write it: one ordinary matrix per expert and part. */
function singleExperts(shelf: Shelf, ours: string, theirs: string, config: ModelConfig): FeedForward[] {
  const { hidden, expertWidth: width, experts } = config;
  return Array.from({ length: experts }, (_, expert) => {
    const part = (name: Part, rows: number, cols: number) => {
      const stored = `${theirs}feed_forward.experts.${expert}.${name}_proj.weight`;
      return shelf.matrix(`${ours}.experts.${name}.${expert}`, stored, rows, cols);
    };
    return { gate: part("gate", width, hidden), up: part("up", width, hidden), down: part("down", hidden, width) };
  });
}

function slice(
  name: string,
  stored: StoredTensor,
  rows: number,
  cols: number,
  start: number,
  outputStride: number,
  inputStride: number,
): Matrix {
  return { name, rows, cols, stored, start, outputStride, inputStride, type: MEMORY_TYPES[stored.type] ?? stored.type };
}

/** Types that are kept as another one, without rounding anything. */
const MEMORY_TYPES: Partial<Record<StoredType, StoredType>> = { iq4_xs: "iq4_nl", f8_e4m3: "f32" };

const MOST_NAMED = 4;
/** Enough for a message; a hostile configuration could ask for millions. */
const MOST_MISSING = 100;

/** A checkpoint's tensors by name; knows at the end which were asked for in vain and which nobody asked for. */
class Shelf {
  readonly #checkpoint: Checkpoint;
  readonly #tensors = new Map<string, StoredTensor>();
  readonly #missing: { name: string; shape: readonly number[] }[] = [];
  readonly #taken = new Set<string>();

  constructor(checkpoint: Checkpoint) {
    this.#checkpoint = checkpoint;
    for (const [name, tensor] of checkpoint.tensors) {
      const plain = checkpoint.format === "safetensors" ? plainName(name) : name;
      const other = this.#tensors.get(plain);
      if (other) throw this.#fault(`tensor has the role of ${quoteName(other.name)} too`, name);
      this.#tensors.set(plain, tensor);
    }
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  take(name: string, shape: readonly number[]): StoredTensor {
    const stored = this.#tensors.get(name);
    if (!stored) {
      // Go on: a message that lists what is missing says more than the first name. `close` throws.
      this.#missing.push({ name, shape });
      if (this.#missing.length === MOST_MISSING) this.#refuseMissing();
      return { name, type: "f32", shape, source: NOWHERE, offset: 0, bytes: 0 };
    }
    this.#taken.add(name);
    if (stored.shape.length !== shape.length || shape.some((size, axis) => size !== stored.shape[axis])) {
      throw this.#fault("tensor has the wrong shape", stored.name, printShape(shape), printShape(stored.shape));
    }
    const block = STORED_BLOCKS[stored.type].elements;
    const cols = shape[shape.length - 1]!;
    if (cols % block !== 0) {
      throw this.#fault(`${stored.type} tensor has ragged rows`, stored.name, `a multiple of ${block}`, `${cols}`);
    }
    return stored;
  }

  matrix(name: string, storedName: string, rows: number, cols: number): Matrix {
    return slice(name, this.take(storedName, [rows, cols]), rows, cols, 0, cols, 1);
  }

  vector(name: string, storedName: string, length: number): Vector {
    return { name, length, stored: this.take(storedName, [length]) };
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
/** Tables that old exports stored and that are computed. */
const REDUNDANT = /(?:^|\.)rotary_emb\.inv_freq$/;

/** The name in the text-only class: multimodal exporters nest it in one of two ways. */
function plainName(name: string): string {
  const nested = /^(?:model\.)?language_model\.(?:model\.)?(.+)$/s.exec(name);
  if (!nested) return name;
  return nested[1]!.startsWith("lm_head.") ? nested[1]! : `model.${nested[1]}`;
}

function listNames(names: readonly string[]): string {
  const named = names.slice(0, MOST_NAMED).map((name) => quoteName(name));
  return `${names.length} (${named.join(", ")}${names.length > MOST_NAMED ? ", ..." : ""})`;
}

function printShape(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

/** Stands in for a missing tensor's bytes until `close` throws. */
const NOWHERE: StoredTensor["source"] = {
  name: "",
  size: 0,
  read: () => Promise.reject(new Error("a missing tensor was read")),
  close: () => Promise.resolve(),
};
