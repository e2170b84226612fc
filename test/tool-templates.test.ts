/** Dialects and the templates that teach them: which is recognised, and that calls which a template writes are read again. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ChatMessage, ChatTemplate } from "../src/tokenizer/chat.ts";
import { CallReader } from "../src/tools/call-reader.ts";
import { type Dialect, dialectOf } from "../src/tools/dialect.ts";
import { MOST_DEPTH } from "../src/tools/json-text.ts";
import { signs } from "./tool-texts.ts";

const SEED = Number(process.env.SEED ?? 20261128);

interface Golden {
  conversations: { name: string; messages: ChatMessage[]; tools?: unknown[] }[];
  templates: Record<string, { source: string; bos_token: string; eos_token: string }>;
}

const file = new URL("./golden/chat.gz", import.meta.url);
const { conversations, templates }: Golden = JSON.parse(gunzipSync(readFileSync(file)).toString());
const { tools } = conversations.find(({ name }) => name === "tools")!;

const TAUGHT: Record<string, string | undefined> = {
  "chatml-tools": "hermes",
  chatml: undefined,
  "hermes-tools": "hermes",
  llama2: undefined,
  "llama3.1": "json",
  "llama3.2": "json",
  llama3: undefined,
  llama4: "json",
  "mistral-tools": "mistral",
  mixtral: undefined,
  smollm2: undefined,
};

it("the dialect is recognised by what a template teaches", () => {
  const found = Object.entries(templates).map(([name, { source }]) => [name, dialectOf(source)?.name]);
  expect(Object.fromEntries(found)).toEqual(TAUGHT);
  const known: [string, string | undefined][] = [
    // As Meta's documents for Llama 3.2 and 4 and the templates of vLLM have it.
    [
      "put it in the format of [func_name1(params_name1=params_value1, params_name2=params_value2...), func_name2(params)]",
      "pythonic",
    ],
    [
      'Respond in the format {\\"name\\": function name, \\"parameters\\": dictionary of argument name and its value}',
      "json",
    ],
    ['<tool_call>\\n{\\"name\\": <function-name>, \\"arguments\\": <args-json-object>}\\n</tool_call>', "hermes"],
    ["{{ '[TOOL_CALLS]' + call.function.name + '[ARGS]' + call.function.arguments | tojson }}", "mistral"],
    ["<tool_call>\n<function=name>\n<parameter=city>", undefined],
    ["<tool_call>{function-name}\n<arg_key>", undefined],
    ["{{ tools | tojson }} [note](x)", undefined],
  ];
  for (const [source, dialect] of known) expect(dialectOf(source)?.name, source).toBe(dialect);
});

type Made = { name: string; arguments: Record<string, unknown> }[];

/** What the template writes of an answer, without the prompt in front and the end token behind. */
function written(template: ChatTemplate, content: string, calls: Made): string {
  const user = { role: "user", content: "?" };
  const said = calls.map((call, index) => ({ id: `abcdef12${index}`, type: "function", function: call }));
  const prompt = template.render([user], { tools });
  const all = template.render([user, { role: "assistant", content, tool_calls: said }], {
    tools,
    addGenerationPrompt: false,
  });
  expect(all.startsWith(prompt)).toBe(true);
  return all.slice(prompt.length).replace(/(<\|eot\|>|<\|eot_id\|>|<\|im_end\|>\n?|<\/s>)$/, "");
}

function read(dialect: Dialect, answer: string, special: boolean) {
  const reader = new CallReader({ dialect, offered: new Set(["get_weather", "clock", "search"]) }, String, () => {});
  for (const { text = "", mark } of signs(answer, special ? dialect.marks : [])) {
    if (mark !== undefined) reader.mark(mark);
    for (const unit of text.split("")) reader.push(unit);
  }
  reader.end();
  return reader;
}

const teaching = Object.entries(templates).filter(([name]) => TAUGHT[name]);

describe.each(teaching)("%s", (name, { source, bos_token: bosToken, eos_token: eosToken }) => {
  const template = new ChatTemplate(source, { bosToken, eosToken });
  const dialect = dialectOf(source)!;
  const most = name === "llama3.1" ? 1 : 3;
  // Marks in a string of a call would be text of the caller, which is no control token.
  const word = fc
    .oneof(fc.string({ unit: "binary" }), fc.constantFrom("__proto__", "constructor", '"', "\\", "'}]", "é🗼", "\n"))
    .filter((text) => !/[\ud800-\udfff]/u.test(text));
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      word,
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom(true, false, null),
      fc.array(tie("any"), { maxLength: 3 }),
      tie("object"),
    ),
    object: fc.array(fc.tuple(word, tie("any")), { maxLength: 3 }).map((entries) => Object.fromEntries(entries)),
  }));
  const calls = fc.array(
    fc.record({
      name: fc.constantFrom("get_weather", "clock", "search"),
      arguments: value.object as fc.Arbitrary<Record<string, unknown>>,
    }),
    { minLength: 1, maxLength: most },
  );

  it(`calls that it writes are read again, seed ${SEED}`, () => {
    fc.assert(
      fc.property(calls, fc.boolean(), (made, special) => {
        const plain = JSON.parse(JSON.stringify(made)) as Made;
        const reader = read(dialect, written(template, "", plain), special);
        expect(reader.warnings).toEqual([]);
        expect(JSON.stringify(reader.toolCalls.map(({ name, arguments: given }) => ({ name, arguments: given })))).toBe(
          JSON.stringify(plain),
        );
        if (special || dialect.name !== "json") expect([reader.text, reader.endsInCall]).toEqual(["", true]);
      }),
      { numRuns: 150, seed: SEED },
    );
  });

  it("takes the deepest arguments that are read", () => {
    const deep = JSON.parse(`${'{"a":'.repeat(MOST_DEPTH - 1)}{}${"}".repeat(MOST_DEPTH - 1)}`);
    const { toolCalls, warnings } = read(dialect, written(template, "", [{ name: "clock", arguments: deep }]), true);
    expect([toolCalls[0]?.arguments, warnings]).toEqual([deep, []]);
  });

  it("words before a call are text", () => {
    // Those that print either words or calls print calls.
    const expected = ["llama4", "chatml-tools"].includes(name) ? "Let me see." : "";
    const { text, toolCalls } = read(
      dialect,
      written(template, "Let me see.", [{ name: "clock", arguments: {} }]),
      true,
    );
    expect([text, toolCalls.length]).toEqual([expected, 1]);
  });
});
