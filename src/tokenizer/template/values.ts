/**
 * Values of a running template. None of them is a host object: attributes are looked up in maps and switches of ours,
 * so no name leads from a template into JavaScript.
 */
import { type Budget, TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import { Text, TextBuilder } from "./text.ts";

export { Text } from "./text.ts";

/** A list that prints in parentheses. */
export class Tuple extends Array<Value> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }

  static with(...items: Value[]): Tuple {
    return Tuple.from(items) as Tuple;
  }
}

/** What `groupby` gives: a tuple whose items have names. */
export class Group extends Tuple {}

/** A message's content as a list. Where a template prints it like a string, it is the parts' text without a seam. */
export class Parts extends Array<Value> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }

  joined(budget: Budget): Text {
    const out = new TextBuilder(budget);
    for (const part of this) {
      const text = part instanceof Mapping ? part.named("text") : part;
      if (text instanceof Text) out.add(text);
    }
    return out.done();
  }
}

/** A message's content that is null, or is not there: so it answers when asked, and is empty text where it is used. */
export class Silent {
  readonly value: null | undefined;

  constructor(value: null | undefined) {
    this.value = value;
  }
}
export const SILENT_NONE = new Silent(null);
export const SILENT_UNDEFINED = new Silent(undefined);

export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** `range(start, stop, step)`; `length` numbers. */
export class Range {
  readonly start: number;
  readonly stop: number;
  readonly step: number;
  readonly length: number;

  constructor(start: number, stop: number, step: number) {
    this.start = start;
    this.stop = stop;
    this.step = step;
    this.length = Math.max(0, Math.ceil((stop - start) / step));
  }

  at(index: number): number {
    return this.start + index * this.step;
  }
}

/** What `keys()`, `values()` and `items()` give. */
export class View {
  readonly kind: "keys" | "values" | "items";
  readonly mapping: Mapping;

  constructor(kind: "keys" | "values" | "items", mapping: Mapping) {
    this.kind = kind;
    this.mapping = mapping;
  }
}

/** An iterator: what is read from it is gone. Filters such as `map` give one, under Python's name. */
export class Stream {
  readonly name: string;
  readonly source: Iterator<Value>;

  constructor(name: string, source: Iterator<Value>) {
    this.name = name;
    this.source = source;
  }
}

/** An object of the engine: it has the attributes that it says, and what can be called has `call`. */
export abstract class Thing {
  /** How it prints. */
  abstract print(): string;
  /** Undefined where there is none: a value that is undefined is no attribute, either. */
  attribute(_name: string): Value {
    return undefined;
  }
}

export class Namespace extends Thing {
  readonly values: Mapping;

  constructor(values: Mapping) {
    super();
    this.values = values;
  }

  /** Without what it holds, which print.ts writes. */
  print(): string {
    return "<Namespace>";
  }
}

export class Callable extends Thing {
  readonly call: (args: Value[], named: Map<string, Value>) => Value;
  readonly #printed: string;

  constructor(call: (args: Value[], named: Map<string, Value>) => Value, printed = "<function>") {
    super();
    this.call = call;
    this.#printed = printed;
  }

  print(): string {
    return this.#printed;
  }
}

/** Mappings with Python's idea of keys: 1, 1.0 and true are one key, tuples are keys, lists are none. */
// Equal values have one key. Text is its own, but for text that begins with the sign of the other strings.
type Key = string | number | bigint | null | undefined | object;

function keyOf(value: Value, depth = 0): Key {
  if (value instanceof Text) return value.text.startsWith("\0") ? `\0s${value.text}` : value.text;
  if (typeof value === "number" || typeof value === "bigint" || value === null || value === undefined) return value;
  if (typeof value === "boolean") return Number(value);
  if (value instanceof Float) return floatKey(value.value);
  if (value instanceof Silent) return value.value;
  if (value instanceof Tuple) {
    if (depth > TEMPLATE_LIMITS.depth) throw templateFault("TPL_DEPTH", "a key nests too deep");
    const parts = value.map((item) => {
      const key = keyOf(item, depth + 1);
      if (typeof key === "object" && key !== null) throw templateFault("TPL_VALUE", "no key", typeName(item));
      const text = String(key);
      return `${typeof key}${text.length}:${text}`;
    });
    return `\0t${parts.join("")}`;
  }
  if (value instanceof Range) return `\0r${value.length},${value.at(0)},${value.length > 1 ? value.step : 0}`;
  if (value instanceof Thing) return value;
  throw templateFault("TPL_VALUE", "cannot be a key", typeName(value));
}

const floatKey = (value: number): Key =>
  Number.isInteger(value) && !Number.isSafeInteger(value) ? BigInt(value) : value;

export class Mapping {
  readonly #entries = new Map<Key, [Value, Value]>();
  /** Whether content that it does not have is an empty text in use. */
  readonly silent: boolean;

  constructor(entries: Iterable<readonly [Value, Value]> = [], silent = false) {
    for (const [key, value] of entries) this.set(key, value);
    this.silent = silent;
  }

  get size(): number {
    return this.#entries.size;
  }

  set(key: Value, value: Value): void {
    const name = keyOf(key);
    const entry = this.#entries.get(name);
    if (entry) entry[1] = value;
    else this.#entries.set(name, [key, value]);
  }

  has(key: Value): boolean {
    return this.#entries.has(keyOf(key));
  }

  get(key: Value): Value {
    return this.#entries.get(keyOf(key))?.[1];
  }

  named(name: string): Value {
    return this.#entries.get(name)?.[1];
  }

  hasNamed(name: string): boolean {
    return this.#entries.has(name);
  }

  keys(): Value[] {
    return Array.from(this.#entries.values(), ([key]) => key);
  }

  values(): Value[] {
    return Array.from(this.#entries.values(), ([, value]) => value);
  }

  entries(): (readonly [Value, Value])[] {
    return [...this.#entries.values()];
  }

  copy(budget: Budget): Mapping {
    budget.spend(this.size * 4);
    return new Mapping(this.entries());
  }
}

export type Int = number | bigint;
export type Value =
  | undefined
  | null
  | boolean
  | Int
  | Float
  | Text
  | Value[]
  | Mapping
  | Range
  | View
  | Stream
  | Silent
  | Thing;

/** Variables by name. */
export type Dict = Map<string, Value>;

/** Content that is not there as the text that it is in use. */
export const spoken = (value: Value): Value => (value instanceof Silent ? new Text("") : value);
/** ... and as it answers when it is asked what it is. */
export const asked = (value: Value): Value => (value instanceof Silent ? value.value : value);

export const isInt = (value: Value): value is Int => typeof value === "number" || typeof value === "bigint";

export function typeName(value: Value): string {
  if (value === undefined) return "undefined";
  if (value === null) return "none";
  if (value instanceof Tuple) return "tuple";
  if (Array.isArray(value)) return "list";
  if (isInt(value)) return "integer";
  if (typeof value !== "object") return typeof value;
  if (value instanceof Text) return "string";
  return value.constructor.name.toLowerCase();
}

export function truthy(value: Value): boolean {
  if (value instanceof Text) return value.text !== "";
  if (Array.isArray(value) || value instanceof Range) return value.length > 0;
  if (value instanceof Mapping) return value.size > 0;
  if (value instanceof View) return value.mapping.size > 0;
  if (value instanceof Float) return value.value !== 0;
  if (value instanceof Silent) return false;
  return Boolean(value);
}

export function wrong(what: string, value: Value): never {
  throw templateFault("TPL_VALUE", what, typeName(value));
}

export function undefinedUsed(): never {
  throw templateFault("TPL_ATTR", "an undefined value is used");
}
