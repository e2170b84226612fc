import { EngineError } from "../error.ts";
import { checkPlain, checkTokenIds, isArray, isList, isPlain, readOptions, wrong } from "../given.ts";
import { type CheckedFormat, checkFormat, type ResponseFormat } from "../grammar/format.ts";
import type { StandardSchema } from "../grammar/standard-schema.ts";
import { isSignal, ownSignal } from "../realm.ts";
import { type AdapterChoice, checkAdapter } from "./adapter-choice.ts";
import type { Drafter, DraftModel } from "./draft.ts";
import { type CheckedDry, checkDry, type DryOptions } from "./dry.ts";
import { numberIn } from "./in-range.ts";
import { checkLogitBias } from "./logit-bias.ts";
import { checkLogitsProcessor, type LogitsProcessor } from "./logits-processor.ts";
import { type Seed, seedOf } from "./seed.ts";
import { checkShortText } from "./short-text.ts";
import { checkXtc, type XtcOptions } from "./xtc.ts";

/**
 * What a caller may ask of a generation. Everything is optional; a name that is not here is an error, never ignored. What is
 * absent is as the checkpoint says (`model.info.generationConfig`), else the default named here.
 */
export interface GenerateOptions {
  /** At most this many new tokens. Default: what fits the context. */
  maxTokens?: number;
  /**
   * Nothing but the context ends it before so many new tokens, at most `maxTokens`: until then the ids that end it are forbidden, and
   * `stop` is looked for in the text behind them. Default 0.
   */
  minTokens?: number;
  /** The ids that the checkpoint names do not end it, and are drawn like others; `stop` and `stopIds` do. Default: false. */
  ignoreEos?: boolean;
  /** 0 (and anything below 1e-4) is greedy: the likeliest token, the lowest id on ties. Default 0.6. */
  temperature?: number;
  /** Keep the k likeliest tokens; 0 and -1 switch it off. Default: off. */
  topK?: number;
  /** Keep the likeliest tokens until the probability before the next one exceeds this. Default 0.9. */
  topP?: number;
  /** Keep tokens at least this many times as likely as the likeliest. */
  minP?: number;
  /**
   * Keep the most typical tokens, those whose surprise is nearest to the entropy, until the probability before the next one exceeds
   * this (Meister et al. 2022, locally typical sampling). Default 1: off.
   */
  typicalP?: number;
  /** Keep logits within so many standard deviations of the largest (Tang et al. 2024, arXiv 2411.07641). Default 0: off. */
  topNSigma?: number;
  /** Now and then take out the likeliest tokens. Default: off. */
  xtc?: XtcOptions;
  /** Lower what would go on a repetition. Default: off. */
  dry?: DryOptions;
  /** Over prompt and output: positive logits are divided by it, negative ones multiplied. */
  repetitionPenalty?: number;
  /** Taken once from the logit of every token of the output. */
  presencePenalty?: number;
  /** Taken from the logit of a token for each time it is in the output. */
  frequencyPenalty?: number;
  /** Added to the logit of an id; -100 forbids the id. Ids that the checkpoint forbids stay forbidden unless named here. */
  logitBias?: Record<number, number> | ReadonlyMap<number, number>;
  /** The caller's own rule over the logits of each token, after penalties and bias, before temperature and cuts. */
  logitsProcessor?: LogitsProcessor;
  /** An integer of 64 bits, from 2^53 on as a bigint or decimal text. Drawn when absent or -1; the one that was used is reported. */
  seed?: number | bigint | string;
  /** Text that ends the generation; it is not part of the result. What is exactly a control token means its id too. */
  stop?: string | readonly string[];
  /** Ids that end the generation, besides those the checkpoint names. */
  stopIds?: ArrayLike<number>;
  /** true: of each generated token; a number: also of that many likeliest alternatives. */
  logProbabilities?: boolean | number;
  /** Read `<|eot|>` and its like in a prompt of text as control tokens. Default: as text, with a warning in the result. */
  specialTokens?: boolean;
  /** Only calls of the same salt share what was computed: tenants cannot tell by the time what others asked. Default: none. */
  salt?: string;
  /**
   * Ids are guessed, and several are checked in one step: the same ids as without, sooner where guesses are right; where it does not pay
   * it rests. "lookup": from what followed the same ids before, for text that is copied or repeated. `draft`: by another loaded Model of
   * the same vocabulary, a much smaller one. Default false.
   */
  speculate?: "lookup" | { readonly draft: DraftModel } | false;
  /** Of those who wait for a place in the steps, higher ones go first: -100 to 100. Default 0. */
  priority?: number;
  /** Milliseconds from the start: an answer that is not there by then ends with DEADLINE. */
  deadline?: number;
  /** Of those that the model was loaded with, by name or index; null: none. Default: the first, where there is one. */
  adapter?: AdapterChoice;
  /** What the text may be: JSON, of a schema, of a pattern ... `result().value` is what it means. docs/generation.md. */
  responseFormat?: ResponseFormat;
  signal?: AbortSignal;
}

/** Options whose format is a Standard Schema, which says what the value is. */
export type Formatted<Options, Value> = Omit<Options, "responseFormat"> & { responseFormat: StandardSchema<Value> };

/** The same with every value checked and every default filled in, but for the seed. */
export interface CheckedOptions {
  maxTokens: number;
  minTokens: number;
  ignoreEos: boolean;
  /** 0 is greedy, else at least 1e-4. */
  temperature: number;
  /** 0 is off, else 1..vocab. */
  topK: number;
  topP: number;
  minP: number;
  /** 1 is off. */
  typicalP: number;
  /** 0 is off. */
  topNSigma: number;
  /** undefined: off, as of `dry`. */
  xtc: Required<XtcOptions> | undefined;
  dry: CheckedDry | undefined;
  repetitionPenalty: number;
  presencePenalty: number;
  frequencyPenalty: number;
  logitBias: ReadonlyMap<number, number>;
  logitsProcessor: LogitsProcessor | undefined;
  /** undefined: to be drawn. */
  seed: Seed | undefined;
  stop: readonly string[];
  stopIds: readonly number[];
  /** undefined: none; else how many alternatives to report beside the token's own. */
  logProbabilities: number | undefined;
  specialTokens: boolean;
  salt: string;
  speculate: "lookup" | Drafter | false;
  priority: number;
  /** undefined: none. */
  deadline: number | undefined;
  /** Place among the model's; null: none. */
  adapter: number | null;
  /** undefined: any text. */
  responseFormat: CheckedFormat | undefined;
  signal: AbortSignal | undefined;
}

/** Temperature and topP as Llama 4's generation_config has them. */
export const DEFAULT_OPTIONS: Readonly<CheckedOptions> = {
  maxTokens: Number.POSITIVE_INFINITY,
  minTokens: 0,
  ignoreEos: false,
  temperature: 0.6,
  topK: 0,
  topP: 0.9,
  minP: 0,
  typicalP: 1,
  topNSigma: 0,
  xtc: undefined,
  dry: undefined,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: new Map(),
  logitsProcessor: undefined,
  seed: undefined,
  stop: [],
  stopIds: [],
  logProbabilities: undefined,
  specialTokens: false,
  salt: "",
  speculate: false,
  priority: 0,
  deadline: undefined,
  adapter: null,
  responseFormat: undefined,
  signal: undefined,
};

export interface OptionLimits {
  vocab: number;
  context: number;
  /** Names of the model's adapters. Default: none. */
  adapters?: readonly string[];
  /** What guesses for this model, of what a caller gives as another. Default: no model does. */
  drafterOf?(model: unknown): Drafter;
}

/** A colder distribution is a point in double precision: 5 / 1e-320 is already Infinity. */
const GREEDY_BELOW = 1e-4;
const MAX_STOPS = 16;
const MAX_STOP_BYTES = 1024;
const MAX_STOP_IDS = 1024;
const MAX_ALTERNATIVES = 20;
const MAX_SALT = 1024;
/** What timers take. */
const MAX_DEADLINE = 2 ** 31 - 1;

const NAMES: readonly string[] = [
  "maxTokens",
  "minTokens",
  "ignoreEos",
  "temperature",
  "topK",
  "topP",
  "minP",
  "typicalP",
  "topNSigma",
  "xtc",
  "dry",
  "repetitionPenalty",
  "presencePenalty",
  "frequencyPenalty",
  "logitBias",
  "logitsProcessor",
  "seed",
  "stop",
  "stopIds",
  "logProbabilities",
  "specialTokens",
  "salt",
  "speculate",
  "priority",
  "deadline",
  "adapter",
  "responseFormat",
  "signal",
] satisfies (keyof GenerateOptions)[];

/**
 * Check `options` against the model's `limits`; what is absent is as in `defaults`. `extra` lists further names that the caller
 * looks at itself.
 */
export function checkOptions(
  options: unknown,
  limits: OptionLimits,
  extra: readonly string[] = [],
  defaults: Readonly<CheckedOptions> = DEFAULT_OPTIONS,
): CheckedOptions {
  const given = snapshot(options, extra);
  const number = (field: NumberName, range: string) => numberIn(field, given[field], defaults[field], range);
  const temperature = number("temperature", "[0, 2]");
  const maxTokens = checkMaxTokens(given.maxTokens, defaults.maxTokens, limits.context);
  return {
    maxTokens,
    minTokens: checkMinTokens(given.minTokens, defaults.minTokens, maxTokens),
    ignoreEos: checkFlag("ignoreEos", given.ignoreEos) ?? defaults.ignoreEos,
    temperature: temperature < GREEDY_BELOW ? 0 : temperature,
    topK: checkTopK(given.topK, defaults.topK, limits.vocab),
    topP: number("topP", "(0, 1]"),
    minP: number("minP", "[0, 1]"),
    typicalP: number("typicalP", "(0, 1]"),
    topNSigma: number("topNSigma", "[0, 100]"),
    xtc: checkXtc(given.xtc, defaults.xtc),
    dry: checkDry(given.dry, defaults.dry),
    repetitionPenalty: number("repetitionPenalty", "(0, 10]"),
    presencePenalty: number("presencePenalty", "[-2, 2]"),
    frequencyPenalty: number("frequencyPenalty", "[-2, 2]"),
    logitBias: checkLogitBias(given.logitBias, defaults.logitBias, limits.vocab),
    logitsProcessor: checkLogitsProcessor(given.logitsProcessor, defaults.logitsProcessor),
    seed: given.seed === undefined ? defaults.seed : checkSeed(given.seed),
    stop: given.stop === undefined ? defaults.stop : checkStop(given.stop),
    stopIds: given.stopIds === undefined ? defaults.stopIds : checkStopIds(given.stopIds, limits.vocab),
    logProbabilities: checkLogProbabilities(given.logProbabilities, defaults.logProbabilities),
    specialTokens: checkFlag("specialTokens", given.specialTokens) ?? defaults.specialTokens,
    salt: checkSalt(given.salt) ?? defaults.salt,
    speculate: checkSpeculate(given.speculate, limits) ?? defaults.speculate,
    priority: checkWhole("priority", given.priority, [-100, 100]) ?? defaults.priority,
    deadline: checkWhole("deadline", given.deadline, [1, MAX_DEADLINE]) ?? defaults.deadline,
    adapter: given.adapter === undefined ? defaults.adapter : checkAdapter(given.adapter, limits.adapters ?? []),
    responseFormat: given.responseFormat === undefined ? defaults.responseFormat : checkFormat(given.responseFormat),
    signal: checkSignal(given.signal),
  };
}

type NumberName =
  | "temperature"
  | "topP"
  | "minP"
  | "typicalP"
  | "topNSigma"
  | "repetitionPenalty"
  | "presencePenalty"
  | "frequencyPenalty";

/** A copy that is read once, so a getter cannot show one value to the check and another to the engine. */
function snapshot(options: unknown, extra: readonly string[]): Record<keyof GenerateOptions, unknown> {
  if (options === undefined) return {} as Record<keyof GenerateOptions, unknown>;
  checkPlain(options);
  const given = { ...(options as object) };
  for (const name of Object.keys(given)) {
    if (NAMES.includes(name) || extra.includes(name)) continue;
    const camel = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    throw new EngineError("REQ_UNSUPPORTED_PARAM", "this option is not supported", {
      at: { source: "option", field: name },
      limit: NAMES.includes(camel) ? `its name here, ${camel}` : `one of ${[...NAMES, ...extra].join(", ")}`,
      actual: name,
    });
  }
  return given as Record<keyof GenerateOptions, unknown>;
}

function checkMaxTokens(value: unknown, absent: number, context: number): number {
  if (value === undefined) return Math.min(absent, context);
  if (Number.isInteger(value) && (value as number) >= 1) return Math.min(value as number, context);
  throw wrong("maxTokens", "not a number of tokens", "an integer >= 1", value);
}

/** What a file asks for must not refuse a shorter answer. */
function checkMinTokens(value: unknown, absent: number, most: number): number {
  if (value === undefined) return Math.min(absent, most);
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most) return (value as number) || 0;
  throw wrong("minTokens", "not a number of tokens", `an integer in [0, ${most}], the maxTokens`, value);
}

function checkTopK(value: unknown, absent: number, vocab: number): number {
  if (value === undefined) return absent;
  if (value === -1) return 0;
  if (Number.isInteger(value) && (value as number) >= 0) return Math.min(value as number, vocab) || 0;
  throw wrong("topK", "not a number of tokens", "an integer >= 1, or 0 or -1 for off", value);
}

function checkSeed(value: unknown): Seed | undefined {
  const integer = Number.isSafeInteger(value) || (typeof value === "string" && /^(0|-?[1-9]\d{0,19})$/.test(value));
  const wide = integer ? BigInt(value as number | string) : value;
  if (typeof wide === "bigint" && wide >= -(2n ** 63n) && wide < 2n ** 64n)
    return wide === -1n ? undefined : seedOf(wide);
  // 2^53 + 1 written as a number has already been rounded to another seed.
  throw wrong("seed", "not a seed", "a safe integer, or a bigint or decimal text in [-2^63, 2^64)", value);
}

function checkStop(value: unknown): string[] {
  const stops: unknown = typeof value === "string" ? [value] : value;
  if (!isArray(stops)) throw wrong("stop", "not text", "a string or an array of strings", value);
  if (stops.length > MAX_STOPS) throw wrong("stop", "too many strings", `at most ${MAX_STOPS} strings`, stops.length);
  return Array.from({ length: stops.length }, (_, index) =>
    checkShortText(stops[index], stops === value ? `stop[${index}]` : "stop", MAX_STOP_BYTES),
  );
}

function checkStopIds(value: unknown, vocab: number): number[] {
  if (!isList(value)) throw wrong("stopIds", "not a list of ids", "an array of token ids", value);
  if (value.length > MAX_STOP_IDS) {
    throw wrong("stopIds", "too many ids", `at most ${MAX_STOP_IDS} ids`, value.length);
  }
  return [...new Set(checkTokenIds(value, vocab, { source: "option", field: "stopIds" }))];
}

function checkFlag(field: string, value: unknown): boolean | undefined {
  if (value === undefined || typeof value === "boolean") return value;
  throw wrong(field, "not a boolean", "true or false", value);
}

function checkSpeculate(value: unknown, { drafterOf }: OptionLimits): CheckedOptions["speculate"] | undefined {
  if (value === undefined || value === false || value === "lookup") return value;
  if (drafterOf && isPlain(value))
    return drafterOf(readOptions<{ draft?: unknown }>(value, ["draft"], "speculate").draft);
  throw wrong("speculate", "no such guesses", '"lookup", { draft: a model } or false', value);
}

export function checkWhole(
  field: string,
  value: unknown,
  [least, most]: readonly [number, number],
): number | undefined {
  if (value === undefined) return undefined;
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return value as number;
  throw wrong(field, "out of range", `an integer in [${least}, ${most}]`, value);
}

export function checkSalt(value: unknown): string | undefined {
  if (value === undefined || (typeof value === "string" && value.length <= MAX_SALT)) return value;
  throw wrong("salt", "not a salt", `a string of at most ${MAX_SALT} characters`, value);
}

/** Options of a single call, `{ signal }` and what `names` lists: anything else is an error, never ignored. */
export function checkCall<Options extends { signal?: AbortSignal; specialTokens?: boolean }>(
  options: Options | undefined,
  names: readonly (keyof Options & string)[] = [],
): Options {
  const given = readOptions(options, ["signal", ...names]);
  return {
    ...given,
    signal: checkSignal(given.signal),
    specialTokens: checkFlag("specialTokens", given.specialTokens),
  };
}

function checkLogProbabilities(value: unknown, absent: number | undefined): number | undefined {
  if (value === undefined) return absent;
  if (value === false) return undefined;
  if (value === true) return 0;
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_ALTERNATIVES)
    return value as number;
  throw wrong("logProbabilities", "out of range", `a boolean or an integer in [0, ${MAX_ALTERNATIVES}]`, value);
}

export function checkSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined) return value;
  if (isSignal(value)) return ownSignal(value);
  throw wrong("signal", "not a signal", "an AbortSignal", value);
}
