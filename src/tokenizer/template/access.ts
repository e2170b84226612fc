/** Attributes, items and slices, as Jinja's sandbox gives them. What is not there is undefined; undefined has no parts. */
import { type Budget, TEMPLATE_LIMITS, templateFault } from "./budget.ts";
import { methodOf } from "./methods.ts";
import { numberAttribute } from "./number-attributes.ts";
import { asInt } from "./numbers.ts";
import { characters, items, unitAt } from "./sequences.ts";
import { JsonText, Text, TextBuilder } from "./text.ts";
import {
  Float,
  isInt,
  Mapping,
  Namespace,
  Range,
  SILENT_UNDEFINED,
  Silent,
  Thing,
  Tuple,
  undefinedUsed,
  type Value,
  wrong,
} from "./values.ts";

/** Attributes that Python's containers have and the sandbox keeps from templates: they hide items of that name. */
const UNSAFE = new Set(["append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"]);
const UNSAFE_OF_MAPPINGS = new Set(["clear", "pop", "popitem", "setdefault", "update"]);
const INTERNAL = new Set(
  `class doc init new repr str dir eq ne lt le gt ge hash len getitem setitem delitem contains iter reversed or ror ior
   class_getitem getattribute getstate setattr delattr reduce reduce_ex format sizeof subclasshook init_subclass add mul`
    .split(/\s+/)
    .map((name) => `__${name}__`),
);
const hidden = (object: Value, name: string): boolean =>
  object instanceof Mapping ? UNSAFE_OF_MAPPINGS.has(name) || INTERNAL.has(name) : UNSAFE.has(name);

/** `object.name`: the attribute, else the item. */
export function getAttribute(object: Value, name: string, budget: Budget): Value {
  // Undefined has what all objects have: the sandbox keeps it.
  if (object === undefined) return INTERNAL.has(name) ? undefined : undefinedUsed();
  const own = attributeOf(object, name, budget);
  if (own !== undefined) return own;
  if (object instanceof Silent) return undefined;
  if (object instanceof Mapping && !hidden(object, name)) return itemOf(object, new Text(name), budget);
  return object instanceof JsonText ? itemOf(object.parsed, new Text(name), budget) : undefined;
}

/** `object[key]`: the item, else for a string the attribute. */
export function getItem(object: Value, key: Value, budget: Budget): Value {
  if (object === undefined) return undefinedUsed();
  const item = itemOf(object, key, budget);
  if (item !== undefined || !(key instanceof Text)) return item;
  if (object instanceof Mapping && object.has(key)) return undefined;
  budget.text(key.text.length);
  return attributeOf(object, key.text, budget);
}

function itemOf(object: Value, key: Value, budget: Budget): Value {
  if (object instanceof Mapping) {
    if (key instanceof Text) budget.text(key.text.length);
    if (Array.isArray(key) && !(key instanceof Tuple)) return undefined;
    if (key instanceof Mapping) return undefined;
    if (object.silent && key instanceof Text && key.text === "content" && !object.has(key)) return SILENT_UNDEFINED;
    return object.get(key);
  }
  if (object instanceof JsonText && asInt(key) === undefined) return itemOf(object.parsed, key, budget);
  const index = asInt(key);
  if (index === undefined || typeof index === "bigint") return undefined;
  if (Array.isArray(object)) return object.at(index);
  if (object instanceof Range) {
    const at = index < 0 ? index + object.length : index;
    return at >= 0 && at < object.length ? object.at(at) : undefined;
  }
  return object instanceof Text ? charAt(object, index, budget) : undefined;
}

/** An attribute or method; undefined where there is none, or the sandbox keeps it. */
export function attributeOf(object: Value, name: string, budget: Budget): Value {
  if (name.startsWith("_")) return undefined;
  if (object instanceof Namespace) return object.values.named(name);
  if (object instanceof Thing) return object.attribute(name);
  if (isInt(object) || typeof object === "boolean" || object instanceof Float) return numberAttribute(object, name);
  const value = object instanceof Silent ? new Text("") : object;
  const method = methodOf(value, name, budget, PARTS);
  return method ?? (object instanceof JsonText ? methodOf(object.parsed, name, budget, PARTS) : undefined);
}

/** What the fields of `str.format` may reach: no more than templates may. */
const PARTS = { attribute: getAttribute, item: getItem };

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

/** Null where none is given. */
export interface Bounds {
  readonly start: Value;
  readonly stop: Value;
  readonly step: Value;
}

/** A bound of a slice: an integer, however large, or none. */
function bound(value: Value): number | undefined {
  if (value === null) return undefined;
  const given = asInt(value);
  if (given === undefined) return wrong("a slice is bounded by integers", value);
  return Number(given);
}

/** From, to and step among `size` items, as `slice.indices` has them. */
function sliceRange(size: number, { start, stop, step }: Bounds): Range {
  const by = Math.max(-(2 ** 52), Math.min(2 ** 52, bound(step) ?? 1));
  if (by === 0) throw templateFault("TPL_VALUE", "slice step is 0");
  const clip = (given: number | undefined, otherwise: number): number => {
    if (given === undefined) return otherwise;
    const at = given < 0 ? given + size : given;
    return by > 0 ? Math.min(Math.max(at, 0), size) : Math.min(Math.max(at, -1), size - 1);
  };
  const from = clip(bound(start), by > 0 ? 0 : size - 1);
  const to = clip(bound(stop), by > 0 ? size : -1);
  return new Range(from, to, by);
}

/** `object[start:stop:step]`. */
export function slice(object: Value, bounds: Bounds, budget: Budget): Value {
  if (object === undefined) return undefinedUsed();
  if (object instanceof Silent) return slice(new Text(""), bounds, budget);
  if (object instanceof Text) return sliceText(object, bounds, budget);
  if (object instanceof Range) {
    const { start, stop, step } = sliceRange(object.length, bounds);
    return new Range(object.at(start), object.at(stop), object.step * step);
  }
  if (!Array.isArray(object)) return wrong("cannot slice this", object);
  const picked = sliceRange(object.length, bounds);
  budget.spend(picked.length);
  const list = Array.from({ length: picked.length }, (_, i) => object[picked.at(i)]);
  return object instanceof Tuple ? (Tuple.from(list) as Tuple) : list;
}

function sliceText(text: Text, bounds: Bounds, budget: Budget): Text {
  budget.spend(text.text.length >> 2);
  const size = characters(text.text, text.text.length);
  const picked = sliceRange(size, bounds);
  if (picked.length === 0) return text.like("", []);
  if (picked.step === 1) {
    budget.spend(text.text.length >> 3);
    if (size === text.text.length) return text.slice(picked.start, picked.start + picked.length);
    return text.slice(unitAt(text.text, picked.start), unitAt(text.text, picked.start + picked.length));
  }
  const all = items(new Text(text.text, text.marks), budget);
  const out = new TextBuilder(budget);
  for (let i = 0; i < picked.length; i++) out.add(all[picked.at(i)] as Text);
  return out.done(text);
}

/** The parts of an attribute path: `user.name`, items by number. */
function attributeParts(path: Value, budget: Budget): Value[] {
  if (path === null) return [];
  if (!(path instanceof Text)) return [path];
  budget.spend(path.text.length);
  return path.text.split(".").map((part) => {
    if (!/^\p{Nd}+$/u.test(part)) return path.like(part, []);
    if (part.length > TEMPLATE_LIMITS.digits) throw templateFault("TPL_VALUE", "an index of too many digits");
    return Number(part);
  });
}

/** Looks up an attribute path; `fallback` stands in for what is undefined on the way, unless it is null. */
export function attributeGetter(path: Value, budget: Budget, fallback: Value = null): (item: Value) => Value {
  const parts = attributeParts(path, budget);
  return (item) => {
    let found = item;
    for (const part of parts) {
      found = getItem(found, part, budget);
      if (fallback !== null && found === undefined) found = fallback;
    }
    return found;
  };
}
