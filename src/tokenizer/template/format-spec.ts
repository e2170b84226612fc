/** The specification of a field in `str.format`: fill, align, sign, width, grouping, precision, kind. */
import { type Budget, TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import { type FloatKind, formatFloat } from "./decimal.ts";
import { asInt, floatText, intText, toFloat } from "./numbers.ts";
import { toText } from "./print.ts";
import { characters, unitAt } from "./sequences.ts";
import { repeat } from "./strings.ts";
import { Text, TextBuilder } from "./text.ts";
import { Float, type Int, Silent, type Value, wrong } from "./values.ts";

const SPEC = /^(?:(.)?([<>=^]))?([-+ ])?(z)?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/su;

interface Spec {
  readonly fill: string;
  readonly align: string | undefined;
  readonly sign: string;
  readonly alternate: boolean;
  readonly width: number;
  readonly grouping: string;
  readonly precision: number | undefined;
  readonly kind: string;
  /** `0` in front of the width: zeros between sign and digits. */
  readonly zero: boolean;
}

function parse(text: string, budget: Budget): Spec {
  const found = SPEC.exec(text);
  if (!found) throw templateFault("TPL_VALUE", "a bad specification in a format", text.slice(0, 120));
  const [, fill, align, sign, z, alternate, zero, width, grouping, precision, kind] = found;
  if (z !== undefined) throw templateFault("TPL_UNSUPPORTED", "the option z of a format", text.slice(0, 120));
  const size = (digits: string | undefined): number | undefined => {
    if (digits === undefined) return undefined;
    if (Number(digits) > TEMPLATE_LIMITS.output) budget.text(Number(digits));
    return Number(digits);
  };
  return {
    fill: fill ?? (zero ? "0" : " "),
    align: align ?? (zero ? "=" : undefined),
    sign: sign ?? "",
    alternate: alternate !== undefined,
    width: size(width) ?? 0,
    grouping: grouping ?? "",
    precision: size(precision),
    kind: kind ?? "",
    zero: zero !== undefined,
  };
}

export function formatValue(value: Value, spec: Text, budget: Budget): Text {
  if (spec.text === "") return toText(value, budget);
  if (value instanceof Silent) return formatValue(new Text(""), spec, budget);
  if (value instanceof Text) return formatText(value, parse(spec.text, budget), budget);
  const number = value instanceof Float ? value : asInt(value);
  if (number === undefined) return wrong("this value takes no specification in a format", value);
  const parsed = parse(spec.text, budget);
  // A Boolean is an integer here, but for its name.
  return formatNumber(
    number,
    typeof value === "boolean" && parsed.kind === "" ? { ...parsed, kind: "d" } : parsed,
    budget,
  );
}

function filled(text: Text, { fill, width, align }: Spec, otherwise: string, budget: Budget): Text {
  const missing = width - characters(text.text, text.text.length);
  if (missing <= 0) return text;
  const side = align ?? otherwise;
  const before = side === "<" ? 0 : side === "^" ? missing >> 1 : missing;
  const out = new TextBuilder(budget);
  const own = new Text(fill);
  out
    .add(repeat(own, before, budget))
    .add(text)
    .add(repeat(own, missing - before, budget));
  return out.done();
}

function formatText(value: Text, spec: Spec, budget: Budget): Text {
  if (spec.kind !== "" && spec.kind !== "s") return wrong("a string has no such kind of format", value);
  if (spec.sign || spec.alternate || spec.grouping || (spec.align === "=" && !spec.zero)) {
    return wrong("a string has no such format", value);
  }
  const text = new Text(value.text, value.marks);
  const cut = spec.precision !== undefined && spec.precision < characters(text.text, text.text.length);
  const part = cut ? text.slice(0, unitAt(text.text, spec.precision!)) : text;
  return filled(part, spec.align === "=" ? { ...spec, align: undefined } : spec, "<", budget);
}

function grouped(digits: string, every: number, sign: string): string {
  const parts: string[] = [];
  for (let end = digits.length; end > 0; end -= every) parts.unshift(digits.slice(Math.max(0, end - every), end));
  return parts.join(sign);
}

function formatNumber(value: Int | Float, spec: Spec, budget: Budget): Text {
  const { kind } = spec;
  const floating = value instanceof Float || "eEfFgG%".includes(kind || "d");
  if (!floating && kind === "c") return formatCharacter(value, spec, budget);
  const { negative, whole, rest, every } = floating ? floatParts(toFloat(value), spec) : wholeParts(value as Int, spec);
  budget.spend((whole.length + rest.length) >> 2);
  const sign = negative ? "-" : spec.sign === "-" ? "" : spec.sign;
  const prefix = !floating && spec.alternate && "boxX".includes(kind || "d") ? `0${kind}` : "";
  const finite = /^[0-9a-fA-F]+$/.test(whole) && !/^(inf|nan)/i.test(whole);
  let digits = whole;
  if (spec.grouping && finite) {
    if (spec.fill === "0" && spec.align === "=") {
      // Zeros are grouped with the digits: no group is without its sign.
      const room = spec.width - sign.length - prefix.length - rest.length;
      let size = digits.length;
      while (size + Math.floor((size - 1) / every) < room) size++;
      budget.text(size);
      digits = digits.padStart(size, "0");
    }
    digits = grouped(digits, every, spec.grouping);
  }
  const start = sign + prefix;
  if ((spec.align ?? ">") !== "=") return filled(new Text(start + digits + rest), spec, ">", budget);
  const missing = spec.width - [...start].length - digits.length - rest.length;
  const padding = missing > 0 ? repeat(new Text(spec.fill), missing, budget).text : "";
  return new Text(start + padding + digits + rest);
}

interface Digits {
  readonly negative: boolean;
  readonly whole: string;
  readonly rest: string;
  readonly every: number;
}

const BASES: Readonly<Record<string, number>> = { b: 2, o: 8, x: 16, X: 16, d: 10, n: 10, "": 10 };

function wholeParts(value: Int, { kind, precision, grouping }: Spec): Digits {
  if (!(kind in BASES)) return wrong("an integer has no such kind of format", value);
  if (precision !== undefined) return wrong("an integer has no precision in a format", value);
  const base = BASES[kind];
  if ((grouping && kind === "n") || (grouping === "," && base !== 10))
    return wrong("no commas in this kind of format", value);
  const size = value < 0 ? -BigInt(value) : BigInt(value);
  const text = base === 10 ? intText(size) : size.toString(base);
  const whole = kind === "X" ? text.toUpperCase() : text;
  return { negative: value < 0, whole, rest: "", every: base === 10 ? 3 : 4 };
}

function floatParts(value: number, { kind, precision, alternate, grouping }: Spec): Digits {
  if (!"eEfFgGn%".includes(kind)) return wrong("a float has no such kind of format", new Float(value));
  if (kind === "n" && grouping) return wrong("no grouping in this kind of format", new Float(value));
  const negative = value < 0 || Object.is(value, -0);
  let text: string;
  if (kind === "") text = bareFloat(value, precision, alternate);
  else {
    const lower = kind === "n" ? "g" : kind.toLowerCase();
    text = formatFloat(value, lower as FloatKind, precision ?? 6, alternate);
    if (kind !== lower && kind !== "n") text = text.toUpperCase();
  }
  const end = /^(?:\d+|\w+)/.exec(text)![0].length;
  return { negative, whole: text.slice(0, end), rest: text.slice(end), every: 3 };
}

/** Without a kind: as it prints, or like `g` with at least one digit behind the point. */
function bareFloat(value: number, precision: number | undefined, alternate: boolean): string {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return floatText(size);
  if (precision === undefined) return floatText(size);
  const places = Math.max(1, precision);
  const text = formatFloat(value, "g", places, alternate);
  if (/[.e]/.test(text)) return text;
  // A whole number of as many digits as there are places has an exponent: Python needs room for the zero.
  if (text.length < places) return `${text}.0`;
  return formatFloat(value, "e", places - 1, alternate).replace(/(?:\.0*|(\.\d*[1-9])0*)e/, "$1e");
}

function formatCharacter(value: Int | Float, spec: Spec, budget: Budget): Text {
  const code = Number(value as Int);
  if (spec.sign || spec.precision !== undefined || spec.alternate || spec.grouping || code < 0 || code > 0x10ffff) {
    return wrong("no character to format", null);
  }
  return filled(new Text(String.fromCodePoint(code)), spec.align === "=" ? { ...spec, align: ">" } : spec, "<", budget);
}
