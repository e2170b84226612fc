/** Operators, with Python's meaning. */
import { type Budget, TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import { equal, order } from "./compare.ts";
import { escaped, joining } from "./html.ts";
import { asInt, calculate, negate, numeric } from "./numbers.ts";
import { toText } from "./print.ts";
import { printf } from "./printf.ts";
import { contains, items } from "./sequences.ts";
import { repeat } from "./strings.ts";
import { Markup, Text, TextBuilder } from "./text.ts";
import type { Arithmetic, Comparison } from "./tree.ts";
import { Silent, Tuple, typeName, undefinedUsed, type Value, View, wrong } from "./values.ts";

export function sign(operator: "+" | "-", value: Value): Value {
  if (value === undefined) return undefinedUsed();
  const number = numeric(value);
  if (number === undefined) return wrong(`${operator} needs a number`, value);
  return operator === "-" ? negate(number) : number;
}

export function compare(operator: Comparison, left: Value, right: Value, budget: Budget): boolean {
  switch (operator) {
    case "==":
      return equal(left, right, budget);
    case "!=":
      return !equal(left, right, budget);
    case "in":
      return contains(right, left, budget);
    case "not in":
      return !contains(right, left, budget);
  }
  if (left instanceof View && right instanceof View) return compareViews(operator, left, right, budget);
  switch (operator) {
    case "<":
      return order(left, right, budget) < 0;
    case "<=":
      return order(left, right, budget) <= 0;
    case ">":
      return order(left, right, budget) > 0;
    case ">=":
      return order(left, right, budget) >= 0;
  }
}

/** Keys, and pairs, compare as sets. */
function compareViews(operator: "<" | "<=" | ">" | ">=", left: View, right: View, budget: Budget): boolean {
  if (left.kind === "values" || right.kind === "values") return wrong("cannot order these", left);
  if (operator === ">" || operator === ">=") return compareViews(operator === ">" ? "<" : "<=", right, left, budget);
  const [sizeLeft, sizeRight] = [left.mapping.size, right.mapping.size];
  if (operator === "<" ? sizeLeft >= sizeRight : sizeLeft > sizeRight) return false;
  return items(left, budget).every((item) => contains(right, item, budget));
}

export function arithmetic(operator: Arithmetic, left: Value, right: Value, budget: Budget): Value {
  if (operator === "+" && left instanceof Text && right instanceof Text) return add(left, right, budget);
  const a = numeric(left);
  const b = a === undefined ? undefined : numeric(right);
  if (a !== undefined && b !== undefined) return calculate(operator, a, b, budget);
  if (left instanceof Silent) return arithmetic(operator, new Text(""), right, budget);
  if (right instanceof Silent) return arithmetic(operator, left, new Text(""), budget);
  if (operator === "+") {
    if (Array.isArray(left) && Array.isArray(right) && !(left instanceof Tuple) === !(right instanceof Tuple)) {
      budget.spend(left.length + right.length);
      const sum = [...left, ...right];
      return left instanceof Tuple ? (Tuple.from(sum) as Tuple) : sum;
    }
  }
  if (operator === "*") {
    const times = repetitions(left) ?? repetitions(right);
    const repeated = repetitions(left) === undefined ? left : right;
    if (times !== undefined && repeated instanceof Text) return repeat(repeated, Math.max(0, times), budget);
    if (times !== undefined && Array.isArray(repeated)) return repeatList(repeated, Math.max(0, times), budget);
  }
  if (operator === "%" && left instanceof Text) {
    return printf(left, right, budget, (part) => joining(left, part, budget));
  }
  if (left === undefined || right === undefined) return undefinedUsed();
  throw templateFault("TPL_VALUE", `no ${operator} between these`, `${typeName(left)} and ${typeName(right)}`);
}

function repetitions(value: Value): number | undefined {
  const times = asInt(value);
  if (typeof times !== "bigint") return times;
  throw templateFault("TPL_FUEL", "too many repetitions");
}

function add(left: Text, right: Text, budget: Budget): Text {
  if (!(left instanceof Markup || right instanceof Markup)) {
    return new TextBuilder(budget).add(left).add(right).done();
  }
  const [first, second] = [escaped(left, budget), escaped(right, budget)];
  return new TextBuilder(budget).add(first).add(second).done(first);
}

function repeatList(items: readonly Value[], times: number, budget: Budget): Value[] {
  budget.spend(4 * (1 + items.length) * Math.min(times, items.length === 0 ? 1 : TEMPLATE_LIMITS.steps));
  const list: Value[] = [];
  if (items.length > 0) for (let i = 0; i < times; i++) for (const item of items) list.push(item);
  return items instanceof Tuple ? (Tuple.from(list) as Tuple) : list;
}

/** `a ~ b ~ c`: all as text. */
export function concatenate(values: readonly Value[], budget: Budget): Text {
  const out = new TextBuilder(budget);
  for (const value of values) out.add(toText(value, budget));
  return out.done();
}
