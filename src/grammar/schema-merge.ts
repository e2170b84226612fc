import { type Json, type JsonObject, limit, type Schema, TYPES, unsupported } from "./schema-keywords.ts";

/** Two schemas that hold together, as one; the reasons why some cannot be are SCHEMA_UNSUPPORTED. */

export const typesOf = (type: Json | undefined): string[] =>
  type === undefined ? [...TYPES] : Array.isArray(type) ? (type as string[]) : [type as string];

/** The narrowest type of a value. */
export function kindOf(value: Json): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

const most = (a: Json | undefined, b: Json) => (a === undefined ? b : Math.max(a as number, b as number));
const least = (a: Json | undefined, b: Json) => (a === undefined ? b : Math.min(a as number, b as number));

export const same = (a: Json, b: Json): boolean => canonical(a) === canonical(b);

/** Of equal values the same text, whatever the order of their members. */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value === 0 ? 0 : value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

export function mergeSchemas(a: Schema, b: Schema, pointer: string, spend: () => void): Schema {
  spend();
  if (a === false || b === false) return false;
  if (a === true) return b;
  if (b === true) return a;
  const merged: JsonObject = Object.assign(Object.create(null), a);
  const objects = mergeObjects(a, b, pointer, spend);
  for (const [name, value] of Object.entries(b)) {
    const mine = merged[name];
    switch (name) {
      case "type": {
        if (mine === undefined) merged.type = value;
        else merged.type = meet(typesOf(mine), typesOf(value));
        break;
      }
      case "enum":
        merged.enum =
          mine === undefined
            ? value
            : (mine as Json[]).filter((one) => (value as Json[]).some((two) => same(one, two)));
        break;
      case "const":
        if (mine !== undefined && !same(mine, value)) return false;
        merged.const = value;
        break;
      case "minItems":
      case "minLength":
      case "minimum":
      case "exclusiveMinimum":
        merged[name] = most(mine, value);
        break;
      case "maxItems":
      case "maxLength":
      case "maximum":
      case "exclusiveMaximum":
        merged[name] = least(mine, value);
        break;
      case "multipleOf": {
        const both = mine === undefined ? (value as number) : leastCommonMultiple(mine as number, value as number);
        if (!Number.isSafeInteger(both)) throw cannot(pointer, name);
        merged.multipleOf = both;
        break;
      }
      case "items":
        if ("prefixItems" in a || "prefixItems" in b) {
          if (mine !== undefined || "prefixItems" in a) throw cannot(pointer, name);
          merged.items = value;
        } else
          merged.items = mine === undefined ? value : mergeSchemas(mine as Schema, value as Schema, pointer, spend);
        break;
      case "allOf":
        merged.allOf = [...((mine as Json[]) ?? []), ...(value as Json[])];
        break;
      case "anyOf":
      case "oneOf":
        if (mine === undefined) merged[name] = value;
        else merged.allOf = [...((merged.allOf as Json[]) ?? []), { [name]: value }];
        break;
      case "properties":
      case "patternProperties":
      case "additionalProperties":
      case "required":
        break;
      case "pattern":
      case "format":
      case "prefixItems":
      case "$ref":
        if (mine !== undefined && !same(mine, value)) throw cannot(pointer, name);
        if (name === "prefixItems" && "items" in a) throw cannot(pointer, name);
        merged[name] = value;
        break;
      default:
        merged[name] = value;
    }
  }
  return Object.assign(merged, objects);
}

const cannot = (pointer: string, name: string) =>
  unsupported(`${pointer}/${name}`, "two schemas of this keyword that hold together are not made one", name);

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return (a / x) * b;
}

/** An integer is a number. */
function meet(a: string[], b: string[]): string[] {
  const inside = (type: string, types: string[]) =>
    types.includes(type) || (type === "integer" && types.includes("number"));
  return [...new Set([...a.filter((type) => inside(type, b)), ...b.filter((type) => inside(type, a))])];
}

/** What two schemas say of members, as one. A member that one forbids is left out. */
function mergeObjects(a: JsonObject, b: JsonObject, pointer: string, spend: () => void): JsonObject {
  const merged: JsonObject = {};
  if ("patternProperties" in a || "patternProperties" in b) {
    const [with_, other] = "patternProperties" in a ? [a, b] : [b, a];
    if ("patternProperties" in other || "properties" in other || "additionalProperties" in other)
      throw cannot(pointer, "patternProperties");
    for (const name of ["patternProperties", "properties", "additionalProperties"])
      if (with_[name] !== undefined) merged[name] = with_[name];
  } else {
    const [mine, theirs] = [membersOf(a), membersOf(b)];
    const names = [...new Set([...Object.keys(mine), ...Object.keys(theirs)])];
    if (names.length > 1000) throw limit(pointer, "too many properties", 1000);
    if (names.length > 0) {
      const properties = Object.create(null) as JsonObject;
      for (const name of names) {
        const one = mine[name] ?? a.additionalProperties ?? true;
        const two = theirs[name] ?? b.additionalProperties ?? true;
        properties[name] = mergeSchemas(one as Schema, two as Schema, pointer, spend);
      }
      merged.properties = properties;
    }
    if ("additionalProperties" in a || "additionalProperties" in b) {
      const one = (a.additionalProperties ?? true) as Schema;
      merged.additionalProperties = mergeSchemas(one, (b.additionalProperties ?? true) as Schema, pointer, spend);
    }
  }
  const required = [...new Set([...((a.required as string[]) ?? []), ...((b.required as string[]) ?? [])])];
  if (required.length > 0) merged.required = required;
  return merged;
}

const NONE: JsonObject = Object.freeze(Object.create(null));
const membersOf = (schema: JsonObject) => (schema.properties ?? NONE) as JsonObject;
