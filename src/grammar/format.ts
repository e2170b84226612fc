import { EngineError } from "../error.ts";
import { isArray, isPlain, readOptions, wrong } from "../given.ts";
import { type Fragment, words } from "./fragment.ts";
import { gbnfFragment } from "./gbnf.ts";
import { MOST_UNITS, patternFragment } from "./regex.ts";
import { jsonFragment, schemaFragment } from "./schema.ts";
import { readSchema } from "./schema-keywords.ts";
import { isStandard, readStandard, type StandardSchema } from "./standard-schema.ts";

/**
 * What an answer may be. Its text is always the beginning of one that the format allows; where it ends by itself it is one.
 *
 * `json`: any JSON value. `json_schema`: JSON that the schema (2020-12) accepts. `regex`: the whole text is one of the pattern's.
 * `choice`: one of these strings. `grammar`: llama.cpp's notation. A Standard Schema object (zod, valibot, arktype) stands for its JSON
 * Schema, and gives the value its type.
 */
export type ResponseFormat =
  | { readonly type: "json" }
  | { readonly type: "json_schema"; readonly schema: object | boolean }
  | { readonly type: "regex"; readonly pattern: string }
  | { readonly type: "choice"; readonly choices: readonly string[] }
  | { readonly type: "grammar"; readonly gbnf: string }
  | StandardSchema;

/** A format that was read: what is written, and what it means. */
export interface CheckedFormat {
  /** The same for formats of the same grammar: a model compiles it once. */
  readonly key: string;
  fragment(): Fragment;
  /** What a whole text of the format means; undefined where it means its text. */
  value(text: string): Promise<unknown>;
}

const MOST_CHOICES = 200_000;
const CHOICE_UNITS = 4 * 2 ** 20;

/** Throws REQ_PARAM where it is none. Schemas are read here, so that nothing the caller changes afterwards is seen. */
export function checkFormat(given: unknown): CheckedFormat {
  if (isStandard(given)) {
    const { schema, validate } = readStandard(given);
    const format = ofSchema(schema);
    return { ...format, value: async (text) => await validate(JSON.parse(text)) };
  }
  const kinds = '{ type: "json" | "json_schema" | "regex" | "choice" | "grammar", ... } or a Standard Schema';
  if (!isPlain(given)) throw wrong("responseFormat", "not a format", kinds, given);
  const { type } = given;
  const read = <Name extends string>(...names: Name[]) =>
    readOptions(given as { [name in Name | "type"]?: unknown }, ["type", ...names]);
  switch (type) {
    case "json":
      read();
      return { key: "json", fragment: jsonFragment, value: parse };
    case "json_schema":
      return ofSchema(read("schema").schema);
    case "regex": {
      const pattern = text("pattern", read("pattern").pattern, MOST_UNITS);
      const rules = { field: "responseFormat.pattern" };
      return { key: `regex ${pattern}`, fragment: () => patternFragment(pattern, rules), value: noValue };
    }
    case "choice": {
      const choices = choicesOf(read("choices").choices);
      return { key: `choice ${JSON.stringify(choices)}`, fragment: () => words(choices), value: noValue };
    }
    case "grammar": {
      const gbnf = text("gbnf", read("gbnf").gbnf, 2 ** 20);
      return { key: `grammar ${gbnf}`, fragment: () => gbnfFragment(gbnf), value: noValue };
    }
    default:
      throw wrong("responseFormat.type", "not a kind of format", kinds, type);
  }
}

const noValue = async () => undefined;
const parse = async (text: string): Promise<unknown> => JSON.parse(text);

function ofSchema(given: unknown): CheckedFormat {
  const schema = readSchema(given);
  return { key: `schema ${JSON.stringify(schema)}`, fragment: () => schemaFragment(schema), value: parse };
}

function choicesOf(given: unknown): string[] {
  const field = "responseFormat.choices";
  if (!isArray(given) || given.length === 0) throw wrong(field, "no choices", "an array of strings", given);
  if (given.length > MOST_CHOICES) throw tooMany(field, given.length, `at most ${MOST_CHOICES} choices`);
  let units = 0;
  return Array.from({ length: given.length }, (_, at) => {
    const choice = text(`choices[${at}]`, given[at], CHOICE_UNITS);
    units += choice.length;
    if (units > CHOICE_UNITS) throw tooMany(field, units, `at most ${CHOICE_UNITS} units together`);
    return choice;
  });
}

function text(name: string, value: unknown, most: number): string {
  const field = `responseFormat.${name}`;
  if (typeof value !== "string") throw wrong(field, "not text", "a string", value);
  if (value.length > most) throw tooMany(field, value.length, `at most ${most} units`);
  if (/\p{Cs}/u.test(value)) throw wrong(field, "half a surrogate pair", "well-formed Unicode", value);
  return value;
}

function tooMany(field: string, actual: number, limit: string): EngineError {
  return new EngineError("GRAMMAR_LIMIT", "the format is too large", {
    at: { source: "option", field },
    actual,
    limit,
  });
}
