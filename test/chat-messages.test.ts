/** What a template sees of messages and tools: content that is null or absent, arguments that are JSON text, forms of tools. */
import { describe, expect, test } from "vitest";
import { type ChatMessage, ChatTemplate } from "../src/tokenizer/chat.ts";

const render = (source: string, messages: unknown[], tools?: unknown[]): string =>
  new ChatTemplate(source).render(messages as ChatMessage[], { tools });
const hello = { role: "user", content: "hi" };

describe("content", () => {
  const call = { tool_calls: [{ type: "function", function: { name: "f", arguments: {} } }] };
  const messages = [
    { role: "assistant", content: null, ...call },
    { role: "assistant", ...call },
    { role: "assistant", content: "", ...call },
  ];
  const each = (body: string): string => render(`{% for m in messages %}${body};{% endfor %}`, messages);

  test("null, absent and empty stay apart when a template asks", () => {
    expect(each("{{ m.content is none }}")).toBe("True;False;False;");
    expect(each("{{ m.content is defined }}{{ 'content' in m }}")).toBe("TrueTrue;FalseFalse;TrueTrue;");
    expect(each("{{ m.content is string }}{{ m.content == '' }}{{ m.content == none }}")).toBe(
      "FalseFalseTrue;FalseFalseFalse;TrueTrueFalse;",
    );
    expect(each("{{ m.get('content') is none }}{{ m['content'] is undefined }}")).toBe(
      "TrueFalse;TrueTrue;FalseFalse;",
    );
    expect(each("{{ m.content | default('d') is none }}{{ 'y' if m.content else 'n' }}")).toBe("Truen;Falsen;Falsen;");
  });

  test("a tool call is printed where the template looks for content that is none", () => {
    const source =
      "{% for m in messages %}{% if m.content is none %}{{ m.tool_calls[0].function.name }}{% endif %}{% endfor %}";
    expect(render(source, messages.slice(0, 1))).toBe("f");
  });

  test.each([
    "[{{ m.content }}]",
    "[{{ m.content ~ '' }}]",
    "[{{ m.content + '' }}{{ '' + m.content }}]",
    "[{{ m.content | trim }}{{ m['content'] | upper }}]",
    "[{{ m.content.strip() }}{{ m.content.split('x')[0] }}]",
    "[{% for c in m.content %}{{ c }}{% endfor %}]",
    "[{{ 'yes' if 'x' in m.content }}]",
    "[{{ m.content[1:] }}{{ m.content | replace('a', 'b') }}{{ '%s' % m.content }}{{ '{}'.format(m.content) }}]",
    "[{% set c = m.content %}{{ c }}{{ c | join }}{{ [c, c] | join }}]",
    "[{{ m.content | length or '' }}]",
  ])("in use it is empty text: %s", (body) => {
    expect(each(body)).toBe("[];[];[];");
  });

  test("None is printed as Python prints it where it is no content", () => {
    expect(each("{{ none }}{{ m.missing is none }}")).toBe("NoneFalse;NoneFalse;NoneFalse;");
    expect(each("{{ m.content | tojson }}")).toBe('null;"";"";');
    expect(render("{{ messages[0] }}", [{ role: "assistant", content: null, tool_calls: [1] }])).toBe(
      "{'role': 'assistant', 'content': None, 'tool_calls': [1]}",
    );
  });

  test("a message of neither content nor calls is empty; none but such is an empty prompt", () => {
    expect(render("{% for m in messages %}<{{ m.content }}>{% endfor %}", [{ role: "assistant" }, hello])).toBe(
      "<><hi>",
    );
    expect(() => render("x", [{ role: "user", content: null }, { role: "user" }])).toThrow("REQ_EMPTY_PROMPT");
  });
});

describe("arguments that are JSON text", () => {
  const text = '{"city":"Z\\u00fcrich","n":9007199254740993,"f":1.0}';
  const asked = (args: unknown) => [
    hello,
    { role: "assistant", tool_calls: [{ function: { name: "f", arguments: args } }] },
  ];
  const body = (source: string, args: unknown = text): string =>
    render(`{% set a = messages[1].tool_calls[0].function.arguments %}${source}`, asked(args));

  test("are printed as they came, and encoded once", () => {
    expect(body("{{ a }}{{ a is string }}")).toBe(`${text}True`);
    const once = '{"city": "Zürich", "n": 9007199254740993, "f": 1.0}';
    expect(body("{{ a | tojson }}")).toBe(once);
    expect(body("{{ {'arguments': a} | tojson }}")).toBe(`{"arguments": ${once}}`);
    expect(body("{{ messages[1].tool_calls | tojson }}")).toBe(`[{"function": {"name": "f", "arguments": ${once}}}]`);
  });

  test("are a mapping where a template wants one", () => {
    expect(body("{% for k, v in a.items() %}{{ k }}={{ v }};{% endfor %}")).toBe(
      "city=Zürich;n=9007199254740993;f=1.0;",
    );
    expect(body("{% for k, v in a | items %}{{ k }};{% endfor %}{% for k in a %}{{ k }}{% endfor %}")).toBe(
      "city;n;f;citynf",
    );
    expect(
      body("{{ a.city }}{{ a['n'] }}{{ 'city' in a }}{{ a.get('x', 1) }}{{ a | length }}{{ a | dictsort | length }}"),
    ).toBe("Zürich9007199254740993True133");
  });

  test.each(["", "no json", "{", '{"a":}', "[1]", "3", '"x"', `${'{"a":'.repeat(200)}1${"}".repeat(200)}`])(
    "what is no JSON object is text: %j",
    (args) => {
      expect(body("{{ a }}|{{ a | tojson }}", args)).toBe(`${args}|${JSON.stringify(args)}`);
    },
  );

  test("given as an object they are an object", () => {
    expect(body("{{ a is mapping }}{{ a | tojson }}", { b: 1 })).toBe('True{"b": 1}');
  });
});

describe("tools", () => {
  const shown = (tool: unknown): string => render("{{ tools[0] | tojson }}", [hello], [tool]);
  const wrapped = '{"type": "function", "function": {"name": "f", "parameters": {}}}';

  test("bare functions are wrapped, as templates expect them; other objects pass", () => {
    expect(shown({ name: "f", parameters: {} })).toBe(wrapped);
    expect(shown({ type: "function", name: "f", parameters: {} })).toBe(wrapped);
    expect(shown({ type: "function", function: { name: "f", parameters: {} } })).toBe(wrapped);
    expect(shown({ type: "code_interpreter" })).toBe('{"type": "code_interpreter"}');
  });

  test("what is no object is refused with its place", () => {
    expect(() => render("x", [hello], ["f"])).toThrow("/tools/0");
  });
});
