/**
 * Values of a running template. None of them is a host object: attributes are looked up in maps and switches of ours,
 * so no name leads from a template into JavaScript.
 */
import { type Budget, TEMPLATE_LIMITS, templateFault } from "./budget.ts";

/**
 * A string that knows which of its characters came from the caller: `marks` = [start, end, ...], ascending, disjoint.
 * Only the other characters, the template's own, may form control tokens.
 */
export class Text {
  readonly text: string;
  readonly marks: readonly number[];

  constructor(text: string, marks: readonly number[] = []) {
    this.text = text;
    this.marks = marks;
  }

  static foreign(text: string): Text {
    return new Text(text, text === "" ? [] : [0, text.length]);
  }

  slice(start: number, end: number): Text {
    const marks: number[] = [];
    // The first range that ends behind the start.
    let low = 0;
    for (let high = this.marks.length / 2; low < high; ) {
      const middle = (low + high) >> 1;
      if (this.marks[2 * middle + 1] <= start) low = middle + 1;
      else high = middle;
    }
    for (let i = 2 * low; i < this.marks.length && this.marks[i] < end; i += 2) {
      const from = Math.max(this.marks[i], start);
      const to = Math.min(this.marks[i + 1], end);
      if (from < to) marks.push(from - start, to - start);
    }
    return new Text(this.text.slice(start, end), marks);
  }

  /** The same characters changed one way or another: all foreign if any was. */
  changed(text: string): Text {
    return this.marks.length > 0 ? Text.foreign(text) : new Text(text);
  }
}

/** Strings appended one after the other. */
export class TextBuilder {
  #text = "";
  readonly #marks: number[] = [];
  readonly #budget: Budget;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  add({ text, marks }: Text): void {
    const base = this.#text.length;
    this.#budget.spend(2 + marks.length);
    this.#text += text;
    if (this.#text.length > TEMPLATE_LIMITS.output) this.#budget.text(this.#text.length);
    for (let i = 0; i < marks.length; i += 2) {
      if (this.#marks[this.#marks.length - 1] === base + marks[i]) this.#marks.pop();
      else this.#marks.push(base + marks[i]);
      this.#marks.push(base + marks[i + 1]);
    }
  }

  done(): Text {
    return new Text(this.#text, this.#marks);
  }
}

/** A list that prints in parentheses. */
export class Tuple extends Array<Value> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }
}

/** A message's content as a list. Where a template prints it like a string, it is the parts' text without a seam. */
export class Parts extends Array<Value> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }

  joined(budget: Budget): Text {
    const out = new TextBuilder(budget);
    for (const part of this) out.add(toText(part instanceof Map ? part.get("text") : part, budget));
    return out.done();
  }
}

export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

export class Namespace {
  readonly values: Map<string, Value>;
  constructor(values: Map<string, Value>) {
    this.values = values;
  }
}

export class Callable {
  readonly call: (args: Value[], named: Map<string, Value>) => Value;
  constructor(call: (args: Value[], named: Map<string, Value>) => Value) {
    this.call = call;
  }
}

export type Dict = Map<string, Value>;
export type Value = undefined | null | boolean | number | Float | Text | Value[] | Dict | Namespace | Callable;

export function typeName(value: Value): string {
  if (value === undefined) return "undefined";
  if (value === null) return "none";
  if (Array.isArray(value)) return "list";
  if (value instanceof Map) return "mapping";
  if (typeof value === "object") return value.constructor.name.toLowerCase();
  return typeof value;
}

export function truthy(value: Value): boolean {
  if (value instanceof Text) return value.text !== "";
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Map) return value.size > 0;
  if (value instanceof Float) return value.value !== 0;
  return Boolean(value);
}

/** A number, Booleans counting as 0 and 1; undefined for all else. */
export function numeric(value: Value): number | undefined {
  if (typeof value === "number" || typeof value === "boolean") return Number(value);
  return value instanceof Float ? value.value : undefined;
}

export function equal(a: Value, b: Value, budget: Budget, depth = 0): boolean {
  budget.spend(1);
  if (depth > TEMPLATE_LIMITS.depth) throw templateFault("TPL_DEPTH", "values nested too deep to compare");
  if (a instanceof Text && b instanceof Text) {
    budget.text(Math.min(a.text.length, b.text.length));
    return a.text === b.text;
  }
  const left = numeric(a);
  if (left !== undefined) return left === numeric(b);
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, i) => equal(item, b[i], budget, depth + 1));
  }
  if (a instanceof Map && b instanceof Map) {
    if (a.size !== b.size) return false;
    for (const [key, value] of a) if (!b.has(key) || !equal(value, b.get(key), budget, depth + 1)) return false;
    return true;
  }
  return a === b;
}

/** As Python's `repr`: exponents from 1e16 up and below 1e-4, of two digits at least. */
function floatText(value: number): string {
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e16) return value.toFixed(1);
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  const text = size >= 1e16 || size < 1e-4 ? value.toExponential() : String(value);
  return text.replace(/e([+-])(\d)$/, "e$10$2");
}

/** An integer's digits: JavaScript's own text has an exponent from 1e21 up. */
const integerText = (value: number): string =>
  Math.abs(value) < 1e21 || !Number.isFinite(value) ? String(value) : String(BigInt(value));

/** As Python's `repr` of a string. */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inside = text.replace(/[\\'"]|[^\P{C}]|(?! )\p{Z}/gu, (char) => {
    if (char === "\\" || char === quote) return `\\${char}`;
    if (char === "'" || char === '"') return char;
    const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[char];
    if (short) return short;
    const hex = char.codePointAt(0)!.toString(16);
    return hex.length <= 2
      ? `\\x${hex.padStart(2, "0")}`
      : hex.length <= 4
        ? `\\u${hex.padStart(4, "0")}`
        : `\\U${hex.padStart(8, "0")}`;
  });
  return quote + inside + quote;
}

/** As Python's `str`. */
export function toText(value: Value, budget: Budget): Text {
  if (value instanceof Text) return value;
  if (value === undefined) return new Text("");
  if (value === null) return new Text("None");
  if (typeof value === "boolean") return new Text(value ? "True" : "False");
  if (typeof value === "number") return new Text(integerText(value));
  if (value instanceof Float) return new Text(floatText(value.value));
  if (value instanceof Callable) return new Text("<function>");
  if (value instanceof Parts) return value.joined(budget);
  // Containers print like Python literals; they may hold the caller's strings anywhere, so all of it is foreign.
  return Text.foreign(new Writer(budget, { python: true }).write(value));
}

export interface JsonStyle {
  python?: boolean;
  /** Blanks, or a number of them. */
  indent?: number | string;
  ascii?: boolean;
  sortKeys?: boolean;
  separators?: [string, string];
}

/** As Python's `json.dumps(value, ensure_ascii=False)`. */
export function toJson(value: Value, style: JsonStyle, budget: Budget): Text {
  return Text.foreign(new Writer(budget, style).write(value));
}

class Writer {
  readonly #budget: Budget;
  readonly #style: JsonStyle;
  readonly #open = new Set<Value>();
  #out = "";

  constructor(budget: Budget, style: JsonStyle) {
    this.#budget = budget;
    this.#style = style;
  }

  write(value: Value): string {
    this.#value(value);
    return this.#out;
  }

  #put(text: string): void {
    this.#out += text;
    this.#budget.spend(3 + (text.length >> 4));
    if (this.#out.length > TEMPLATE_LIMITS.output) this.#budget.text(this.#out.length);
  }

  #value(value: Value): void {
    const { python } = this.#style;
    if (value instanceof Text) this.#put(this.#string(value.text));
    else if (value === undefined && python) this.#put("Undefined");
    else if (value === undefined) throw templateFault("TPL_VALUE", "an undefined value has no JSON");
    else if (value === null) this.#put(python ? "None" : "null");
    else if (typeof value === "boolean") this.#put(python ? (value ? "True" : "False") : String(value));
    else if (typeof value === "number") this.#put(integerText(value));
    else if (value instanceof Float) this.#put(floatText(value.value));
    else if (value instanceof Callable) throw templateFault("TPL_VALUE", "a function has no JSON");
    else this.#container(value);
  }

  #string(text: string): string {
    this.#budget.text(text.length);
    if (this.#style.python || this.#style.ascii) this.#budget.spend(text.length * 3); // these call back for characters
    if (this.#style.python) return quoted(text);
    const json = JSON.stringify(text);
    if (this.#style.ascii) {
      return json.replace(/[\x7f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
    }
    return json;
  }

  #container(value: Value[] | Dict | Namespace): void {
    if (this.#open.has(value)) throw templateFault("TPL_CYCLE", "a value contains itself");
    if (this.#open.size >= TEMPLATE_LIMITS.depth) throw templateFault("TPL_DEPTH", "values nested too deep to print");
    this.#open.add(value);
    const list = Array.isArray(value);
    const { indent } = this.#style;
    const pad = typeof indent === "number" ? " ".repeat(indent) : indent;
    const [comma, colon] = this.#style.separators ?? [pad === undefined ? ", " : ",", ": "];
    const line = (depth: number): string => (pad === undefined ? "" : `\n${pad.repeat(depth)}`);
    const entries: [string, Value][] = list
      ? value.map((item) => ["", item])
      : [...(value instanceof Map ? value : value.values)];
    this.#budget.spend(8 + entries.length * (this.#style.sortKeys ? 16 : 1));
    if (this.#style.sortKeys && !list) entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    const round = this.#style.python === true && value instanceof Tuple;
    this.#put(round ? "(" : list ? "[" : "{");
    for (const [i, [key, item]] of entries.entries()) {
      this.#put((i > 0 ? comma : "") + line(this.#open.size));
      if (!list) this.#put(this.#string(key) + colon);
      this.#value(item);
    }
    this.#open.delete(value);
    this.#put(
      (entries.length > 0 ? line(this.#open.size) : "") +
        (round ? (entries.length === 1 ? ",)" : ")") : list ? "]" : "}"),
    );
  }
}
