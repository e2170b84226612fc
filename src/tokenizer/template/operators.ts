/** Operators and subscripts, with Python's meaning. */
import { type Budget, TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import { contains, items } from "./sequences.ts";
import { equal, Float, Namespace, numeric, Text, TextBuilder, toText, truthy, typeName, type Value } from "./values.ts";

export function unary(operator: string, value: Value): Value {
  if (operator === "not") return !truthy(value);
  const number = numeric(value);
  if (number === undefined) throw templateFault("TPL_VALUE", `${operator} needs a number`, typeName(value));
  const result = operator === "-" ? -number : number;
  return value instanceof Float || operator === "float" ? new Float(result) : result;
}

export function binary(operator: string, left: Value, right: Value, budget: Budget): Value {
  switch (operator) {
    case "==":
      return equal(left, right, budget);
    case "!=":
      return !equal(left, right, budget);
    case "in":
      return contains(right, left, budget);
    case "not in":
      return !contains(right, left, budget);
    case "~":
      return concat(toText(left, budget), toText(right, budget), budget);
  }
  if (left instanceof Text && right instanceof Text) {
    if (operator === "+") return concat(left, right, budget);
    budget.text(Math.min(left.text.length, right.text.length));
    const order = compare(operator, left.text, right.text);
    if (order !== undefined) return order;
  }
  if (Array.isArray(left) && Array.isArray(right) && operator === "+") {
    budget.spend(left.length + right.length);
    return [...left, ...right];
  }
  if (Array.isArray(left) && typeof right === "number" && operator === "*") {
    budget.spend(4 * (1 + left.length) * Math.max(0, right));
    const list: Value[] = [];
    for (let i = 0; i < right; i++) for (const item of left) list.push(item);
    return list;
  }
  if (left instanceof Text && typeof right === "number" && operator === "*") return repeat(left, right, budget);
  const [a, b] = [numeric(left), numeric(right)];
  if (a !== undefined && b !== undefined) {
    return compare(operator, a, b) ?? arithmetic(operator, a, b, left instanceof Float || right instanceof Float);
  }
  throw templateFault("TPL_VALUE", `no ${operator} between these`, `${typeName(left)} and ${typeName(right)}`);
}

function concat(left: Text, right: Text, budget: Budget): Text {
  const out = new TextBuilder(budget);
  out.add(left);
  out.add(right);
  return out.done();
}

function repeat(text: Text, times: number, budget: Budget): Text {
  if (text.text.length * times > TEMPLATE_LIMITS.output) budget.text(text.text.length * times);
  const out = new TextBuilder(budget);
  for (let i = 0; i < times; i++) out.add(text);
  return out.done();
}

function compare<T extends string | number>(operator: string, a: T, b: T): boolean | undefined {
  if (operator === "<") return a < b;
  if (operator === "<=") return a <= b;
  if (operator === ">") return a > b;
  return operator === ">=" ? a >= b : undefined;
}

function arithmetic(operator: string, a: number, b: number, float: boolean): Value {
  if (b === 0 && "//%".includes(operator)) throw templateFault("TPL_VALUE", "division by zero");
  const results: Record<string, () => number> = {
    "+": () => a + b,
    "-": () => a - b,
    "*": () => a * b,
    "/": () => a / b,
    "//": () => Math.floor(a / b),
    "%": () => a - b * Math.floor(a / b),
    "**": () => a ** b,
  };
  if (!Object.hasOwn(results, operator)) throw templateFault("TPL_UNSUPPORTED", "unsupported operator", operator);
  const result = results[operator]();
  return float || operator === "/" || (operator === "**" && b < 0) ? new Float(result) : result;
}

export interface Slice {
  readonly start: Value;
  readonly stop: Value;
  readonly step: Value;
}

/** `object[key]`, `object.key`, `object[start:stop:step]`. What is not there is undefined; undefined has no parts. */
export function subscript(object: Value, key: Value | Slice, budget: Budget): Value {
  if (object === undefined) throw templateFault("TPL_ATTR", "attribute of an undefined value");
  if (isSlice(key)) return slice(object, key, budget);
  if (object instanceof Map || object instanceof Namespace) {
    const name = toText(key, budget).text;
    budget.text(name.length);
    return (object instanceof Map ? object : object.values).get(name);
  }
  const index = key instanceof Float ? undefined : numeric(key); // Python has no 1.0th item
  if (index === undefined || !Number.isInteger(index)) return undefined;
  if (Array.isArray(object)) return object.at(index);
  return object instanceof Text ? charAt(object, index, budget) : undefined;
}

function isSlice(key: Value | Slice): key is Slice {
  return typeof key === "object" && key !== null && "step" in key && !(key instanceof Map);
}

/** A character, not a UTF-16 unit: as Python counts. */
function charAt(text: Text, index: number, budget: Budget): Value {
  budget.spend(Math.min(Math.abs(index), text.text.length));
  let at = index < 0 ? text.text.length : 0;
  for (let i = index; i > 0 && at < text.text.length; i--) at += unitsAt(text.text, at);
  for (let i = index; i < 0 && at >= 0; i++) at -= at >= 2 && unitsAt(text.text, at - 2) === 2 ? 2 : 1;
  if (at < 0 || at >= text.text.length) return undefined;
  return text.slice(at, at + unitsAt(text.text, at));
}

const unitsAt = (text: string, at: number): number => (text.codePointAt(at)! > 0xffff ? 2 : 1);

function slice(object: Value, { start, stop, step }: Slice, budget: Budget): Value {
  if (!Array.isArray(object) && !(object instanceof Text))
    throw templateFault("TPL_VALUE", "cannot slice this", typeName(object));
  const list: Value[] = Array.isArray(object) ? object : items(object, budget);
  const [by, size] = [numeric(step) ?? 1, list.length];
  if (!Number.isInteger(by) || by === 0) throw templateFault("TPL_VALUE", "bad slice step");
  const bound = (value: Value, otherwise: number, low: number, high: number): number => {
    const given = numeric(value);
    return given === undefined ? otherwise : Math.min(Math.max(given < 0 ? given + size : given, low), high);
  };
  const from = by > 0 ? bound(start, 0, 0, size) : bound(start, size - 1, -1, size - 1);
  const to = by > 0 ? bound(stop, size, 0, size) : bound(stop, -1, -1, size - 1);
  budget.spend(size);
  const picked: Value[] = [];
  for (let i = from; by > 0 ? i < to : i > to; i += by) picked.push(list[i]);
  if (Array.isArray(object)) return picked;
  const out = new TextBuilder(budget);
  for (const char of picked) out.add(char as Text);
  return out.done();
}
