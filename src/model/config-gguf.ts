import type { Checkpoint, MetadataValue } from "../checkpoint/checkpoint.ts";
import { EngineError } from "../error.ts";
import type { ModelConfig } from "./config.ts";
import { deriveConfig, type Field, type Hyperparameters, layerCount, type ReadConfig, refuse } from "./config-hf.ts";

/**
 * GGUF keys translated to HF's `text_config` names. What llama.cpp hard-wires for llama4 (chunk 8192, every 4th layer
 * without rope, temperature 8192 / 0.1) are HF's defaults too; q/k norm is the exception.
 */

const SUPPORTED = ["llama4"];

/** HF's name -> the key after `llama4.`; note that `feed_forward_length` is the dense width, not the experts'. */
const KEYS: Record<string, string> = {
  vocab_size: "vocab_size",
  hidden_size: "embedding_length",
  intermediate_size: "expert_feed_forward_length",
  intermediate_size_mlp: "feed_forward_length",
  num_hidden_layers: "block_count",
  num_attention_heads: "attention.head_count",
  num_key_value_heads: "attention.head_count_kv",
  head_dim: "attention.key_length",
  max_position_embeddings: "context_length",
  rms_norm_eps: "attention.layer_norm_rms_epsilon",
  rope_theta: "rope.freq_base",
  num_local_experts: "expert_count",
  num_experts_per_tok: "expert_used_count",
  // Not llama.cpp's: Ollama writes the first two, the others are our own.
  attention_chunk_size: "attention.chunk_size",
  use_qk_norm: "use_qk_norm",
  floor_scale: "attention.temperature_length",
  attn_scale: "attention.temperature_scale",
  no_rope_layer_interval: "attention.nope_interval",
  layer_types: "attention.sliding_window_pattern",
};

/** HF has defaults for these, a GGUF file without them is incomplete. */
const REQUIRED = ["max_position_embeddings", "rms_norm_eps", "rope_theta"];

const END_KEYS = ["eos_token_id", "eot_token_id", "eom_token_id"].map((name) => `tokenizer.ggml.${name}`);

export function readGgufConfig(checkpoint: Checkpoint): ReadConfig {
  const warnings: string[] = [];
  checkArchitecture(checkpoint);
  const key = (name: string): Field => {
    // `u64` from a foreign writer is as good as `u32`; what is not safe as a number stays and is refused by its range.
    const raw = checkpoint.metadata.get(name);
    const safe = typeof raw === "bigint" && Number.isSafeInteger(Number(raw));
    return { value: safe ? Number(raw) : raw, place: { source: "gguf", file: checkpoint.name, field: name } };
  };
  const stored = (name: string): Field => {
    const own = name === "bos_token_id" ? "tokenizer.ggml.bos_token_id" : KEYS[name] && `llama4.${KEYS[name]}`;
    return own ? key(own) : { value: undefined, place: { source: "gguf", file: checkpoint.name, field: name } };
  };

  for (const name of REQUIRED) {
    if (stored(name).value !== undefined) continue;
    throw new EngineError("CONFIG_MISSING", "a hyper-parameter is missing", { at: stored(name).place });
  }
  const layers = layerCount(stored);
  const translated = translate(checkpoint, key, stored, layers);
  const field: Hyperparameters["field"] = (name) =>
    translated.has(name) ? { ...stored(name), value: translated.get(name) } : stored(name);
  const eos = END_KEYS.map(key).filter(({ value }) => value !== undefined);
  if (eos.length === 0) warnings.push("no eos_token_id: generation ends at its token limit only");
  const config = deriveConfig({ field, eos, tied: !checkpoint.tensors.has("output.weight") });
  checkRest(key, config);
  return { config, warnings, vocab: stored("vocab_size").place };
}

function checkArchitecture(checkpoint: Checkpoint): void {
  const name = checkpoint.metadata.get("general.architecture");
  if (typeof name === "string" && SUPPORTED.includes(name)) return;
  throw new EngineError("GGUF_ARCH", "the architecture is not supported", {
    at: { source: "gguf", file: checkpoint.name, field: "general.architecture" },
    limit: SUPPORTED.join(" or "),
    actual: name === undefined ? "nothing" : typeof name === "string" ? name : `a ${typeof name}`,
  });
}

/** The hyper-parameters that GGUF says in another form than HF. */
function translate(
  checkpoint: Checkpoint,
  key: (name: string) => Field,
  stored: (name: string) => Field,
  layers: number,
): Map<string, unknown> {
  const values = new Map<string, unknown>();
  for (const name of ["num_attention_heads", "num_key_value_heads"]) values.set(name, uniform(stored(name), layers));
  if (stored("vocab_size").value === undefined) values.set("vocab_size", vocabulary(checkpoint));
  // A file may name experts and have none (Llama Guard 4): the tensors decide.
  values.set("moe_layers", mixtureLayers(checkpoint, layers));

  // 0 in `sliding_window` (any other value means nothing): no chunks, and rope everywhere.
  const unchunked = key("llama4.attention.sliding_window").value === 0;
  const chunk = stored("attention_chunk_size").value;
  values.set("attention_chunk_size", chunk === 0 || (chunk === undefined && unchunked) ? null : chunk);
  if (unchunked && stored("no_rope_layer_interval").value === undefined) {
    values.set("no_rope_layers", Array(layers).fill(1));
  }
  values.set("layer_types", maskKinds(stored("layer_types"), layers));

  const floor = stored("floor_scale").value;
  values.set("attn_temperature_tuning", floor !== 0);
  // llama.cpp knows Maverick, which alone has no q/k norm, by its 128 experts.
  if (stored("use_qk_norm").value === undefined) values.set("use_qk_norm", stored("num_local_experts").value !== 128);
  return values;
}

/** Head counts may be written per layer; ours are the same in every layer. */
function uniform(field: Field, layers: number): unknown {
  const list = field.value as MetadataValue | undefined;
  if (typeof list !== "object") return list;
  if (list.length !== layers) throw refuse("CONFIG_LAYERS", { ...field, value: list.length }, `${layers} entries`);
  for (const item of list) {
    if (item !== list[0])
      throw refuse("CONFIG_HEADS", { ...field, value: `${list[0]} and ${item}` }, "one number for all");
  }
  return list[0];
}

function vocabulary(checkpoint: Checkpoint): number | undefined {
  const tokens = checkpoint.metadata.get("tokenizer.ggml.tokens");
  return Array.isArray(tokens) ? tokens.length : checkpoint.tensors.get("token_embd.weight")?.shape[0];
}

function mixtureLayers(checkpoint: Checkpoint, layers: number): number[] {
  return Array.from({ length: layers }, (_, layer) => layer).filter((layer) =>
    checkpoint.tensors.has(`blk.${layer}.ffn_gate_inp.weight`),
  );
}

/** A pattern n: each n-th layer sees all positions (0: none does); or a list of flags, true where chunked. */
function maskKinds(field: Field, layers: number): unknown[] | undefined {
  const pattern = field.value as MetadataValue | undefined;
  if (pattern === undefined) return undefined;
  const kind = (chunked: unknown) => (chunked ? "chunked_attention" : "full_attention");
  if (typeof pattern === "object") return Array.from(pattern as ArrayLike<unknown>, kind);
  if (!Number.isInteger(pattern) || (pattern as number) < 0) throw refuse("CONFIG_RANGE", field, "0 or a layer count");
  const n = pattern as number;
  return Array.from({ length: layers }, (_, layer) => kind(n === 0 || layer % n < n - 1));
}

/** Keys that allow what no Llama 4 does: said and not honoured would be a wrong model. */
function checkRest(key: (name: string) => Field, config: ModelConfig): void {
  const expectations: [string, string, unknown][] = [
    ["llama4.attention.value_length", "CONFIG_HEADS", config.headSize],
    ["llama4.rope.dimension_count", "CONFIG_ROPE", config.headSize],
    ["llama4.rope.scaling.type", "CONFIG_ROPE", "none"],
  ];
  for (const [name, code, expected] of expectations) {
    const field = key(name);
    if (field.value !== undefined && field.value !== expected) throw refuse(code, field, `${expected}`);
  }
}
