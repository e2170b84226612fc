import type { LayerConfig } from "./config.ts";

/**
 * The architectures, side by side: this page is all that differs between them. Readers of files look up here what a file of each may
 * say and what it calls things; the forward pass knows none of it and goes by `ModelConfig`.
 */

export type ArchitectureName = "llama4" | "llama" | "mixtral";

export interface Architecture {
  readonly name: ArchitectureName;
  /** GGUF's `general.architecture`, and the prefix of a file's keys. */
  readonly gguf: string;
  /** HF's `model_type` and entries of `architectures`. */
  readonly modelTypes: readonly string[];
  readonly classes: readonly string[];
  /** What every layer does, or that the file says it by layer. */
  readonly layers: LayerConfig | "stated";
  /** Which layers are mixtures: of a name that two share in GGUF files, the presence of experts tells them apart. */
  readonly mixtures: "stated" | "all" | "none";
  /** Whether a file's `sliding_window` means something: then it must be none, or as long as the context. */
  readonly window: boolean;
  /** Hyper-parameters of our own, of `createModel`, which makes models in this shape. */
  readonly own: readonly ("router" | "shared_expert")[];
  /** Which hyper-parameter is which width (HF's names); null: there is no such feed-forward. */
  readonly denseWidth: string | null;
  readonly expertWidth: string | null;
  readonly router: "sigmoid" | "softmax";
  readonly sharedExpert: boolean;
  /** Flags that put a bias on q, k, v and o, or on gate, up and down. */
  readonly biases: readonly ("attention_bias" | "mlp_bias")[];
  /**
   * Where HF keeps the two rows of q or k that rope turns together: beside each other, or half a head apart.
   * GGUF files have them beside each other, always.
   */
  readonly hfPairs: "adjacent" | "halves";
  /** What HF's class says of an absent hyper-parameter. */
  readonly defaults: Readonly<Record<string, number>>;
  /** Hyper-parameters that a GGUF file must name all the same, and their keys after the prefix where those are its own. */
  readonly ggufRequired: readonly string[];
  readonly ggufKeys: Readonly<Record<string, string>>;
  readonly hfNames: Names;
}

export type Part = "gate" | "up" | "down";

/** What a family of files calls the weights; biases end in `bias` instead of `weight`. */
export interface Names {
  readonly embedding: string;
  readonly norm: string;
  readonly output: string;
  /** Prefix of what follows. */
  readonly layer: (layer: number) => string;
  readonly attentionNorm: string;
  readonly q: string;
  readonly k: string;
  readonly v: string;
  readonly o: string;
  readonly feedForwardNorm: string;
  readonly router: string;
  readonly dense: (part: Part) => string;
  readonly shared: (part: Part) => string;
  /** The ways of writing experts; without a tensor of any, the last is missed. */
  readonly experts: readonly ExpertNames[];
}

export type ExpertNames =
  /** A matrix per expert and part, [rows, cols]. */
  | { readonly kind: "single"; readonly name: (part: Part, expert: number) => string }
  /** A tensor per part, [experts, rows, cols]. */
  | { readonly kind: "stacked"; readonly name: (part: Part) => string }
  /** Input-major, gate and up side by side: [experts, hidden, 2 * width] and [experts, width, hidden]. */
  | { readonly kind: "fused"; readonly gateUp: string; readonly down: string };

/** Every GGUF file, of whatever architecture. */
export const GGUF_NAMES: Names = {
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
  experts: [
    { kind: "single", name: (part, expert) => `ffn_${part}.${expert}.weight` }, // Mixtral files of before April 2024
    { kind: "stacked", name: (part) => `ffn_${part}_exps.weight` },
  ],
};

const HF_COMMON = {
  embedding: "model.embed_tokens.weight",
  norm: "model.norm.weight",
  output: "lm_head.weight",
  layer: (layer: number) => `model.layers.${layer}.`,
  attentionNorm: "input_layernorm.weight",
  q: "self_attn.q_proj.weight",
  k: "self_attn.k_proj.weight",
  v: "self_attn.v_proj.weight",
  o: "self_attn.o_proj.weight",
  feedForwardNorm: "post_attention_layernorm.weight",
};

const LLAMA4: Architecture = {
  name: "llama4",
  gguf: "llama4",
  modelTypes: ["llama4", "llama4_text"],
  classes: ["Llama4ForConditionalGeneration", "Llama4ForCausalLM"],
  layers: "stated",
  mixtures: "stated",
  window: false, // it has chunks instead
  own: ["router", "shared_expert"],
  denseWidth: "intermediate_size_mlp",
  expertWidth: "intermediate_size",
  router: "sigmoid",
  sharedExpert: true,
  biases: [],
  hfPairs: "adjacent",
  defaults: {
    max_position_embeddings: 131072,
    rms_norm_eps: 1e-5,
    rope_theta: 500000,
    num_experts_per_tok: 1,
    interleave_moe_layer_step: 1,
    no_rope_layer_interval: 4,
    attention_chunk_size: 8192,
    floor_scale: 8192,
    attn_scale: 0.1,
  },
  ggufRequired: ["max_position_embeddings", "rms_norm_eps", "rope_theta"],
  ggufKeys: {
    intermediate_size: "expert_feed_forward_length",
    intermediate_size_mlp: "feed_forward_length",
    // Not llama.cpp's: Ollama writes the first two, the others are our own.
    attention_chunk_size: "attention.chunk_size",
    use_qk_norm: "use_qk_norm",
    floor_scale: "attention.temperature_length",
    attn_scale: "attention.temperature_scale",
    no_rope_layer_interval: "attention.nope_interval",
    layer_types: "attention.sliding_window_pattern",
  },
  hfNames: {
    ...HF_COMMON,
    router: "feed_forward.router.weight",
    dense: (part) => `feed_forward.${part}_proj.weight`,
    shared: (part) => `feed_forward.shared_expert.${part}_proj.weight`,
    experts: [
      { kind: "single", name: (part, expert) => `feed_forward.experts.${expert}.${part}_proj.weight` },
      { kind: "fused", gateUp: "feed_forward.experts.gate_up_proj", down: "feed_forward.experts.down_proj" },
    ],
  },
};

/** Llama 1 to 3, and what was trained in their shape: TinyLlama, SmolLM. */
const LLAMA: Architecture = {
  name: "llama",
  gguf: "llama",
  modelTypes: ["llama"],
  classes: ["LlamaForCausalLM"],
  layers: { rope: true, chunked: false, qkNorm: false, temperature: false, moe: false },
  mixtures: "none",
  window: true,
  own: [],
  denseWidth: "intermediate_size",
  expertWidth: null,
  router: "sigmoid", // no mixture, no router
  sharedExpert: false,
  biases: ["attention_bias", "mlp_bias"],
  hfPairs: "halves",
  defaults: { max_position_embeddings: 2048, rms_norm_eps: 1e-6, rope_theta: 10000 },
  ggufRequired: ["max_position_embeddings", "rms_norm_eps"],
  ggufKeys: { intermediate_size: "feed_forward_length", sliding_window: "attention.sliding_window" },
  hfNames: {
    ...HF_COMMON,
    router: "",
    dense: (part) => `mlp.${part}_proj.weight`,
    shared: (part) => part,
    experts: [],
  },
};

/** Llama but for a window of attention, which only files without one, or with one as long as the context, may have here. */
const MISTRAL: Architecture = {
  ...LLAMA,
  modelTypes: ["mistral"],
  classes: ["MistralForCausalLM"],
  biases: [],
  defaults: {
    ...{ max_position_embeddings: 131072, rms_norm_eps: 1e-6, rope_theta: 10000 },
    ...{ num_key_value_heads: 8, sliding_window: 4096 },
  },
};

/** A GGUF file of it calls itself llama and has an `expert_count`. */
const MIXTRAL: Architecture = {
  ...LLAMA,
  name: "mixtral",
  modelTypes: ["mixtral"],
  classes: ["MixtralForCausalLM"],
  layers: { rope: true, chunked: false, qkNorm: false, temperature: false, moe: true },
  mixtures: "all",
  denseWidth: null,
  expertWidth: "intermediate_size",
  router: "softmax",
  biases: [],
  defaults: {
    ...{ max_position_embeddings: 131072, rms_norm_eps: 1e-5, rope_theta: 1e6 },
    ...{ num_key_value_heads: 8, num_local_experts: 8, num_experts_per_tok: 2 },
  },
  ggufRequired: ["max_position_embeddings", "rms_norm_eps", "num_experts_per_tok"],
  hfNames: {
    ...LLAMA.hfNames,
    router: "block_sparse_moe.gate.weight",
    experts: [
      { kind: "single", name: (part, expert) => `block_sparse_moe.experts.${expert}.${MIXTRAL_PARTS[part]}.weight` },
    ],
  },
};
const MIXTRAL_PARTS: Record<Part, string> = { gate: "w1", up: "w3", down: "w2" };

export const ARCHITECTURES: readonly Architecture[] = [LLAMA4, LLAMA, MISTRAL, MIXTRAL];

export function architectureOf(name: Architecture["name"]): Architecture {
  return ARCHITECTURES.find((one) => one.name === name)!;
}
