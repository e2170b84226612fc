/** `"%s" % value`: printf's formats as Python has them. */
import { type Budget, TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import { type FloatKind, formatFloat } from "./decimal.ts";
import { intText, numeric, toFloat } from "./numbers.ts";
import { quoted, repr, toText } from "./print.ts";
import { characters, unitAt } from "./sequences.ts";
import { pad } from "./strings.ts";
import { Text, TextBuilder } from "./text.ts";
import { Float, type Int, isInt, Mapping, Range, Silent, Tuple, undefinedUsed, type Value, wrong } from "./values.ts";

const FIELD = /%(?:\(((?:[^()]|\([^()]*\))*)\))?([-#0 +]*)(\*|\d{1,9})?(?:\.(\*|\d{0,9}))?[hlL]?(.?)/suy;

/** `escaping` is what markup does to the values that go into it. */
export function printf(text: Text, values: Value, budget: Budget, escaping = (part: Text): Text => part): Text {
  return new Printf(text, values, budget, escaping).run();
}

class Printf {
  readonly #text: Text;
  readonly #values: Value;
  readonly #list: readonly Value[];
  readonly #budget: Budget;
  readonly #escaping: (part: Text) => Text;
  #next = 0;
  /** Whether a field took the mapping apart: then nothing is left over. */
  #mapped = false;

  constructor(text: Text, values: Value, budget: Budget, escaping: (part: Text) => Text) {
    this.#text = text;
    this.#values = values;
    this.#list = values instanceof Tuple ? values : [values];
    this.#budget = budget;
    this.#escaping = escaping;
  }

  run(): Text {
    const out = new TextBuilder(this.#budget);
    const source = this.#text.text;
    let at = 0;
    for (let found = source.indexOf("%"); found >= 0; found = source.indexOf("%", at)) {
      this.#budget.spend(8);
      out.add(this.#text.slice(at, found));
      FIELD.lastIndex = found;
      const field = FIELD.exec(source);
      if (!field || field[5] === "") throw templateFault("TPL_VALUE", "an incomplete format");
      at = found + field[0].length;
      out.add(this.#field(field));
    }
    out.add(this.#text.slice(at, source.length));
    // What can be asked for items by name may have more of them than were asked for.
    const values = this.#values;
    const open = values instanceof Mapping || Array.isArray(values) || values instanceof Range || values === undefined;
    if (this.#next < this.#list.length && !this.#mapped && (this.#values instanceof Tuple || !open)) {
      throw templateFault("TPL_VALUE", "not all values went into the format");
    }
    return out.done(this.#text);
  }

  #take(): Value {
    if (this.#next >= this.#list.length) throw templateFault("TPL_VALUE", "too few values for the format");
    return this.#list[this.#next++];
  }

  #size(text: string | undefined): number | undefined {
    if (text === undefined) return undefined;
    const size = text === "*" ? this.#take() : Number(text);
    if (typeof size !== "number") return wrong("* needs an integer", size as Value);
    if (Math.abs(size) > TEMPLATE_LIMITS.output) this.#budget.text(Math.abs(size));
    return size;
  }

  #field([all, key, flags, width, precision, kind]: RegExpExecArray): Text {
    if (all === "%%") return new Text("%");
    let named: Value;
    if (key !== undefined) {
      if (!(this.#values instanceof Mapping)) return wrong("a format with names needs a mapping", this.#values);
      if (!this.#values.has(new Text(key))) throw templateFault("TPL_VALUE", "the format names a missing value", key);
      named = this.#values.get(new Text(key));
      this.#mapped = true;
    }
    let left = flags.includes("-");
    let wide = this.#size(width) ?? 0;
    if (wide < 0) {
      left = true;
      wide = -wide;
    }
    const given = this.#size(precision === undefined ? undefined : precision || "0");
    const places = given === undefined ? undefined : Math.max(0, given);
    const value = key !== undefined ? named : this.#take();
    if ("sra".includes(kind)) {
      const text = this.#cut(this.#escaping(this.#string(kind, value)), places);
      return pad(text, wide, new Text(" "), left ? "right" : "left", this.#budget);
    }
    if (kind === "c") return pad(character(value), wide, new Text(" "), left ? "right" : "left", this.#budget);
    if (!"diuoxXeEfFgG".includes(kind)) throw templateFault("TPL_VALUE", "unknown kind of format", kind);
    return new Text(this.#number(value, kind, flags, wide, places, left));
  }

  #string(kind: string, value: Value): Text {
    if (kind === "s") return toText(value, this.#budget);
    const text = repr(value, this.#budget);
    return kind === "r" ? text : asciiOnly(text, this.#budget);
  }

  #cut(text: Text, places: number | undefined): Text {
    if (places === undefined || places >= characters(text.text, text.text.length)) return text;
    return text.slice(0, unitAt(text.text, places));
  }

  #number(value: Value, kind: string, flags: string, wide: number, places: number | undefined, left: boolean): string {
    const alternate = flags.includes("#");
    const { negative, digits, prefix } = "eEfFgG".includes(kind)
      ? floatDigits(value, kind, places, alternate)
      : wholeDigits(value, kind, places, alternate);
    if (digits.length > TEMPLATE_LIMITS.output) this.#budget.text(digits.length);
    this.#budget.spend(digits.length >> 3);
    const sign = negative ? "-" : flags.includes("+") ? "+" : flags.includes(" ") ? " " : "";
    const missing = Math.max(0, wide - sign.length - prefix.length - digits.length);
    this.#budget.spend(missing >> 3);
    if (left) return sign + prefix + digits + " ".repeat(missing);
    if (flags.includes("0")) return sign + prefix + "0".repeat(missing) + digits;
    return " ".repeat(missing) + sign + prefix + digits;
  }
}

interface Digits {
  readonly negative: boolean;
  readonly digits: string;
  readonly prefix: string;
}

const plainNumber = (value: Value): Int | Float => {
  if (value === undefined) return undefinedUsed();
  if (value instanceof Silent) return 0;
  return numeric(value) ?? wrong("the format needs a number", value);
};

function floatDigits(value: Value, kind: string, places: number | undefined, alternate: boolean): Digits {
  const number = toFloat(plainNumber(value));
  const digits = formatFloat(number, kind.toLowerCase() as FloatKind, places ?? 6, alternate);
  const negative = number < 0 || Object.is(number, -0);
  return { negative, digits: kind === kind.toUpperCase() ? digits.toUpperCase() : digits, prefix: "" };
}

function wholeDigits(value: Value, kind: string, places: number | undefined, alternate: boolean): Digits {
  let number = plainNumber(value);
  if (number instanceof Float) {
    if (!"diu".includes(kind)) return wrong("the format needs an integer", value);
    number = truncated(number.value);
  }
  const base = kind === "o" ? 8 : kind === "x" || kind === "X" ? 16 : 10;
  const size = number < 0 ? -BigInt(number) : BigInt(number);
  let digits = base === 10 ? intText(size) : size.toString(base);
  if (places !== undefined) digits = digits.padStart(Math.min(places, TEMPLATE_LIMITS.output), "0");
  const prefix = alternate && base !== 10 ? `0${kind}` : "";
  return { negative: number < 0, digits: kind === "X" ? digits.toUpperCase() : digits, prefix };
}

/** A float without its fraction. */
export function truncated(value: number): bigint {
  if (!Number.isFinite(value)) throw templateFault("TPL_VALUE", "no integer is that");
  return BigInt(Math.trunc(value));
}

function character(value: Value): Text {
  if (value instanceof Text && characters(value.text, value.text.length) === 1) return value;
  if (!isInt(value) && typeof value !== "boolean") return wrong("%c needs a character", value);
  const code = Number(value);
  if (code < 0 || code > 0x10ffff) throw templateFault("TPL_VALUE", "no such character");
  return new Text(String.fromCodePoint(code));
}

/** What `ascii()` makes of a `repr`. */
export function asciiOnly(text: Text, budget: Budget): Text {
  budget.spend(text.text.length * 3);
  const escapingd = text.text.replace(/[^\0-\x7f]/gu, (char) => quoted(char, true).slice(1, -1));
  return text.changed(escapingd);
}
