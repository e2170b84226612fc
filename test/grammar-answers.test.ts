/** `responseFormat` of a model: what comes is of the format, whatever the sampler, wherever it is cut. */
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from "vitest";
import { createModel, loadModel, type Model, type ResponseFormat, type StandardSchema } from "../dist/src/index.js";
import { validates } from "../scripts/grammar/judge.mjs";
import { randomSchema } from "../scripts/grammar/schemas.mjs";
import { randomOf } from "../scripts/grammar/vocabulary.mjs";
import { checkFormat } from "../src/grammar/format.ts";
import { Grammars } from "../src/grammar/grammars.ts";
import { codeOf, errorOf } from "./error-code.ts";
import { MODEL } from "./runtimes.ts";
import { byteModel } from "./small-models.ts";

let storyteller: Model;
/** A byte is an id; nothing but what a test names ends an answer. */
let bytes: Model;
beforeAll(async () => {
  storyteller = await loadModel(MODEL, { threads: 0, context: 512 });
  bytes = await createModel(byteModel(32), { threads: 0 });
});
afterAll(async () => {
  await storyteller.dispose();
  await bytes.dispose();
});

const PERSON = {
  type: "object",
  properties: { name: { type: "string", maxLength: 12 }, age: { type: "integer", minimum: 1, maximum: 99 } },
  required: ["name", "age"],
};
const person: ResponseFormat = { type: "json_schema", schema: PERSON };

it("greedy answers of a trained model are of the format", async () => {
  const ask = (responseFormat: ResponseFormat) =>
    storyteller.generate("Once upon a time", { temperature: 0, maxTokens: 60, responseFormat }).result();
  const chosen = await ask({ type: "choice", choices: [" there was a cat", " there was a dog", "x"] });
  expect(chosen).toMatchObject({ text: " there was a cat", finishReason: "stop", value: undefined });
  expect((await ask({ type: "regex", pattern: " [a-z]+ [a-z]{3,5}\\." })).text).toMatch(/^ [a-z]+ [a-z]{3,5}\.$/);
  expect((await ask({ type: "grammar", gbnf: 'root ::= " yes" | " no"' })).text).toMatch(/^ (yes|no)$/);
  const json = await ask({ type: "json" });
  expect(json.finishReason).toBe("stop");
  expect(json.value).toEqual(JSON.parse(json.text));
  const { value } = await ask(person);
  expect(validates(PERSON, value)).toBe(true);
});

it("random schemas through a model: each answer validates, or was cut and begins one that does", async () => {
  const seed = Date.now() % 2 ** 31;
  console.log(`grammar-answers: seed ${seed}`);
  const random = randomOf(seed);
  let ended = 0;
  for (let count = 0; count < 40; count++) {
    const schema = randomSchema(random, 2);
    const responseFormat: ResponseFormat = { type: "json_schema", schema };
    const options = { temperature: 2, topP: 1, maxTokens: 80, seed: count, responseFormat };
    let result: Awaited<ReturnType<ReturnType<Model["generate"]>["result"]>>;
    try {
      result = await storyteller.generate("Once", options).result();
    } catch (error) {
      expect((error as { code: string }).code).toMatch(/^(GRAMMAR|SCHEMA)_/);
      continue;
    }
    expect(result.ids.some((id) => storyteller.tokenizer.isSpecial(id))).toBe(false);
    expect(result.text).not.toContain("\ufffd");
    if (result.finishReason !== "stop") continue;
    ended++;
    expect(validates(schema, result.value), JSON.stringify([schema, result.text])).toBe(true);
  }
  expect(ended).toBeGreaterThan(5);
});

it("a batch gives each prompt the answer of its solo run, also with guesses", async () => {
  const options = { temperature: 1, maxTokens: 40, seed: 7, responseFormat: person };
  const prompts = ["Once", "The cat", "A long time ago there was"];
  const results = await storyteller.generateBatch(prompts, options).results();
  for (const [at, prompt] of prompts.entries()) {
    const solo = await storyteller.generate(prompt, { ...options, speculate: "lookup" }).result();
    expect(solo.ids).toEqual(results[at].ids);
    expect(solo.value).toEqual(results[at].value);
  }
});

it("a text that is cut ends with whole characters, and has no value", async () => {
  const sad: ResponseFormat = { type: "choice", choices: ["ж😀ж"] };
  for (let maxTokens = 1; maxTokens < 8; maxTokens++) {
    const { text, finishReason } = await bytes.generate("a", { maxTokens, responseFormat: sad }).result();
    expect("ж😀ж".startsWith(text), `${maxTokens}: ${text}`).toBe(true);
    expect(finishReason).toBe("length");
  }
  const cut = await storyteller.generate("a", { maxTokens: 3, responseFormat: person }).result();
  expect(cut).toMatchObject({ finishReason: "length", value: undefined });
});

it("an end id is allowed where the text may end, and only there; where nothing else can follow none is needed", async () => {
  const ask = (choices: string[], options = {}) =>
    bytes.generate("a", { ...options, responseFormat: { type: "choice", choices } }).result();
  expect(await ask(["yes", "no!"])).toMatchObject({ finishReason: "stop", stoppedBy: 257, limit: undefined });
  expect(await ask(["yes", "no!"], { maxTokens: 3 })).toMatchObject({ finishReason: "stop", limit: undefined });
  // "n" ends answers, so that it is never written: "no" cannot be.
  const stopIds = ["n".charCodeAt(0)];
  expect((await ask(["no", "yes"], { stopIds, logitBias: { 257: -100 } })).stoppedBy).toBe(stopIds[0]);
  expect((await ask(["no", "yes"], { stopIds })).text).toBe("yes");
  const grammars = new Grammars({ size: 256, bytesOf: (id) => Uint8Array.of(id) });
  const endless = grammars.begin(checkFormat({ type: "choice", choices: ["a", "b"] }), [], false);
  endless.accept(97);
  expect([endless.finished, endless.hasEnd]).toEqual([true, false]);
});

it("a first space that is not shown is not read", () => {
  const texts = [" a", "a", " ", "  a"].map((text) => new TextEncoder().encode(text));
  const grammars = new Grammars({ size: 5, bytesOf: (id) => texts[id] ?? null });
  const allowed = (pattern: string, ...before: number[]) => {
    const constraint = grammars.begin(checkFormat({ type: "regex", pattern }), [4], true);
    for (const id of before) constraint.accept(id);
    const values = new Float32Array(5);
    constraint.apply(values);
    return [...values.keys()].filter((id) => values[id] === 0);
  };
  expect(allowed("a")).toEqual([0, 1, 2]);
  expect(allowed(" a")).toEqual([2, 3]);
  expect(allowed("a", 2)).toEqual([1]);
  expect(allowed("a", 0)).toEqual([4]);
});

it("what is wrong is said at once", async () => {
  const refuse = async (responseFormat: unknown, options = {}) => {
    const error = await errorOf(() =>
      storyteller.generate("a", { ...options, responseFormat: responseFormat as ResponseFormat }),
    );
    return `${error.code} ${error.at?.field}`;
  };
  expect(await refuse({ type: "json_schema", schema: { not: {} } })).toBe("SCHEMA_UNSUPPORTED /not");
  expect(await refuse({ type: "xml" })).toBe("REQ_PARAM responseFormat.type");
  expect(await refuse("json")).toBe("REQ_PARAM responseFormat");
  expect(await refuse({ type: "json", schema: {} })).toBe("REQ_UNSUPPORTED_PARAM schema");
  expect(await refuse({ type: "choice", choices: [] })).toBe("REQ_PARAM responseFormat.choices");
  expect(await refuse({ type: "choice", choices: ["\ud800"] })).toBe("REQ_PARAM responseFormat.choices[0]");
  expect(await refuse({ type: "regex" })).toBe("REQ_PARAM responseFormat.pattern");
  expect(await refuse({ "~standard": 3 })).toBe("REQ_PARAM responseFormat");
  const tools = [{ type: "function", function: { name: "f", parameters: { type: "object" } } }];
  const asked = () =>
    storyteller.chat([{ role: "user", content: "a" }], { tools, toolFormat: "hermes", responseFormat: person });
  expect((await errorOf(asked)).at?.field).toBe("responseFormat");
  const logitBias = { [97]: -100 };
  const stuck = () => bytes.generate("a", { logitBias, responseFormat: { type: "choice", choices: ["a"] } }).result();
  expect(await codeOf(stuck)).toBe("GRAMMAR_STUCK");
});

describe("Standard Schema", () => {
  interface Person {
    name: string;
    age: number;
  }
  const standard = (more: object, validate: (value: unknown) => unknown): StandardSchema<Person> =>
    ({ "~standard": { version: 1, vendor: "test", validate, ...more } }) as unknown as StandardSchema<Person>;
  const input = () => PERSON;

  it("gives its JSON Schema, judges the value and types it", async () => {
    const schema = standard({ jsonSchema: { input } }, async (value) => ({
      value: { ...(value as Person), seen: true },
    }));
    const { value } = await storyteller.generate("Once", { temperature: 0, responseFormat: schema }).result();
    expectTypeOf(value).toEqualTypeOf<Person | undefined>();
    expect(value).toMatchObject({ seen: true });
    expect(validates(PERSON, value)).toBe(true);
    const own = Object.assign(
      standard({}, (value) => ({ value })),
      { toJSONSchema: input },
    );
    const messages = [{ role: "user", content: "Who?" }];
    const chat = await storyteller.chat(messages, { temperature: 0, responseFormat: own }).result();
    expectTypeOf(chat.value).toEqualTypeOf<Person | undefined>();
    expect(validates(PERSON, chat.value)).toBe(true);
  });

  it("that offers none, or refuses the value, is a typed error", async () => {
    const none = standard({}, (value) => ({ value }));
    expect(await codeOf(() => storyteller.generate("Once", { responseFormat: none }))).toBe("SCHEMA_SOURCE");
    const stern = standard({ jsonSchema: { input } }, () => ({ issues: [{ message: "too young" }] }));
    const error = await errorOf(() => storyteller.generate("Once", { temperature: 0, responseFormat: stern }).result());
    expect(error.code).toBe("SCHEMA_VALUE");
    expect(error.message).toContain("too young");
  });

  it("whose validate returns no result of the standard is one too", async () => {
    for (const odd of [null, undefined, 1, { issues: null }, { issues: "no" }]) {
      const schema = standard({ jsonSchema: { input: () => ({ const: 1 }) } }, () => odd);
      expect(await codeOf(() => storyteller.generate("Once", { responseFormat: schema }).result())).toBe(
        "SCHEMA_SOURCE",
      );
    }
  });

  it("whose validate does not end is ended by the signal, and by the deadline", async () => {
    const never = standard({ jsonSchema: { input: () => ({ const: 1 }) } }, () => new Promise(() => {}));
    const controller = new AbortController();
    const reason = new Error("enough");
    const { signal } = controller;
    const validating = storyteller.generate("Once", { responseFormat: never, signal });
    setTimeout(() => controller.abort(reason), 50);
    await expect(validating.result()).rejects.toBe(reason);
    const late = storyteller.generate("Once", { responseFormat: never, deadline: 50 });
    expect(await codeOf(() => late.result())).toBe("DEADLINE");
  });
});
