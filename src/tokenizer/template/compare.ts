/** Equality and order. */
import { type Budget, TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import { numeric } from "./numbers.ts";
import { Text } from "./text.ts";
import {
  asked,
  Float,
  type Int,
  Mapping,
  Range,
  Silent,
  Tuple,
  typeName,
  undefinedUsed,
  type Value,
  View,
} from "./values.ts";

const plain = (value: Int | Float): Int => (value instanceof Float ? value.value : value);

export function equal(left: Value, right: Value, budget: Budget, depth = 0): boolean {
  budget.spend(1);
  if (depth > TEMPLATE_LIMITS.depth) throw templateFault("TPL_DEPTH", "values nested too deep to compare");
  const [a, b] = [asked(left), asked(right)];
  if (a instanceof Text) {
    if (!(b instanceof Text)) return false;
    budget.text(Math.min(a.text.length, b.text.length));
    return a.text === b.text;
  }
  const number = numeric(a);
  if (number !== undefined) {
    const other = numeric(b);
    // Of one type or not, JavaScript compares the exact values.
    // biome-ignore lint/suspicious/noDoubleEquals: a bigint is never === a number
    return other !== undefined && plain(number) == plain(other);
  }
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a instanceof Tuple !== b instanceof Tuple) return false;
    return a.length === b.length && a.every((item, i) => equal(item, b[i], budget, depth + 1));
  }
  if (a instanceof Mapping && b instanceof Mapping) {
    return (
      a.size === b.size &&
      a.entries().every(([key, value]) => b.has(key) && equal(value, b.get(key), budget, depth + 1))
    );
  }
  if (a instanceof Range && b instanceof Range) {
    if (a.length !== b.length) return false;
    return a.length === 0 || (a.start === b.start && (a.length === 1 || a.step === b.step));
  }
  if (a instanceof View && b instanceof View && a.kind !== "values" && b.kind === a.kind) {
    if (a.kind === "items") return equal(a.mapping, b.mapping, budget, depth + 1);
    return a.mapping.size === b.mapping.size && a.mapping.keys().every((key) => b.mapping.has(key));
  }
  return a === b;
}

/** Negative, zero or positive; NaN where a number is none. */
export function order(left: Value, right: Value, budget: Budget, depth = 0): number {
  if (depth > TEMPLATE_LIMITS.depth) throw templateFault("TPL_DEPTH", "values nested too deep to compare");
  budget.spend(1);
  if (left instanceof Silent) return order(new Text(""), right, budget, depth);
  if (right instanceof Silent) return order(left, new Text(""), budget, depth);
  if (left instanceof Text && right instanceof Text) return orderTexts(left.text, right.text, budget);
  const [a, b] = [numeric(left), numeric(right)];
  if (a !== undefined && b !== undefined) {
    const [x, y] = [plain(a), plain(b)];
    // biome-ignore lint/suspicious/noDoubleEquals: a bigint is never === a number
    return x < y ? -1 : x > y ? 1 : x == y ? 0 : Number.NaN;
  }
  if (Array.isArray(left) && Array.isArray(right) && left instanceof Tuple === right instanceof Tuple) {
    for (let i = 0; i < Math.min(left.length, right.length); i++) {
      if (!equal(left[i], right[i], budget)) return order(left[i], right[i], budget, depth + 1);
    }
    return left.length - right.length;
  }
  if (left === undefined || right === undefined) return undefinedUsed();
  throw templateFault("TPL_VALUE", "cannot order these", `${typeName(left)} and ${typeName(right)}`);
}

/** By code points: half of a pair stands for a character above all that stand alone. */
function orderTexts(a: string, b: string, budget: Budget): number {
  budget.text(Math.min(a.length, b.length));
  if (a === b) return 0;
  const end = Math.min(a.length, b.length);
  for (let i = 0; i < end; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x === y) continue;
    const [high, low] = [x >= 0xd800 && x < 0xe000, y >= 0xd800 && y < 0xe000];
    return high === low ? x - y : high ? 1 : -1;
  }
  return a.length - b.length;
}

/** `is sameas`: one thing in memory. Of numbers and strings Python keeps copies as it likes: equal ones of a type are one here. */
export function same(a: Value, b: Value): boolean {
  const [x, y] = [asked(a), asked(b)];
  if (x instanceof Text && y instanceof Text) return x.text === y.text;
  if (x instanceof Float && y instanceof Float) return x.value === y.value;
  return x === y;
}
