/**
 * What callers hand over, judged by its kind. Nothing here throws by itself but EngineErrors that name the parameter: what a value's
 * own getters, traps and iterators throw is the caller's, and passes.
 */
import { EngineError, type ErrorPlace } from "./error.ts";

const MOST_UNITS = 64;
const MOST_BIGINT = 2n ** 128n;
const typedArray: object = Object.getPrototypeOf(Uint8Array.prototype);
const tagOf = Object.getOwnPropertyDescriptor(typedArray, Symbol.toStringTag)!.get!;

/**
 * Any value for a message: numbers and short text as they are, of everything else its kind alone. Never throws, and runs no code of the
 * value: no getter, no `toString`, no trap.
 */
export function tell(value: unknown): number | bigint | string {
  switch (typeof value) {
    case "number":
      return Object.is(value, -0) ? "-0" : value;
    case "bigint":
      return value < MOST_BIGINT && value > -MOST_BIGINT ? value : "a bigint of more than 128 bits";
    case "string":
      return value.length > MOST_UNITS ? `a string of ${value.length} units` : JSON.stringify(value);
    case "symbol":
    case "function":
      return `a ${typeof value}`;
    case "object":
      return value === null ? "null" : tellObject(value);
    default:
      return String(value);
  }
}

function tellObject(value: object): string {
  try {
    if (Array.isArray(value)) return "an array";
  } catch {
    return "a revoked proxy";
  }
  if (!ArrayBuffer.isView(value)) return "an object";
  const tag = tagOf.call(value);
  return tag === undefined ? "a DataView" : isDetached(value) ? `a detached ${tag}` : `a ${tag}`;
}

const { values } = typedArray as { values(): unknown };

/** The buffer was transferred, or shrunk below this view of it. */
export function isDetached(view: unknown): boolean {
  try {
    values.call(view);
    return false;
  } catch {
    return true;
  }
}

/** A parameter or option of another kind than `limit` says. */
export function wrong(field: string, what: string, limit: string, actual: unknown): EngineError {
  return new EngineError("REQ_PARAM", what, { at: { source: "option", field }, limit, actual: tell(actual) });
}

/** A value of the right kind, yet not one of those that `limit` names. */
export function outOfRange(field: string, actual: unknown, limit: string): EngineError {
  return new EngineError("OPTION_RANGE", field, { at: { source: "option", field }, actual: tell(actual), limit });
}

/** Whatever is asked of a revoked proxy is a TypeError of the language; this is the one question that runs no trap. */
export function isRevoked(value: unknown): boolean {
  try {
    Array.isArray(value);
    return false;
  } catch {
    return true;
  }
}

/** What can be called: no class, no revoked proxy. */
export function isFunction(value: unknown): value is (...args: never[]) => unknown {
  return typeof value === "function" && !isRevoked(value) && !/^class\b/.test(textOf.call(value));
}

const { toString: textOf } = Function.prototype;

export function checkFunction(value: unknown, field: string): void {
  if (!isFunction(value)) throw wrong(field, `${field}: not a function`, "a function", value);
}

/** Options are one plain object: what a prototype or a class hides would be ignored. */
export function checkPlain(options: unknown, field = "options"): void {
  if (options === undefined) return;
  if (!isPlain(options)) throw wrong(field, `${field}: not a plain object`, "an object of options", options);
}

/** An object of `{}` or JSON, in whichever realm; a Set or Map has no keys and would pass for empty. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || isRevoked(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  // Plain objects of another realm have a prototype of their own without one.
  const plain = prototype === null || Object.getPrototypeOf(prototype) === null;
  return plain && Object.prototype.toString.call(value) === "[object Object]";
}

/** A Map of whichever realm; `entriesOf` reads it past whatever a subclass puts in the way. */
export function isMap(value: unknown): value is Map<unknown, unknown> {
  try {
    entriesOf(value as Map<unknown, unknown>);
    return true;
  } catch {
    return false;
  }
}

export function entriesOf(map: ReadonlyMap<unknown, unknown>): Iterable<[unknown, unknown]> {
  return Map.prototype.entries.call(map);
}

/** A copy of options that may have these names and no other: getters are read once. `field`: of which they are the value. */
export function readOptions<Options extends object>(
  options: Options | undefined,
  names: readonly (keyof Options & string)[],
  field?: string,
): Options {
  if (options === undefined) return {} as Options;
  checkPlain(options, field);
  const given = { ...options };
  const unknown = Object.keys(given).find((name) => !(names as readonly string[]).includes(name));
  if (unknown === undefined) return given;
  throw new EngineError("REQ_UNSUPPORTED_PARAM", "this option is not supported", {
    at: { source: "option", field: field === undefined ? unknown : `${field}.${unknown}` },
    limit: `one of ${names.join(", ")}`,
    actual: unknown,
  });
}

export function checkFlag(value: unknown, field: string, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value !== "boolean") throw wrong(field, `${field}: not a truth value`, "true or false", value);
  return value;
}

export function checkString(value: unknown, field: string): string {
  if (typeof value !== "string") throw wrong(field, `${field}: not text`, "a string", value);
  return value;
}

/** In whichever realm. */
export function isArray(value: unknown): value is unknown[] {
  return !isRevoked(value) && Array.isArray(value);
}

/** An array or typed array, in whichever realm, whose elements are there: not those of a buffer that was handed on. */
export function isList(value: unknown): value is ArrayLike<unknown> {
  if (isRevoked(value)) return false;
  return Array.isArray(value) || (ArrayBuffer.isView(value) && "BYTES_PER_ELEMENT" in value && !isDetached(value));
}

/** More of them fit no context, and would not fit in memory as a list. */
const MOST_IDS = 2 ** 25;

/** Every id an integer in [0, vocab), else `REQ_TOKEN_ID` with the index of the first that is not. Also for prompts. */
export function checkTokenIds(ids: ArrayLike<unknown>, vocab: number, at: ErrorPlace): number[] {
  if (!isList(ids)) {
    throw new EngineError("REQ_PARAM", "not a list of ids", {
      at,
      limit: "an array or typed array of token ids",
      actual: tell(ids),
    });
  }
  const { length } = ids;
  const checked: number[] = [];
  for (let index = 0; index < length; index++) {
    const id = ids[index];
    if (!isId(id, vocab)) {
      throw new EngineError("REQ_TOKEN_ID", "not a token id", {
        at: { ...at, field: `${at.field ?? ""}[${index}]` },
        limit: `an integer in [0, ${vocab - 1}]`,
        actual: tell(id),
      });
    }
    if (index === MOST_IDS)
      throw new EngineError("REQ_PARAM", "too many ids", { at, limit: `at most ${MOST_IDS}`, actual: length });
    checked.push(id);
  }
  return checked;
}

export function isId(id: unknown, vocab: number): id is number {
  return Number.isInteger(id) && (id as number) >= 0 && (id as number) < vocab;
}

/** What an iterable gives, one after the other. Its own errors pass; what is no iterable, or breaks the protocol, is refused. */
export function* valuesOf(iterable: unknown, field: string): Generator<unknown, void, undefined> {
  if (isList(iterable)) {
    for (let index = 0; index < iterable.length; index++) yield iterable[index];
    return;
  }
  const refuse = (what: string, actual: unknown) =>
    wrong(field, `${field}: ${what}`, "an array, typed array or other iterable of numbers", actual);
  if (typeof iterable !== "object" || iterable === null || isRevoked(iterable) || ArrayBuffer.isView(iterable))
    throw refuse("not a list", iterable);
  const make = (iterable as Partial<Iterable<unknown>>)[Symbol.iterator];
  if (!isFunction(make)) throw refuse("not a list", iterable);
  const iterator: unknown = (make as () => unknown).call(iterable);
  if (!isObject(iterator)) throw refuse("its iterator is none", iterator);
  const { next } = iterator as { next?: unknown };
  if (!isFunction(next)) throw refuse("its iterator has no next()", next);
  let done = false;
  try {
    for (;;) {
      // What failed is not closed, as in a for loop.
      done = true;
      const step: unknown = (next as () => unknown).call(iterator);
      if (!isObject(step)) throw refuse("its iterator gives no result", step);
      if (step["done"]) return;
      const { value } = step as { value?: unknown };
      done = false;
      yield value;
    }
  } finally {
    const close = done ? undefined : iterator["return"];
    if (isFunction(close)) (close as () => unknown).call(iterator);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (typeof value === "object" || typeof value === "function") && value !== null && !isRevoked(value);
}
