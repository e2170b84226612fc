import { EngineError, type ErrorPlace } from "../error.ts";
import { isSignal, ownSignal } from "../realm.ts";

/** What a caller may ask of a generation. Everything is optional; a name that is not here is an error, never ignored. */
export interface GenerateOptions {
  /** At most this many new tokens; what fits the context when absent. */
  maxTokens?: number;
  /** 0 (and anything below 1e-4) is greedy: the likeliest token, the lowest id on ties. */
  temperature?: number;
  /** Keep the k likeliest tokens; 0 and -1 switch it off. */
  topK?: number;
  /** Keep the likeliest tokens until the probability before the next one exceeds this. */
  topP?: number;
  /** Keep tokens at least this many times as likely as the likeliest. */
  minP?: number;
  /** Over prompt and output: positive logits are divided by it, negative ones multiplied. */
  repetitionPenalty?: number;
  /** Taken once from the logit of every token of the output. */
  presencePenalty?: number;
  /** Taken from the logit of a token for each time it is in the output. */
  frequencyPenalty?: number;
  /** Added to the logit of an id; -100 forbids the id. */
  logitBias?: Record<number, number> | ReadonlyMap<number, number>;
  /** Random when absent; the one that was used is reported. */
  seed?: number | bigint;
  /** Text that ends the generation; it is not part of the result. */
  stop?: string | readonly string[];
  /** Ids that end the generation, besides those the checkpoint names. */
  stopIds?: ArrayLike<number>;
  /** true: of each generated token; a number: also of that many likeliest alternatives. */
  logProbabilities?: boolean | number;
  signal?: AbortSignal;
}

/** The same with every value checked and every default filled in. */
export interface CheckedOptions {
  maxTokens: number;
  /** 0 is greedy, else at least 1e-4. */
  temperature: number;
  /** 0 is off, else 1..vocab. */
  topK: number;
  topP: number;
  minP: number;
  repetitionPenalty: number;
  presencePenalty: number;
  frequencyPenalty: number;
  logitBias: ReadonlyMap<number, number>;
  /** Unsigned, 64 bits: a number where it is a safe integer, else a bigint. Given back as an option it draws the same. */
  seed: number | bigint;
  stop: readonly string[];
  stopIds: readonly number[];
  /** undefined: none; else how many alternatives to report beside the token's own. */
  logProbabilities: number | undefined;
  signal: AbortSignal | undefined;
}

export interface OptionLimits {
  vocab: number;
  context: number;
}

/** A colder distribution is a point in double precision: 5 / 1e-320 is already Infinity. */
const GREEDY_BELOW = 1e-4;
const MAX_STOPS = 16;
const MAX_STOP_BYTES = 1024;
const MAX_BIASES = 1024;
const MAX_STOP_IDS = 1024;
const MAX_ALTERNATIVES = 20;

const NAMES: readonly string[] = [
  "maxTokens",
  "temperature",
  "topK",
  "topP",
  "minP",
  "repetitionPenalty",
  "presencePenalty",
  "frequencyPenalty",
  "logitBias",
  "seed",
  "stop",
  "stopIds",
  "logProbabilities",
  "signal",
] satisfies (keyof GenerateOptions)[];

/**
 * Check `options` against the model's `limits` and fill in the defaults (temperature 0.6 and topP 0.9, as Llama 4's
 * generation_config). `extra` lists further names that the caller looks at itself.
 */
export function checkOptions(options: unknown, limits: OptionLimits, extra: readonly string[] = []): CheckedOptions {
  const given = snapshot(options, extra);
  return {
    maxTokens: checkMaxTokens(given.maxTokens, limits.context),
    temperature: checkTemperature(given.temperature),
    topK: checkTopK(given.topK, limits.vocab),
    topP: checkNumber("topP", given.topP, 0.9, "(0, 1]"),
    minP: checkNumber("minP", given.minP, 0, "[0, 1]"),
    repetitionPenalty: checkNumber("repetitionPenalty", given.repetitionPenalty, 1, "(0, 10]"),
    presencePenalty: checkNumber("presencePenalty", given.presencePenalty, 0, "[-2, 2]"),
    frequencyPenalty: checkNumber("frequencyPenalty", given.frequencyPenalty, 0, "[-2, 2]"),
    logitBias: checkLogitBias(given.logitBias, limits.vocab),
    seed: checkSeed(given.seed),
    stop: checkStop(given.stop),
    stopIds: checkStopIds(given.stopIds, limits.vocab),
    logProbabilities: checkLogProbabilities(given.logProbabilities),
    signal: checkSignal(given.signal),
  };
}

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

/** Options are one plain object: what a prototype or a class hides would be ignored. */
export function checkPlain(options: unknown): void {
  if (options === undefined) return;
  const prototype = typeof options === "object" && options !== null ? Object.getPrototypeOf(options) : undefined;
  // Plain objects of another realm have a prototype of their own without one.
  const plain = prototype === null || (prototype !== undefined && Object.getPrototypeOf(prototype) === null);
  if (!plain || kindOf(options) !== "Object")
    throw refuse("options", "the options are not a plain object", "an object of options", options);
}

/** "Object", "Map", "Array", ... also for values of another realm. A Set or Map has no keys and would pass for empty. */
function kindOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

function checkMaxTokens(value: unknown, context: number): number {
  if (value === undefined) return context;
  if (Number.isInteger(value) && (value as number) >= 1) return Math.min(value as number, context);
  throw refuse("maxTokens", "not a number of tokens", "an integer >= 1", value);
}

function checkTemperature(value: unknown): number {
  const temperature = checkNumber("temperature", value, 0.6, "[0, 2]");
  return temperature < GREEDY_BELOW ? 0 : temperature;
}

function checkTopK(value: unknown, vocab: number): number {
  if (value === undefined || value === -1) return 0;
  if (Number.isInteger(value) && (value as number) >= 0) return Math.min(value as number, vocab) || 0;
  throw refuse("topK", "not a number of tokens", "an integer >= 1, or 0 or -1 for off", value);
}

/** `range` is both the rule and the text of the error: "(0, 1]" leaves 0 out. */
function checkNumber(field: keyof GenerateOptions, value: unknown, absent: number, range: string): number {
  if (value === undefined) return absent;
  if (typeof value !== "number") throw refuse(field, "not a number", `a number in ${range}`, value);
  const [low, high] = range.slice(1, -1).split(", ").map(Number);
  const above = range.startsWith("(") ? value > low : value >= low;
  if (!(above && value <= high)) throw refuse(field, "out of range", `a number in ${range}`, value);
  return value;
}

function checkLogitBias(value: unknown, vocab: number): ReadonlyMap<number, number> {
  const checked = new Map<number, number>();
  if (value === undefined) return checked;
  const kind = kindOf(value);
  if (kind !== "Map" && kind !== "Object") {
    throw refuse("logitBias", "not a table of ids", "an object or Map from id to bias", value);
  }
  const biases = kind === "Map" ? (value as Map<unknown, unknown>) : biasesOf(value as Record<string, unknown>);
  if (biases.size > MAX_BIASES) {
    throw refuse("logitBias", "too many ids", `at most ${MAX_BIASES} ids`, biases.size);
  }
  for (const [id, bias] of biases) {
    const field = `logitBias[${tell(id)}]`;
    if (!isId(id, vocab)) throw refuse(field, "not a token id", `an id in [0, ${vocab - 1}]`, id);
    if (!(typeof bias === "number" && bias >= -100 && bias <= 100)) {
      throw refuse(field, "not a bias", "a number in [-100, 100]", bias);
    }
    checked.set(id, bias);
  }
  return checked;
}

/** Only the canonical form of an id becomes a number: "07", "1e2" and "" stay text, and are refused. */
function biasesOf(table: Record<string, unknown>): Map<unknown, unknown> {
  const keys = Object.keys(table);
  if (keys.length > MAX_BIASES) throw refuse("logitBias", "too many ids", `at most ${MAX_BIASES} ids`, keys.length);
  return new Map(keys.map((key) => [/^(0|[1-9]\d{0,9})$/.test(key) ? Number(key) : key, table[key]]));
}

function checkSeed(value: unknown): number | bigint {
  if (value === undefined) return randomSeed();
  if (Number.isSafeInteger(value) && (value as number) >= 0) return (value as number) || 0;
  const wide = Number.isSafeInteger(value) ? BigInt(value as number) : value;
  if (typeof wide === "bigint" && wide >= -(2n ** 63n) && wide < 2n ** 64n) {
    const unsigned = BigInt.asUintN(64, wide);
    return unsigned <= Number.MAX_SAFE_INTEGER ? Number(unsigned) : unsigned;
  }
  // 2^53 + 1 written as a number has already been rounded to another seed.
  throw refuse("seed", "not a seed", "a safe integer, or a bigint in [-2^63, 2^64)", value);
}

/** 53 random bits, so that the seed reported is a plain number. */
function randomSeed(): number {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return (high >>> 11) * 2 ** 32 + low;
}

function checkStop(value: unknown): string[] {
  if (value === undefined) return [];
  const stops: unknown = typeof value === "string" ? [value] : value;
  if (!Array.isArray(stops)) throw refuse("stop", "not text", "a string or an array of strings", value);
  if (stops.length > MAX_STOPS) throw refuse("stop", "too many strings", `at most ${MAX_STOPS} strings`, stops.length);
  return Array.from(stops, (stop: unknown, index) => checkStopText(stop, stops === value ? `stop[${index}]` : "stop"));
}

function checkStopText(stop: unknown, field: string): string {
  const allowed = `a string of 1 to ${MAX_STOP_BYTES} bytes of UTF-8`;
  if (typeof stop !== "string") throw refuse(field, "not text", allowed, stop);
  // A UTF-16 unit is at least one byte: a megabyte is refused without being encoded. Only lengths are told, never text.
  const bytes = stop.length > MAX_STOP_BYTES ? stop.length : new TextEncoder().encode(stop).length;
  if (bytes < 1 || bytes > MAX_STOP_BYTES) throw refuse(field, "a length out of range", allowed, bytes);
  if (/[\ud800-\udfff]/u.test(stop)) {
    throw refuse(field, "no output contains such text", "well-formed Unicode", "half a surrogate pair");
  }
  return stop;
}

function checkStopIds(value: unknown, vocab: number): number[] {
  if (value === undefined) return [];
  if (!isList(value)) throw refuse("stopIds", "not a list of ids", "an array of token ids", value);
  if (value.length > MAX_STOP_IDS) {
    throw refuse("stopIds", "too many ids", `at most ${MAX_STOP_IDS} ids`, value.length);
  }
  return [...new Set(checkTokenIds(value, vocab, { source: "option", field: "stopIds" }))];
}

/** Every id an integer in [0, vocab), else `REQ_TOKEN_ID` with the index of the first that is not. Also for prompts. */
export function checkTokenIds(ids: ArrayLike<unknown>, vocab: number, at: ErrorPlace): number[] {
  if (!isList(ids)) {
    throw new EngineError("REQ_PARAM", "not a list of ids", {
      at,
      limit: "an array or typed array of token ids",
      actual: tell(ids),
    });
  }
  return Array.from(ids, (id, index) => {
    if (isId(id, vocab)) return id;
    throw new EngineError("REQ_TOKEN_ID", "not a token id", {
      at: { ...at, field: `${at.field ?? ""}[${index}]` },
      limit: `an integer in [0, ${vocab - 1}]`,
      actual: tell(id),
    });
  });
}

/** Options of a single call, `{ signal }` and what `names` lists: anything else is an error, never ignored. */
export function checkCall<Options extends { signal?: AbortSignal }>(
  options: Options | undefined,
  names: readonly (keyof Options & string)[] = [],
): Options {
  if (options === undefined) return {} as Options;
  checkPlain(options);
  const allowed = ["signal", ...names];
  const unknown = Object.keys(options).find((name) => !allowed.includes(name));
  if (unknown !== undefined) {
    throw new EngineError("REQ_UNSUPPORTED_PARAM", "this option is not supported", {
      at: { source: "option", field: unknown },
      limit: `one of ${allowed.join(", ")}`,
      actual: unknown,
    });
  }
  return { ...options, signal: checkSignal(options.signal) };
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function isId(id: unknown, vocab: number): id is number {
  return Number.isInteger(id) && (id as number) >= 0 && (id as number) < vocab;
}

function checkLogProbabilities(value: unknown): number | undefined {
  if (value === undefined || value === false) return undefined;
  if (value === true) return 0;
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_ALTERNATIVES)
    return value as number;
  throw refuse("logProbabilities", "out of range", `a boolean or an integer in [0, ${MAX_ALTERNATIVES}]`, value);
}

export function checkSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined) return value;
  if (isSignal(value)) return ownSignal(value);
  throw refuse("signal", "not a signal", "an AbortSignal", value);
}

function refuse(field: string, what: string, limit: string, actual: unknown): EngineError {
  return new EngineError("REQ_PARAM", what, { at: { source: "option", field }, limit, actual: tell(actual) });
}

/** A value for an error message. Of what is neither a number nor short text, only its kind. */
function tell(value: unknown): number | bigint | string {
  if (typeof value === "number" || typeof value === "bigint") return value;
  if (typeof value === "string") return value.length > 64 ? `a string of ${value.length} units` : JSON.stringify(value);
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return String(value);
}
