import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { EngineError, type ErrorPlace } from "../error.ts";
import type { LayerConfig, ModelConfig, RopeScaling } from "./config.ts";

/**
 * HF's `config.json`, and the rules of its `text_config`, which every source of hyper-parameters goes through: a GGUF
 * file's keys are first translated to HF's names.
 */

/** A hyper-parameter as found, unchecked; `undefined` where absent. */
export interface Field {
  readonly value: unknown;
  readonly place: ErrorPlace;
}

export interface Hyperparameters {
  /** By its name in HF's `text_config`. */
  readonly field: (name: string) => Field;
  readonly eos: readonly Field[];
  readonly tied: boolean;
}

/** Sizes beyond any model, small enough for the sizes of memory to stay exact or become `MODEL_TOO_LARGE`. */
const LARGEST = 2 ** 31;
const MOST_LAYERS = 512;
const MOST_EXPERTS = 1024;
const MOST_HEADS = 65536;
const MOST_EOS = 64;
/** At four bits a weight; 2 TiB is five times the largest Llama 4 in bf16. */
const MOST_BYTES = 2 ** 41;

const ARCHITECTURES = ["Llama4ForConditionalGeneration", "Llama4ForCausalLM"];
const MODEL_TYPES = ["llama4", "llama4_text"];

type Json = Record<string, unknown>;

/** What a reader of either format finds. */
export interface ReadConfig {
  config: ModelConfig;
  warnings: string[];
  /** Where the vocabulary's size stands. */
  vocab: ErrorPlace;
}

export function readHfConfig(checkpoint: Checkpoint): ReadConfig {
  const warnings: string[] = [];
  const top = checkpoint.json.get("config.json");
  const place = { source: "config" as const, file: "config.json" };
  if (!isObject(top)) throw new EngineError("CONFIG_MISSING", "no hyper-parameters", { at: place, limit: "an object" });
  checkArchitecture(top, place);
  const nested = top["text_config"] !== undefined || top["model_type"] === "llama4";
  const text = nested ? top["text_config"] : top;
  if (!isObject(text)) throw refuse("CONFIG_MISSING", at(place, "/text_config", text), "an object");

  const prefix = nested ? "/text_config" : "";
  for (const [path, object] of nested ? [["", top] as const, [prefix, text] as const] : [["", top] as const]) {
    const quantization = at(place, `${path}/quantization_config`, object["quantization_config"]);
    if (quantization.value != null) throw refuse("CONFIG_QUANT", quantization, "weights as f32, f16 or bf16");
  }
  if (top["auto_map"] != null || text["auto_map"] != null) {
    warnings.push("config.json names code of its own (auto_map); it is not run");
  }
  const field = textFields(text, { ...place, field: prefix });
  const own = field("tie_word_embeddings");
  const tied = flag(own.value == null ? at(place, "/tie_word_embeddings", top["tie_word_embeddings"]) : own, false);
  const eos = endIds(checkpoint, field, at(place, "/eos_token_id", top["eos_token_id"]));
  if (eos.length === 0) warnings.push("no eos_token_id: generation ends at its token limit only");
  return { config: deriveConfig({ field, eos, tied }), warnings, vocab: field("vocab_size").place };
}

function checkArchitecture(top: Json, place: ErrorPlace): void {
  if (!MODEL_TYPES.includes(top["model_type"] as string)) {
    throw refuse("CONFIG_ARCH", at(place, "/model_type", top["model_type"]), MODEL_TYPES.join(" or "));
  }
  const names = top["architectures"];
  if (!Array.isArray(names) || !names.some((name) => ARCHITECTURES.includes(name))) {
    const found = Array.isArray(names) && names.length > 0 ? names.join(", ") : names;
    throw refuse("CONFIG_ARCH", at(place, "/architectures", found), ARCHITECTURES.join(" or "));
  }
}

/** Looks names up in a `text_config`; `rope_theta` and the scaling stand in `rope_parameters` in files since v5. */
export function textFields(text: Json, place: ErrorPlace): Hyperparameters["field"] {
  const prefix = place.field ?? "";
  return (name) => {
    const rope = text["rope_parameters"];
    if (name === "rope_scaling" && rope != null) return at(place, `${prefix}/rope_parameters`, rope);
    if (name === "rope_theta" && isObject(rope) && rope["rope_theta"] != null) {
      return at(place, `${prefix}/rope_parameters/rope_theta`, rope["rope_theta"]);
    }
    return at(place, `${prefix}/${name}`, text[name]);
  };
}

/** The ids that end generation: `generation_config.json` knows more of them than the text model does. */
function endIds(checkpoint: Checkpoint, field: Hyperparameters["field"], top: Field): Field[] {
  const generation = checkpoint.json.get("generation_config.json");
  const place: ErrorPlace = { source: "config", file: "generation_config.json" };
  const first = isObject(generation) ? at(place, "/eos_token_id", generation["eos_token_id"]) : top;
  return eachOf([first, field("eos_token_id"), top].find(({ value }) => value != null) ?? top);
}

/** A field that is one value or a list of them. */
export function eachOf({ value, place }: Field): Field[] {
  if (value == null) return [];
  if (!Array.isArray(value)) return [{ value, place }];
  if (value.length > MOST_EOS) {
    throw refuse("CONFIG_TOKEN_ID", { value: value.length, place }, `at most ${MOST_EOS} ids`);
  }
  return value.map((item, index) => at(place, `${place.field}/${index}`, item));
}

/** Checks every hyper-parameter and derives what each layer does. */
export function deriveConfig({ field, eos, tied }: Hyperparameters): ModelConfig {
  refuseUnsupported(field);
  const count = layerCount(field);
  const vocab = integer(field("vocab_size"), "CONFIG_RANGE", 1, LARGEST);
  const hidden = integer(field("hidden_size"), "CONFIG_RANGE", 1, LARGEST);
  const { layers, chunk, moe } = layerKinds(field, count);
  const dense = layers.some((layer) => !layer.moe);
  const temperature = temperatureOf(field);
  const bos = field("bos_token_id");
  const config: ModelConfig = {
    architecture: "llama4",
    vocab,
    hidden,
    ...headsOf(field, hidden),
    // A width that no layer uses may be absent.
    denseWidth: integer(field("intermediate_size_mlp"), "CONFIG_RANGE", 1, LARGEST, dense ? undefined : 0),
    expertWidth: integer(field("intermediate_size"), "CONFIG_RANGE", 1, LARGEST, moe ? undefined : 0),
    ...expertsOf(field, moe),
    chunk,
    normEps: real(field("rms_norm_eps"), "CONFIG_RANGE", 1, 1e-5),
    ropeTheta: ropeThetaOf(field("rope_theta")),
    ropeScaling: ropeScalingOf(field("rope_scaling")),
    temperatureFloor: temperature.floor,
    temperatureScale: temperature.scale,
    context: integer(field("max_position_embeddings"), "CONFIG_RANGE", 1, LARGEST, 131072),
    tiedEmbeddings: tied,
    bos: bos.value == null ? null : integer(bos, "CONFIG_TOKEN_ID", 0, vocab - 1),
    eos: [...new Set(eos.map((id) => integer(id, "CONFIG_TOKEN_ID", 0, vocab - 1)))],
    layers,
  };
  checkSize(config, field("hidden_size").place);
  return config;
}

function refuseUnsupported(field: Hyperparameters["field"]): void {
  const activation = field("hidden_act");
  if (activation.value != null && activation.value !== "silu") throw refuse("CONFIG_UNSUPPORTED", activation, "silu");
  const bias = field("attention_bias");
  if (bias.value) throw refuse("CONFIG_UNSUPPORTED", bias, "false");
}

export function layerCount(field: Hyperparameters["field"]): number {
  return integer(field("num_hidden_layers"), "CONFIG_RANGE", 1, MOST_LAYERS);
}

function headsOf(field: Hyperparameters["field"], hidden: number) {
  const heads = integer(field("num_attention_heads"), "CONFIG_HEADS", 1, MOST_HEADS);
  const kvHeads = integer(field("num_key_value_heads"), "CONFIG_HEADS", 1, heads, heads);
  if (heads % kvHeads !== 0) throw refuse("CONFIG_HEADS", field("num_key_value_heads"), `a divisor of ${heads}`);
  const headSize = integer(field("head_dim"), "CONFIG_HEADS", 2, MOST_HEADS, hidden / heads);
  if (headSize % 2 !== 0) {
    throw refuse("CONFIG_HEADS", { ...field("head_dim"), value: headSize }, "an even number: rope rotates pairs");
  }
  return { heads, kvHeads, headSize };
}

function layerKinds(field: Hyperparameters["field"], count: number) {
  const moe = moeLayers(field, count);
  const rope = ropeLayers(field, count);
  const types = listOf(field("layer_types"), (value) => value === "chunked_attention" || value === "full_attention");
  if (types !== null) checkLength(field("layer_types"), types, count);
  // Absent is the class's default; null says that no layer is chunked.
  const chunkField = field("attention_chunk_size");
  const size = chunkField.value === null ? 0 : integer(chunkField, "CONFIG_RANGE", 1, LARGEST, 8192);
  const normed = flag(field("use_qk_norm"), true);
  const tuned = isTuned(field);
  const layers = Array.from({ length: count }, (_, layer): LayerConfig => {
    const turns = rope[layer]!;
    const chunked = size > 0 && (types === null ? turns : types[layer] === "chunked_attention");
    return { rope: turns, chunked, qkNorm: turns && normed, temperature: !turns && tuned, moe: moe.has(layer) };
  });
  return { layers, chunk: layers.some((layer) => layer.chunked) ? size : 0, moe: moe.size > 0 };
}

/** `moe_layers`: [] means none, null means every `interleave_moe_layer_step`-th layer (0: none). */
function moeLayers(field: Hyperparameters["field"], count: number): Set<number> {
  const list = field("moe_layers");
  const given = listOf(list, (value) => isInteger(value) && value >= 0 && value < count);
  if (given === null) {
    const step = integer(field("interleave_moe_layer_step"), "CONFIG_RANGE", 0, LARGEST, 1);
    return new Set(step === 0 ? [] : Array.from({ length: Math.floor(count / step) }, (_, n) => (n + 1) * step - 1));
  }
  const layers = new Set(given as number[]);
  if (layers.size !== given.length) throw refuse("CONFIG_LAYERS", list, "every layer once");
  return layers;
}

/** `no_rope_layers` is named upside down, 1 means rope; null and [] both mean all but each interval's last layer. */
function ropeLayers(field: Hyperparameters["field"], count: number): boolean[] {
  const list = field("no_rope_layers");
  const given = listOf(list, (value) => value === 0 || value === 1 || typeof value === "boolean");
  if (given === null || given.length === 0) {
    const interval = integer(field("no_rope_layer_interval"), "CONFIG_RANGE", 1, LARGEST, 4);
    return Array.from({ length: count }, (_, layer) => (layer + 1) % interval !== 0);
  }
  checkLength(list, given, count);
  return given.map(Boolean);
}

function expertsOf(field: Hyperparameters["field"], moe: boolean) {
  const router = field("router");
  if (router.value != null && router.value !== "sigmoid" && router.value !== "softmax") {
    throw refuse("CONFIG_MOE", router, "sigmoid or softmax");
  }
  const shared = flag(field("shared_expert"), true);
  if (!moe) return { experts: 0, expertsUsed: 0, router: "sigmoid" as const, sharedExpert: false };
  const experts = integer(field("num_local_experts"), "CONFIG_MOE", 1, MOST_EXPERTS);
  const expertsUsed = integer(field("num_experts_per_tok"), "CONFIG_MOE", 1, experts, 1);
  const kind = router.value === "softmax" ? ("softmax" as const) : ("sigmoid" as const);
  return { experts, expertsUsed, router: kind, sharedExpert: shared };
}

/** Old exports say 4 where new ones say true. */
function isTuned(field: Hyperparameters["field"]): boolean {
  const { value } = field("attn_temperature_tuning");
  return value === undefined || Boolean(value);
}

function temperatureOf(field: Hyperparameters["field"]): { floor: number; scale: number } {
  if (!isTuned(field)) return { floor: 1, scale: 0 };
  const floor = integer(field("floor_scale"), "CONFIG_RANGE", 1, LARGEST, 8192);
  return { floor, scale: real(field("attn_scale"), "CONFIG_RANGE", 1e6, 0.1) };
}

function ropeThetaOf(theta: Field): number {
  const value = real(theta, "CONFIG_ROPE", Number.MAX_VALUE, 500000);
  if (value < 1) throw refuse("CONFIG_ROPE", theta, "at least 1");
  return value;
}

function ropeScalingOf(scaling: Field): RopeScaling | null {
  if (scaling.value == null) return null;
  if (!isObject(scaling.value)) throw refuse("CONFIG_ROPE", scaling, "an object or null");
  const inner = (name: string) => at(scaling.place, `${scaling.place.field}/${name}`, (scaling.value as Json)[name]);
  // v5 allows one object per kind of layer; to read that as "no scaling" would be wrong in silence.
  const layered = Object.entries(scaling.value).find(([, value]) => isObject(value));
  if (layered) throw refuse("CONFIG_ROPE", inner(layered[0]), "one scaling for all layers");
  const type = inner("rope_type").value == null && inner("type").value != null ? inner("type") : inner("rope_type");
  if (type.value == null || type.value === "default") return null;
  if (type.value !== "llama3") throw refuse("CONFIG_ROPE", type, "llama3 or default");
  const low = inner("low_freq_factor");
  const high = inner("high_freq_factor");
  const result = {
    factor: real(inner("factor"), "CONFIG_ROPE", 1e6),
    lowFrequency: real(low, "CONFIG_ROPE", 1e6),
    highFrequency: real(high, "CONFIG_ROPE", 1e6),
    originalContext: Math.fround(integer(inner("original_max_position_embeddings"), "CONFIG_ROPE", 1, LARGEST)),
  };
  if (result.highFrequency < result.lowFrequency) throw refuse("CONFIG_ROPE", high, `at least ${result.lowFrequency}`);
  return result;
}

/** Sizes that no machine holds are refused before anything is multiplied out. */
function checkSize(config: ModelConfig, place: ErrorPlace): void {
  const attention = 2 * (config.heads + config.kvHeads) * config.headSize;
  const experts = 3 * config.expertWidth * (config.experts + (config.sharedExpert ? 1 : 0)) + config.experts;
  const moe = config.layers.filter((layer) => layer.moe).length;
  const dense = 3 * config.denseWidth * (config.layers.length - moe);
  const columns =
    config.vocab * (config.tiedEmbeddings ? 1 : 2) + config.layers.length * attention + moe * experts + dense;
  const bytes = Math.ceil((config.hidden * columns * 9) / 16); // q4_0, the smallest type
  if (bytes <= MOST_BYTES) return;
  throw new EngineError("MODEL_TOO_LARGE", "bytes of weights", {
    at: place,
    limit: `at most ${MOST_BYTES}`,
    actual: bytes,
  });
}

/** An integer in a range; JSON null counts as absent. Without a fallback, absent is `CONFIG_MISSING`. */
export function integer(field: Field, code: string, min: number, max: number, fallback?: number): number {
  if (field.value == null) return absent(field, fallback);
  if (isInteger(field.value) && field.value >= min && field.value <= max) return field.value;
  throw refuse(code, field, `an integer in ${min}..${max}`);
}

/** A number above 0, rounded to f32: GGUF stores f32, JSON doubles, and both must give the same model. */
function real(field: Field, code: string, max: number, fallback?: number): number {
  if (field.value == null) return Math.fround(absent(field, fallback));
  const value = typeof field.value === "number" ? Math.fround(field.value) : Number.NaN;
  if (value > 0 && value <= max) return value;
  throw refuse(code, field, max === Number.MAX_VALUE ? "a finite number above 0" : `a number above 0, at most ${max}`);
}

function absent(field: Field, fallback: number | undefined): number {
  if (fallback !== undefined) return fallback;
  throw new EngineError("CONFIG_MISSING", "a hyper-parameter is missing", { at: field.place });
}

export function flag(field: Field, fallback: boolean): boolean {
  if (field.value == null) return fallback;
  if (field.value === true || field.value === false) return field.value;
  throw refuse("CONFIG_RANGE", field, "true or false");
}

function listOf(field: Field, allowed: (value: unknown) => boolean): unknown[] | null {
  if (field.value == null) return null;
  if (!Array.isArray(field.value)) throw refuse("CONFIG_LAYERS", field, "a list or null");
  const bad = field.value.findIndex((value) => !allowed(value));
  if (bad < 0) return field.value;
  throw refuse("CONFIG_LAYERS", at(field.place, `${field.place.field}/${bad}`, field.value[bad]), "a layer's value");
}

function checkLength({ place }: Field, list: unknown[], count: number): void {
  if (list.length !== count) throw refuse("CONFIG_LAYERS", { value: list.length, place }, `${count} entries`);
}

function isInteger(value: unknown): value is number {
  return Number.isInteger(value);
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function at(place: ErrorPlace, field: string, value: unknown): Field {
  return { value, place: { ...place, field } };
}

export function refuse(code: string, { value, place }: Field, limit: string): EngineError {
  return new EngineError(code, "a hyper-parameter is not usable", { at: place, limit, actual: shown(value) });
}

/** Never the whole of a list: it may have millions of entries. */
function shown(value: unknown): string | number | bigint {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number" || typeof value === "bigint") return value;
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "an object";
  return value === undefined ? "nothing" : String(value);
}
