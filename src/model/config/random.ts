import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { randomCheckpoint } from "../../checkpoint/random.ts";
import { EngineError, type ErrorPlace } from "../../error.ts";
import { checkPlain, isPlain, isRevoked } from "../../given.ts";
import { type StoredType, WEIGHT_TYPES } from "../../weight-types.ts";
import { architectureOf } from "./architectures.ts";
import type { ModelConfig } from "./config.ts";
import { eachOf, flag, refuse } from "./field.ts";
import { textFields } from "./hf.ts";
import { deriveConfig } from "./rules.ts";

/** Models of random weights: what a configuration costs and does, without a file. */

/** HF's `text_config` names; what is optional has HF's defaults, except where noted. */
export interface CreateConfig {
  vocab_size: number;
  hidden_size: number;
  /** Width of an expert. */
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  /** Width of dense layers; default `intermediate_size`. */
  intermediate_size_mlp?: number;
  num_key_value_heads?: number | null;
  head_dim?: number | null;
  /** Required as long as a layer is a mixture. */
  num_local_experts?: number;
  num_experts_per_tok?: number;
  interleave_moe_layer_step?: number;
  moe_layers?: number[] | null;
  no_rope_layers?: number[] | null;
  no_rope_layer_interval?: number;
  layer_types?: ("chunked_attention" | "full_attention")[] | null;
  attention_chunk_size?: number | null;
  use_qk_norm?: boolean;
  attn_temperature_tuning?: boolean | number;
  floor_scale?: number;
  attn_scale?: number;
  max_position_embeddings?: number;
  rms_norm_eps?: number;
  rope_theta?: number;
  rope_scaling?: object | null;
  rope_parameters?: object | null;
  tie_word_embeddings?: boolean;
  hidden_act?: string;
  attention_bias?: boolean;
  /** Default: those of the byte tokenizer, 256 and 257, where the vocabulary has them. */
  bos_token_id?: number | null;
  eos_token_id?: number | number[] | null;
  /** Ours. softmax: Mixtral's rule, over the chosen experts' logits. Default sigmoid. */
  router?: "sigmoid" | "softmax";
  /** Ours. Default false. */
  shared_expert?: boolean;
}

/** One tensor of independent normal numbers. */
export interface RandomTensor {
  name: string;
  type: StoredType;
  shape: number[];
  scale: number;
  mean?: number;
}

/** Random weights for `config`, the same for the same seed; `readConfig` and `mapWeights` take it like a file. */
export function randomModelCheckpoint(config: CreateConfig, seed: number, type: StoredType): Checkpoint {
  const text = completeConfig(config);
  const field = textFields(text, OPTION);
  const tied = flag(field("tie_word_embeddings"), false);
  const derived = deriveConfig({
    architecture: architectureOf("llama4"),
    field,
    eos: eachOf(field("eos_token_id")),
    tied,
  });
  checkWidths(derived, type);
  return randomCheckpoint(randomTensors(derived, type), seed, new Map([["config.json", text]]));
}

const OPTION: ErrorPlace = { source: "option", file: "config" };

const BYTE_BOS = 256;
const BYTE_EOS = 257;

/** As `config.json` of a text-only checkpoint says it. */
function completeConfig(config: CreateConfig): Record<string, unknown> {
  checkPlain(config, "config");
  // `x: undefined` is `x` left out.
  const given = Object.fromEntries(Object.entries(config ?? {}).filter(([, value]) => value !== undefined));
  const odd = Object.keys(given).find((name) => !isJson(given[name]));
  if (odd !== undefined) {
    throw refuse("CONFIG_RANGE", { value: given[odd], place: { ...OPTION, field: `/${odd}` } }, "a value of JSON");
  }
  const size = given["vocab_size"];
  const speaksBytes = typeof size === "number" && size > BYTE_EOS;
  const text: Record<string, unknown> = {
    intermediate_size_mlp: given["intermediate_size"],
    shared_expert: false,
    bos_token_id: speaksBytes ? BYTE_BOS : null,
    eos_token_id: speaksBytes ? BYTE_EOS : null,
    ...given,
    architectures: ["Llama4ForCausalLM"],
    model_type: "llama4_text",
  };
  const unknown = Object.keys(text).find((name) => !KNOWN.has(name) && !UNUSED.has(name));
  if (unknown === undefined) return text;
  throw new EngineError("CONFIG_UNSUPPORTED", "no such hyper-parameter", { at: { ...OPTION, field: `/${unknown}` } });
}

/** By its kind: a hyper-parameter that these sizes never ask for is not looked at again. */
function isJson(value: unknown): boolean {
  if (isRevoked(value)) return false;
  return value === null || /^(boolean|number|string)$/.test(typeof value) || Array.isArray(value) || isPlain(value);
}

/** A misspelt name must not become a default in silence. */
const KNOWN = new Set([
  ...["vocab_size", "hidden_size", "intermediate_size", "intermediate_size_mlp", "num_hidden_layers"],
  ...["num_attention_heads", "num_key_value_heads", "head_dim", "num_local_experts", "num_experts_per_tok"],
  ...["interleave_moe_layer_step", "moe_layers", "no_rope_layers", "no_rope_layer_interval", "layer_types"],
  ...["attention_chunk_size", "use_qk_norm", "attn_temperature_tuning", "floor_scale", "attn_scale"],
  ...["max_position_embeddings", "rms_norm_eps", "rope_theta", "rope_scaling", "rope_parameters"],
  ...["tie_word_embeddings", "hidden_act", "attention_bias", "bos_token_id", "eos_token_id", "router", "shared_expert"],
]);

/** What a copied `text_config` also holds; none of it changes inference. */
const UNUSED = new Set([
  ...["architectures", "model_type", "pad_token_id", "dtype", "torch_dtype", "transformers_version", "_name_or_path"],
  ...["attention_dropout", "initializer_range", "use_cache", "router_aux_loss_coef", "router_jitter_noise"],
  ...[
    "output_router_logits",
    "output_attentions",
    "output_hidden_states",
    "for_llm_compressor",
    "cache_implementation",
  ],
]);

/** Blocks may not run over a row's end. */
function checkWidths(config: ModelConfig, type: StoredType): void {
  if (typeof type !== "string" || !Object.hasOwn(WEIGHT_TYPES, type)) {
    const place = { source: "option" as const, field: "type" };
    throw refuse("CONFIG_RANGE", { value: type, place }, Object.keys(WEIGHT_TYPES).join(", "));
  }
  const { elements } = WEIGHT_TYPES[type];
  const widths = [
    ["hidden_size", config.hidden],
    ["head_dim", config.heads * config.headSize],
    ["intermediate_size_mlp", config.layers.every((layer) => layer.moe) ? 0 : config.denseWidth],
    ["intermediate_size", config.experts === 0 ? 0 : config.expertWidth],
  ] as const;
  for (const [name, width] of widths) {
    if (width % elements === 0) continue;
    const what = name === "head_dim" ? "heads x head size as a multiple" : "a multiple";
    throw refuse(
      "CONFIG_RANGE",
      { value: width, place: { ...OPTION, field: `/${name}` } },
      `${what} of ${elements} for ${type}`,
    );
  }
}

/**
 * The tensors of a model under GGUF names, experts output-major. Matrices keep the mean square of what they multiply
 * (1 / sqrt(cols)); router logits get a deviation of 3, so that experts really are chosen.
 */
export function randomTensors(config: ModelConfig, type: StoredType): RandomTensor[] {
  const { vocab, hidden, heads, kvHeads, headSize, denseWidth, expertWidth, experts } = config;
  const tensors: RandomTensor[] = [];
  const norm = (name: string) => tensors.push({ name, type: "f32", shape: [hidden], scale: 0.1, mean: 1 });
  const matrix = (name: string, ...shape: number[]) =>
    tensors.push({ name, type, shape, scale: 1 / Math.sqrt(shape[shape.length - 1]!) });
  const feedForward = (prefix: string, suffix: string, width: number, ...stack: number[]) => {
    matrix(`${prefix}gate${suffix}`, ...stack, width, hidden);
    matrix(`${prefix}up${suffix}`, ...stack, width, hidden);
    matrix(`${prefix}down${suffix}`, ...stack, hidden, width);
  };

  tensors.push({ name: "token_embd.weight", type, shape: [vocab, hidden], scale: 1 });
  norm("output_norm.weight");
  if (!config.tiedEmbeddings) matrix("output.weight", vocab, hidden);
  for (const [index, layer] of config.layers.entries()) {
    const block = `blk.${index}.`;
    norm(`${block}attn_norm.weight`);
    matrix(`${block}attn_q.weight`, heads * headSize, hidden);
    matrix(`${block}attn_k.weight`, kvHeads * headSize, hidden);
    matrix(`${block}attn_v.weight`, kvHeads * headSize, hidden);
    matrix(`${block}attn_output.weight`, hidden, heads * headSize);
    norm(`${block}ffn_norm.weight`);
    if (!layer.moe) {
      feedForward(`${block}ffn_`, ".weight", denseWidth);
      continue;
    }
    const scale = 3 / Math.sqrt(hidden);
    tensors.push({ name: `${block}ffn_gate_inp.weight`, type: "f32", shape: [experts, hidden], scale });
    feedForward(`${block}ffn_`, "_exps.weight", expertWidth, experts);
    if (config.sharedExpert) feedForward(`${block}ffn_`, "_shexp.weight", expertWidth);
  }
  return tensors;
}
