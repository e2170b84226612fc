/** A small Llama in memory, adapters for it in both formats, and the same model with an adapter merged into its weights. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach } from "vitest";
import { type Checkpoint, type LoadOptions, loadModel, type Model, type StoredTensor } from "../dist/src/index.js";
import { temporaryFolder } from "./temporary-folder.ts";
import { f32, pair, TENSOR_TYPES, textPair, VALUE_TYPES, writeGguf } from "./write-gguf.ts";
import { type SafeTensor, writeSafetensors } from "./write-safetensors.ts";

export const CONFIG = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  vocab_size: 300,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 16,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: false,
  bos_token_id: 1,
  eos_token_id: 2,
};
const HEAD = CONFIG.head_dim;

/** Outputs and inputs, by HF's name and GGUF's. */
export const MODULES = {
  "self_attn.q_proj": { gguf: "attn_q", rows: 64, cols: 64 },
  "self_attn.k_proj": { gguf: "attn_k", rows: 32, cols: 64 },
  "self_attn.v_proj": { gguf: "attn_v", rows: 32, cols: 64 },
  "self_attn.o_proj": { gguf: "attn_output", rows: 64, cols: 64 },
  "mlp.gate_proj": { gguf: "ffn_gate", rows: 96, cols: 64 },
  "mlp.up_proj": { gguf: "ffn_up", rows: 96, cols: 64 },
  "mlp.down_proj": { gguf: "ffn_down", rows: 64, cols: 96 },
} as const;
export type Module = keyof typeof MODULES;
export const ALL = Object.keys(MODULES) as Module[];

/** Near normal, the same for the same seed. */
export function noise(seed: number, count: number, deviation: number): Float32Array {
  let state = Math.imul(seed, 2654435761) >>> 0;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) / 2 ** 24 - 0.5;
  };
  return Float32Array.from({ length: count }, () => (uniform() + uniform() + uniform()) * 2 * deviation);
}

const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** By HF's names. `added`: of a layer's module, what is merged into its weights. */
export function baseModel(added: (layer: number, module: Module) => Float64Array | null = () => null): Checkpoint {
  const tensors = new Map<string, StoredTensor>();
  const add = (name: string, shape: number[], values: Float32Array) => {
    const bytes = bytesOf(values);
    const source = {
      name,
      size: bytes.length,
      read: async (offset: number, into: Uint8Array) => into.set(bytes.subarray(offset, offset + into.length)),
      close: async () => {},
    };
    tensors.set(name, { name, type: "f32", shape, source, offset: 0, bytes: bytes.length });
  };
  const { vocab_size: vocab, hidden_size: hidden } = CONFIG;
  const norm = (name: string, seed: number) =>
    add(
      name,
      [hidden],
      noise(seed, hidden, 0.1).map((value) => value + 1),
    );
  add("model.embed_tokens.weight", [vocab, hidden], noise(1, vocab * hidden, 1));
  add("lm_head.weight", [vocab, hidden], noise(2, vocab * hidden, 0.4));
  norm("model.norm.weight", 3);
  for (let layer = 0; layer < CONFIG.num_hidden_layers; layer++) {
    const prefix = `model.layers.${layer}.`;
    norm(`${prefix}input_layernorm.weight`, 10 + layer);
    norm(`${prefix}post_attention_layernorm.weight`, 20 + layer);
    for (const [index, module] of ALL.entries()) {
      const { rows, cols } = MODULES[module];
      const values = noise(100 + layer * 10 + index, rows * cols, 1 / Math.sqrt(cols));
      const more = added(layer, module);
      add(`${prefix}${module}.weight`, [rows, cols], more ? values.map((value, at) => value + more[at]) : values);
    }
  }
  const json = new Map<string, unknown>([["config.json", CONFIG]]);
  const nothing = { metadata: new Map(), chatTemplate: undefined, warnings: [], close: async () => {} };
  return { format: "safetensors", name: "base", tensors, json, ...nothing };
}

export interface Low {
  readonly rank: number;
  readonly a: Float32Array; // [rank, cols]
  readonly b: Float32Array; // [rows, rank]
}

/** What is written into either format. */
export interface TestAdapter {
  readonly alpha: number;
  readonly rank: number;
  /** By `layer.module`. */
  readonly pairs: ReadonlyMap<string, Low>;
}

export function randomAdapter(
  seed: number,
  {
    rank = 4,
    alpha = 8,
    modules = ALL,
    rankOf = () => rank,
  }: {
    rank?: number;
    alpha?: number;
    modules?: readonly Module[];
    rankOf?: (layer: number, module: Module) => number;
  } = {},
): TestAdapter {
  const pairs = new Map<string, Low>();
  for (let layer = 0; layer < CONFIG.num_hidden_layers; layer++) {
    for (const module of modules) {
      const { rows, cols } = MODULES[module];
      const own = rankOf(layer, module);
      const of = seed * 1000 + layer * 20 + 2 * ALL.indexOf(module);
      const [a, b] = [noise(of, own * cols, 0.15), noise(of + 1, rows * own, 0.15)];
      pairs.set(`${layer}.${module}`, { rank: own, a, b });
    }
  }
  return { alpha, rank, pairs };
}

/** W + s B A in f64, rounded to f32; `factor`: s. */
export function merged(adapter: TestAdapter, factor: (low: Low, layer: number, module: Module) => number): Checkpoint {
  return baseModel((layer, module) => {
    const low = adapter.pairs.get(`${layer}.${module}`);
    if (!low) return null;
    const { rows, cols } = MODULES[module];
    const scale = factor(low, layer, module);
    const out = new Float64Array(rows * cols);
    for (let row = 0; row < rows; row++)
      for (let k = 0; k < low.rank; k++)
        for (let col = 0; col < cols; col++)
          out[row * cols + col] += scale * low.b[row * low.rank + k] * low.a[k * cols + col];
    return out;
  });
}

const tensor = (shape: number[], values: Float32Array, dtype = "F32"): SafeTensor => ({
  dtype,
  shape,
  data:
    dtype === "F32" ? bytesOf(values) : new Uint8Array(Uint16Array.from(bits(values), (word) => word >>> 16).buffer),
});
const bits = (values: Float32Array) => new Uint32Array(values.buffer, values.byteOffset, values.length);

/** The values that bf16 keeps: cut, not rounded. */
export const toBf16 = (values: Float32Array) =>
  new Float32Array(Uint32Array.from(bits(values), (word) => word & 0xffff0000).buffer);

export function peftConfig({ rank, alpha }: TestAdapter): Record<string, unknown> {
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: "base",
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0.05,
    bias: "none",
    target_modules: ["q_proj", "v_proj"],
    modules_to_save: null,
    fan_in_fan_out: false,
    use_dora: false,
    use_rslora: false,
    rank_pattern: {},
    alpha_pattern: {},
    init_lora_weights: true,
    inference_mode: true,
  };
}

export function peftTensors({ pairs }: TestAdapter, dtype = "F32"): Record<string, SafeTensor> {
  const tensors: Record<string, SafeTensor> = {};
  for (const [place, { rank, a, b }] of pairs) {
    const [layer, module] = split(place);
    const { rows, cols } = MODULES[module];
    const prefix = `base_model.model.model.layers.${layer}.${module}.lora_`;
    tensors[`${prefix}A.weight`] = tensor([rank, cols], a, dtype);
    tensors[`${prefix}B.weight`] = tensor([rows, rank], b, dtype);
  }
  return tensors;
}

const split = (place: string) => {
  const dot = place.indexOf(".");
  return [Number(place.slice(0, dot)), place.slice(dot + 1) as Module] as const;
};

/** A folder as PEFT writes it; returns its path. */
export function peftFolder(
  adapter: TestAdapter,
  config: Record<string, unknown> = {},
  tensors: Record<string, SafeTensor> = peftTensors(adapter),
): string {
  const path = join(temporaryFolder("adapter"), "peft");
  mkdirSync(path);
  writeFileSync(join(path, "adapter_config.json"), JSON.stringify({ ...peftConfig(adapter), ...config }));
  writeFileSync(join(path, "adapter_model.safetensors"), writeSafetensors(tensors));
  return path;
}

/** As llama.cpp's converter writes it: B of q and k has its rows in turns. */
export function ggufAdapter(
  adapter: TestAdapter,
  more: Uint8Array[] = [],
  base = ggufPairs(adapter),
  type: keyof typeof ENCODED = "f32",
): Uint8Array {
  const encode = ENCODED[type];
  const tensors = [...adapter.pairs].flatMap(([place, { rank, a, b }]) => {
    const [layer, module] = split(place);
    const { gguf, rows, cols } = MODULES[module];
    const turned = /[qk]_proj$/.test(module) ? inTurns(b, rank) : b;
    return [
      { name: `blk.${layer}.${gguf}.weight.lora_a`, type: TENSOR_TYPES[type], ne: [cols, rank], data: encode(a) },
      { name: `blk.${layer}.${gguf}.weight.lora_b`, type: TENSOR_TYPES[type], ne: [rank, rows], data: encode(turned) },
    ];
  });
  return writeGguf({ pairs: [...base, ...more], tensors });
}

export const ggufPairs = ({ alpha }: TestAdapter): Uint8Array[] => [
  textPair("general.type", "adapter"),
  textPair("general.architecture", "llama"),
  textPair("adapter.type", "lora"),
  pair("adapter.lora.alpha", VALUE_TYPES.f32, f32(alpha)),
];

/** Seven bits behind the point, of numbers below 1: every type of adapters holds them exactly. */
export const coarse = (values: Float32Array) => values.map((value) => Math.round(value * 128) / 128);

const SCALE = 0x2000; // 2^-7 as f16

/** Of `coarse` values. */
const ENCODED = {
  f32: bytesOf,
  bf16: (values: Float32Array) => new Uint8Array(Uint16Array.from(bits(values), (word) => word >>> 16).buffer),
  f16: (values: Float32Array) => new Uint8Array(Uint16Array.from(bits(values), half).buffer),
  q8_0: (values: Float32Array) => {
    const out = new Uint8Array((values.length / 32) * 34);
    for (let block = 0; block < values.length / 32; block++) {
      new DataView(out.buffer).setUint16(block * 34, SCALE, true);
      out.set(
        Int8Array.from(values.subarray(block * 32, block * 32 + 32), (value) => value * 128),
        block * 34 + 2,
      );
    }
    return out;
  },
};

/** The f16 of an f32 that has one, none of them subnormal. */
function half(word: number): number {
  if ((word & 0x7fffffff) === 0) return 0;
  return ((word >>> 16) & 0x8000) | ((((word >>> 23) & 0xff) - 112) << 10) | ((word >>> 13) & 0x3ff);
}

/** Rows of a head that lie as two halves: one of each after the other. */
function inTurns(values: Float32Array, width: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row < values.length / width; row++) {
    const place = row % HEAD;
    const to = row - place + (place < HEAD / 2 ? 2 * place : 2 * (place - HEAD / 2) + 1);
    out.set(values.subarray(row * width, (row + 1) * width), to * width);
  }
  return out;
}

/** Loads models that live until the end of the test. */
export function modelsOfTests(): (source: Checkpoint, options?: LoadOptions) => Promise<Model> {
  const open: Model[] = [];
  afterEach(async () => {
    for (const model of open.splice(0)) await model.dispose();
  });
  return async (source, options) => {
    const model = await loadModel(source, { threads: 1, ...options });
    open.push(model);
    return model;
  };
}
