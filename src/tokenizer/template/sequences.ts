/** What loops, `in`, `length` and attribute paths see in a value. */
import { type Budget, templateFault } from "./budget.ts";
import { characters } from "./strings.ts";
import { type Dict, equal, Namespace, Parts, Text, Tuple, typeName, type Value } from "./values.ts";

/** What a loop runs over: items, keys of a mapping, characters. */
export function items(value: Value, budget: Budget): Value[] {
  if (Array.isArray(value)) return value;
  if (value === undefined) return [];
  if (value instanceof Map) {
    budget.spend(value.size * 2);
    return [...value.keys()].map(Text.foreign);
  }
  if (!(value instanceof Text)) throw templateFault("TPL_VALUE", "cannot loop over this", typeName(value));
  budget.spend(value.text.length * 6);
  const chars: Value[] = [];
  for (let at = 0; at < value.text.length; ) {
    const end = at + (value.text.codePointAt(at)! > 0xffff ? 2 : 1);
    chars.push(value.slice(at, end));
    at = end;
  }
  return chars;
}

export function pairs(map: Dict, budget: Budget): Value[] {
  budget.spend(map.size * 4);
  return [...map].map(([key, item]) => Tuple.from([Text.foreign(key), item]));
}

export function length(value: Value): number {
  if (value instanceof Text) return characters(value.text, value.text.length);
  if (value instanceof Map) return value.size;
  if (Array.isArray(value)) return value.length;
  if (value === undefined) return 0;
  throw templateFault("TPL_VALUE", "has no length", typeName(value));
}

export function contains(holder: Value, value: Value, budget: Budget): boolean {
  if (holder instanceof Text) {
    if (!(value instanceof Text)) throw templateFault("TPL_VALUE", "only a string is in a string", typeName(value));
    budget.text(holder.text.length);
    return holder.text.includes(value.text);
  }
  if (holder instanceof Map) {
    if (value instanceof Text) budget.text(value.text.length);
    return value instanceof Text && holder.has(value.text);
  }
  if (holder instanceof Parts && value instanceof Text) return contains(holder.joined(budget), value, budget);
  return items(holder, budget).some((item) => equal(item, value, budget));
}

/** `user.name` of a mapping, items by number. */
export function attribute(value: Value, path: Value, budget: Budget): Value {
  if (typeof path !== "number" && !(path instanceof Text))
    throw templateFault("TPL_VALUE", "not an attribute's name", typeName(path));
  if (path instanceof Text) budget.spend(path.text.length);
  let found = value;
  for (const name of path instanceof Text ? path.text.split(".") : [String(path)]) {
    if (found instanceof Map) found = found.get(name);
    else if (found instanceof Namespace) found = found.values.get(name);
    else found = Array.isArray(found) && /^\d{1,9}$/.test(name) ? found[Number(name)] : undefined;
  }
  return found;
}
