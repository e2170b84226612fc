import { EngineError, type ErrorPlace } from "../../error.ts";
import { isPlain } from "../../given.ts";
import type { Architecture } from "./architectures.ts";
import type { LayerConfig, ModelConfig, RopeScaling } from "./config.ts";
import {
  at,
  checkLength,
  type Field,
  flag,
  integer,
  isInteger,
  isNoId,
  type Json,
  listOf,
  real,
  refuse,
} from "./field.ts";

/** The rules of hyper-parameters under HF's names, which every source of them goes through. */

export interface Hyperparameters {
  readonly architecture: Architecture;
  /** By its name in HF's `text_config`. */
  readonly field: (name: string) => Field;
  readonly eos: readonly Field[];
  readonly tied: boolean;
  /** Rows of the embedding, where there is one: they count, whatever `vocab_size` says. */
  readonly rows?: number;
}

/** Sizes beyond any model, small enough for the sizes of memory to stay exact or become `MODEL_TOO_LARGE`. */
const LARGEST = 2 ** 31;
/** Ids of one model at most: the largest vocabularies about have some 300,000. */
const MOST_VOCAB = 2 ** 24;
const MOST_LAYERS = 512;
const MOST_EXPERTS = 1024;
const MOST_HEADS = 65536;
/** At four bits a weight; 2 TiB is five times the largest Llama 4 in bf16. */
const MOST_BYTES = 2 ** 41;

/** Checks every hyper-parameter and derives what each layer does. */
export function deriveConfig(given: Hyperparameters): ModelConfig {
  const { architecture, field, eos, tied } = given;
  const { defaults } = architecture;
  refuseUnsupported(given);
  const count = layerCount(field);
  const vocab = given.rows ?? integer(field("vocab_size"), "CONFIG_RANGE", 1, MOST_VOCAB);
  const hidden = integer(field("hidden_size"), "CONFIG_RANGE", 1, LARGEST);
  const { layers, chunk } = layerKinds(given, count);
  const moe = layers.some((layer) => layer.moe);
  const dense = layers.some((layer) => !layer.moe);
  // A width that no layer uses may be absent.
  const width = (name: string | null, used: boolean) =>
    name === null ? 0 : integer(field(name), "CONFIG_RANGE", 1, LARGEST, used ? undefined : 0);
  const temperature = temperatureOf(given);
  const bos = field("bos_token_id");
  const config: ModelConfig = {
    architecture: architecture.name,
    vocab,
    hidden,
    ...headsOf(given, hidden),
    attentionBias: flag(field("attention_bias"), false),
    feedForwardBias: flag(field("mlp_bias"), false),
    denseWidth: width(architecture.denseWidth, dense),
    expertWidth: width(architecture.expertWidth, moe),
    ...expertsOf(given, moe),
    chunk,
    normEps: real(field("rms_norm_eps"), "CONFIG_RANGE", 1, defaults["rms_norm_eps"]),
    ropeTheta: ropeThetaOf(given),
    ropeScaling: ropeScalingOf(field("rope_scaling")),
    temperatureFloor: temperature.floor,
    temperatureScale: temperature.scale,
    context: contextOf(given),
    tiedEmbeddings: tied,
    bos: isNoId(bos) ? null : integer(bos, "CONFIG_TOKEN_ID", 0, vocab - 1),
    eos: [
      ...new Set(
        eos.filter((id) => id.value == null || !isNoId(id)).map((id) => integer(id, "CONFIG_TOKEN_ID", 0, vocab - 1)),
      ),
    ],
    layers,
  };
  checkSize(config, field("hidden_size").place);
  return config;
}

function refuseUnsupported({ architecture, field }: Hyperparameters): void {
  const activation = field("hidden_act");
  if (activation.value != null && activation.value !== "silu") throw refuse("CONFIG_UNSUPPORTED", activation, "silu");
  for (const name of ["attention_bias", "mlp_bias"] as const) {
    const bias = field(name);
    if (bias.value && !architecture.biases.includes(name)) throw refuse("CONFIG_UNSUPPORTED", bias, "false");
  }
  const partial = field("partial_rotary_factor");
  if (partial.value != null && partial.value !== 1) throw refuse("CONFIG_ROPE", partial, "1: all of a head turns");
}

/** A window that the context never leaves is none. */
function contextOf({ architecture, field }: Hyperparameters): number {
  const { defaults } = architecture;
  const context = integer(
    field("max_position_embeddings"),
    "CONFIG_RANGE",
    1,
    LARGEST,
    defaults["max_position_embeddings"],
  );
  if (!architecture.window) return context;
  const window = field("sliding_window");
  const value = window.value === undefined ? (defaults["sliding_window"] ?? null) : window.value;
  if (value !== null && !(isInteger(value) && value >= context)) {
    throw refuse("CONFIG_UNSUPPORTED", { ...window, value }, `null or at least the context, ${context}`);
  }
  return context;
}

export function layerCount(field: Hyperparameters["field"]): number {
  return integer(field("num_hidden_layers"), "CONFIG_RANGE", 1, MOST_LAYERS);
}

function headsOf({ architecture, field }: Hyperparameters, hidden: number) {
  const heads = integer(field("num_attention_heads"), "CONFIG_HEADS", 1, MOST_HEADS);
  // null means as many as there are query heads, whatever the class's default.
  const absent = field("num_key_value_heads").value === undefined;
  const usual = (absent ? architecture.defaults["num_key_value_heads"] : undefined) ?? heads;
  const kvHeads = integer(field("num_key_value_heads"), "CONFIG_HEADS", 1, heads, usual);
  if (heads % kvHeads !== 0) throw refuse("CONFIG_HEADS", field("num_key_value_heads"), `a divisor of ${heads}`);
  const headSize = integer(field("head_dim"), "CONFIG_HEADS", 2, MOST_HEADS, hidden / heads);
  if (headSize % 2 !== 0) {
    throw refuse("CONFIG_HEADS", { ...field("head_dim"), value: headSize }, "an even number: rope rotates pairs");
  }
  return { heads, kvHeads, headSize };
}

function layerKinds(given: Hyperparameters, count: number): { layers: LayerConfig[]; chunk: number } {
  const { architecture, field } = given;
  if (architecture.layers !== "stated") return { layers: Array(count).fill(architecture.layers), chunk: 0 };
  const moe = moeLayers(given, count);
  const rope = ropeLayers(given, count);
  const types = listOf(field("layer_types"), (value) => value === "chunked_attention" || value === "full_attention");
  if (types !== null) checkLength(field("layer_types"), types, count);
  // Absent is the class's default; null says that no layer is chunked.
  const chunkField = field("attention_chunk_size");
  const usual = architecture.defaults["attention_chunk_size"];
  const size = chunkField.value === null ? 0 : integer(chunkField, "CONFIG_RANGE", 1, LARGEST, usual);
  const normed = flag(field("use_qk_norm"), true);
  const tuned = isTuned(given);
  const layers = Array.from({ length: count }, (_, layer): LayerConfig => {
    const turns = rope[layer]!;
    const chunked = size > 0 && (types === null ? turns : types[layer] === "chunked_attention");
    return { rope: turns, chunked, qkNorm: turns && normed, temperature: !turns && tuned, moe: moe.has(layer) };
  });
  return { layers, chunk: layers.some((layer) => layer.chunked) ? size : 0 };
}

/** `moe_layers`: [] means none, null means every `interleave_moe_layer_step`-th layer (0: none). */
function moeLayers({ architecture: { defaults }, field }: Hyperparameters, count: number): Set<number> {
  const list = field("moe_layers");
  const given = listOf(list, (value) => isInteger(value) && value >= 0 && value < count);
  if (given === null) {
    const step = integer(
      field("interleave_moe_layer_step"),
      "CONFIG_RANGE",
      0,
      LARGEST,
      defaults["interleave_moe_layer_step"],
    );
    return new Set(step === 0 ? [] : Array.from({ length: Math.floor(count / step) }, (_, n) => (n + 1) * step - 1));
  }
  const layers = new Set(given as number[]);
  if (layers.size !== given.length) throw refuse("CONFIG_LAYERS", list, "every layer once");
  return layers;
}

/** `no_rope_layers` is named upside down, 1 means rope; null and [] both mean all but each interval's last layer. */
function ropeLayers({ architecture: { defaults }, field }: Hyperparameters, count: number): boolean[] {
  const list = field("no_rope_layers");
  const given = listOf(list, (value) => value === 0 || value === 1 || typeof value === "boolean");
  if (given === null || given.length === 0) {
    const usual = defaults["no_rope_layer_interval"];
    const interval = integer(field("no_rope_layer_interval"), "CONFIG_RANGE", 1, LARGEST, usual);
    return Array.from({ length: count }, (_, layer) => (layer + 1) % interval !== 0);
  }
  checkLength(list, given, count);
  return given.map(Boolean);
}

function expertsOf({ architecture, field }: Hyperparameters, moe: boolean) {
  const { defaults } = architecture;
  const own = (name: "router" | "shared_expert") =>
    architecture.own.includes(name) ? field(name) : { ...field(name), value: undefined };
  const router = own("router");
  if (router.value != null && router.value !== "sigmoid" && router.value !== "softmax") {
    throw refuse("CONFIG_MOE", router, "sigmoid or softmax");
  }
  const sharedExpert = flag(own("shared_expert"), architecture.sharedExpert);
  if (!moe) return { experts: 0, expertsUsed: 0, router: "sigmoid" as const, sharedExpert: false };
  const experts = integer(field("num_local_experts"), "CONFIG_MOE", 1, MOST_EXPERTS, defaults["num_local_experts"]);
  const used = field("num_experts_per_tok");
  const expertsUsed = integer(used, "CONFIG_MOE", 1, experts, defaults["num_experts_per_tok"]);
  // The class's default, too.
  if (expertsUsed > experts) throw refuse("CONFIG_MOE", { ...used, value: expertsUsed }, `at most ${experts}`);
  return {
    experts,
    expertsUsed,
    router: (router.value ?? architecture.router) as Architecture["router"],
    sharedExpert,
  };
}

/** Old exports say 4 where new ones say true. */
function isTuned({ architecture, field }: Hyperparameters): boolean {
  if (architecture.layers !== "stated") return architecture.layers.temperature;
  const { value } = field("attn_temperature_tuning");
  return value === undefined || Boolean(value);
}

function temperatureOf(given: Hyperparameters): { floor: number; scale: number } {
  if (!isTuned(given)) return { floor: 1, scale: 0 };
  const { architecture, field } = given;
  const floor = integer(field("floor_scale"), "CONFIG_RANGE", 1, LARGEST, architecture.defaults["floor_scale"]);
  return { floor, scale: real(field("attn_scale"), "CONFIG_RANGE", 1e6, architecture.defaults["attn_scale"]) };
}

function ropeThetaOf({ architecture, field }: Hyperparameters): number {
  const theta = field("rope_theta");
  const value = real(theta, "CONFIG_ROPE", Number.MAX_VALUE, architecture.defaults["rope_theta"]);
  if (value < 1) throw refuse("CONFIG_ROPE", theta, "at least 1");
  return value;
}

function ropeScalingOf(scaling: Field): RopeScaling | null {
  if (scaling.value == null) return null;
  if (!isPlain(scaling.value)) throw refuse("CONFIG_ROPE", scaling, "an object or null");
  const inner = (name: string) => at(scaling.place, `${scaling.place.field}/${name}`, (scaling.value as Json)[name]);
  // v5 allows one object per kind of layer; to read that as "no scaling" would be wrong in silence.
  const layered = Object.entries(scaling.value).find(([, value]) => isPlain(value));
  if (layered) throw refuse("CONFIG_ROPE", inner(layered[0]), "one scaling for all layers");
  const type = inner("rope_type").value == null && inner("type").value != null ? inner("type") : inner("rope_type");
  if (type.value == null || type.value === "default") return null;
  if (type.value === "linear") return { type: "linear", factor: real(inner("factor"), "CONFIG_ROPE", 1e6) };
  if (type.value !== "llama3") throw refuse("CONFIG_ROPE", type, "llama3, linear or default");
  const low = inner("low_freq_factor");
  const high = inner("high_freq_factor");
  const result = {
    type: "llama3" as const,
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
