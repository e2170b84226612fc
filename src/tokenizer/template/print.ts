/** Values as text: as `str` and `repr` print them, and as JSON. */
import { type Budget, TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import { order } from "./compare.ts";
import { floatText, intText } from "./numbers.ts";
import { JsonText, Markup, Text } from "./text.ts";
import {
  Float,
  isInt,
  Mapping,
  Namespace,
  Parts,
  Range,
  Silent,
  Stream,
  Thing,
  Tuple,
  type Value,
  View,
} from "./values.ts";

/** As Python's `str`. */
export function toText(value: Value, budget: Budget): Text {
  if (value instanceof Text) return value;
  if (value === undefined || value instanceof Silent) return new Text("");
  if (value === null) return new Text("None");
  if (typeof value === "boolean") return new Text(value ? "True" : "False");
  if (isInt(value)) {
    if (typeof value === "bigint") budget.spend(value.toString(16).length);
    return new Text(intText(value));
  }
  if (value instanceof Float) return new Text(floatText(value.value));
  if (value instanceof Parts) return value.joined(budget);
  if (value instanceof Range) return new Text(rangeText(value));
  if (value instanceof Thing && !(value instanceof Namespace)) return new Text(value.print());
  if (value instanceof Stream) return new Text(`<${value.name} at 0x7f0000000000>`);
  return repr(value, budget);
}

/** As Python's `repr`. Containers may hold the caller's strings anywhere, so all of it is foreign. */
export function repr(value: Value, budget: Budget): Text {
  const text = new Writer(budget, PYTHON).write(value);
  return value instanceof Text && value.marks.length === 0 ? new Text(text) : Text.foreign(text);
}

export interface JsonStyle {
  readonly python?: boolean;
  /** What stands before an item, once for every level; undefined: all on one line. */
  readonly indent?: string;
  readonly ascii?: boolean;
  readonly sortKeys?: boolean;
  readonly separators?: readonly [string, string];
}
const PYTHON: JsonStyle = { python: true };

/** As Python's `json.dumps(value, ensure_ascii=False)`. */
export function toJson(value: Value, style: JsonStyle, budget: Budget): Text {
  return Text.foreign(new Writer(budget, style).write(value));
}

function rangeText({ start, stop, step }: Range): string {
  return `range(${start}, ${stop}${step === 1 ? "" : `, ${step}`})`;
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
    if (value instanceof JsonText && !python) this.#container(value.parsed);
    else if (value instanceof Text) {
      const text = this.#string(value.text);
      this.#put(python && value instanceof Markup ? `Markup(${text})` : text);
    } else if (value === null) this.#put(python ? "None" : "null");
    else if (typeof value === "boolean") this.#put(python ? (value ? "True" : "False") : String(value));
    else if (isInt(value)) this.#put(toText(value, this.#budget).text);
    else if (value instanceof Float) this.#put(python ? floatText(value.value) : jsonFloat(value.value));
    else if (Array.isArray(value) || value instanceof Mapping) this.#container(value);
    else if (value instanceof Silent) this.#silent(value);
    else if (!python)
      throw templateFault("TPL_VALUE", "a value has no JSON", value === undefined ? "undefined" : "object");
    else if (value === undefined) this.#put("Undefined");
    else if (value instanceof View) this.#view(value);
    else if (value instanceof Namespace) {
      this.#put("<Namespace ");
      this.#nested(value, () => this.#container(value.values));
      this.#put(">");
    } else this.#put(toText(value, this.#budget).text);
  }

  #silent(value: Silent): void {
    if (value.value === null) this.#put(this.#style.python ? "None" : "null");
    else this.#put(this.#string(""));
  }

  #view({ kind, mapping }: View): void {
    this.#put(`dict_${kind}(`);
    if (kind === "items") this.#container(mapping.entries().map((entry) => Tuple.from(entry)));
    else this.#container(kind === "keys" ? mapping.keys() : mapping.values());
    this.#put(")");
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

  #nested(value: Value, write: () => void): void {
    if (this.#open.has(value)) throw templateFault("TPL_CYCLE", "a value contains itself");
    if (this.#open.size >= TEMPLATE_LIMITS.depth) throw templateFault("TPL_DEPTH", "values nested too deep to print");
    this.#open.add(value);
    write();
    this.#open.delete(value);
  }

  #container(value: Value[] | Mapping): void {
    const list = Array.isArray(value);
    const round = this.#style.python === true && value instanceof Tuple;
    const { indent } = this.#style;
    const [comma, colon] = this.#style.separators ?? [indent === undefined ? ", " : ",", ": "];
    const line = (depth: number): string => (indent === undefined ? "" : `\n${indent.repeat(depth)}`);
    const entries: (readonly [Value, Value])[] = list ? value.map((item) => [null, item]) : value.entries();
    this.#budget.spend(8 + entries.length * (this.#style.sortKeys ? 16 : 1));
    if (this.#style.sortKeys && !list) entries.sort(([a], [b]) => order(a, b, this.#budget));
    this.#put(round ? "(" : list ? "[" : "{");
    this.#nested(value, () => {
      for (const [i, [key, item]] of entries.entries()) {
        this.#put((i > 0 ? comma : "") + line(this.#open.size));
        if (!list) {
          if (this.#style.python) this.#value(key);
          else this.#put(this.#string(jsonKey(key, this.#budget)));
          this.#put(colon);
        }
        this.#value(item);
      }
    });
    if (entries.length > 0) this.#put(line(this.#open.size));
    this.#put(round ? (entries.length === 1 ? ",)" : ")") : list ? "]" : "}");
  }
}

/** JSON has strings for keys: Python writes numbers, Booleans and None as such. */
function jsonKey(key: Value, budget: Budget): string {
  if (key === null || key instanceof Silent) return "null";
  if (typeof key === "boolean") return String(key);
  if (key instanceof Text || isInt(key)) return toText(key, budget).text;
  if (key instanceof Float) return jsonFloat(key.value);
  throw templateFault("TPL_VALUE", "a key has no JSON");
}

function jsonFloat(value: number): string {
  if (Number.isFinite(value)) return floatText(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

/** As Python's `repr` of a string. */
export function quoted(text: string, ascii = false): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const pattern = ascii ? /[\\'"]|[^ -~]/gu : /[\\'"]|[^\P{C}]|(?! )\p{Z}/gu;
  const inside = text.replace(pattern, (char) => {
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
