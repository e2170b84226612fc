/** Random schemas of strict tools under a model of noise, in every form of calls: what is written is read back, and follows its schema. */
import { describe, expect, it } from "vitest";
import { validates } from "../scripts/grammar/judge.mjs";
import { write } from "../scripts/grammar/noise.mjs";
import { randomSchema } from "../scripts/grammar/schemas.mjs";
import { randomOf } from "../scripts/grammar/vocabulary.mjs";
import type { EngineError } from "../src/error.ts";
import { PYTHON_NOTATION } from "../src/grammar/python-text.ts";
import type { Json } from "../src/grammar/schema-keywords.ts";
import { CallReader } from "../src/tools/call-reader.ts";
import { constraintFor } from "../src/tools/constraint.ts";
import { dialectNamed, TOOL_FORMATS } from "../src/tools/dialect.ts";
import { readOffer } from "../src/tools/offer.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const NAMES = ["f", "get_weather"];

/** An object of random schemas, its names those of arguments. */
function parametersOf(random: () => number): object {
  const made = randomSchema(random, 3);
  const properties = Object.fromEntries(["a", "größe", "name"].map((name) => [name, randomSchema(random, 2)]));
  for (const member of Object.values(properties)) delete member["$defs"];
  const text = JSON.stringify(properties).replaceAll(/"#[^"]*"/g, '"#/$defs/one"');
  const required = ["a", "größe"].filter(() => random() < 0.7);
  const more = random() < 0.3 ? { additionalProperties: { type: "integer" } } : {};
  return { type: "object", properties: JSON.parse(text), required, ...more, $defs: { one: noReferences(made) } };
}

const noReferences = (schema: object) =>
  JSON.parse(JSON.stringify(schema).replaceAll(/"\$ref":"[^"]*"/g, '"type":"integer"')) as object;

describe.each(TOOL_FORMATS)("%s", (format) => {
  it(`any allowed text is calls that follow their schemas, seed ${SEED}`, () => {
    const random = randomOf(SEED);
    const dialect = dialectNamed(format);
    let calls = 0;
    for (let round = 0; round < 120; round++) {
      const parameters = parametersOf(random);
      const tools = NAMES.map((name) => ({ name, strict: true, parameters }));
      const choice = random() < 0.5 ? "required" : { name: "f" };
      const rules = constraintFor(readOffer(tools, choice, undefined), dialect, () => false)!;
      let written: ReturnType<typeof write>;
      try {
        written = write(rules, random, 1 + Math.floor(random() * 80));
      } catch (error) {
        // Of schemas that nothing satisfies, or that are refused.
        if (!/^(SCHEMA|GRAMMAR)_/.test((error as EngineError).code)) throw error;
        continue;
      }
      if (!written.ended) continue;
      const text = new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(written.bytes));
      const reader = new CallReader({ dialect, offered: new Set(NAMES) }, String, () => {});
      reader.push(text);
      reader.end();
      expect([reader.warnings, reader.text, reader.toolCalls.length > 0], text).toEqual([[], "", true]);
      for (const call of reader.toolCalls) {
        expect(validates(parameters, call.arguments), JSON.stringify([parameters, text])).toBe(true);
        calls++;
      }
    }
    expect(calls).toBeGreaterThan(30);
  });
});

it("a value of Python is read back as it was", () => {
  const values: Json[] = [null, true, 'a"b\\c', "\n\u0000é🗼\u007f", -1.5e21, [[], {}], { "": [1, false], "x y": "'" }];
  for (const value of values) {
    const reader = new CallReader({ dialect: dialectNamed("pythonic"), offered: new Set(["f"]) }, String, () => {});
    reader.push(`[f(a=${PYTHON_NOTATION.value(value)})]`);
    reader.end();
    expect(reader.toolCalls).toEqual([{ id: "0", name: "f", arguments: { a: value } }]);
  }
  expect(PYTHON_NOTATION.value({ a: [null, true, "\t"] })).toBe('{"a": [None, True, "\\t"]}');
});
