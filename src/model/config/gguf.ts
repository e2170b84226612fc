import type { Checkpoint, MetadataValue } from "../../checkpoint/checkpoint.ts";
import { EngineError } from "../../error.ts";
import type { ErrorCode } from "../../error-codes.ts";
import { ARCHITECTURES, type Architecture, GGUF_NAMES } from "./architectures.ts";
import type { ModelConfig } from "./config.ts";
import { type Field, refuse } from "./field.ts";
import type { ReadConfig } from "./hf.ts";
import { deriveConfig, type Hyperparameters, layerCount } from "./rules.ts";

/**
 * GGUF keys translated to HF's names. What llama.cpp hard-wires for llama4 (chunk 8192, every 4th layer
 * without rope, temperature 8192 / 0.1) are HF's defaults too; q/k norm is the exception.
 */

/** HF's name -> the key after the architecture's prefix; the keys of one architecture alone stand in its row. */
const KEYS: Readonly<Record<string, string>> = {
  vocab_size: "vocab_size",
  hidden_size: "embedding_length",
  num_hidden_layers: "block_count",
  num_attention_heads: "attention.head_count",
  num_key_value_heads: "attention.head_count_kv",
  head_dim: "attention.key_length",
  max_position_embeddings: "context_length",
  rms_norm_eps: "attention.layer_norm_rms_epsilon",
  rope_theta: "rope.freq_base",
  num_local_experts: "expert_count",
  num_experts_per_tok: "expert_used_count",
};

const END_KEYS = ["eos_token_id", "eot_token_id", "eom_token_id"].map((name) => `tokenizer.ggml.${name}`);

/** The file's keys under HF's names. */
interface Keys {
  readonly architecture: Architecture;
  readonly checkpoint: Checkpoint;
  /** A key as the file has it. */
  readonly key: (name: string) => Field;
  /** The same after the architecture's prefix. */
  readonly own: (name: string) => Field;
  /** By HF's name; `undefined` where GGUF has no key for it. */
  readonly stored: (name: string) => Field;
}

export function readGgufConfig(checkpoint: Checkpoint, rows: number | undefined): ReadConfig {
  const warnings: string[] = [];
  const keys = readKeys(checkpoint);
  const { architecture, key, stored } = keys;
  for (const name of architecture.ggufRequired) {
    if (stored(name).value !== undefined) continue;
    throw new EngineError("CONFIG_MISSING", "a hyper-parameter is missing", { at: stored(name).place });
  }
  const layers = layerCount(stored);
  const translated = translate(keys, layers);
  const field: Hyperparameters["field"] = (name) =>
    translated.has(name) ? { place: stored(name).place, ...translated.get(name)! } : stored(name);
  const eos = END_KEYS.map(key).filter(({ value }) => value !== undefined);
  if (eos.length === 0) warnings.push("no eos_token_id: generation ends at its token limit only");
  const config = deriveConfig({ architecture, field, eos, tied: !isStored(checkpoint, GGUF_NAMES.output), rows });
  checkRest(keys, config);
  return { config, warnings, vocab: stored("vocab_size") };
}

function readKeys(checkpoint: Checkpoint): Keys {
  const place = (field: string) => ({ source: "gguf" as const, file: checkpoint.name, field });
  const key = (name: string): Field => {
    // `u64` from a foreign writer is as good as `u32`; what is not safe as a number stays and is refused by its range.
    const raw = checkpoint.metadata.get(name);
    const safe = typeof raw === "bigint" && Number.isSafeInteger(Number(raw));
    return { value: safe ? Number(raw) : raw, place: place(name) };
  };
  const architecture = findArchitecture(checkpoint, key);
  const own = (name: string) => key(`${architecture.gguf}.${name}`);
  const names = { ...KEYS, ...architecture.ggufKeys };
  const stored = (name: string): Field => {
    if (name === "bos_token_id") return key("tokenizer.ggml.bos_token_id");
    return Object.hasOwn(names, name) ? own(names[name]!) : { value: undefined, place: place(name) };
  };
  return { architecture, checkpoint, key, own, stored };
}

function findArchitecture(checkpoint: Checkpoint, key: Keys["key"]): Architecture {
  const name = checkpoint.metadata.get("general.architecture");
  const same = ARCHITECTURES.filter(({ gguf }) => gguf === name);
  // Architectures of one name differ in whether there are experts at all.
  const experts = key(`${name}.expert_count`).value;
  const moe = experts !== undefined && experts !== 0;
  const found = same.find(({ mixtures }) => mixtures === "stated" || mixtures === (moe ? "all" : "none"));
  if (found) return found;
  throw new EngineError("GGUF_ARCH", "the architecture is not supported", {
    at: { source: "gguf", file: checkpoint.name, field: "general.architecture" },
    limit: [...new Set(ARCHITECTURES.map(({ gguf }) => gguf))].join(" or "),
    actual: name === undefined ? "nothing" : typeof name === "string" ? name : `a ${typeof name}`,
  });
}

/** The hyper-parameters that GGUF says in another form than HF, with another place where the value stands elsewhere. */
function translate(keys: Keys, layers: number): Map<string, Partial<Field> & { value: unknown }> {
  const { architecture, checkpoint, stored } = keys;
  const values = new Map<string, Partial<Field> & { value: unknown }>();
  values.set("num_attention_heads", { value: uniform(stored("num_attention_heads"), layers) });
  values.set("num_key_value_heads", { value: uniform(stored("num_key_value_heads"), layers) ?? null });
  if (stored("vocab_size").value === undefined) values.set("vocab_size", { value: vocabulary(checkpoint) });
  values.set("rope_scaling", ropeScaling(keys));
  // Of an architecture without biases they are unknown tensors.
  const tensors = [...checkpoint.tensors.keys(), ...(checkpoint.unread?.keys() ?? [])];
  for (const name of architecture.biases) values.set(name, { value: tensors.some((one) => BIASES[name].test(one)) });
  if (architecture.window) {
    const window = stored("sliding_window").value;
    values.set("sliding_window", { value: window === undefined || window === 0 ? null : window });
  }
  if (architecture.layers === "stated") translateLayers(keys, layers, (name, value) => values.set(name, { value }));
  return values;
}

const BIASES = {
  attention_bias: /^blk\.\d+\.attn_(?:q|k|v|output)\.bias$/,
  mlp_bias: /^blk\.\d+\.ffn_(?:gate|up|down)\.bias$/,
};

/** What each layer does, where the file says it. */
function translateLayers(
  { checkpoint, own, stored }: Keys,
  layers: number,
  set: (name: string, value: unknown) => void,
): void {
  // A file may name experts and have none (Llama Guard 4): the tensors decide.
  set("moe_layers", mixtureLayers(checkpoint, layers));

  // 0 in `sliding_window` (any other value means nothing): no chunks, and rope everywhere.
  const unchunked = own("attention.sliding_window").value === 0;
  const chunk = stored("attention_chunk_size").value;
  set("attention_chunk_size", chunk === 0 || (chunk === undefined && unchunked) ? null : chunk);
  if (unchunked && stored("no_rope_layer_interval").value === undefined) set("no_rope_layers", Array(layers).fill(1));
  set("layer_types", maskKinds(stored("layer_types"), layers));

  const floor = stored("floor_scale").value;
  set("attn_temperature_tuning", floor !== 0);
  // llama.cpp knows Maverick, which alone has no q/k norm, by its 128 experts.
  if (stored("use_qk_norm").value === undefined) set("use_qk_norm", stored("num_local_experts").value !== 128);
}

/** As llama.cpp reads it: a factor without a type is linear, by its newer or its older key. */
function ropeScaling({ own }: Keys): { value: object | null; place: Field["place"] } {
  const type = own("rope.scaling.type");
  const factor = [own("rope.scaling.factor"), own("rope.scale_linear")].find(({ value }) => value !== undefined);
  if (type.value === "none" || (type.value === undefined && factor === undefined)) return { ...type, value: null };
  if (type.value !== undefined && type.value !== "linear") throw refuse("CONFIG_ROPE", type, "none or linear");
  if (factor === undefined) throw refuse("CONFIG_ROPE", own("rope.scaling.factor"), "a factor");
  if (typeof factor.value !== "number" || !(factor.value > 0)) throw refuse("CONFIG_ROPE", factor, "a number above 0");
  return { place: factor.place, value: { rope_type: "linear", factor: factor.value } };
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
  return Array.isArray(tokens) ? tokens.length : checkpoint.tensors.get(GGUF_NAMES.embedding)?.shape[0];
}

/** Of whatever type: a weight that cannot be read must not look like one that the model does without. */
function isStored({ tensors, unread }: Checkpoint, name: string): boolean {
  return tensors.has(name) || (unread?.has(name) ?? false);
}

function mixtureLayers(checkpoint: Checkpoint, layers: number): number[] {
  return Array.from({ length: layers }, (_, layer) => layer).filter((layer) =>
    isStored(checkpoint, GGUF_NAMES.layer(layer) + GGUF_NAMES.router),
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

/** Keys that allow what none of the architectures does: said and not honoured would be a wrong model. */
function checkRest({ own }: Keys, config: ModelConfig): void {
  const expectations: [string, ErrorCode, unknown][] = [
    ["attention.value_length", "CONFIG_HEADS", config.headSize],
    ["attention.causal", "CONFIG_UNSUPPORTED", true],
    ["rope.dimension_count", "CONFIG_ROPE", config.headSize],
    ["rope.scaling.attn_factor", "CONFIG_ROPE", 1],
  ];
  for (const [name, code, expected] of expectations) {
    const field = own(name);
    if (field.value !== undefined && field.value !== expected) throw refuse(code, field, `${expected}`);
  }
}
