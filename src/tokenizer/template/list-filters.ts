/** Filters that take lists apart and put them together. Those that give an iterator in Python give one here. */
import { attributeGetter, attributeOf } from "./access.ts";
import { type Budget, templateFault } from "./budget.ts";
import { equal, order } from "./compare.ts";
import { type Filter, type FilterCall, filter } from "./filter.ts";
import { arithmetic } from "./operators.ts";
import { items, iterate, length } from "./sequences.ts";
import { asSize, asText } from "./strings.ts";
import { JsonText, Text } from "./text.ts";
import {
  Group,
  Mapping,
  Range,
  Silent,
  Stream,
  Tuple,
  truthy,
  undefinedUsed,
  type Value,
  View,
  wrong,
} from "./values.ts";

function folded(value: Value, caseSensitive: Value, budget: Budget): Value {
  if (!(value instanceof Text) || truthy(caseSensitive)) return value;
  budget.text(value.text.length);
  return new Text(value.text.toLowerCase());
}

/** What a list is sorted by: one attribute, or several with commas between. */
function sortKey(attribute: Value, caseSensitive: Value, budget: Budget): (item: Value) => Value[] {
  const paths = attribute instanceof Text ? attribute.text.split(",").map((part) => new Text(part)) : [attribute];
  const getters = paths.map((path) => attributeGetter(path, budget));
  return (item) => getters.map((get) => folded(get(item), caseSensitive, budget));
}

/** Stable, also in reverse. */
function sorted(list: readonly Value[], key: (item: Value) => Value, reverse: Value, budget: Budget): Value[] {
  budget.spend(list.length * Math.ceil(Math.log2(list.length + 1)) * 4);
  const sign = asSize(reverse) !== 0 ? -1 : 1;
  const keyed = list.map((item) => ({ item, key: key(item) }));
  if (keyed.length > 1) keyed.sort((a, b) => sign * order(a.key, b.key, budget) || 0);
  return keyed.map(({ item }) => item);
}

const sort: Filter = filter("reverse case_sensitive attribute", [false, false, null], (value, args, budget) => {
  const [reverse, caseSensitive, attribute] = args;
  return sorted(items(value, budget), sortKey(attribute, caseSensitive, budget), reverse, budget);
});

const dictSort: Filter = filter("case_sensitive by reverse", [false, new Text("key"), false], (value, args, budget) => {
  const [caseSensitive, by, reverse] = args;
  const name = by instanceof Text ? by.text : "";
  if (name !== "key" && name !== "value") throw templateFault("TPL_VALUE", "sorted by neither key nor value");
  const mapping = mappingOf(value);
  const entries = mapping.entries().map((entry) => Tuple.from(entry) as Tuple);
  const key = (item: Value): Value => folded((item as Tuple)[name === "key" ? 0 : 1], caseSensitive, budget);
  return sorted(entries, key, reverse, budget);
});

function mappingOf(value: Value): Mapping {
  if (value instanceof Mapping) return value;
  if (value instanceof JsonText) return value.parsed;
  return value === undefined ? undefinedUsed() : wrong("not a mapping", value);
}

/** An iterator that pays for what it handles. */
function stream(name: string, value: Value, budget: Budget, each: (item: Value) => Iterable<Value>): Stream {
  function* run(): Generator<Value> {
    for (const item of iterate(value, budget)) {
      budget.spend(4);
      if (item instanceof Text) budget.text(item.text.length);
      yield* each(item);
    }
  }
  return new Stream(name, run());
}

function chosen(value: Value, keep: boolean, byAttribute: boolean, call: FilterCall, budget: Budget): Stream {
  const name = `generator object sync_do_${keep ? "select" : "reject"}${byAttribute ? "attr" : ""}`;
  function* run(): Generator<Value> {
    if (!truthy(value)) return;
    if (call.list.length < (byAttribute ? 1 : 0)) throw templateFault("TPL_VALUE", "an attribute's name is missing");
    const get = byAttribute ? attributeGetter(call.list[0], budget) : (item: Value) => item;
    const [test, ...rest] = call.list.slice(byAttribute ? 1 : 0);
    const tested = call.list.length > (byAttribute ? 1 : 0);
    yield* stream(name, value, budget, (item) => {
      const part = get(item);
      const found = tested ? call.test(asText(test).text, part, rest, call.named) : truthy(part);
      return found === keep ? [item] : [];
    }).source as Generator<Value>;
  }
  return new Stream(name, run());
}

const selector = (keep: boolean, byAttribute: boolean): Filter => ({
  signature: undefined,
  run: (value, _, budget, call) => chosen(value, keep, byAttribute, call, budget),
});

const map: Filter = {
  signature: undefined,
  run: (value, _, budget, call) => {
    const name = "generator object sync_do_map";
    function* run(): Generator<Value> {
      if (!truthy(value)) return;
      const change = changeOf(call, budget);
      yield* stream(name, value, budget, (item) => [change(item)]).source as Generator<Value>;
    }
    return new Stream(name, run());
  },
};

function changeOf({ list, named, filter }: FilterCall, budget: Budget): (item: Value) => Value {
  budget.spend(list.length);
  if (list.length === 0 && named.has("attribute")) {
    for (const key of named.keys()) {
      if (key !== "attribute" && key !== "default") throw templateFault("TPL_VALUE", "unknown argument", key);
    }
    return attributeGetter(named.get("attribute"), budget, named.has("default") ? named.get("default") : null);
  }
  if (list.length === 0) throw templateFault("TPL_VALUE", "map needs a filter");
  const [name, ...rest] = list;
  return (item) => filter(asText(name).text, item, rest, named);
}

const unique: Filter = filter(
  "case_sensitive attribute",
  [false, null],
  (value, [caseSensitive, attribute], budget) => {
    const get = attributeGetter(attribute, budget);
    const seen = new Mapping();
    return stream("generator object sync_do_unique", value, budget, (item) => {
      const key = folded(get(item), caseSensitive, budget);
      if (seen.has(key)) return [];
      seen.set(key, true);
      return [item];
    });
  },
);

const extreme = (sign: number): Filter =>
  filter("case_sensitive attribute", [false, null], (value, [caseSensitive, attribute], budget) => {
    const get = attributeGetter(attribute, budget);
    let best: { item: Value; key: Value } | undefined;
    for (const item of iterate(value, budget)) {
      budget.spend(4);
      const key = folded(get(item), caseSensitive, budget);
      if (!best || sign * order(key, best.key, budget) > 0) best = { item, key };
    }
    return best?.item;
  });

const sum: Filter = filter("attribute start", [null, 0], (value, [attribute, start], budget) => {
  const get = attribute === null ? undefined : attributeGetter(attribute, budget);
  if (start instanceof Text) return wrong("strings are joined, not summed", start);
  let total: Value = start;
  for (const item of iterate(value, budget)) {
    budget.spend(4);
    total = arithmetic("+", total, get ? get(item) : item, budget);
  }
  return total;
});

const groupBy: Filter = filter("attribute default case_sensitive", [null, false], (value, args, budget) => {
  const [attribute, otherwise, caseSensitive] = args;
  const get = attributeGetter(attribute, budget, otherwise);
  const key = (item: Value): Value => folded(get(item), caseSensitive, budget);
  const groups: { key: Value; list: Value[] }[] = [];
  for (const item of sorted(items(value, budget), key, false, budget)) {
    const one = key(item);
    const last = groups.at(-1);
    if (last && equal(last.key, one, budget)) last.list.push(item);
    else groups.push({ key: one, list: [item] });
  }
  return groups.map(({ key: one, list }) => Group.from([truthy(caseSensitive) ? one : get(list[0]), list]) as Group);
});

const slices: Filter = filter("slices fill_with", [null], (value, [count, fill], budget) => {
  const number = asSize(count);
  function* run(): Generator<Value> {
    const list = items(value, budget);
    if (number === 0) throw templateFault("TPL_VALUE", "no slices");
    const [each, extra] = [Math.floor(list.length / number), ((list.length % number) + number) % number];
    let at = 0;
    for (let i = 0; i < number; i++) {
      const size = each + (i < extra ? 1 : 0);
      budget.spend(8 + size);
      const part = list.slice(at, at + size);
      at += size;
      if (fill !== null && i >= extra) part.push(fill);
      yield part;
    }
  }
  return new Stream("generator object sync_do_slice", run());
});

const batch: Filter = filter("linecount fill_with", [null], (value, [count, fill], budget) => {
  function* run(): Generator<Value> {
    let part: Value[] = [];
    for (const item of iterate(value, budget)) {
      budget.spend(4);
      if (equal(part.length, count, budget)) {
        yield part;
        part = [];
      }
      part.push(item);
    }
    if (part.length === 0) return;
    if (fill !== null) {
      const missing = asSize(count) - part.length;
      budget.spend(Math.max(0, missing) * 4);
      for (let i = 0; i < missing; i++) part.push(fill);
    }
    yield part;
  }
  return new Stream("generator object do_batch", run());
});

function reversed(value: Value, budget: Budget): Value {
  if (value instanceof Silent) return new Text("");
  if (value instanceof Text) {
    const text = items(new Text(value.text, value.marks), budget);
    return joinedBack(text, value, budget);
  }
  const list = [...items(value, budget)].reverse();
  budget.spend(list.length);
  return value instanceof Stream ? list : new Stream("reversed object", list.values());
}

function joinedBack(list: readonly Value[], like: Text, budget: Budget): Text {
  const parts = [...list].reverse() as Text[];
  const marks: number[] = [];
  let text = "";
  for (const part of parts) {
    budget.spend(2);
    if (part.marks.length > 0) {
      if (marks.at(-1) === text.length) marks[marks.length - 1] += part.text.length;
      else marks.push(text.length, text.length + part.text.length);
    }
    text += part.text;
  }
  return like.like(text, marks);
}

function last(value: Value, budget: Budget): Value {
  if (value instanceof Stream) return wrong("an iterator has no end to start from", value);
  if (value instanceof Range) return value.length > 0 ? value.at(value.length - 1) : undefined;
  return items(value, budget).at(-1);
}

function pairs(value: Value, budget: Budget): Stream {
  const name = "generator object do_items";
  if (value === undefined || value instanceof Silent) return new Stream(name, [].values());
  function* run(): Generator<Value> {
    const mapping = value instanceof JsonText ? value.parsed : value;
    if (!(mapping instanceof Mapping)) return wrong("not a mapping", value);
    yield* items(new View("items", mapping), budget);
  }
  return new Stream(name, run());
}

function copied(value: Value, budget: Budget): Value[] {
  const list = items(value, budget);
  budget.spend(list.length);
  return [...list];
}

export const LIST_FILTERS: readonly [string, Filter][] = [
  ["list", filter("", [], (value, _, budget) => copied(value, budget))],
  ["length", filter("", [], length)],
  ["count", filter("", [], length)],
  ["first", filter("", [], (value, _, budget) => iterate(value, budget).next().value as Value)],
  ["last", filter("", [], (value, _, budget) => last(value, budget))],
  ["reverse", filter("", [], (value, _, budget) => reversed(value, budget))],
  ["items", filter("", [], (value, _, budget) => pairs(value, budget))],
  ["sort", sort],
  ["dictsort", dictSort],
  ["unique", unique],
  ["min", extreme(-1)],
  ["max", extreme(1)],
  ["sum", sum],
  ["map", map],
  ["select", selector(true, false)],
  ["reject", selector(false, false)],
  ["selectattr", selector(true, true)],
  ["rejectattr", selector(false, true)],
  ["groupby", groupBy],
  ["slice", slices],
  ["batch", batch],
  [
    "attr",
    filter("name", [], (value, [name], budget) =>
      value === undefined ? undefinedUsed() : attributeOf(value, asText(name).text, budget),
    ),
  ],
  ["default", filter("default_value boolean", [new Text(""), false], fallback)],
  ["d", filter("default_value boolean", [new Text(""), false], fallback)],
];

function fallback(value: Value, [otherwise, boolean]: Value[]): Value {
  const missing = value === undefined || (value instanceof Silent && value.value === undefined);
  return missing || (truthy(boolean) && !truthy(value)) ? otherwise : value;
}
