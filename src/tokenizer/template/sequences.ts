/** What loops, `in` and `length` see in a value. */
import { type Budget, templateFault } from "./budget.ts";
import { equal } from "./compare.ts";
import { JsonText, Text } from "./text.ts";
import {
  asked,
  Float,
  isInt,
  Mapping,
  Parts,
  Range,
  Silent,
  Stream,
  Thing,
  Tuple,
  typeName,
  type Value,
  View,
  wrong,
} from "./values.ts";

/** Characters among the first `end` units, counted as Python does. */
export function characters(text: string, end: number): number {
  let count = end;
  for (let i = 1; i < end; i++) if ((text.charCodeAt(i) & 0xfc00) === 0xdc00 && isHigh(text, i - 1)) count--;
  return count;
}

const isHigh = (text: string, at: number): boolean => (text.charCodeAt(at) & 0xfc00) === 0xd800;

/** Where the character of that number starts, in units; at most the end. */
export function unitAt(text: string, index: number): number {
  let at = 0;
  for (let left = index; left > 0 && at < text.length; left--) at += text.codePointAt(at)! > 0xffff ? 2 : 1;
  return at;
}

export function isIterable(value: Value): boolean {
  if (value === undefined || typeof value !== "object" || value === null) return value === undefined;
  if (value instanceof Silent) return value.value === undefined;
  return !(value instanceof Float) && !(value instanceof Thing);
}

/** All that a loop runs over. A list is given as it is, not to be changed. */
export function items(value: Value, budget: Budget): readonly Value[] {
  if (Array.isArray(value)) return value;
  if (value === undefined || value instanceof Silent) return [];
  if (value instanceof JsonText) return items(value.parsed, budget);
  if (value instanceof Text) return chars(value, budget);
  if (value instanceof Mapping) {
    budget.spend(value.size * 2);
    return value.keys();
  }
  if (value instanceof Range) {
    budget.spend(value.length);
    return Array.from({ length: value.length }, (_, i) => value.at(i));
  }
  if (value instanceof View) return viewed(value, budget);
  if (value instanceof Stream) {
    const list: Value[] = [];
    for (const item of iterate(value, budget)) {
      budget.spend(4);
      list.push(item);
    }
    return list;
  }
  throw templateFault("TPL_VALUE", "cannot loop over this", typeName(value));
}

/** One after the other: an iterator is read no further than it must be. */
export function iterate(value: Value, budget: Budget): IterableIterator<Value> {
  if (!(value instanceof Stream)) return items(value, budget).values();
  const { source } = value;
  return { next: () => source.next(), [Symbol.iterator]: () => iterate(value, budget) };
}

function chars(value: Text, budget: Budget): Text[] {
  budget.spend(value.text.length * 6);
  const out: Text[] = [];
  for (let at = 0; at < value.text.length; ) {
    const end = at + (value.text.codePointAt(at)! > 0xffff ? 2 : 1);
    const { text, marks } = value.slice(at, end);
    out.push(new Text(text, marks));
    at = end;
  }
  return out;
}

function viewed({ kind, mapping }: View, budget: Budget): Value[] {
  budget.spend(mapping.size * 4);
  if (kind === "keys") return mapping.keys();
  return kind === "values" ? mapping.values() : mapping.entries().map(([key, value]) => Tuple.of(key, value) as Tuple);
}

export function length(value: Value): number {
  if (value instanceof JsonText) return value.parsed.size;
  if (value instanceof Text) return characters(value.text, value.text.length);
  if (value instanceof Mapping) return value.size;
  if (Array.isArray(value) || value instanceof Range) return value.length;
  if (value instanceof View) return value.mapping.size;
  if (value === undefined || value instanceof Silent) return 0;
  if (value instanceof Thing && "length" in value) return value.length as number;
  return wrong("has no length", value);
}

export function contains(holder: Value, value: Value, budget: Budget): boolean {
  if (holder instanceof Silent) return contains(holder.value === undefined ? undefined : new Text(""), value, budget);
  if (holder instanceof JsonText) return contains(holder.parsed, value, budget);
  if (holder instanceof Text) {
    const part = value instanceof Silent ? new Text("") : value;
    if (!(part instanceof Text)) return wrong("only a string is in a string", value);
    budget.text(holder.text.length);
    return holder.text.includes(part.text);
  }
  if (holder instanceof Mapping || (holder instanceof View && holder.kind === "keys")) {
    if (value instanceof Text) budget.text(value.text.length);
    return (holder instanceof Mapping ? holder : holder.mapping).has(value);
  }
  if (holder instanceof View && holder.kind === "items") {
    if (!(value instanceof Tuple) || value.length !== 2) return false;
    return holder.mapping.has(value[0]) && equal(holder.mapping.get(value[0]), value[1], budget);
  }
  if (holder instanceof Range) return inRange(holder, value, budget);
  if (holder instanceof Parts && value instanceof Text) return contains(holder.joined(budget), value, budget);
  if (holder === undefined) return false;
  for (const item of iterate(holder, budget)) if (equal(item, value, budget)) return true;
  return false;
}

function inRange(range: Range, value: Value, budget: Budget): boolean {
  const number = value instanceof Float ? value.value : typeof value === "boolean" ? Number(value) : asked(value);
  if (typeof number !== "number")
    return isInt(number) ? false : items(range, budget).some((one) => equal(one, value, budget));
  const index = (number - range.start) / range.step;
  return Number.isInteger(index) && index >= 0 && index < range.length;
}
