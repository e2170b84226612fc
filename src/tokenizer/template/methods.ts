/** Methods of strings, mappings and sequences. Those that would change their object are not there: the sandbox keeps them. */
import { type Budget, templateFault } from "./budget.ts";
import { capitalize, caseFold, KINDS, swapCase, titleWords } from "./casing.ts";
import { equal } from "./compare.ts";
import { type Access, format } from "./format.ts";
import { joining, stripTags, unescaped } from "./html.ts";
import { asInt } from "./numbers.ts";
import { toText } from "./print.ts";
import { characters, items, iterate } from "./sequences.ts";
import { bind, type Signature, takes } from "./signature.ts";
import { asSize, asText, lines, pad, replace, span, split, splitRight, trim } from "./strings.ts";
import { Markup, Text, TextBuilder } from "./text.ts";
import { Callable, Group, Mapping, Parts, Range, Tuple, undefinedUsed, type Value, View, wrong } from "./values.ts";

interface Method<Owner> {
  readonly signature: Signature;
  readonly run: (owner: Owner, args: Value[], budget: Budget) => Value;
}

const method = <Owner>(
  parameters: string,
  defaults: Value[],
  run: (owner: Owner, args: Value[], budget: Budget) => Value,
): Method<Owner> => ({ signature: takes(parameters, ...defaults), run });

type TextMethod = (text: Text, args: Value[], budget: Budget) => Value;

const changes = (change: (text: string) => string): Method<Text> =>
  method("", [], (text, _, budget) => {
    budget.spend(text.text.length * 2); // some changes call back for every word
    return text.changed(change(text.text));
  });

const trimmer = (left: boolean, right: boolean): Method<Text> =>
  method("chars /", [null], (text, [chars], budget) =>
    trim(text, chars === null ? undefined : asText(chars).text, left, right, budget),
  );

const affix = (atStart: boolean): Method<Text> =>
  method("prefix start end /", [null, null], (text, [given, start, end], budget) => {
    const parts = given instanceof Tuple ? given : [given];
    const range = span(text.text, start, end);
    return parts.some((part) => {
      budget.text(asText(part).text.length);
      if (!range) return false;
      const [from, to] = range;
      const { text: sought } = asText(part);
      if (to - from < sought.length) return false;
      return atStart ? text.text.startsWith(sought, from) : text.text.slice(from, to).endsWith(sought);
    });
  });

const removed = (atStart: boolean): Method<Text> =>
  method("prefix /", [], (text, [given]) => {
    const { text: part } = asText(given);
    const { length } = text.text;
    if (part === "" || !(atStart ? text.text.startsWith(part) : text.text.endsWith(part))) return text;
    return atStart ? text.slice(part.length, length) : text.slice(0, length - part.length);
  });

const finder = (last: boolean, mustFind: boolean): Method<Text> =>
  method("sub start end /", [null, null], (text, [given, start, end]) => {
    const { text: part } = asText(given);
    const range = span(text.text, start, end);
    let at = -1;
    if (range) {
      const [from, to] = range;
      at = last ? text.text.lastIndexOf(part, to - part.length) : text.text.indexOf(part, from);
      if (to - from < part.length || at < from || at + part.length > to) at = -1;
    }
    if (at < 0 && mustFind) throw templateFault("TPL_VALUE", "the string is not found");
    return at < 0 ? -1 : characters(text.text, at);
  });

const partition = (last: boolean): Method<Text> =>
  method("sep /", [], (text, [given]) => {
    const { text: part } = asText(given);
    if (part === "") return wrong("empty separator", given);
    const at = last ? text.text.lastIndexOf(part) : text.text.indexOf(part);
    const none = text.like("", []);
    if (at < 0) return last ? Tuple.with(none, none, text) : Tuple.with(text, none, none);
    const end = at + part.length;
    return Tuple.with(text.slice(0, at), text.slice(at, end), text.slice(end, text.text.length));
  });

const aligned = (side: "left" | "right" | "both"): Method<Text> =>
  method("width fill /", [new Text(" ")], (text, [width, fill], budget) => {
    const filling = joining(text, asText(fill), budget);
    if (characters(filling.text, filling.text.length) !== 1) return wrong("one character fills", fill);
    return pad(text, asSize(width), filling, side, budget);
  });

const count: TextMethod = (text, [given, start, end], budget) => {
  const { text: part } = asText(given);
  const range = span(text.text, start, end);
  if (!range) return 0;
  const [from, to] = range;
  if (part === "") return characters(text.text, to) - characters(text.text, from) + 1;
  return split(new Text(text.text.slice(from, to)), new Text(part), -1, budget).length - 1;
};

const expandTabs: TextMethod = (text, [given], budget) => {
  const size = asSize(given);
  const out = new TextBuilder(budget);
  let column = 0;
  let at = 0;
  for (let i = 0; i < text.text.length; i++) {
    const char = text.text[i];
    budget.spend(1);
    if (char === "\t") {
      out.add(text.slice(at, i));
      const blanks = size > 0 ? size - (column % size) : 0;
      if (blanks > 1e6) budget.text(blanks * 8);
      out.own(" ".repeat(blanks));
      column += blanks;
      at = i + 1;
    } else if (char === "\n" || char === "\r") column = 0;
    else if ((char.charCodeAt(0) & 0xfc00) !== 0xdc00) column++;
  }
  return out.add(text.slice(at, text.text.length)).done(text);
};

const zeroFill: TextMethod = (text, [width], budget) => {
  const missing = asSize(width) - characters(text.text, text.text.length);
  if (missing <= 0) return text;
  const signed = text.text[0] === "+" || text.text[0] === "-" ? 1 : 0;
  if (missing > 1e6) budget.text(missing * 8);
  const out = new TextBuilder(budget).add(text.slice(0, signed)).own("0".repeat(missing));
  return out.add(text.slice(signed, text.text.length)).done(text);
};

const joinAll: TextMethod = (text, [list], budget) => {
  const out = new TextBuilder(budget);
  let first = true;
  for (const item of iterate(list, budget)) {
    if (!first) out.add(text);
    first = false;
    const part = text instanceof Markup ? toText(item, budget) : asText(item);
    out.add(joining(text, part, budget));
  }
  return out.done(text);
};

const optionalText = (value: Value): Value => (value === undefined ? undefinedUsed() : value);

const TEXT_METHODS = new Map<string, Method<Text>>([
  ["strip", trimmer(true, true)],
  ["lstrip", trimmer(true, false)],
  ["rstrip", trimmer(false, true)],
  ["removeprefix", removed(true)],
  ["removesuffix", removed(false)],
  ["upper", changes((text) => text.toUpperCase())],
  ["lower", changes((text) => text.toLowerCase())],
  ["title", changes(titleWords)],
  ["capitalize", changes(capitalize)],
  ["swapcase", changes(swapCase)],
  ["casefold", changes(caseFold)],
  ["startswith", affix(true)],
  ["endswith", affix(false)],
  ["find", finder(false, false)],
  ["rfind", finder(true, false)],
  ["index", finder(false, true)],
  ["rindex", finder(true, true)],
  ["count", method("sub start end /", [null, null], count)],
  ["partition", partition(false)],
  ["rpartition", partition(true)],
  ["center", aligned("both")],
  ["ljust", aligned("right")],
  ["rjust", aligned("left")],
  ["zfill", method("width /", [], zeroFill)],
  ["expandtabs", method("tabsize", [8], expandTabs)],
  [
    "split",
    method("sep maxsplit", [null, -1], (text, [sep, most], budget) =>
      split(text, optionalText(sep), asSize(most), budget),
    ),
  ],
  [
    "rsplit",
    method("sep maxsplit", [null, -1], (text, [sep, most], budget) =>
      splitRight(text, optionalText(sep), asSize(most), budget),
    ),
  ],
  [
    "splitlines",
    method("keepends", [false], (text, [keep], budget) => lines(text, asInt(keep) !== 0 && asSize(keep) !== 0, budget)),
  ],
  [
    "replace",
    method("old new count /", [-1], (text, [old, by, most], budget) =>
      replace(text, asText(old), joining(text, asText(by), budget), asSize(most), budget),
    ),
  ],
  ["join", method("list /", [], joinAll)],
]);

const MARKUP_METHODS = new Map<string, Method<Text>>([
  ["striptags", method("", [], (text, _, budget) => stripTags(text, budget))],
  ["unescape", method("", [], (text, _, budget) => unescaped(text, budget))],
]);

for (const [name, test] of KINDS) {
  TEXT_METHODS.set(
    name,
    method("", [], (text, _, budget) => {
      budget.spend(text.text.length);
      return test(text.text);
    }),
  );
}

/** `dict.fromkeys`: keys and the value of each. */
export const fromKeys = (args: Value[], budget: Budget): Mapping => {
  const list = items(args[0], budget);
  budget.spend(list.length * 4);
  return new Mapping(list.map((key) => [key, args[1]]));
};

const MAP_METHODS = new Map<string, Method<Mapping>>([
  [
    "get",
    method("key default /", [null], (map, [key, otherwise], budget) => {
      if (key instanceof Text) budget.text(key.text.length);
      return map.has(key) ? map.get(key) : otherwise;
    }),
  ],
  ["items", method("", [], (map) => new View("items", map))],
  ["keys", method("", [], (map) => new View("keys", map))],
  ["values", method("", [], (map) => new View("values", map))],
  ["copy", method("", [], (map, _, budget) => map.copy(budget))],
  ["fromkeys", method("keys value /", [null], (_, args, budget) => fromKeys(args, budget))],
]);

const indexOf = (list: readonly Value[], [value, start, stop]: Value[], budget: Budget): number => {
  const bound = (given: Value): number => {
    const at = asSize(given);
    return at < 0 ? Math.max(0, at + list.length) : Math.min(at, list.length);
  };
  const to = bound(stop);
  for (let i = bound(start); i < to; i++) if (equal(list[i], value, budget)) return i;
  throw templateFault("TPL_VALUE", "the value is not in the list");
};

const counted = (list: readonly Value[], value: Value, budget: Budget): number =>
  list.filter((item) => equal(item, value, budget)).length;

const LIST_METHODS = new Map<string, Method<Value[]>>([
  ["index", method("value start stop /", [0, Number.MAX_SAFE_INTEGER], indexOf)],
  ["count", method("value /", [], (list, [value], budget) => counted(list, value, budget))],
]);

const RANGE_METHODS = new Map<string, Method<Range>>([
  [
    "index",
    method("value /", [], (range, [value], budget) => indexOf(items(range, budget), [value, 0, range.length], budget)),
  ],
  ["count", method("value /", [], (range, [value], budget) => counted(items(range, budget), value, budget))],
]);

function bound<Owner>(owner: Owner, found: Method<Owner> | undefined, budget: Budget): Callable | undefined {
  if (!found) return undefined;
  return new Callable((list, named) => {
    if (owner instanceof Text) budget.text(owner.text.length);
    return found.run(owner, bind(found.signature, list, named), budget);
  }, "<built-in method>");
}

/** A method bound to its value, or an attribute, or undefined. */
export function methodOf(value: Value, name: string, budget: Budget, access: Access): Value {
  if (value instanceof Text) {
    if (name === "format" || name === "format_map") return formatMethod(value, name === "format_map", budget, access);
    const markup = value instanceof Markup ? MARKUP_METHODS.get(name) : undefined;
    return bound(value, markup ?? TEXT_METHODS.get(name), budget);
  }
  if (value instanceof Mapping) return bound(value, MAP_METHODS.get(name), budget);
  if (value instanceof Parts && !LIST_METHODS.has(name)) return methodOf(value.joined(budget), name, budget, access);
  if (Array.isArray(value)) {
    if (value instanceof Group && name === "grouper") return value[0];
    if (value instanceof Group && name === "list") return value[1];
    if (name === "copy" && !(value instanceof Tuple)) return new Callable(() => [...value]);
    return bound(value as Value[], LIST_METHODS.get(name), budget);
  }
  if (value instanceof Range) {
    if (name === "start" || name === "stop" || name === "step") return value[name];
    return bound(value, RANGE_METHODS.get(name), budget);
  }
  if (value instanceof View && name === "mapping") return value.mapping;
  return undefined;
}

function formatMethod(text: Text, fromMap: boolean, budget: Budget, access: Access): Callable {
  const escaping = (part: Text): Text => joining(text, part, budget);
  return new Callable((list, named) => {
    budget.text(text.text.length);
    if (!fromMap) {
      const lookUp = (name: Text) => (named.has(name.text) ? { value: named.get(name.text) } : undefined);
      return format(text, { access, list, named: lookUp }, budget, escaping);
    }
    if (list.length !== 1 || named.size > 0) throw templateFault("TPL_VALUE", "format_map takes one mapping");
    const [map] = list;
    const lookUp = (name: Text) => {
      if (!(map instanceof Mapping)) return wrong("format_map takes a mapping", map);
      return map.has(name) ? { value: map.get(name) } : undefined;
    };
    return format(text, { access, list: [], named: lookUp }, budget, escaping);
  }, "<function format>");
}
