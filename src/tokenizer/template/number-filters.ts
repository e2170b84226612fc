/** Filters that make and round numbers. */
import { type Budget, templateFault } from "./budget.ts";
import { roundFloat } from "./decimal.ts";
import { type Filter, filter } from "./filter.ts";
import { parseFloatText, parseInteger } from "./number-text.ts";
import { asInt, calculate, negate, normal, numeric, toFloat } from "./numbers.ts";
import { truncated } from "./printf.ts";
import { Text } from "./text.ts";
import { Float, type Int, undefinedUsed, type Value, wrong } from "./values.ts";

function toInteger(value: Value, [fallback, base]: Value[], budget: Budget): Value {
  if (value === undefined) return undefinedUsed();
  if (value instanceof Text) {
    budget.text(value.text.length);
    const radix = asInt(base);
    const whole = radix === undefined ? undefined : parseInteger(value.text, Number(radix));
    if (whole !== undefined) return whole;
    const float = parseFloatText(value.text);
    return float === undefined || !Number.isFinite(float) ? fallback : normal(truncated(float));
  }
  const number = numeric(value);
  if (number === undefined) return fallback;
  if (!(number instanceof Float)) return number;
  return Number.isNaN(number.value) ? fallback : normal(truncated(number.value));
}

function toFloating(value: Value, [fallback]: Value[], budget: Budget): Value {
  if (value === undefined) return undefinedUsed();
  if (value instanceof Text) {
    budget.text(value.text.length);
    const float = parseFloatText(value.text);
    return float === undefined ? fallback : new Float(float);
  }
  const number = numeric(value);
  return number === undefined ? fallback : new Float(toFloat(number));
}

function round(value: Value, [precision, method]: Value[], budget: Budget): Value {
  const name = method instanceof Text ? method.text : "";
  if (!["common", "ceil", "floor"].includes(name)) throw templateFault("TPL_VALUE", "unknown way of rounding");
  const number = value === undefined ? undefinedUsed() : (numeric(value) ?? wrong("not a number", value));
  if (name === "common") {
    if (!(number instanceof Float)) return roundInteger(number, precision, budget);
    if (precision === null) return normal(roundHalfEven(number.value));
    const places = asInt(precision) ?? wrong("a precision is an integer", precision);
    return new Float(finite(roundFloat(number.value, Number(places)), number.value));
  }
  const power = numeric(precision) ?? wrong("a precision is a number", precision);
  const scale = calculate("**", 10, power, budget) as Int | Float;
  const scaled = calculate("*", number, scale, budget) as Int | Float;
  const whole = scaled instanceof Float ? normal(truncated(Math[name as "ceil" | "floor"](scaled.value))) : scaled;
  return calculate("/", whole, scale, budget);
}

function finite(value: number, from: number): number {
  if (Number.isFinite(from) && !Number.isFinite(value)) throw templateFault("TPL_VALUE", "too large to round");
  return value;
}

const roundHalfEven = (value: number): bigint => truncated(roundFloat(value, 0));

function roundInteger(value: Int, precision: Value, budget: Budget): Value {
  if (precision === null) return value;
  const places = asInt(precision) ?? wrong("a precision is an integer", precision);
  if (places >= 0) return value;
  const unit = calculate("**", 10, negate(places) as Int, budget) as Int;
  const [size, half] = [BigInt(unit), BigInt(unit) / 2n];
  const given = BigInt(value);
  const rest = ((given % size) + size) % size;
  let low = given - rest;
  if (rest > half || (rest === half && (low / size) % 2n !== 0n)) low += size;
  return normal(low);
}

function absolute(value: Value): Value {
  const number = value === undefined ? undefinedUsed() : (numeric(value) ?? wrong("not a number", value));
  if (number instanceof Float) return new Float(Math.abs(number.value));
  return number < 0 ? negate(number) : number;
}

const PREFIXES = ["k", "M", "G", "T", "P", "E", "Z", "Y"];

function fileSize(value: Value, [binary]: Value[], budget: Budget): Value {
  const float = toFloating(value, [null], budget);
  const bytes = float instanceof Float ? float.value : wrong("not a number", value);
  const isBinary = binary !== false && binary !== null && binary !== 0;
  const base = isBinary ? 1024 : 1000;
  if (bytes === 1) return new Text("1 Byte");
  if (bytes < base || Number.isNaN(bytes)) return new Text(`${truncated(bytes)} Bytes`);
  const index = PREFIXES.findIndex((_, i) => bytes < base ** (i + 2));
  const at = index < 0 ? PREFIXES.length - 1 : index;
  const prefix = isBinary ? `${PREFIXES[at].toUpperCase()}i` : PREFIXES[at];
  return new Text(`${roundText((base * bytes) / base ** (at + 2))} ${prefix}B`);
}
const roundText = (value: number): string => (Number.isFinite(value) ? roundFloat(value, 1).toFixed(1) : "inf");

export const NUMBER_FILTERS: readonly [string, Filter][] = [
  ["int", filter("default base", [0, 10], toInteger)],
  ["float", filter("default", [new Float(0)], toFloating)],
  ["round", filter("precision method", [0, new Text("common")], round)],
  ["abs", filter("", [], absolute)],
  ["filesizeformat", filter("binary", [false], fileSize)],
];
