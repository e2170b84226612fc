import { Automaton, matches } from "./automaton.ts";
import {
  call,
  choice,
  EMPTY,
  type Fragment,
  literal,
  NOTHING,
  optional,
  type Rule,
  repeat,
  rule,
  sequence,
  words,
} from "./fragment.ts";
import { JSON_NOTATION } from "./json-text.ts";
import { COMMA, type Notation, patterned, QUOTE, textOf } from "./notation.ts";
import { type Bound, integerFragment, numberFragment } from "./numbers.ts";
import { productFragment, type Sought } from "./product.ts";
import { PYTHON_NOTATION } from "./python-text.ts";
import { patternFragment } from "./regex.ts";
import { refuseAlike } from "./schema-branches.ts";
import {
  checkSchema,
  invalid,
  isObject,
  type Json,
  type JsonObject,
  limit,
  readSchema,
  type Schema,
  unsupported,
} from "./schema-keywords.ts";
import { canonical, kindOf, mergeSchemas, same, typesOf } from "./schema-merge.ts";
import { ARGUMENTS, type Members, membersOf, objectFragment } from "./schema-object.ts";
import { TEXT_FORMATS } from "./text-formats.ts";

/**
 * JSON Schema 2020-12 -> a grammar of JSON texts that it accepts. Not of all of them: members stand in the schema's order and none is
 * written that it does not name (but for `additionalProperties` that is written down, or where it names none), numbers have at most 15
 * digits, and between tokens there is at most one space, behind a colon or a comma.
 */
export function schemaFragment(given: unknown): Fragment {
  return new Translator(readSchema(given), JSON_NOTATION).root();
}

/** Any JSON value. */
export const jsonFragment = (): Fragment => new Translator(true, JSON_NOTATION).root();

/** Objects that a schema accepts as arguments of a call in Python: `a=1, b="x"`. */
export function argumentsFragment(given: unknown): Fragment {
  return new Translator(readSchema(given), PYTHON_NOTATION).arguments();
}

const MOST_MERGES = 20_000;

/** What is written of a schema: its values, or its objects as arguments of a call. */
type Form = "value" | "arguments";

class Translator {
  readonly #root: Schema;
  readonly #notation: Notation;
  readonly #members: Members;
  readonly #freeText: Fragment;
  readonly #rules = new Map<Json, Rule>();
  readonly #values = new Map<Schema, Fragment>();
  /** Rules and what their bodies are to be. */
  readonly #open: { made: Rule; schema: Schema; pointer: string }[] = [];
  readonly #checked = new Set<Json>();
  /** Of patterns and formats beside lists of values. */
  readonly #judges = new Map<string, Automaton>();
  /** Schemas that are being translated, to find those that never end. */
  #depth = 0;
  #merges = 0;

  constructor(root: Schema, notation: Notation) {
    this.#root = root;
    this.#notation = notation;
    this.#members = membersOf(notation);
    this.#freeText = textOf(notation, 0, Number.POSITIVE_INFINITY);
  }

  root(): Fragment {
    return this.#whole(call(this.#rule(this.#root, "")));
  }

  arguments(): Fragment {
    return this.#whole(this.#value(this.#root, "", "arguments"));
  }

  #whole(root: Fragment): Fragment {
    // One after the other, not one within the other: a schema of long chains is no deep stack.
    for (const { made, schema, pointer } of this.#open) {
      this.#depth = 0;
      made.body = this.#value(schema, pointer);
    }
    return root;
  }

  #rule(schema: Schema, pointer: string): Rule {
    let known = this.#rules.get(schema);
    if (!known) {
      known = rule(pointer === "" ? "/" : pointer);
      this.#rules.set(schema, known);
      this.#open.push({ made: known, schema, pointer });
    }
    return known;
  }

  #spend = () => {
    if (++this.#merges > MOST_MERGES) throw limit("", "the schema has too many combinations", MOST_MERGES);
  };

  #value(schema: Schema, pointer: string, form: Form = "value"): Fragment {
    const known = form === "value" ? this.#values.get(schema) : undefined;
    if (known) return known;
    if (++this.#depth > 128) throw limit(pointer, "the schema nests too deep, or never ends", 64);
    const made = this.#make(schema, pointer, form);
    this.#depth--;
    if (form === "value") this.#values.set(schema, made);
    return made;
  }

  #make(schema: Schema, pointer: string, form: Form): Fragment {
    if (schema === false) return NOTHING;
    if (schema === true) return this.#typed(ANYTHING, pointer, form);
    if (schema.$ref !== undefined) {
      const { $ref, ...rest } = schema;
      const [target, where] = this.#resolve($ref as string, pointer);
      if (asserts(rest)) return this.#value(mergeSchemas(target, rest, pointer, this.#spend), pointer, form);
      return form === "value" ? call(this.#rule(target, where)) : this.#value(target, where, form);
    }
    if (schema.allOf !== undefined) {
      const { allOf, ...rest } = schema;
      let merged: Schema = rest;
      for (const part of allOf as Schema[]) {
        merged = mergeSchemas(merged, this.#followed(part, pointer), pointer, this.#spend);
      }
      return this.#value(merged, pointer, form);
    }
    for (const keyword of ["anyOf", "oneOf"]) {
      if (schema[keyword] === undefined) continue;
      const { [keyword]: given, ...rest } = schema;
      const branches = (given as Schema[]).map((branch, at) => {
        if (!asserts(rest)) return branch;
        return mergeSchemas(rest, this.#followed(branch, `${pointer}/${keyword}/${at}`), pointer, this.#spend);
      });
      if (keyword === "oneOf") refuseAlike(branches, `${pointer}/oneOf`, (branch) => this.#followed(branch, pointer));
      return choice(...branches.map((branch, at) => this.#value(branch, `${pointer}/${keyword}/${at}`, form)));
    }
    if (schema.const !== undefined || schema.enum !== undefined) return this.#listed(schema, pointer, form);
    return this.#typed(schema, pointer, form);
  }

  /** A reference replaced by what it means. */
  #followed(schema: Schema, pointer: string): Schema {
    let followed = schema;
    for (let turns = 0; typeof followed === "object" && followed.$ref !== undefined; turns++) {
      if (turns > 64) throw limit(pointer, "references that never end", 64);
      const { $ref, ...rest } = followed;
      const [target] = this.#resolve($ref as string, pointer);
      followed = asserts(rest) ? mergeSchemas(target, rest, pointer, this.#spend) : target;
    }
    return followed;
  }

  #resolve(reference: string, pointer: string): [Schema, string] {
    if (!/^#(\/|$)/.test(reference))
      throw unsupported(`${pointer}/$ref`, "only references into the schema itself are followed", reference);
    let found: Json = this.#root;
    for (const part of reference.split("/").slice(1)) {
      let name: string;
      try {
        name = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
      } catch {
        throw invalid(`${pointer}/$ref`, "not a reference", "a JSON pointer", reference);
      }
      const next: Json | undefined =
        typeof found === "object" && found !== null && Object.hasOwn(found, name)
          ? (found as JsonObject)[name]
          : undefined;
      if (next === undefined)
        throw invalid(`${pointer}/$ref`, "a reference to nothing", "a place in the schema", reference);
      found = next;
    }
    if (typeof found !== "boolean" && !isObject(found))
      throw invalid(`${pointer}/$ref`, "a reference to no schema", "a schema", reference);
    // A place outside the keywords that hold schemas was not checked.
    if (!this.#checked.has(found)) checkSchema(found, reference.slice(1), 0);
    this.#checked.add(found);
    return [found, reference.slice(1)];
  }

  #listed(schema: JsonObject, pointer: string, form: Form): Fragment {
    const values = schema.const !== undefined ? [schema.const] : (schema.enum as Json[]);
    const { const: _, enum: __, ...rest } = schema;
    const kept =
      schema.const !== undefined && schema.enum !== undefined
        ? values.filter((value) => (schema.enum as Json[]).some((other) => same(other, value)))
        : values;
    const admitted = kept.filter((value) => this.#admits(rest, value, pointer));
    const distinct = [...new Map(admitted.map((value) => [canonical(value), value])).values()];
    if (form === "value") return words(distinct.map((value) => this.#notation.value(value)));
    return words(distinct.filter(isObject).map((value) => this.#given(value, pointer)));
  }

  #given(value: JsonObject, pointer: string): string {
    const members = Object.entries(value).map(
      ([name, member]) => `${ARGUMENTS.name(name, pointer)}=${this.#notation.value(member)}`,
    );
    return members.join(", ");
  }

  #admits(schema: JsonObject, value: Json, pointer: string): boolean {
    for (const [name, bound] of Object.entries(schema)) {
      if (!asserts({ [name]: bound })) continue;
      const kind = kindOf(value);
      if (name === "type") {
        const types = typesOf(bound);
        if (!types.includes(kind) && !(kind === "integer" && types.includes("number"))) return false;
      } else if (name === "multipleOf") {
        if (typeof value === "number" && value % (bound as number) !== 0) return false;
      } else if (/imum$/.test(name)) {
        if (typeof value !== "number") continue;
        const limit = bound as number;
        const kept = {
          minimum: value >= limit,
          maximum: value <= limit,
          exclusiveMinimum: value > limit,
          exclusiveMaximum: value < limit,
        };
        if (!kept[name as keyof typeof kept]) return false;
      } else if (name === "minLength" || name === "maxLength") {
        if (typeof value !== "string") continue;
        const { length } = [...value];
        if (name === "minLength" ? length < (bound as number) : length > (bound as number)) return false;
      } else if (name === "pattern" || name === "format") {
        if (typeof value !== "string") continue;
        if (
          !matches(this.#judge(name, bound as string, pointer), new TextEncoder().encode(this.#notation.value(value)))
        )
          return false;
      } else if (typeof value === "object" && value !== null) {
        throw unsupported(`${pointer}/${name}`, "not beside a list of values that are objects or arrays", name);
      }
    }
    return true;
  }

  #judge(name: string, rule: string, pointer: string): Automaton {
    const key = `${name} ${rule}`;
    const judge = this.#judges.get(key) ?? new Automaton(this.#ruled({ [name]: rule }, pointer));
    this.#judges.set(key, judge);
    return judge;
  }

  #typed(schema: JsonObject, pointer: string, form: Form): Fragment {
    const types = schema.type === undefined ? impliedTypes(schema) : typesOf(schema.type);
    const object = (members: Members) =>
      objectFragment(schema, pointer, members, this.#notation, (value, where) => this.#child(value, where));
    if (form === "arguments") return types.includes("object") ? object(ARGUMENTS) : NOTHING;
    const parts: Fragment[] = [];
    for (const type of types) {
      if (type === "null") parts.push(literal(this.#notation.null));
      else if (type === "boolean") parts.push(words([this.#notation.true, this.#notation.false]));
      else if (type === "integer") {
        if (!types.includes("number")) parts.push(this.#integer(schema, pointer));
      } else if (type === "number") parts.push(this.#number(schema, pointer));
      else if (type === "string") parts.push(this.#string(schema, pointer));
      else if (type === "array") parts.push(this.#array(schema, pointer));
      else parts.push(object(this.#members));
    }
    return parts.length === 0 ? NOTHING : choice(...parts);
  }

  #integer(schema: JsonObject, pointer: string): Fragment {
    const made = integerFragment(...boundsOf(schema), schema.multipleOf as number | undefined);
    if (made) return made;
    throw unsupported(`${pointer}/multipleOf`, "a number that leaves too many rests");
  }

  #number(schema: JsonObject, pointer: string): Fragment {
    // Whole numbers have whole multiples alone.
    if (schema.multipleOf !== undefined) return this.#integer(schema, pointer);
    const made = numberFragment(...boundsOf(schema));
    if (made) return made;
    const name = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"].find((one) => one in schema);
    throw unsupported(`${pointer}/${name}`, "a bound of more than 15 digits");
  }

  #string(schema: JsonObject, pointer: string): Fragment {
    const { pattern, format, minLength = 0, maxLength = Number.POSITIVE_INFINITY } = schema;
    if (pattern === undefined && format === undefined) {
      return minLength === 0 && maxLength === Number.POSITIVE_INFINITY
        ? this.#freeText
        : textOf(this.#notation, minLength as number, maxLength as number);
    }
    const several = pattern !== undefined && format !== undefined;
    if (!several && schema.minLength === undefined && schema.maxLength === undefined)
      return this.#ruled(schema, pointer);
    const sought: Sought[] = [];
    if (pattern !== undefined) sought.push({ pattern: pattern as string, whole: false, field: `${pointer}/pattern` });
    if (format !== undefined) sought.push({ pattern: TEXT_FORMATS[format as string], whole: true, field: pointer });
    const { write } = this.#notation;
    const product = productFragment(sought, minLength as number, maxLength as number, write);
    if (product === "implied") return this.#ruled(schema, pointer);
    if (product) return sequence(QUOTE, product, QUOTE);
    const name = ["maxLength", "minLength", "pattern"].find((one) => schema[one] !== undefined)!;
    throw unsupported(`${pointer}/${name}`, `too much beside ${format === undefined ? "pattern" : "format"}`, name);
  }

  #ruled({ pattern, format }: JsonObject, pointer: string): Fragment {
    if (format !== undefined) {
      return sequence(QUOTE, patternFragment(TEXT_FORMATS[format as string], { field: pointer }), QUOTE);
    }
    return patterned(this.#notation, pattern as string, `${pointer}/pattern`);
  }

  #array(schema: JsonObject, pointer: string): Fragment {
    const prefix = (schema.prefixItems ?? []) as Schema[];
    const least = (schema.minItems ?? 0) as number;
    const most = (schema.maxItems ?? Number.POSITIVE_INFINITY) as number;
    if (least > most) return NOTHING;
    // Items behind those that are described are written only where there must be some.
    const open = schema.items !== undefined || prefix.length === 0 || least > prefix.length;
    const item = open ? this.#child((schema.items ?? true) as Schema, `${pointer}/items`) : NOTHING;
    const rest = (from: number) => {
      const next = sequence(COMMA, item);
      const [min, max] = [Math.max(0, least - from), Math.max(0, most - from)];
      return from >= most ? EMPTY : open ? repeat(next, min, max) : EMPTY;
    };
    let tail = prefix.length === 0 ? EMPTY : rest(prefix.length);
    for (let at = Math.min(prefix.length, most) - 1; at >= 0; at--) {
      const value = this.#child(prefix[at], `${pointer}/prefixItems/${at}`);
      const here = sequence(...(at > 0 ? [COMMA] : []), value, tail);
      tail = at < least ? here : optional(here);
    }
    if (prefix.length === 0 && most > 0) {
      const items = sequence(item, rest(1));
      tail = least === 0 ? optional(items) : items;
    }
    return sequence(literal("["), tail, literal("]"));
  }

  /** Values inside values are rules, so that they may hold themselves. */
  #child(schema: Schema, pointer: string): Fragment {
    if (schema === false) return NOTHING;
    return call(this.#rule(schema, pointer));
  }
}

const ANYTHING: JsonObject = Object.freeze(Object.create(null));

const ASSERTS =
  /^(type|enum|const|properties|patternProperties|additionalProperties|items|prefixItems|anyOf|oneOf|allOf|required|(min|max)(Items|Length)|pattern|format|minimum|maximum|exclusive(Minimum|Maximum)|multipleOf|\$ref)$/;
const asserts = (schema: JsonObject) => Object.keys(schema).some((name) => ASSERTS.test(name));

/** Keywords say of which type they speak; others would be let pass by the schema, and are not written. */
function impliedTypes(schema: JsonObject): string[] {
  const types: string[] = [];
  const has = (names: RegExp) => Object.keys(schema).some((name) => names.test(name));
  if (has(/^(minimum|maximum|exclusive|multipleOf)/)) types.push("number");
  if (has(/^(minLength|maxLength|pattern|format)$/)) types.push("string");
  if (has(/[iI]tems$/)) types.push("array");
  if (has(/[pP]roperties$|^required$/)) types.push("object");
  return types.length > 0 ? types : typesOf(undefined);
}

function boundsOf(schema: JsonObject): [Bound | null, Bound | null] {
  const bound = (plain: string, exclusive: string, higher: (a: number, b: number) => boolean): Bound | null => {
    const [a, b] = [schema[plain] as number | undefined, schema[exclusive] as number | undefined];
    if (b !== undefined && (a === undefined || !higher(a, b))) return { value: b, exclusive: true };
    return a === undefined ? null : { value: a, exclusive: false };
  };
  return [bound("minimum", "exclusiveMinimum", (a, b) => a > b), bound("maximum", "exclusiveMaximum", (a, b) => a < b)];
}
