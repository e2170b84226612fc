import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { EngineError, type ErrorPlace } from "../../error.ts";
import { isArray, isPlain, tell } from "../../given.ts";
import { architectureOf } from "./architectures.ts";
import type { ModelConfig } from "./config.ts";

/**
 * What an adapter says of itself: `adapter_config.json` of PEFT, or the keys of a GGUF adapter. Whatever would change the result and
 * is not computed here is refused by its name; of names that nobody knew when this was written, only values that ask for nothing pass.
 */

export interface AdapterConfig {
  /** Of the file, before what it says of single matrices. */
  readonly alpha: number;
  /** What B A is multiplied by, for the matrix that the file calls `module` and adapts with this rank. */
  factor(module: string, rank: number): number;
  /** A rank that the file promises for the matrix; undefined: it says nothing. */
  rank(module: string): number | undefined;
}

/** Of whatever matrix: more is no adapter of low rank, and would be multiplied as slowly as a second model. */
export const MOST_RANK = 4096;

export function readAdapterConfig(checkpoint: Checkpoint, config: ModelConfig): AdapterConfig {
  const settings = readAdapterSettings(checkpoint);
  const { gguf } = architectureOf(config.architecture);
  if (checkpoint.format === "gguf") expectText(checkpoint, "general.architecture", gguf);
  return settings;
}

/** Whatever its model. */
export function readAdapterSettings(checkpoint: Checkpoint): AdapterConfig {
  return checkpoint.format === "gguf" ? readGguf(checkpoint) : readPeft(checkpoint);
}

/** What is opened as a model must be one. */
export function refuseAdapter({ metadata, format, name }: Checkpoint): void {
  if (metadata.get("general.type") !== "adapter") return;
  const at: ErrorPlace = { source: format === "gguf" ? "gguf" : "config", file: name, field: "general.type" };
  const what =
    "an adapter (LoRA) is no model of its own: load the model that it was trained on with the option adapters";
  throw new EngineError("ADAPTER_ALONE", what, { at });
}

export const PEFT = "adapter_config.json";

const GGUF_KEYS = ["adapter.type", "adapter.lora.alpha", "adapter.lora.task_name", "adapter.lora.prompt_prefix"];

function expectText({ metadata, name }: Checkpoint, field: string, value: string): void {
  const found = metadata.get(field);
  if (found === value) return;
  throw refused(
    { source: "gguf", file: name, field },
    "this is no adapter of this model",
    found,
    JSON.stringify(value),
  );
}

function readGguf(checkpoint: Checkpoint): AdapterConfig {
  const { metadata, name } = checkpoint;
  const refuse = (field: string, what: string, limit?: string) =>
    refused({ source: "gguf", file: name, field }, what, metadata.get(field), limit);
  expectText(checkpoint, "general.type", "adapter");
  expectText(checkpoint, "adapter.type", "lora");
  const unknown = [...metadata.keys()].find((key) => key.startsWith("adapter.") && !GGUF_KEYS.includes(key));
  if (unknown !== undefined) throw refuse(unknown, "the adapter asks for what is not computed here");
  const alpha = metadata.get("adapter.lora.alpha");
  if (typeof alpha !== "number" || !Number.isFinite(alpha))
    throw refuse("adapter.lora.alpha", "the adapter says no scale", "a finite number");
  // llama.cpp, which reads and writes these files, takes 0 for "not scaled".
  return { alpha, factor: (_, rank) => (alpha === 0 ? 1 : alpha / rank), rank: () => undefined };
}

/** Of training, of bookkeeping, or said by the tensors as well. */
const SILENT = new Set([
  ...["auto_mapping", "base_model_name_or_path", "revision", "task_type", "inference_mode", "peft_version"],
  ...["lora_dropout", "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "loftq_config"],
  ...["runtime_config", "megatron_core", "qalora_group_size", "eva_config", "ensure_weight_tying"],
]);

/** Others change the base model too, of which only what the adapter adds is known here. */
const INITIAL = [true, false, null, undefined, "gaussian", "eva", "orthogonal"];

/** Names of modules, or their ends; of PEFT's regular expressions nothing but the start. */
const PATTERN = /^\^?[\w.]+$/;
const MOST_PATTERNS = 100_000;

function readPeft({ json, name }: Checkpoint): AdapterConfig {
  const given = json.get(PEFT);
  const place = (field: string): ErrorPlace => ({ source: "config", file: name, field });
  if (!isPlain(given)) throw refused(place(PEFT), "this is no configuration of an adapter", given, "an object");
  const fields = new Map(Object.entries(given));
  const refuse = (field: string, what: string, limit?: string) =>
    refused(place(`/${field}`), what, fields.get(field), limit);
  const unsupported = "the adapter asks for what is not computed here";
  if (fields.get("peft_type") !== "LORA") throw refuse("peft_type", unsupported, '"LORA"');
  if (!INITIAL.includes(fields.get("init_lora_weights") as boolean))
    throw refuse(
      "init_lora_weights",
      "the adapter changes its base model too",
      "true, false, gaussian, eva or orthogonal",
    );
  if (!["none", undefined].includes(fields.get("bias") as string)) throw refuse("bias", unsupported, '"none"');
  const rank = fields.get("r");
  if (!isRank(rank)) throw refuse("r", "no rank", `an integer from 1 to ${MOST_RANK}`);
  const alpha = fields.get("lora_alpha");
  if (!isAlpha(alpha)) throw refuse("lora_alpha", "no scale", "a finite number");
  const root = fields.get("use_rslora") ?? false;
  if (typeof root !== "boolean") throw refuse("use_rslora", "neither on nor off", "true or false");
  const ranks = readPattern(fields.get("rank_pattern"), isRank, (limit) =>
    refuse("rank_pattern", "no table of ranks", limit),
  );
  const alphas = readPattern(fields.get("alpha_pattern"), isAlpha, (limit) =>
    refuse("alpha_pattern", "no table of scales", limit),
  );
  const read = [
    "peft_type",
    "init_lora_weights",
    "bias",
    "r",
    "lora_alpha",
    "use_rslora",
    "rank_pattern",
    "alpha_pattern",
  ];
  for (const [field, value] of fields)
    if (!read.includes(field) && !SILENT.has(field) && !asksNothing(value)) throw refuse(field, unsupported, "none");
  return {
    alpha,
    factor: (module, ofMatrix) => (alphas(module) ?? alpha) / (root ? Math.sqrt(ofMatrix) : ofMatrix),
    rank: (module) => ranks(module) ?? rank,
  };
}

const isRank = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MOST_RANK;
const isAlpha = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

function asksNothing(value: unknown): boolean {
  if (isArray(value)) return value.length === 0;
  return value === null || value === false || (isPlain(value) && Object.keys(value).length === 0);
}

/** Values by module: the first entry whose name is the module's, or its end behind a dot. */
function readPattern(
  given: unknown,
  allowed: (value: unknown) => value is number,
  refuse: (limit: string) => EngineError,
): (module: string) => number | undefined {
  if (given === undefined || given === null) return () => undefined;
  if (!isPlain(given)) throw refuse("an object of numbers");
  const entries = Object.entries(given);
  if (entries.length > MOST_PATTERNS) throw refuse(`at most ${MOST_PATTERNS} entries`);
  const values = new Map<string, { value: number; order: number }>();
  for (const [order, [name, value]] of entries.entries()) {
    if (!PATTERN.test(name) || !allowed(value)) throw refuse("names of modules with a number each");
    values.set(name, { value, order });
  }
  return (module) => {
    let found = values.get(`^${module}`);
    for (let at = 0; ; at = module.indexOf(".", at) + 1) {
      const other = values.get(module.slice(at));
      if (other && (!found || other.order < found.order)) found = other;
      if (module.indexOf(".", at) < 0) return found?.value;
    }
  };
}

function refused(at: ErrorPlace, what: string, actual: unknown, limit?: string): EngineError {
  return new EngineError("ADAPTER_CONFIG", what, { at, limit, actual: tell(actual) });
}
