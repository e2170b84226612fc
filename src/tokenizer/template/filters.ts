/** Filters, tests and methods: what a template may do with a value besides arithmetic. */
import { type Budget, TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import {
  Callable,
  equal,
  Float,
  type JsonStyle,
  Namespace,
  numeric,
  Text,
  TextBuilder,
  toJson,
  toText,
  truthy,
  typeName,
  type Value,
} from "./values.ts";

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

type Operation = (value: Value, args: Args, budget: Budget) => Value;
type Test = (value: Value, other: Value, budget: Budget) => boolean;

function wrong(what: string, value: Value): never {
  throw templateFault("TPL_VALUE", what, typeName(value));
}

function asText(value: Value): Text {
  return value instanceof Text ? value : value === undefined ? new Text("") : wrong("expected a string", value);
}

/** What a loop runs over: items, keys of a mapping, characters. */
export function items(value: Value, budget: Budget): Value[] {
  if (Array.isArray(value)) return value;
  if (value === undefined) return [];
  if (value instanceof Map) return [...value.keys()].map(Text.foreign);
  if (!(value instanceof Text)) return wrong("cannot loop over this", value);
  budget.spend(value.text.length * 4);
  const chars: Value[] = [];
  for (let at = 0; at < value.text.length; ) {
    const end = at + (value.text.codePointAt(at)! > 0xffff ? 2 : 1);
    chars.push(value.slice(at, end));
    at = end;
  }
  return chars;
}

function length(value: Value): number {
  if (value instanceof Text) return [...value.text].length;
  if (value instanceof Map) return value.size;
  return Array.isArray(value) ? value.length : value === undefined ? 0 : wrong("has no length", value);
}

function trim(text: Text, chars: string | undefined, left: boolean, right: boolean): Text {
  const stripped = chars === undefined ? (c: string) => /\s/.test(c) : (c: string) => chars.includes(c);
  let start = 0;
  let end = text.text.length;
  while (left && start < end && stripped(text.text[start])) start++;
  while (right && end > start && stripped(text.text[end - 1])) end--;
  return text.slice(start, end);
}

const trimmer =
  (left: boolean, right: boolean): Operation =>
  (value, args) => {
    const chars = args.get(0, "chars");
    return trim(asText(value), chars instanceof Text ? chars.text : undefined, left, right);
  };

function join(parts: readonly Value[], separator: Text, budget: Budget): Text {
  const out = new TextBuilder(budget);
  for (const [i, part] of parts.entries()) {
    if (i > 0) out.add(separator);
    out.add(toText(part, budget));
  }
  return out.done();
}

function split(text: Text, args: Args, budget: Budget): Text[] {
  const separator = args.get(0, "sep");
  const limit = numeric(args.get(1, "maxsplit")) ?? -1;
  const blanks = !(separator instanceof Text);
  if (!blanks && separator.text === "") wrong("empty separator", separator);
  const parts: Text[] = [];
  let at = blanks ? text.text.length - text.text.trimStart().length : 0;
  const gaps = blanks ? /\s+/g : undefined;
  while (limit < 0 || parts.length < limit) {
    budget.spend(16); // measured: a piece costs about as much as a loop iteration
    let end: number;
    let next: number;
    if (gaps) {
      gaps.lastIndex = at;
      const gap = gaps.exec(text.text);
      if (!gap) break;
      [end, next] = [gap.index, gap.index + gap[0].length];
    } else {
      end = text.text.indexOf((separator as Text).text, at);
      if (end < 0) break;
      next = end + (separator as Text).text.length;
    }
    parts.push(text.slice(at, end));
    at = next;
  }
  if (!blanks || at < text.text.length) parts.push(text.slice(at, text.text.length));
  return parts;
}

function replace(text: Text, args: Args, budget: Budget): Text {
  const old = asText(args.get(0, "old"));
  const limit = numeric(args.get(2, "count")) ?? -1;
  if (old.text === "") return wrong("replaces the empty string", old);
  return join(split(text, new Args([old, limit]), budget), asText(args.get(1, "new")), budget);
}

function indent(text: Text, args: Args, budget: Budget): Text {
  const width = args.get(0, "width") ?? 4;
  const pad = width instanceof Text ? width : new Text(" ".repeat(Math.min(numeric(width) ?? 4, 1024)));
  const [first, blank] = [truthy(args.get(1, "first")), truthy(args.get(2, "blank"))];
  const lines = split(text, new Args([new Text("\n")]), budget);
  const padded = lines.map((line, i) =>
    (i === 0 && !first) || (line.text === "" && !blank) ? line : join([pad, line], new Text(""), budget),
  );
  return join(padded, new Text("\n"), budget);
}

function compare(a: Value, b: Value, caseSensitive: boolean): number {
  const [x, y] = [numeric(a), numeric(b)];
  if (x !== undefined && y !== undefined) return x - y;
  if (!(a instanceof Text && b instanceof Text)) return wrong("cannot order these", b);
  const [s, t] = caseSensitive ? [a.text, b.text] : [a.text.toLowerCase(), b.text.toLowerCase()];
  return s < t ? -1 : s > t ? 1 : 0;
}

/** `user.name` of a mapping, items by number. */
export function attribute(value: Value, path: Value): Value {
  let found = value;
  for (const name of typeof path === "number" ? [String(path)] : asText(path).text.split(".")) {
    if (found instanceof Map) found = found.get(name);
    else if (found instanceof Namespace) found = found.values.get(name);
    else found = Array.isArray(found) && /^\d{1,9}$/.test(name) ? found[Number(name)] : undefined;
  }
  return found;
}

function sort(value: Value, args: Args, budget: Budget): Value[] {
  const list = items(value, budget);
  budget.spend(list.length * Math.ceil(Math.log2(list.length + 1)) * 4);
  const by = args.get(2, "attribute");
  const key = (item: Value): Value => (by === undefined || by === null ? item : attribute(item, by));
  const sign = truthy(args.get(0, "reverse")) ? -1 : 1;
  const caseSensitive = truthy(args.get(1, "case_sensitive"));
  return [...list].sort((a, b) => sign * compare(key(a), key(b), caseSensitive));
}

const selector =
  (keep: boolean, byAttribute: boolean): Operation =>
  (value, args, budget) => {
    const [name, other] = byAttribute ? [args.list[1], args.list[2]] : [args.list[0], args.list[1]];
    const test: Test = name === undefined ? truthy : findTest(asText(name).text);
    return items(value, budget).filter((item) => {
      budget.spend(4);
      return test(byAttribute ? attribute(item, args.list[0]) : item, other, budget) === keep;
    });
  };

function map(value: Value, args: Args, budget: Budget): Value[] {
  const by = args.named.get("attribute");
  const filter = by === undefined ? findFilter(asText(args.list[0]).text) : undefined;
  const rest = new Args(args.list.slice(1), args.named);
  return items(value, budget).map((item) => {
    budget.spend(4);
    return filter ? filter(item, rest, budget) : (attribute(item, by) ?? args.named.get("default"));
  });
}

function unique(value: Value, _: Args, budget: Budget): Value[] {
  const kept: Value[] = [];
  for (const item of items(value, budget)) if (!kept.some((one) => equal(one, item, budget))) kept.push(item);
  return kept;
}

const pairs: Operation = (value) =>
  value instanceof Map ? [...value].map(([key, item]) => [Text.foreign(key), item]) : wrong("not a mapping", value);

const changer =
  (change: (text: string) => string): Operation =>
  (value, _, budget) => {
    const text = toText(value, budget);
    return text.changed(change(text.text));
  };

const title = (text: string): string =>
  text.toLowerCase().replace(/\p{L}+/gu, (word) => word[0].toUpperCase() + word.slice(1));
const capitalize = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1).toLowerCase();

const fallback: Operation = (value, args) =>
  value === undefined || (truthy(args.get(1, "boolean")) && !truthy(value))
    ? (args.get(0, "default_value") ?? new Text(""))
    : value;

function toNumber(value: Value, args: Args, whole: boolean): Value {
  const given =
    value instanceof Text
      ? /^\s*[-+]?(\d+\.?\d*|\.\d+)\s*$/.test(value.text)
        ? Number(value.text)
        : undefined
      : numeric(value);
  if (given === undefined) return args.get(0, "default") ?? (whole ? 0 : new Float(0));
  return whole ? Math.trunc(given) : new Float(given);
}

const json: Operation = (value, args, budget) => {
  const style: JsonStyle = {
    ascii: truthy(args.named.get("ensure_ascii")),
    sortKeys: truthy(args.named.get("sort_keys")),
  };
  const indent = numeric(args.get(0, "indent"));
  if (indent !== undefined) style.indent = Math.max(0, Math.min(indent, TEMPLATE_LIMITS.depth));
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
  ["list", (value, _, budget) => [...items(value, budget)]],
  ["first", (value, _, budget) => items(value, budget)[0]],
  ["last", (value, _, budget) => items(value, budget).at(-1)],
  ["reverse", (value, _, budget) => [...items(value, budget)].reverse()],
  ["sort", sort],
  ["unique", unique],
  ["join", (value, args, budget) => join(items(value, budget), asText(args.get(0, "d")), budget)],
  ["map", map],
  ["select", selector(true, false)],
  ["reject", selector(false, false)],
  ["selectattr", selector(true, true)],
  ["rejectattr", selector(false, true)],
  ["items", pairs],
  [
    "dictsort",
    (value, args, budget) =>
      sort(pairs(value, args, budget), new Args([args.get(2, "reverse"), args.get(0, "case_sensitive"), 0]), budget),
  ],
  ["default", fallback],
  ["d", fallback],
  ["trim", trimmer(true, true)],
  ["upper", changer((text) => text.toUpperCase())],
  ["lower", changer((text) => text.toLowerCase())],
  ["title", changer(title)],
  ["capitalize", changer(capitalize)],
  ["replace", (value, args, budget) => replace(toText(value, budget), args, budget)],
  ["indent", (value, args, budget) => indent(asText(value), args, budget)],
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

const isString: Test = (value) => value instanceof Text;
const isIterable: Test = (value) => value instanceof Text || Array.isArray(value) || value instanceof Map;
const isEqual: Test = (value, other, budget) => equal(value, other, budget);

const TESTS = new Map<string, Test>([
  ["defined", (value) => value !== undefined],
  ["undefined", (value) => value === undefined],
  ["none", (value) => value === null],
  ["true", (value) => value === true],
  ["false", (value) => value === false],
  ["boolean", (value) => typeof value === "boolean"],
  ["string", isString],
  ["number", (value) => numeric(value) !== undefined],
  ["integer", (value) => typeof value === "number"],
  ["float", (value) => value instanceof Float],
  ["mapping", (value) => value instanceof Map],
  ["iterable", isIterable],
  ["sequence", isIterable],
  ["callable", (value) => value instanceof Callable],
  ["odd", (value) => Math.abs((numeric(value) ?? 0) % 2) === 1],
  ["even", (value) => (numeric(value) ?? 1) % 2 === 0],
  ["lower", (value) => value instanceof Text && value.text === value.text.toLowerCase()],
  ["upper", (value) => value instanceof Text && value.text === value.text.toUpperCase()],
  ["eq", isEqual],
  ["equalto", isEqual],
  ["ne", (value, other, budget) => !equal(value, other, budget)],
  ["in", (value, other, budget) => contains(other, value, budget)],
]);

export const FILTER_NAMES: ReadonlySet<string> = new Set(FILTERS.keys());
export const TEST_NAMES: ReadonlySet<string> = new Set(TESTS.keys());

export function findFilter(name: string): Operation {
  const filter = FILTERS.get(name);
  if (filter) return filter;
  throw templateFault("TPL_UNSUPPORTED", "unsupported filter", name);
}

export function findTest(name: string): Test {
  const test = TESTS.get(name);
  if (test) return test;
  throw templateFault("TPL_UNSUPPORTED", "unsupported test", name);
}

export function contains(holder: Value, value: Value, budget: Budget): boolean {
  if (holder instanceof Text && value instanceof Text) {
    budget.text(holder.text.length);
    return holder.text.includes(value.text);
  }
  if (holder instanceof Map) return value instanceof Text && holder.has(value.text);
  return items(holder, budget).some((item) => equal(item, value, budget));
}

const affix =
  (test: (text: string, part: string) => boolean): Operation =>
  (value, args) =>
    (Array.isArray(args.list[0]) ? args.list[0] : [args.list[0]]).some((part) =>
      test(asText(value).text, asText(part).text),
    );

const TEXT_METHODS = new Map<string, Operation>([
  ["strip", trimmer(true, true)],
  ["lstrip", trimmer(true, false)],
  ["rstrip", trimmer(false, true)],
  ["upper", changer((text) => text.toUpperCase())],
  ["lower", changer((text) => text.toLowerCase())],
  ["title", changer(title)],
  ["capitalize", changer(capitalize)],
  ["startswith", affix((text, part) => text.startsWith(part))],
  ["endswith", affix((text, part) => text.endsWith(part))],
  ["split", (value, args, budget) => split(asText(value), args, budget)],
  ["replace", (value, args, budget) => replace(asText(value), args, budget)],
  ["join", (value, args, budget) => join(items(args.list[0], budget), asText(value), budget)],
]);

const MAP_METHODS = new Map<string, Operation>([
  [
    "get",
    (value, args) =>
      (value as Map<string, Value>).has(asText(args.list[0]).text)
        ? (value as Map<string, Value>).get(asText(args.list[0]).text)
        : (args.list[1] ?? null),
  ],
  ["items", pairs],
  ["keys", (value, _, budget) => items(value, budget)],
  ["values", (value) => [...(value as Map<string, Value>).values()]],
]);

const LIST_METHODS = new Map<string, Operation>([
  [
    "append",
    (value, args) => {
      (value as Value[]).push(args.list[0]);
      return null;
    },
  ],
]);

/** A method bound to its value, or undefined. */
export function findMethod(value: Value, name: string, budget: Budget): Callable | undefined {
  const methods =
    value instanceof Text
      ? TEXT_METHODS
      : value instanceof Map
        ? MAP_METHODS
        : Array.isArray(value)
          ? LIST_METHODS
          : undefined;
  const method = methods?.get(name);
  if (!method) return undefined;
  return new Callable((args, named) => {
    if (value instanceof Text) budget.text(value.text.length);
    return method(value, new Args(args, named), budget);
  });
}
