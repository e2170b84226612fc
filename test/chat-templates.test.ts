/** Which of a checkpoint's chat templates is taken, and what is said of options that it never reads. */
import { describe, expect, test } from "vitest";
import type { Checkpoint, MetadataValue } from "../src/checkpoint/checkpoint.ts";
import { tokenizerPairs } from "../src/convert/tokenizer-pairs.ts";
import { ChatTemplate, openChatTemplates } from "../src/tokenizer/chat.ts";
import { checkpoint, folder, fresh, refusal, tokenizer } from "./storyteller.ts";

const messages = [{ role: "user", content: "hi" }];
const tools = [{ name: "now" }];
const list = [
  { name: "tool_use", template: "tools {{ tools | length }}" },
  { name: "rag", template: "rag" },
  { name: "default", template: "plain" },
];
const json = (files: Record<string, unknown>): Partial<Checkpoint> => ({ json: new Map(Object.entries(files)) });
const config = json({ "tokenizer_config.json": { chat_template: list } });
const files: Partial<Checkpoint> = {
  chatTemplate: "plain",
  namedTemplates: new Map([
    ["tool_use", "tools {{ tools | length }}"],
    ["rag", "rag"],
  ]),
};
const pairs = new Map<string, MetadataValue>([
  ["tokenizer.chat_template", "plain"],
  ["tokenizer.chat_template.tool_use", "tools {{ tools | length }}"],
  ["tokenizer.chat_template.rag", "rag"],
  ["tokenizer.chat_templates", ["tool_use", "rag"]],
]);

function render(parts: Partial<Checkpoint>, options: { tools?: unknown[]; template?: string } = {}): string {
  return openChatTemplates(checkpoint(parts))!.choose(options).render(messages, options);
}

describe.each<[string, Partial<Checkpoint>]>([
  ["a list in tokenizer_config.json", config],
  ["additional_chat_templates", files],
  ["GGUF", { format: "gguf", metadata: pairs }],
])("several templates: %s", (_, parts) => {
  test("tools take tool_use, chats without take default, a name takes what it names", () => {
    expect(render(parts)).toBe("plain");
    expect(render(parts, { tools })).toBe("tools 1");
    expect(render(parts, { tools: [] })).toBe("plain");
    expect(render(parts, { tools, template: "default" })).toBe("plain");
    expect(render(parts, { template: "rag" })).toBe("rag");
    expect(openChatTemplates(checkpoint(parts))!.names[0]).toBe("default");
  });

  test("an unknown name is refused with those that exist", () => {
    for (const template of ["tool-use", "", "__proto__", 5 as never]) {
      const { code, message } = refusal(() => render(parts, { template }));
      expect(code).toBe("TEMPLATE_NAME");
      for (const name of ["default", "rag", "tool_use"]) expect(message).toContain(name);
    }
  });
});

describe("where several files bring templates", () => {
  test("those of newer versions make the configuration's stale, and only complete it where they have no default", () => {
    expect(render({ ...config, chatTemplate: "file" }, { tools })).toBe("file");
    const further = { ...config, namedTemplates: new Map([["tool_use", "file"]]) };
    expect(render(further, { tools })).toBe("file");
    expect(render(further)).toBe("plain");
  });

  test.each(["chat_template.json", "processor_config.json"])("%s is read where the tokenizer has none", (file) => {
    expect(render(json({ [file]: { chat_template: "seen" } }))).toBe("seen");
    expect(render(json({ [file]: { chat_template: { default: "seen", tool_use: "t" } } }), { tools })).toBe("t");
    const both = { "tokenizer_config.json": { chat_template: "own" }, [file]: { chat_template: "seen" } };
    expect(render(json(both))).toBe("own");
  });

  test("without a default, a chat without tools must name one", () => {
    const parts = { namedTemplates: new Map([["tool_use", "t"]]) };
    expect(render(parts, { tools })).toBe("t");
    expect(refusal(() => render(parts))).toMatchObject({ code: "TEMPLATE_NAME", limit: "one of tool_use" });
  });

  test("what is no template is none", () => {
    for (const given of [5, null, [], {}, [5, null, { name: "default" }, { template: "x" }], { default: 5 }])
      expect(openChatTemplates(checkpoint(json({ "tokenizer_config.json": { chat_template: given } })))).toBeNull();
  });
});

test("an unusable template fails when it is chosen, not before", () => {
  const parts = { ...files, namedTemplates: new Map([["tool_use", "{% if %}"]]) };
  expect(render(parts)).toBe("plain");
  expect(refusal(() => render(parts, { tools })).code).toMatch(/^TPL_/);
});

test("a folder's templates become a GGUF file's, under names that it can hold", () => {
  const from = { ...config, ...json({ ...folder, "tokenizer.json": fresh() }) };
  const parts = { ...from, ...files, namedTemplates: new Map([...files.namedTemplates!, ["a b\u0000", "odd"]]) };
  const metadata = new Map(
    tokenizerPairs(checkpoint(parts), 2048).pairs.map(([key, value]) => [
      key,
      Object.values(value)[0] as MetadataValue,
    ]),
  );
  const back: Partial<Checkpoint> = { format: "gguf", metadata };
  expect([render(back), render(back, { tools }), render(back, { template: "a_b_" })]).toEqual([
    "plain",
    "tools 1",
    "odd",
  ]);
  expect(metadata.get("tokenizer.chat_templates")).toEqual(["tool_use", "rag", "a_b_"]);
});

describe("what a template never reads is a warning", () => {
  const warnings = (source: string, options: object, given: { role: string; [field: string]: unknown }[] = messages) =>
    new ChatTemplate(source).prompt(tokenizer, given, options).warnings;

  test.each<[string, object, string]>([
    ["tools", { tools }, "tools"],
    ["enable_thinking", { variables: { enable_thinking: false } }, "enable_thinking"],
    ["strftime_now", { now: new Date(0) }, "now"],
    ["add_generation_prompt", { addGenerationPrompt: false }, "addGenerationPrompt"],
  ])("%s", (name, options, said) => {
    const told = [expect.stringMatching(new RegExp(`^TPL_UNREAD: .*"${said}"$`))];
    for (const source of [
      "{{ messages[0].content }}",
      `${name} {# ${name} #}{{ '${name}' ~ messages[0].content }}`,
      `{{ messages[0].${name} }}{{ messages[0].content }}`,
      `{{ dict(${name}=1) and messages[0].content }}`,
      `{% set ${name} = 1 %}{{ messages[0].content }}`,
    ]) {
      expect(warnings(source, options), source).toEqual(told);
    }
    for (const source of [
      `{% if ${name} %}{% endif %}{{ messages[0].content }}`,
      `{% if ${name} is defined %}{% endif %}{{ messages[0].content }}`,
      `{% macro f(a) %}{{ ${name} }}{% endmacro %}{{ messages[0].content }}`,
      `{{ dict(a=${name}) and messages[0].content }}`,
    ]) {
      expect(warnings(source, options), source).toEqual([]);
    }
  });

  test("what was not asked for is not missed", () => {
    for (const variables of [{}, undefined, null]) {
      const options = { tools: [], addGenerationPrompt: true, variables };
      expect(warnings("{{ messages[0].content }}", options)).toEqual([]);
    }
  });

  test("calls in messages", () => {
    const called = [...messages, { role: "assistant", content: "", tool_calls: [{ function: { name: "now" } }] }];
    expect(warnings("{{ messages[0].content }}", {}, called)).toEqual([expect.stringMatching(/tool_calls/)]);
    for (const source of ["{{ messages[1].tool_calls }}", "{{ messages[1]['tool_calls'] }}", "{{ messages | tojson }}"])
      expect(warnings(`${source}{{ messages[0].content }}`, {}, called), source).toEqual([]);
    expect(warnings("{{ messages[0].content }}", {})).toEqual([]);
  });
});

describe("marks of a template that are no tokens are text, and said to be", () => {
  test("in the template's own text only, each once", () => {
    const source = "<|user|>{{ messages[0].content }}<|user|>\n<|eot|><|assistant|>";
    const { ids, warnings } = new ChatTemplate(source).prompt(tokenizer, [{ role: "user", content: "<|x|><|eot|>" }]);
    expect(warnings).toEqual([expect.stringMatching(/^TOK_SPECIAL: .*: <\|user\|> <\|assistant\|>$/)]);
    expect(tokenizer.decode(ids, { specialTokens: true })).toBe(
      "<|begin_of_text|><|user|><|x|><|eot|><|user|>\n<|eot|><|assistant|>",
    );
    expect(ids.filter((id) => tokenizer.isSpecial(id))).toEqual([2041, 2046]);
  });

  test("so is a begin or end token by another name", () => {
    const source = "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}";
    const one = (tokens: object) => new ChatTemplate(source, tokens).prompt(tokenizer, messages).warnings;
    expect(one({ bosToken: "<s>", eosToken: "</s>" })).toEqual([expect.stringMatching(/: <s> <\/s>$/)]);
    expect(one({ bosToken: "<|begin_of_text|>", eosToken: "<|eot|>" })).toEqual([]);
  });

  test("two that only the caller's text makes whole are not the template's", () => {
    const { warnings } = new ChatTemplate("<|us{{ messages[0].content }}er|>").prompt(tokenizer, [
      { role: "user", content: "" },
      { role: "user", content: "x" },
    ]);
    expect(warnings).toEqual([expect.stringMatching(/<\|user\|>/)]);
    const split = new ChatTemplate("<|us{{ messages[0].content }}er|>").prompt(tokenizer, [
      { role: "user", content: "_" },
    ]);
    expect(split.warnings).toEqual([]);
  });
});
