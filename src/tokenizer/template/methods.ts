/** Methods of strings, mappings and lists. */
import type { Budget } from "./budget.ts";
import { Args, changer, type Operation, trimmer } from "./filters.ts";
import { items, pairs } from "./sequences.ts";
import {
  asText,
  capitalize,
  characters,
  format,
  join,
  lines,
  replace,
  split,
  splitRight,
  titleWords,
  trim,
} from "./strings.ts";
import { Callable, type Dict, numeric, Text, type Value } from "./values.ts";

const affix =
  (test: (text: string, part: string) => boolean): Operation =>
  (value, args, budget) =>
    (Array.isArray(args.list[0]) ? args.list[0] : [args.list[0]]).some((part) => {
      budget.text(asText(part).text.length);
      return test(asText(value).text, asText(part).text);
    });

const removed =
  (left: boolean): Operation =>
  (value, args) => {
    const [text, part] = [asText(value), asText(args.list[0])];
    const { length } = text.text;
    if (part.text === "" || !(left ? text.text.startsWith(part.text) : text.text.endsWith(part.text))) return text;
    return left ? text.slice(part.text.length, length) : text.slice(0, length - part.text.length);
  };

/** Counted in characters, as Python does. */
function find(value: Value, args: Args): number {
  const text = asText(value).text;
  const at = text.indexOf(asText(args.list[0]).text);
  return at < 0 ? -1 : characters(text, at);
}

const matching =
  (pattern: RegExp): Operation =>
  (value) =>
    pattern.test(asText(value).text);

const limit = (args: Args, index: number, name: string): number => numeric(args.get(index, name)) ?? -1;

const TEXT_METHODS = new Map<string, Operation>([
  ["strip", trimmer(true, true)],
  ["lstrip", trimmer(true, false)],
  ["rstrip", trimmer(false, true)],
  ["removeprefix", removed(true)],
  ["removesuffix", removed(false)],
  ["upper", changer((text) => text.toUpperCase())],
  ["lower", changer((text) => text.toLowerCase())],
  ["title", changer(titleWords)],
  ["capitalize", changer(capitalize)],
  ["startswith", affix((text, part) => text.startsWith(part))],
  ["endswith", affix((text, part) => text.endsWith(part))],
  ["isdigit", matching(/^\p{Nd}+$/u)],
  ["isalpha", matching(/^\p{L}+$/u)],
  ["isalnum", matching(/^[\p{L}\p{N}]+$/u)],
  [
    "isspace",
    (value, _, budget) => asText(value).text !== "" && trim(asText(value), undefined, true, false, budget).text === "",
  ],
  ["find", find],
  ["count", (value, args, budget) => split(asText(value), asText(args.list[0]), -1, budget).length - 1],
  ["split", (value, args, budget) => split(asText(value), args.get(0, "sep"), limit(args, 1, "maxsplit"), budget)],
  [
    "rsplit",
    (value, args, budget) => splitRight(asText(value), args.get(0, "sep"), limit(args, 1, "maxsplit"), budget),
  ],
  ["splitlines", (value, _, budget) => lines(asText(value), budget)],
  [
    "replace",
    (value, args, budget) =>
      replace(asText(value), asText(args.list[0]), asText(args.list[1]), limit(args, 2, "count"), budget),
  ],
  ["join", (value, args, budget) => join(items(args.list[0], budget).map(asText), asText(value), budget)],
  ["format", (value, args, budget) => format(asText(value), args.list, args.named, budget)],
]);

const MAP_METHODS = new Map<string, Operation>([
  [
    "get",
    (value, args, budget) => {
      const [map, key] = [value as Dict, args.list[0]];
      if (key instanceof Text) budget.text(key.text.length);
      return key instanceof Text && map.has(key.text) ? map.get(key.text) : (args.get(1, "default") ?? null);
    },
  ],
  ["items", (value, _, budget) => pairs(value as Dict, budget)],
  ["keys", (value, _, budget) => items(value, budget)],
  ["values", (value, _, budget) => pairs(value as Dict, budget).map((pair) => (pair as Value[])[1])],
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
