/**
 * Random templates as jinja2 3.1.6 renders them, set up as transformers sets it up. `npm run template-fuzz` compares more
 * of them, and wrote these: node scripts/template-fuzz.mjs --record test/golden/jinja2.gz --count 2600 --seed 7
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { readArguments } from "../src/tokenizer/call-arguments.ts";
import { Budget } from "../src/tokenizer/template/budget.ts";
import { compileTemplate } from "../src/tokenizer/template/compile.ts";
import { runTemplate } from "../src/tokenizer/template/interpreter.ts";
import type { JsonText } from "../src/tokenizer/template/text.ts";
import type { Value } from "../src/tokenizer/template/values.ts";

const golden: { cases: [template: string, values: string, text: string | null][] } = JSON.parse(
  gunzipSync(readFileSync(new URL("./golden/jinja2.gz", import.meta.url))).toString(),
);

function rendered(template: string, values: string): string | null {
  const { parsed } = readArguments(values) as JsonText;
  const variables = new Map(
    parsed.entries().map(([key, value]): [string, Value] => [String(key && (key as JsonText).text), value]),
  );
  try {
    return runTemplate(compileTemplate(template), variables, new Date(2025, 3, 5, 6, 7, 8), new Budget()).text;
  } catch (error) {
    const { name, message } = error as Error;
    expect(name, message).toBe("EngineError");
    return null;
  }
}

test(`${golden.cases.length} templates give the text that jinja2 gives, or are refused as there`, () => {
  expect(golden.cases.length).toBeGreaterThan(2000);
  const differing = golden.cases.filter(([template, values, text]) => rendered(template, values) !== text);
  expect(differing).toEqual([]);
});
