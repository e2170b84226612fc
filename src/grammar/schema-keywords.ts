import { EngineError } from "../error.ts";
import { isArray, isPlain, tell } from "../given.ts";

/** JSON Schema 2020-12 as it is given: a copy, and nothing in it that is not enforced. */

export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [name: string]: Json;
}
export type Schema = boolean | JsonObject;

const LIMITS = { depth: 64, values: 500_000, units: 4 * 2 ** 20, properties: 1000, branches: 1000 };

const ANNOTATIONS =
  "title description $schema $id $comment default examples deprecated readOnly writeOnly contentEncoding contentMediaType".split(
    " ",
  );
export const TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"];
export const FORMATS = ["date-time", "date", "time", "uuid", "email", "ipv4", "ipv6", "uri"];

type Judge = (value: Json, pointer: string, depth: number) => void;

/** Throws SCHEMA_INVALID, SCHEMA_UNSUPPORTED and GRAMMAR_LIMIT, with the JSON pointer of what is wrong. */
export function readSchema(given: unknown): Schema {
  const schema = copyJson(given) as Schema;
  checkSchema(schema, "", 0);
  return schema;
}

/** A copy without prototypes, read once: what a getter shows is what is judged. */
function copyJson(given: unknown): Json {
  let values = 0;
  let units = 0;
  const copy = (value: unknown, pointer: string, depth: number): Json => {
    if (++values > LIMITS.values) throw limit(pointer, "the schema holds too many values", LIMITS.values);
    if (depth > 4 * LIMITS.depth) throw limit(pointer, "the schema nests too deep", LIMITS.depth);
    if (typeof value === "string") {
      units += value.length;
      if (units > LIMITS.units) throw limit(pointer, "the schema is too long", LIMITS.units);
      if (/\p{Cs}/u.test(value)) throw invalid(pointer, "half a surrogate pair", "well-formed Unicode", value);
      return value;
    }
    if (value === null || typeof value === "boolean") return value;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    if (isArray(value)) {
      if (value.length > LIMITS.values) throw limit(pointer, "the schema holds too many values", LIMITS.values);
      return Array.from({ length: value.length }, (_, at) => copy(value[at], `${pointer}/${at}`, depth + 1));
    }
    if (isPlain(value)) {
      const made = Object.create(null) as JsonObject;
      for (const name of Object.keys(value)) {
        units += name.length;
        const member = value[name];
        // As JSON.stringify does: a member that is undefined is none.
        if (member !== undefined) made[name] = copy(member, `${pointer}/${pointerPart(name)}`, depth + 1);
      }
      return made;
    }
    throw invalid(pointer, "not JSON", "null, a boolean, a finite number, a string, an array or an object", value);
  };
  return copy(given, "", 0);
}

export function checkSchema(schema: Json, pointer: string, depth: number): void {
  if (typeof schema === "boolean") return;
  if (!isObject(schema)) throw invalid(pointer, "not a schema", "an object, true or false", schema);
  if (depth > LIMITS.depth) throw limit(pointer, "the schema nests too deep", LIMITS.depth);
  for (const [name, value] of Object.entries(schema)) {
    if (ANNOTATIONS.includes(name)) continue;
    const at = `${pointer}/${pointerPart(name)}`;
    const judge = Object.hasOwn(KEYWORDS, name) ? KEYWORDS[name] : undefined;
    if (!judge) throw unsupported(at, "this keyword is not enforced", name);
    judge(value, at, depth);
  }
}

const table: Judge = (value, pointer, depth) => {
  if (!isObject(value)) throw invalid(pointer, "not a table of schemas", "an object", value);
  const names = Object.keys(value);
  if (names.length > LIMITS.properties) throw limit(pointer, "too many schemas in one table", LIMITS.properties);
  for (const name of names) checkSchema(value[name], `${pointer}/${pointerPart(name)}`, depth + 1);
};
const list: Judge = (value, pointer, depth) => {
  if (!Array.isArray(value) || value.length === 0) throw invalid(pointer, "not a list of schemas", "an array", value);
  if (value.length > LIMITS.branches) throw limit(pointer, "too many schemas in one list", LIMITS.branches);
  value.forEach((schema, at) => {
    checkSchema(schema, `${pointer}/${at}`, depth + 1);
  });
};
const one: Judge = (value, pointer, depth) => checkSchema(value, pointer, depth + 1);
const count: Judge = (value, pointer) => {
  if (!Number.isSafeInteger(value) || (value as number) < 0)
    throw invalid(pointer, "not a count", "an integer >= 0", value);
};
const number: Judge = (value, pointer) => {
  if (typeof value !== "number") throw invalid(pointer, "not a number", "a number", value);
};
const text: Judge = (value, pointer) => {
  if (typeof value !== "string") throw invalid(pointer, "not a string", "a string", value);
};

const KEYWORDS: Readonly<Record<string, Judge>> = {
  type: (value, pointer) => {
    const types = Array.isArray(value) ? value : [value];
    for (const type of types)
      if (typeof type !== "string" || !TYPES.includes(type))
        throw invalid(pointer, "not a type", TYPES.join(", "), type);
  },
  enum: (value, pointer) => {
    if (!Array.isArray(value)) throw invalid(pointer, "not a list of values", "an array", value);
  },
  const: () => {},
  properties: table,
  patternProperties: table,
  $defs: table,
  definitions: table,
  additionalProperties: one,
  items: one,
  prefixItems: list,
  anyOf: list,
  oneOf: list,
  allOf: list,
  required: (value, pointer) => {
    if (!Array.isArray(value) || value.some((name) => typeof name !== "string"))
      throw invalid(pointer, "not a list of names", "an array of strings", value);
    if (value.length > LIMITS.properties) throw limit(pointer, "too many names", LIMITS.properties);
  },
  // As libraries write it for tables; names are nothing else.
  propertyNames: (value, pointer) => {
    if (value !== true && canonicalNames(value) !== "type:string")
      throw unsupported(pointer, "this keyword is not enforced");
  },
  minItems: count,
  maxItems: count,
  minLength: count,
  maxLength: count,
  pattern: text,
  format: (value, pointer) => {
    text(value, pointer, 0);
    if (!FORMATS.includes(value as string)) throw unsupported(pointer, "this format is not enforced", value as string);
  },
  minimum: number,
  maximum: number,
  exclusiveMinimum: number,
  exclusiveMaximum: number,
  multipleOf: (value, pointer) => {
    number(value, pointer, 0);
    if ((value as number) <= 0) throw invalid(pointer, "not a divisor", "a number > 0", value);
    // Of decimal fractions no double is a multiple: validators disagree about 0.07 and 0.01.
    if (!Number.isSafeInteger(value)) throw unsupported(pointer, "enforced of whole numbers alone");
  },
  $ref: text,
};

const canonicalNames = (value: Json): string =>
  isObject(value)
    ? Object.entries(value)
        .map(([name, member]) => `${name}:${member}`)
        .join()
    : "";

/** Of JSON pointers. */
export const pointerPart = (name: string) => name.replaceAll("~", "~0").replaceAll("/", "~1");

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const place = (pointer: string) => ({ source: "option" as const, field: pointer === "" ? "/" : pointer });

export function invalid(pointer: string, what: string, expected: string, actual: unknown): EngineError {
  return new EngineError("SCHEMA_INVALID", what, { at: place(pointer), limit: expected, actual: tell(actual) });
}

export function unsupported(pointer: string, what: string, actual?: string): EngineError {
  return new EngineError("SCHEMA_UNSUPPORTED", what, { at: place(pointer), actual });
}

export function limit(pointer: string, what: string, most: number): EngineError {
  return new EngineError("GRAMMAR_LIMIT", what, { at: place(pointer), limit: `at most ${most}` });
}
