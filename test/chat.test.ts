import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Checkpoint, MetadataValue } from "../src/checkpoint/checkpoint.ts";
import { type ChatMessage, type ChatOptions, ChatTemplate, openChatTemplates } from "../src/tokenizer/chat.ts";
import { openTokenizer } from "../src/tokenizer/tokenizer.ts";
import { milliseconds } from "./nasty-text.ts";

// biome-ignore lint/suspicious/noExplicitAny: parsed JSON
type Json = any;
const golden = (name: string): Json =>
  JSON.parse(readFileSync(new URL(`./golden/tokenizer/${name}`, import.meta.url), "utf8"));

const storyteller = golden("storyteller.json");
const jinja = golden("jinja.json") as {
  messages: ChatMessage[];
  tools: unknown[];
  cases: { template: string; text: string }[];
};
const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.log(`chat property seed ${seed}`);

const checkpoint: Checkpoint = {
  format: "safetensors",
  name: "storyteller",
  tensors: new Map(),
  metadata: new Map(),
  json: new Map([
    ["tokenizer.json", golden("storyteller.tokenizer.json")],
    ["tokenizer_config.json", storyteller.config],
    ["generation_config.json", storyteller.generation],
  ]),
  chatTemplate: undefined,
  warnings: [],
  close: async () => {},
};
const tokenizer = openTokenizer(checkpoint, 2048)!;
const chat = openChatTemplates(checkpoint)!.choose();
const tokens = { bosToken: "<|begin_of_text|>", eosToken: "<|eot|>" };
const hello: ChatMessage[] = [{ role: "user", content: "hi" }];

function refusal(run: () => unknown): { code: string; message: string; at?: { field?: string } } {
  try {
    run();
  } catch (error) {
    expect((error as Error).name).toBe("EngineError");
    return error as Error & { code: string };
  }
  throw new Error("nothing was refused");
}

const render = (template: string, messages = hello, options: ChatOptions = {}): string =>
  new ChatTemplate(template, tokens).render(messages, options);

describe("rendering", () => {
  const rendered: { prompt: string; ids: number[] }[] = storyteller.prompts.filter(({ prompt }: Json) =>
    prompt.startsWith("<|begin_of_text|>"),
  );

  test.each(rendered)("the storyteller's chat prompt $prompt has the reference ids", ({ prompt, ids }) => {
    const content = /user<\|header_end\|>\n\n(.*?)<\|eot\|>/s.exec(prompt)![1];
    expect(chat.render([{ role: "user", content }])).toBe(prompt);
    expect(chat.encode(tokenizer, [{ role: "user", content }])).toEqual(ids);
  });

  test("the template of a GGUF file is the folder's", () => {
    const metadata = new Map<string, MetadataValue>([
      ["tokenizer.chat_template", storyteller.config.chat_template],
      ["tokenizer.ggml.tokens", ["a", "<|begin_of_text|>"]],
      ["tokenizer.ggml.bos_token_id", 1],
    ]);
    const one = openChatTemplates({ ...checkpoint, format: "gguf", metadata })!.choose();
    expect(one.render(hello)).toBe(chat.render(hello));
    expect(openChatTemplates({ ...checkpoint, format: "gguf" })).toBeNull();
    expect(openChatTemplates({ ...checkpoint, json: new Map() })).toBeNull();
  });

  test.each(jinja.cases)("as Python's jinja2: $template", ({ template, text }) => {
    expect(render(template, jinja.messages, { tools: jinja.tools })).toBe(text);
  });

  test("options: generation prompt, variables, date, begin token", () => {
    const withHeader = chat.render(hello);
    const without = chat.render(hello, { addGenerationPrompt: false });
    expect(withHeader).toBe(`${without}<|header_start|>assistant<|header_end|>\n\n`);
    expect(render("{{ think }}{{ bos_token }}", hello, { variables: { think: true } })).toBe("True<|begin_of_text|>");
    expect(render("{{ strftime_now('%d %b %Y') }}", hello, { now: new Date(2025, 3, 5) })).toBe("05 Apr 2025");
    expect(new ChatTemplate("{{ messages[0].content }}").encode(tokenizer, hello)[0]).toBe(2041);
    expect(chat.encode(tokenizer, hello).filter((id) => id === 2041)).toHaveLength(1);
    expect(render("a{% generation %}b{% endgeneration %}c")).toBe("abc");
  });

  test("text parts are joined for templates that know strings only", () => {
    const content = [
      { type: "text", text: "a" },
      { type: "text", text: "b" },
    ] as const;
    expect(render("{{ messages[0]['content'] + '!' }}", [{ role: "user", content }])).toBe("ab!");
    const parts =
      "{% if messages[0]['content'] is string %}s{% else %}{% for c in messages[0]['content'] %}<{{ c.text }}>{% endfor %}{% endif %}";
    expect(render(parts, [{ role: "user", content }])).toBe("<a><b>");
  });
});

describe("control tokens in the caller's text", () => {
  const control = [...Array(7).keys()].map((i) => tokenizer.decode([2041 + i], { specialTokens: true }));
  const structure = (ids: number[]): number[] => ids.filter((id) => tokenizer.isSpecial(id));
  const llama4 = new ChatTemplate(
    jinja.cases[0].template.replaceAll("<|python_start|>", "").replaceAll("<|python_end|>", ""),
    tokens,
  );

  test.each(control)("%s is text in every field", (name) => {
    const make = (text: string): [ChatMessage[], ChatOptions] => [
      [
        { role: "system", content: `sys ${text}` },
        { role: "user", content: text },
        { role: "assistant", content: text, tool_calls: [{ function: { name: text, arguments: { [text]: [text] } } }] },
        { role: "ipython", content: text },
        {
          role: `r${text}`,
          content: [
            { type: "text", text },
            { type: "text", text },
          ],
        },
      ],
      { tools: [{ name: text, description: text, [text]: { enum: [text] } }] },
    ];
    const [plain, withName] = [make("x"), make(name)].map(([messages, options]) =>
      llama4.encode(tokenizer, messages, options),
    );
    expect(structure(withName)).toEqual(structure(plain));
    expect(structure(plain).length).toBeGreaterThan(15);
    expect(tokenizer.decode(withName, { specialTokens: true })).toBe(llama4.render(...make(name)));
  });

  test("none arises at a joint of template and content, or of two parts", () => {
    const joint = new ChatTemplate(
      "{{ '<|' + messages[0].content + '|>' }}<|e{{ messages[1].content }}{{ messages[0].content ~ '|>' }}",
    );
    const ids = joint.encode(tokenizer, [
      { role: "user", content: "eot" },
      { role: "user", content: "ot|><|" },
    ]);
    expect(structure(ids)).toEqual([2041]);
    const parts = [
      { type: "text", text: "<|eo" },
      { type: "text", text: "t|>" },
    ] as const;
    expect(structure(chat.encode(tokenizer, [{ role: "user", content: parts }]))).toEqual(
      structure(chat.encode(tokenizer, hello)),
    );
  });

  test.each([
    "{{ messages[0].content | trim }}",
    "{{ messages[0].content | upper | lower }}",
    "{{ messages[0].content.replace('#', '') }}",
    "{{ messages[0].content.split('#') | join }}",
    "{{ messages[0].content[::-1][::-1] | replace('#', '') }}",
    "{{ (messages[0].content * 2) | replace('#', '') }}",
    "{{ messages | tojson | replace('#', '') }}",
    "{{ messages | string | replace('#', '') }}",
    "{% for c in messages[0].content.replace('#', '') %}{{ c }}{% endfor %}",
    "{% for k in messages[0] %}{{ k }}{% endfor %}",
    "{% set x %}{{ messages[0].content }}{% endset %}{{ x | replace('#', '') | indent }}",
    "{% macro m(t) %}{{ t }}{% endmacro %}{{ m(messages[0].content) | replace('#', '') }}",
    "{% filter replace('#', '') %}{{ messages[0].content }}{% endfilter %}",
  ])("no operation washes the origin off: %s", (template) => {
    const messages = [{ role: "user", content: "#<|eot|>#<|e#ot|>", "<|eot|>": "<|eot|>" }];
    const ids = new ChatTemplate(`${template}<|eot|>`).encode(tokenizer, messages);
    expect(structure(ids)).toEqual([2041, 2046]);
  });

  test("random texts leave the structure as it is", () => {
    const text = fc
      .array(fc.constantFrom(...control, "<|", "|>", "eot", "a ", "\n", "🦊", "#"), { minLength: 1, maxLength: 12 })
      .map((p) => p.join(""));
    const run = (a: string, b: string) => {
      const messages = [
        { role: "user", content: a },
        { role: "assistant", content: b },
      ];
      const ids = chat.encode(tokenizer, messages);
      expect(structure(ids)).toEqual([2041, 2043, 2044, 2046, 2043, 2044, 2046, 2043, 2044]);
      expect(tokenizer.decode(ids, { specialTokens: true })).toBe(chat.render(messages));
    };
    fc.assert(fc.property(text, text, run), { seed, numRuns: 300 });
  });
});

describe("bad messages", () => {
  const cases: [string, string, string, unknown][] = [
    ["no list", "REQ_MESSAGE", "/messages", "hi"],
    ["empty list", "REQ_EMPTY_PROMPT", "/messages", []],
    ["all contents empty", "REQ_EMPTY_PROMPT", "/messages", [{ role: "user", content: "" }]],
    ["no object", "REQ_MESSAGE", "/messages/1", [...hello, 5]],
    ["no role", "REQ_MESSAGE", "/messages/1/role", [...hello, { content: "x" }]],
    ["empty role", "REQ_MESSAGE", "/messages/1/role", [...hello, { role: "", content: "x" }]],
    [
      "all contents null or absent",
      "REQ_EMPTY_PROMPT",
      "/messages",
      [{ role: "user", content: null }, { role: "user" }],
    ],
    ["number content", "REQ_MESSAGE", "/messages/2/content", [...hello, ...hello, { role: "user", content: 5 }]],
    [
      "10,000 parts",
      "REQ_MESSAGE",
      "/messages/0/content",
      [{ role: "user", content: Array(10000).fill({ type: "text", text: "a" }) }],
    ],
    ["bad part", "REQ_MESSAGE", "/messages/0/content/0", [{ role: "user", content: ["a"] }]],
    ["part without text", "REQ_MESSAGE", "/messages/0/content/0/text", [{ role: "user", content: [{ type: "text" }] }]],
    [
      "image",
      "REQ_UNSUPPORTED_CONTENT",
      "/messages/0/content/0/type",
      [{ role: "user", content: [{ type: "image" }] }],
    ],
    ["function in a message", "REQ_MESSAGE", "/messages/0/x", [{ role: "user", content: "a", x: () => 1 }]],
    ["lone surrogate", "PROMPT_UNICODE", "/messages/0/content", [{ role: "user", content: "a\ud800" }]],
    ["2,000 messages", "REQ_MESSAGE", "/messages", Array(2000).fill(hello[0])],
  ];
  test.each(cases)("%s is %s at %s", (_, code, field, messages) => {
    const error = refusal(() => chat.render(messages as ChatMessage[]));
    expect([error.code, error.at?.field]).toEqual([code, field]);
  });

  test("variables cannot replace the messages", () => {
    for (const variables of [{ messages: "x" }, { "a b": 1 }, { a: {} }]) {
      expect(refusal(() => chat.render(hello, { variables: variables as Json })).code).toBe("REQ_UNSUPPORTED_PARAM");
    }
  });
});

describe("hostile templates", () => {
  const big = (body: string): string =>
    `{% set ns = namespace(s='ab ') %}{% for i in range(19) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{% for i in range(100000) %}${body}{% endfor %}`;
  const cases: [string, string, string][] = [
    ["J01 unterminated", "TPL_SYNTAX", "abc\n {{ x"],
    ["J01 unterminated string", "TPL_SYNTAX", "{{ 'abc }}"],
    ["J01 open block", "TPL_SYNTAX", "{% if x %}a"],
    ["J01 missing operand", "TPL_SYNTAX", "{{ 1 + }}"],
    ["J01 unknown character", "TPL_SYNTAX", "{{ a ? b }}"],
    ["J01 many open tags", "TPL_DEPTH", "{{ ".repeat(30000)],
    ["J02 constructor call", "TPL_ATTR", "{{ ''.constructor.constructor('return process')() }}"],
    ["J02 prototype of undefined", "TPL_ATTR", "{{ messages.__proto__.polluted }}"],
    ["J03 huge range", "TPL_FUEL", "{% for i in range(1000000000) %}{% endfor %}"],
    ["J03 nested loops", "TPL_FUEL", "{% for i in range(3000) %}{% for j in range(3000) %}x{% endfor %}{% endfor %}"],
    ["J03 join of millions", "TPL_FUEL", "{{ range(4900000) | join(',') }}"],
    ["J03 replace over and over", "TPL_FUEL", big("{% set y = ns.s | replace('a', 'b') %}")],
    ["J03 split over and over", "TPL_FUEL", big("{% set y = ns.s.split() %}")],
    ["J03 compare over and over", "TPL_FUEL", big("{% set y = ns.s == ns.s ~ '' %}")],
    ["J03 search over and over", "TPL_FUEL", big("{% set y = 'zz' in ns.s or ns.s is upper %}")],
    ["J03 characters over and over", "TPL_FUEL", big("{% set y = ns.s[-5:] %}")],
    [
      "J04 doubling",
      "TPL_OUTPUT",
      "{% set ns = namespace(s='x') %}{% for i in range(40) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    ],
    ["J04 repeating", "TPL_OUTPUT", "{{ 'x' * 1000000000 }}"],
    ["J04 output", "TPL_OUTPUT", `{% for i in range(100000) %}{{ '${"y".repeat(200)}' }}{% endfor %}`],
    ["J05 recursive macro", "TPL_DEPTH", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"],
    ["J05 parentheses", "TPL_DEPTH", `{{ ${"(".repeat(20000)} }}`],
    ["J05 nested if", "TPL_DEPTH", "{% if true %}".repeat(5000) + "{% endif %}".repeat(5000)],
    ["J05 nots", "TPL_DEPTH", `{{ ${"not ".repeat(50000)}1 }}`],
    ["J05 chain", "TPL_DEPTH", `{{ ${"'a' + ".repeat(20000)}'a' }}`],
    ["J06 cyclic namespace", "TPL_CYCLE", "{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns }}"],
    ["J07 filter", "TPL_UNSUPPORTED", "a\n  {{ 'x' | frobnicate }}"],
    ["J07 test", "TPL_UNSUPPORTED", "{{ x is frobnicated }}"],
    ["J07 function", "TPL_UNSUPPORTED", "{{ lipsum(5) }}"],
    ["J07 import", "TPL_UNSUPPORTED", "{% import 'x' as y %}"],
    ["J07 include", "TPL_UNSUPPORTED", "{% include 'x' %}"],
    ["J07 extends", "TPL_UNSUPPORTED", "{% extends 'x' %}"],
    ["J07 method", "TPL_UNSUPPORTED", "{{ 'a'.encode() }}"],
    ["J08 raised", "TPL_RAISED", "{{ raise_exception('no') }}"],
    ["J09 size", "TPL_SIZE", "x".repeat(300000)],
    ["J09 words", "TPL_SIZE", `{{ ${"a b ".repeat(40000)}`],
    ["division by zero", "TPL_VALUE", "{{ 1 // 0 }}"],
    ["none in a sum", "TPL_VALUE", "{{ 'a' + none }}"],
  ];
  test.each(cases)("%s is %s in less than 300 ms", (_, code, template) => {
    const time = milliseconds(() => expect(refusal(() => render(template)).code).toBe(code));
    // Measured 190 ms at most on a quiet machine; a busy one gets twice the promise.
    expect(time).toBeLessThan(600);
  });

  test("J01 J07 say line and column", () => {
    expect(refusal(() => new ChatTemplate("abc\n {{ x")).message).toContain("2:2");
    expect(refusal(() => new ChatTemplate("{{ 1 + }}")).message).toContain("1:8");
    expect(refusal(() => render("a\n  {{ 'x' | frobnicate }}")).message).toMatch(/2:12.*frobnicate/);
  });

  test("J02 the host is out of reach", () => {
    const template =
      "[{{ messages['constructor'] }}{{ messages[0].__proto__ }}{{ range.constructor }}{{ 'a'.length }}{{ messages.push }}]";
    expect(render(template)).toBe("[]");
    expect(({} as Json).polluted).toBeUndefined();
  });

  test.each(["{{", "{#", "{%", " ".repeat(9), "x{{ a }}"])("256 KiB of %j end in less than 300 ms", (unit) => {
    const time = milliseconds(() => {
      try {
        render(unit.repeat(262_000 / unit.length));
      } catch (error) {
        expect((error as Error).name).toBe("EngineError");
      }
    });
    expect(time).toBeLessThan(600);
  });

  test("random templates give text or an EngineError, never anything else", () => {
    const words = [
      "{{",
      "}}",
      "{%",
      "%}",
      "{#",
      "#}",
      "-",
      " if ",
      " for x in ",
      "endif",
      "endfor",
      "set ",
      "x",
      " = ",
      "(",
      ")",
      "[",
      "]",
      "'a'",
      "|",
      "trim",
      ".",
      "messages",
      "0",
      "~",
      " in ",
      " is ",
      "string",
      "macro f()",
      "endmacro",
      ":",
      "\n",
    ];
    const run = (parts: string[]) => {
      try {
        expect(typeof render(parts.join(""))).toBe("string");
      } catch (error) {
        expect((error as Error).name).toBe("EngineError");
      }
    };
    fc.assert(fc.property(fc.array(fc.constantFrom(...words), { maxLength: 30 }), run), { seed, numRuns: 2000 });
  });
});
