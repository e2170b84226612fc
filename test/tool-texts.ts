/** Answers as models write them, in every dialect, and what is in them. */
import type { ToolFormat } from "../src/tools/dialect.ts";

export interface ToolText {
  readonly format: ToolFormat;
  readonly name: string;
  /** Control tokens stand as they are spelled; `spans` tells where. */
  readonly answer: string;
  readonly text?: string;
  readonly calls?: readonly (readonly [string, Record<string, unknown>])[];
  /** Of each warning. */
  readonly warnings?: readonly RegExp[];
}

export const OFFERED = ["f", "g", "get_weather", "home.set-light"];

const own = (json: string) => JSON.parse(json) as Record<string, unknown>;
const nested = { a: { b: [1, -2.5e3, true, null, { c: "d" }], "": {} }, e: [] };
const written = '{"a": {"b": [1, -2.5e3, true, null, {"c": "d"}], "": {}}, "e": []}';
const odd = { s: 'quote " back \\ slash / é 市 🗼\n\t</tool_call>}]"', "k\n": "" };
const deep = (levels: number) => `${'{"a":'.repeat(levels - 1)}{}${"}".repeat(levels - 1)}`;
const call = (name: string, json: string, key = "arguments") => `{"name": "${name}", "${key}": ${json}}`;
const hermes = (...bodies: string[]) => bodies.map((body) => `<tool_call>\n${body}\n</tool_call>`).join("\n");
const parameters = (name: string, json: string) => call(name, json, "parameters");

const well: ToolText[] = [
  { format: "json", name: "one", answer: parameters("f", '{"a": 1}'), calls: [["f", { a: 1 }]] },
  { format: "json", name: "behind python_tag", answer: `<|python_tag|>${parameters("g", "{}")}`, calls: [["g", {}]] },
  {
    format: "json",
    name: "with a type, arguments first",
    answer: '{"type": "function", "parameters": {"a": 1}, "name": "f"}',
    calls: [["f", { a: 1 }]],
  },
  {
    format: "json",
    name: "two with a semicolon",
    answer: `${parameters("f", '{"a": 1}')}; ${parameters("g", "{}")}`,
    calls: [
      ["f", { a: 1 }],
      ["g", {}],
    ],
  },
  {
    format: "json",
    name: "two side by side, words before",
    answer: `<|python_start|>Let me see.<|python_end|>${parameters("f", written)}${parameters("g", "{}")}`,
    text: "Let me see.",
    calls: [
      ["f", nested],
      ["g", {}],
    ],
  },
  {
    format: "json",
    name: "a list",
    answer: `[${parameters("f", "{}")}, ${parameters("g", "{}")}]\n`,
    calls: [
      ["f", {}],
      ["g", {}],
    ],
  },
  { format: "json", name: "escapes and unicode", answer: parameters("f", JSON.stringify(odd)), calls: [["f", odd]] },
  {
    format: "json",
    name: "escaped pairs",
    answer: parameters("f", '{"a": "\\ud83d\\uDE00\\u00e9"}'),
    calls: [["f", { a: "😀é" }]],
  },
  {
    format: "json",
    name: "keys of prototypes",
    answer: parameters("f", '{"__proto__": {"x": 1}, "constructor": 2, "toString": 3}'),
    calls: [["f", own('{"__proto__": {"x": 1}, "constructor": 2, "toString": 3}')]],
  },
  {
    format: "json",
    name: "words behind",
    answer: `${parameters("f", "{}")}\n\nDone; so.`,
    text: "\n\nDone; so.",
    calls: [["f", {}]],
  },
  {
    format: "json",
    name: "a semicolon that parts nothing",
    answer: `${parameters("f", "{}")}; done`,
    text: "; done",
    calls: [["f", {}]],
  },
  { format: "json", name: "48 levels", answer: parameters("f", deep(48)), calls: [["f", own(deep(48))]] },
  {
    format: "json",
    name: "a name with a point",
    answer: parameters("home.set-light", "{}"),
    calls: [["home.set-light", {}]],
  },
  { format: "pythonic", name: "one", answer: '[f(a=1, b="x")]', calls: [["f", { a: 1, b: "x" }]] },
  {
    format: "pythonic",
    name: "two, marked",
    answer: "<|python_start|>[ get_weather( city = 'Zürich' ), g() ]<|python_end|>",
    calls: [
      ["get_weather", { city: "Zürich" }],
      ["g", {}],
    ],
  },
  {
    format: "pythonic",
    name: "nested",
    answer: "[f(a={'b': [1, -2.5e3, True, None, {'c': 'd'}], '': {}}, e=[])]",
    calls: [["f", nested]],
  },
  {
    format: "pythonic",
    name: "numbers",
    answer: "[f(a=1., b=.5, c=-0, d=+7, e=1_000, g=-1E-2, h=0.0)]",
    calls: [["f", { a: 1, b: 0.5, c: -0, d: 7, e: 1000, g: -0.01, h: 0 }]],
  },
  {
    format: "pythonic",
    name: "strings",
    answer: `[f(a='it\\'s', b="\\x41\\u00e9\\U0001F600\\101\\q\\n", c='', d="""two\n"lines" """, e='🗼', g="\\ud83d\\ude00")]`,
    calls: [["f", { a: "it's", b: "Aé😀A\\q\n", c: "", d: 'two\n"lines" ', e: "🗼", g: "😀" }]],
  },
  {
    format: "pythonic",
    name: "tuples and commas",
    answer: "[f(a=(1, 2), b=(1,), c=(), d=(1), e=[1, 2,], g={'x': 1,}, h=((1,),),)]",
    calls: [["f", { a: [1, 2], b: [1], c: [], d: 1, e: [1, 2], g: { x: 1 }, h: [[1]] }]],
  },
  {
    format: "pythonic",
    name: "keys of prototypes",
    answer: "[f(__proto__={'__proto__': 1}, constructor=2)]",
    calls: [["f", own('{"__proto__": {"__proto__": 1}, "constructor": 2}')]],
  },
  {
    format: "pythonic",
    name: "words behind",
    answer: "[g()]\nThat is all.",
    text: "\nThat is all.",
    calls: [["g", {}]],
  },
  { format: "hermes", name: "one", answer: hermes(call("f", '{"a": 1}')), calls: [["f", { a: 1 }]] },
  {
    format: "hermes",
    name: "several, words before and between",
    answer: `I look. \n${hermes(call("f", written))} and ${hermes(call("g", "{}"), call("f", "{}"))}\n`,
    text: "I look. and",
    calls: [
      ["f", nested],
      ["g", {}],
      ["f", {}],
    ],
  },
  {
    format: "hermes",
    name: "no space at all, arguments first",
    answer: '<tool_call>{"arguments":{"a":"</tool_call>"},"name":"f"}</tool_call>',
    calls: [["f", { a: "</tool_call>" }]],
  },
  {
    format: "hermes",
    name: "two in one",
    answer: hermes(`${call("f", "{}")}\n${call("g", "{}")}`),
    calls: [
      ["f", {}],
      ["g", {}],
    ],
  },
  {
    format: "hermes",
    name: "a list in one",
    answer: hermes(`[${call("f", "{}")}, ${call("g", "{}")}]`),
    calls: [
      ["f", {}],
      ["g", {}],
    ],
  },
  { format: "hermes", name: "the end is missing", answer: `<tool_call>${call("f", "{}")}</tool`, calls: [["f", {}]] },
  {
    format: "hermes",
    name: "escapes and unicode",
    answer: hermes(call("f", JSON.stringify(odd))),
    calls: [["f", odd]],
  },
  {
    format: "mistral",
    name: "a list",
    answer: `[TOOL_CALLS] [${call("f", '{"a": 1}')}, {"name": "g", "arguments": {}, "id": "abcdef123"}]`,
    calls: [
      ["f", { a: 1 }],
      ["g", {}],
    ],
  },
  {
    format: "mistral",
    name: "the bracket is missing, words before",
    answer: `Hm. [TOOL_CALLS][${call("f", written)}`,
    text: "Hm.",
    calls: [["f", nested]],
  },
  {
    format: "mistral",
    name: "by name",
    answer: `[TOOL_CALLS]f[ARGS]${written}[TOOL_CALLS]g[CALL_ID]abcdef123[ARGS]{}`,
    calls: [
      ["f", nested],
      ["g", {}],
    ],
  },
  {
    format: "mistral",
    name: "by name, escapes and unicode",
    answer: `[TOOL_CALLS]home.set-light[ARGS] ${JSON.stringify(odd)}`,
    calls: [["home.set-light", odd]],
  },
];

/** Nothing is found, or only some of it: the rest is text, to the unit. */
const broken: ToolText[] = [
  ...[
    "",
    " ",
    "Hello there.\n",
    "{",
    "[",
    '{"a": 1}',
    "[1, 2]",
    "[docs](http://x)",
    "<tool",
    "<",
    "a <tool_calls>",
    "[TOOL]",
    "{}",
    "[]",
    '{"name',
    "; {",
    "<|python",
  ].flatMap((answer) =>
    (["json", "pythonic", "hermes", "mistral"] as const).map((format) => ({
      format,
      name: `no call: ${JSON.stringify(answer)}`,
      answer,
    })),
  ),
  { format: "json", name: "JSON within a text", answer: `As in ${parameters("f", "{}")}` },
  {
    format: "json",
    name: "a tool that was not offered",
    answer: parameters("h", "{}"),
    warnings: [/no tool is named "h"/],
  },
  {
    format: "json",
    name: "a tool of a prototype's name",
    answer: parameters("constructor", "{}"),
    warnings: [/no tool/],
  },
  {
    format: "json",
    name: "an end within it",
    answer: '{"name": "f", "parameters": {"a": "b',
    warnings: [/ends within it/],
  },
  { format: "json", name: "no arguments", answer: '{"name": "f"}', warnings: [/lacks/] },
  {
    format: "json",
    name: "a key of another kind",
    answer: '{"name": "f", "age": 3}',
    warnings: [/"g" stands|"a" stands/],
  },
  {
    format: "json",
    name: "two names",
    answer: '{"name": "f", "name": "g", "parameters": {}}',
    warnings: [/two of name/],
  },
  { format: "json", name: "49 levels", answer: parameters("f", deep(49)), warnings: [/deeper than 48/] },
  {
    format: "json",
    name: "20,000 levels",
    answer: parameters("f", '{"a": '.repeat(20_000)),
    warnings: [/deeper than 48/],
  },
  { format: "json", name: "half a pair", answer: parameters("f", '{"a": "\\ud83d"}'), warnings: [/surrogate/] },
  { format: "json", name: "a number without end", answer: parameters("f", '{"a": 1e999}'), warnings: [/no number/] },
  { format: "json", name: "a trailing comma", answer: parameters("f", '{"a": 1,}'), warnings: [/stands where/] },
  { format: "json", name: "single quotes", answer: parameters("f", "{'a': 1}"), warnings: [/stands where/] },
  {
    format: "json",
    name: "a line within a string",
    answer: parameters("f", '{"a": "b\nc"}'),
    warnings: [/stands where/],
  },
  {
    format: "json",
    name: "arguments that are text",
    answer: parameters("f", '"{}"'),
    warnings: [/object of arguments/],
  },
  {
    format: "json",
    name: "one broken behind one whole",
    answer: `${parameters("f", "{}")}; ${parameters("f", "{]}")}`,
    text: `; ${parameters("f", "{]}")}`,
    calls: [["f", {}]],
    warnings: [/stands where/],
  },
  { format: "pythonic", name: "arguments without names", answer: "[f(1)]", warnings: [/stands where =|no name/] },
  { format: "pythonic", name: "a sum", answer: "[f(a=1+1)]", warnings: [/no number/] },
  { format: "pythonic", name: "a call within", answer: "[f(a=g())]", warnings: [/stands where/] },
  { format: "pythonic", name: "not offered", answer: "[h(a=1)]", warnings: [/no tool is named "h"/] },
  { format: "pythonic", name: "twice the same name", answer: "[f(a=1, a=2)]", warnings: [/two of a/] },
  { format: "pythonic", name: "Python", answer: "<|python_start|>print(1)<|python_end|>", text: "print(1)" },
  {
    format: "pythonic",
    name: "the second is broken",
    answer: "[g(), f(a=]",
    text: ", f(a=]",
    calls: [["g", {}]],
    warnings: [/stands where/],
  },
  { format: "pythonic", name: "20,000 levels", answer: `[f(a=${"[".repeat(20_000)}`, warnings: [/deeper than 48/] },
  { format: "hermes", name: "no JSON", answer: "<tool_call>f(1)</tool_call>!", warnings: [/stands where/] },
  {
    format: "hermes",
    name: "words behind the object",
    answer: `<tool_call>${call("f", "{}")} so</tool_call>`,
    warnings: [/stands where/],
  },
  {
    format: "hermes",
    name: "a whole one behind a broken one",
    answer: `<tool_call>{"name": ${hermes(call("g", "{}"))}`,
    text: '<tool_call>{"name": ',
    calls: [["g", {}]],
    warnings: [/stands where/],
  },
  { format: "hermes", name: "not offered", answer: hermes(call("h", "{}")), warnings: [/no tool/] },
  { format: "mistral", name: "not offered", answer: "[TOOL_CALLS]h[ARGS]{}", warnings: [/no tool is named "h"/] },
  { format: "mistral", name: "nothing behind the mark", answer: "[TOOL_CALLS]", warnings: [/no tool is named ""/] },
  {
    format: "mistral",
    name: "the second is broken",
    answer: `[TOOL_CALLS] [${call("f", "{}")}, {"name"}]`,
    text: ', {"name"}]',
    calls: [["f", {}]],
    warnings: [/stands where/],
  },
];

export const TEXTS: readonly ToolText[] = [...well, ...broken];

/** An answer as a tokenizer gives it: text, and those of `marks` that are control tokens. */
export function signs(answer: string, marks: readonly string[]): { text?: string; mark?: string }[] {
  const found: { text?: string; mark?: string }[] = [];
  let rest = answer;
  while (rest !== "") {
    const at = marks.map((mark) => rest.indexOf(mark)).filter((index) => index >= 0);
    const next = at.length > 0 ? Math.min(...at) : rest.length;
    if (next > 0) found.push({ text: rest.slice(0, next) });
    const mark = marks.find((name) => rest.startsWith(name, next));
    if (mark) found.push({ mark });
    rest = rest.slice(next + (mark?.length ?? 0));
  }
  return found;
}
