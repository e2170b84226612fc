import { MAX_THREADS } from "../../assembly/abi.ts";
import type { CheckpointLike } from "../checkpoint/open.ts";
import type { Choices } from "../choice.ts";
import { EngineError } from "../error.ts";
import { checkSignal } from "../generate/options.ts";
import { checkPlain, isFunction, isPlain, outOfRange } from "../given.ts";
import type { Build } from "../host/build.ts";
import type { ThreadChoice } from "../host/host-facts.ts";
import type { CacheType } from "../model/plan/pages.ts";
import { RECIPES, type Recipe } from "../model/plan/recipes.ts";
import { SEQUENCES } from "../model/plan/sizes.ts";
import type { LoadProgress } from "../model/run/load.ts";
import type { ActivationType } from "../weight-types.ts";
import { type AdapterOptions, checkAdapters } from "./adapters.ts";
import { checkChoices } from "./kernel-choices.ts";

export interface LoadOptions {
  /** Worker threads; 0: the caller's thread. Default: the processor's cores. */
  threads?: number;
  /** Default: relaxed where the host has it. */
  build?: Build;
  /** 256-bit pairs where the host's V8 can: a wish, `model.info.wide` says what came of it. */
  wide?: boolean;
  /** Positions of the cache. Default: what the file allows, at most 8192. */
  context?: number;
  /** Keys and values as f32 (exact) or 8 bits (a quarter of the bytes). Default f32. */
  cache?: CacheType;
  /**
   * What quantised weights are multiplied with, block by block: integers of 8 bits; of 16 bits beside q8_0, iq4_nl and iq4_xs ("q16", the others
   * meet 8); or f32, which is slow. Default q16: answers stay those of f32, and most hosts need no longer. 8 bits double the speed of
   * q8_0 prompts where the processor multiplies bytes (AVX-VNNI, Neon). The same bits on every host.
   */
  activations?: ActivationType;
  /**
   * Float weights (safetensors, or f32, f16 and bf16 of a GGUF file) are quantised while they are loaded; the embedding and the output of a
   * 4-bit model become q6_k. Default: every weight as it is stored.
   */
  quantize?: Recipe;
  /** Sequences that share a step at most, 1 to 512; more wait. Default 64. */
  sequences?: number;
  /** Positions of the cache, all sequences together; the context at least. Default: the context, and 64 for each of `sequences`. */
  cachePositions?: number;
  /** Requests that may wait for a place in the steps; one more is QUEUE_FULL. Batches hold back by themselves. Default 4096. */
  maxWaiting?: number;
  /**
   * Milliseconds that prompts of others may hold up the next token of an answer that is being written: long prompts are computed in
   * pieces of the rows that fit, as measured. Default 50.
   */
  latency?: number;
  /**
   * What was computed is kept, as long as there is room, for whatever begins with the same ids: a conversation is not computed again
   * at every turn. `maxBytes` of cache pages at most (bytes or text; default: the whole cache), false: nothing is kept.
   */
  prefixCache?: { maxBytes?: number | string } | false;
  /**
   * Kernels by type of weights, as `model.info.choices` names them, instead of measuring: for benches, tests and reports. They change
   * speed alone. A type that the model does not have is an error.
   */
  choices?: Choices;
  /** All memory the model may take: bytes, or "2GiB", "500MB". */
  maxMemory?: number | string;
  /** Largest single wasm memory; layers that do not fit go to a further one. Bytes or text; default 4 GiB. */
  memoryLimit?: number | string;
  /**
   * true (default): options that a call leaves out are as the checkpoint recommends (`generation_config.json`, or
   * `general.sampling.*` of a GGUF file); `model.info.generationConfig` shows them. false: as the engine's defaults say.
   */
  generationConfig?: boolean;
  /**
   * The vision tower: the mmproj file of a GGUF model or a multimodal folder, where it is not found by itself (in the folder of the model,
   * or as the one mmproj file beside it). false: the model reads text only.
   */
  vision?: CheckpointLike | false;
  /** Adapters of low rank (LoRA), applied beside the weights: every call chooses one by its option `adapter`. */
  adapters?: readonly AdapterOptions[];
  onProgress?: (progress: LoadProgress) => void;
  signal?: AbortSignal;
}

export interface CheckedLoadOptions {
  readonly threads: number | undefined;
  readonly build: Build | undefined;
  readonly wide: boolean;
  readonly context: number | undefined;
  readonly cache: CacheType;
  readonly activations: ActivationType;
  readonly quantize: Recipe | undefined;
  readonly sequences: number;
  readonly cachePositions: number | undefined;
  readonly maxWaiting: number;
  readonly latency: number;
  /** Bytes; 0: nothing is kept. */
  readonly prefixCache: number;
  readonly choices: Choices;
  readonly maxMemory: number | undefined;
  readonly memoryLimit: number | undefined;
  readonly generationConfig: boolean;
  readonly vision: CheckpointLike | false | undefined;
  readonly adapters: readonly AdapterOptions[];
  readonly onProgress: ((progress: LoadProgress) => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

/** A row of a step each. */
const MOST_SEQUENCES = 512;
const MAX_WAITING = 4096;
const LATENCY = 50;

const NAMES = [
  "threads",
  "build",
  "wide",
  "context",
  "cache",
  "activations",
  "quantize",
  "sequences",
  "cachePositions",
  "maxWaiting",
  "latency",
  "prefixCache",
  "choices",
  "maxMemory",
  "memoryLimit",
  "generationConfig",
  "vision",
  "adapters",
  "onProgress",
  "signal",
];

/** Threads of a model: as asked for, else as many as the host has and the kernels can count. */
export function chooseThreads(asked: number | undefined, host: ThreadChoice): ThreadChoice {
  if (asked !== undefined) return { count: asked, reason: "asked for" };
  if (host.count <= MAX_THREADS) return host;
  return { count: MAX_THREADS, reason: `${host.reason}; at most ${MAX_THREADS} threads` };
}

/** Every value checked; a name that is not an option is an error. `extra` lists names that the caller looks at itself. */
export function checkLoadOptions(options: LoadOptions | undefined, extra: readonly string[] = []): CheckedLoadOptions {
  checkPlain(options);
  const given: Record<string, unknown> = { ...options };
  for (const name of Object.keys(given)) {
    if (!NAMES.includes(name) && !extra.includes(name)) {
      throw new EngineError("OPTION_UNKNOWN", "this option is not supported", {
        at: { source: "option", field: name },
        actual: name,
        limit: `one of ${[...NAMES, ...extra].join(", ")}`,
      });
    }
  }
  return {
    threads: integer("threads", given["threads"], 0, MAX_THREADS),
    build: oneOf("build", given["build"], ["simd", "relaxed"] as const),
    wide: oneOf("wide", given["wide"], [true, false] as const) ?? false,
    context: integer("context", given["context"], 1, Number.MAX_SAFE_INTEGER),
    cache: oneOf("cache", given["cache"], ["f32", "q8"] as const) ?? "f32",
    activations: oneOf("activations", given["activations"], ["q8", "q16", "f32"] as const) ?? "q16",
    quantize: oneOf("quantize", given["quantize"], RECIPES),
    sequences: integer("sequences", given["sequences"], 1, MOST_SEQUENCES) ?? SEQUENCES,
    cachePositions: integer("cachePositions", given["cachePositions"], 1, Number.MAX_SAFE_INTEGER),
    maxWaiting: integer("maxWaiting", given["maxWaiting"], 0, Number.MAX_SAFE_INTEGER) ?? MAX_WAITING,
    latency: integer("latency", given["latency"], 1, Number.MAX_SAFE_INTEGER) ?? LATENCY,
    prefixCache: prefixBytes(given["prefixCache"]),
    choices: checkChoices(given["choices"]),
    maxMemory: bytes("maxMemory", given["maxMemory"]),
    memoryLimit: bytes("memoryLimit", given["memoryLimit"]),
    generationConfig: oneOf("generationConfig", given["generationConfig"], [true, false] as const) ?? true,
    // What is no source is refused where it is opened.
    vision: given["vision"] as CheckpointLike | false | undefined,
    adapters: checkAdapters(given["adapters"]),
    onProgress: progress(given["onProgress"]),
    signal: checkSignal(given["signal"]),
  };
}

function progress(value: unknown): CheckedLoadOptions["onProgress"] {
  if (value !== undefined && !isFunction(value)) throw outOfRange("onProgress", value, "a function");
  return value as CheckedLoadOptions["onProgress"];
}

function prefixBytes(value: unknown): number {
  if (value === undefined) return Number.POSITIVE_INFINITY;
  if (value === false) return 0;
  if (!isPlain(value)) throw outOfRange("prefixCache", value, "false, or an object with maxBytes");
  const { maxBytes, ...others } = { ...(value as Record<string, unknown>) };
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) throw outOfRange(`prefixCache.${unknown}`, others[unknown], "maxBytes alone");
  return bytes("prefixCache.maxBytes", maxBytes) ?? Number.POSITIVE_INFINITY;
}

function integer(field: string, value: unknown, least: number, most: number): number | undefined {
  if (value === undefined) return undefined;
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most)
    throw outOfRange(field, value, `an integer from ${least} to ${most}`);
  return value as number;
}

function oneOf<Value>(field: string, value: unknown, values: readonly Value[]): Value | undefined {
  if (value === undefined) return undefined;
  if (!values.includes(value as Value))
    throw outOfRange(field, value, values.map((one) => JSON.stringify(one)).join(" or "));
  return value as Value;
}

const UNITS: Record<string, number> = {
  "": 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
};

function bytes(field: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const text = typeof value === "number" ? String(value) : value;
  const match = typeof text === "string" ? /^(\d+(?:\.\d+)?)\s*([KMG]i?B|B)?$/i.exec(text.trim()) : null;
  const amount = match ? Math.floor(Number(match[1]) * UNITS[(match[2] ?? "").toUpperCase()]) : Number.NaN;
  if (!Number.isSafeInteger(amount) || amount < 1)
    throw outOfRange(field, value, 'bytes, or text like "2GiB" or "500MB"');
  return amount;
}
