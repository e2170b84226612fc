/** What may follow `|`. */
import { type Budget, TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import { attribute, items, length, pairs } from "./sequences.ts";
import { asText, capitalize, indent, join, replace, titleFilter, trim } from "./strings.ts";
import { findTest, type Test } from "./tests.ts";
import { equal, Float, type JsonStyle, numeric, Text, toJson, toText, truthy, typeName, type Value } from "./values.ts";

/** Arguments of a call, with the names a function gives them. */
export class Args {
  readonly list: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;

  constructor(list: readonly Value[], named: ReadonlyMap<string, Value> = new Map()) {
    this.list = list;
    this.named = named;
  }

  get(index: number, name: string): Value {
    return this.named.has(name) ? this.named.get(name) : this.list[index];
  }
}

export type Operation = (value: Value, args: Args, budget: Budget) => Value;

function wrong(what: string, value: Value): never {
  throw templateFault("TPL_VALUE", what, typeName(value));
}

const asChars = (value: Value): string | undefined => (value instanceof Text ? value.text : undefined);

/** Methods take strings only. */
export const trimmer =
  (left: boolean, right: boolean): Operation =>
  (value, args, budget) =>
    trim(asText(value), asChars(args.get(0, "chars")), left, right, budget);

const indentation: Operation = (value, args, budget) => {
  const width = args.get(0, "width") ?? 4;
  const pad = width instanceof Text ? width : new Text(" ".repeat(Math.max(0, Math.min(numeric(width) ?? 4, 1024))));
  return indent(toText(value, budget), pad, truthy(args.get(1, "first")), truthy(args.get(2, "blank")), budget);
};

function compare(a: Value, b: Value, caseSensitive: boolean, budget: Budget): number {
  const [x, y] = [numeric(a), numeric(b)];
  if (x !== undefined && y !== undefined) return x - y;
  if (!(a instanceof Text && b instanceof Text)) return wrong("cannot order these", b);
  budget.spend((a.text.length + b.text.length) >> 3);
  const [s, t] = caseSensitive ? [a.text, b.text] : [a.text.toLowerCase(), b.text.toLowerCase()];
  return s < t ? -1 : s > t ? 1 : 0;
}

function sort(value: Value, args: Args, budget: Budget): Value[] {
  const list = items(value, budget);
  budget.spend(list.length * Math.ceil(Math.log2(list.length + 1)) * 4);
  const by = args.get(2, "attribute");
  const key = (item: Value): Value => (by === undefined || by === null ? item : attribute(item, by, budget));
  const sign = truthy(args.get(0, "reverse")) ? -1 : 1;
  const caseSensitive = truthy(args.get(1, "case_sensitive"));
  return [...list].sort((a, b) => sign * compare(key(a), key(b), caseSensitive, budget));
}

/** Pays for one item of many that go through a filter or a test. */
function handle(item: Value, budget: Budget): void {
  budget.spend(4);
  if (item instanceof Text) budget.text(item.text.length);
}

const selector =
  (keep: boolean, byAttribute: boolean): Operation =>
  (value, args, budget) => {
    const [name, other] = byAttribute ? [args.list[1], args.list[2]] : [args.list[0], args.list[1]];
    const test: Test = name === undefined ? truthy : findTest(asText(name).text);
    if (!truthy(value)) return [];
    return items(value, budget).filter((item) => {
      handle(item, budget);
      return test(byAttribute ? attribute(item, args.list[0], budget) : item, other, budget) === keep;
    });
  };

function map(value: Value, args: Args, budget: Budget): Value[] {
  if (!truthy(value)) return [];
  const by = args.named.get("attribute");
  const filter = by === undefined ? findFilter(asText(args.list[0]).text) : undefined;
  budget.spend(args.list.length);
  const rest = new Args(args.list.slice(1), args.named);
  return items(value, budget).map((item) => {
    handle(item, budget);
    return filter ? filter(item, rest, budget) : (attribute(item, by, budget) ?? args.named.get("default"));
  });
}

function unique(value: Value, args: Args, budget: Budget): Value[] {
  const by = args.get(1, "attribute");
  const caseSensitive = truthy(args.get(0, "case_sensitive"));
  const kept: Value[] = [];
  const keys: Value[] = [];
  for (const item of items(value, budget)) {
    const key = by === undefined ? item : attribute(item, by, budget);
    const folded = key instanceof Text && !caseSensitive ? new Text(key.text.toLowerCase()) : key;
    if (key instanceof Text) budget.text(key.text.length);
    if (keys.some((one) => equal(one, folded, budget))) continue;
    keys.push(folded);
    kept.push(item);
  }
  return kept;
}

const entries: Operation = (value, _, budget) =>
  value === undefined ? [] : value instanceof Map ? pairs(value, budget) : wrong("not a mapping", value);

export const changer =
  (change: (text: string) => string): Operation =>
  (value, _, budget) => {
    const text = toText(value, budget);
    budget.spend(text.text.length * 2); // some changes call back for every word
    return text.changed(change(text.text));
  };

const fallback: Operation = (value, args) => {
  if (value !== undefined && !(truthy(args.get(1, "boolean")) && !truthy(value))) return value;
  const given = args.get(0, "default_value");
  return given === undefined ? new Text("") : given;
};

function toNumber(value: Value, args: Args, whole: boolean): Value {
  const given =
    value instanceof Text
      ? /^\s*[-+]?(\d+(?:\.\d*)?|\.\d+)\s*$/.test(value.text)
        ? Number(value.text)
        : undefined
      : numeric(value);
  if (given === undefined) return args.get(0, "default") ?? (whole ? 0 : new Float(0));
  return whole ? Math.trunc(given) : new Float(given);
}

function copy(value: Value, _: Args, budget: Budget): Value[] {
  const list = items(value, budget);
  budget.spend(list.length);
  return [...list];
}

const reversed: Operation = (value, args, budget) => {
  const list = copy(value, args, budget).reverse();
  return value instanceof Text ? join(list, new Text(""), budget) : list;
};

const joined: Operation = (value, args, budget) => {
  const by = args.get(1, "attribute");
  const list = items(value, budget);
  const separator = args.get(0, "d");
  const parts = by === undefined ? list : list.map((item) => attribute(item, by, budget));
  return join(parts, separator === undefined ? new Text("") : toText(separator, budget), budget);
};

const replacement: Operation = (value, args, budget) =>
  replace(
    toText(value, budget),
    asText(args.get(0, "old")),
    asText(args.get(1, "new")),
    numeric(args.get(2, "count")) ?? -1,
    budget,
  );

const extreme =
  (sign: number): Operation =>
  (value, args, budget) => {
    const by = args.get(1, "attribute");
    let best: Value;
    for (const item of items(value, budget)) {
      budget.spend(4);
      const key = (one: Value): Value => (by === undefined ? one : attribute(one, by, budget));
      if (best === undefined || sign * compare(key(item), key(best), truthy(args.get(0, "case_sensitive")), budget) > 0)
        best = item;
    }
    return best;
  };

function sum(value: Value, args: Args, budget: Budget): Value {
  const by = args.get(0, "attribute");
  let total = args.get(1, "start") ?? 0;
  for (const item of items(value, budget)) {
    budget.spend(4);
    const part = by === undefined || by === null ? item : attribute(item, by, budget);
    const [a, b] = [numeric(total), numeric(part)];
    if (a === undefined || b === undefined) return wrong("only numbers are summed", part);
    total = total instanceof Float || part instanceof Float ? new Float(a + b) : a + b;
  }
  return total;
}

const json: Operation = (value, args, budget) => {
  const style: JsonStyle = {
    ascii: truthy(args.get(0, "ensure_ascii")),
    sortKeys: truthy(args.named.get("sort_keys")),
  };
  const indent = args.named.get("indent") ?? args.list[1];
  const blanks = numeric(indent);
  if (blanks !== undefined) style.indent = Math.max(0, Math.min(blanks, TEMPLATE_LIMITS.depth));
  else if (indent instanceof Text) style.indent = indent.text.slice(0, TEMPLATE_LIMITS.depth);
  const separators = args.named.get("separators");
  if (Array.isArray(separators)) style.separators = [asText(separators[0]).text, asText(separators[1]).text];
  return toJson(value, style, budget);
};

const FILTERS = new Map<string, Operation>([
  ["safe", (value) => value],
  ["tojson", json],
  ["string", (value, _, budget) => toText(value, budget)],
  ["length", length],
  ["count", length],
  ["list", copy],
  ["first", (value, _, budget) => items(value, budget)[0]],
  ["last", (value, _, budget) => items(value, budget).at(-1)],
  ["reverse", reversed],
  ["sort", sort],
  ["unique", unique],
  ["join", joined],
  ["sum", sum],
  ["min", extreme(-1)],
  ["max", extreme(1)],
  ["map", map],
  ["select", selector(true, false)],
  ["reject", selector(false, false)],
  ["selectattr", selector(true, true)],
  ["rejectattr", selector(false, true)],
  ["items", entries],
  [
    "dictsort",
    (value, args, budget) =>
      sort(
        entries(value, args, budget) as Value[],
        new Args([
          args.get(2, "reverse"),
          args.get(0, "case_sensitive"),
          asChars(args.get(1, "by")) === "value" ? 1 : 0,
        ]),
        budget,
      ),
  ],
  ["default", fallback],
  ["d", fallback],
  ["trim", (value, args, budget) => trim(toText(value, budget), asChars(args.get(0, "chars")), true, true, budget)],
  ["upper", changer((text) => text.toUpperCase())],
  ["lower", changer((text) => text.toLowerCase())],
  ["title", changer(titleFilter)],
  ["capitalize", changer(capitalize)],
  ["replace", replacement],
  ["indent", indentation],
  ["int", (value, args) => toNumber(value, args, true)],
  ["float", (value, args) => toNumber(value, args, false)],
  [
    "abs",
    (value) =>
      value instanceof Float
        ? new Float(Math.abs(value.value))
        : Math.abs(numeric(value) ?? wrong("not a number", value)),
  ],
  ["bool", (value) => truthy(value)],
]);

export const FILTER_NAMES: ReadonlySet<string> = new Set(FILTERS.keys());

export function findFilter(name: string): Operation {
  const filter = FILTERS.get(name);
  if (filter) return filter;
  throw templateFault("TPL_UNSUPPORTED", "unsupported filter", name);
}
