/** Templates from strangers: whatever they do, it ends soon, with text or an EngineError. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ChatMessage, ChatTemplate } from "../src/tokenizer/chat.ts";
import { milliseconds } from "./nasty-text.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.log(`hostile template seed ${seed}`);

interface Golden {
  conversations: { messages: ChatMessage[]; tools?: unknown[] }[];
  templates: Record<string, { source: string }>;
}
const golden: Golden = JSON.parse(gunzipSync(readFileSync(new URL("./golden/chat.gz", import.meta.url))).toString());

function outcome(source: string, messages: ChatMessage[], tools?: unknown[]): string {
  try {
    new ChatTemplate(source, { bosToken: "<s>", eosToken: "</s>" }).render(messages, { tools });
    return "text";
  } catch (error) {
    const { name, code, stack } = error as Error & { code: string };
    expect(name, stack).toBe("EngineError");
    return code;
  }
}

describe("what one step handles is paid for by its size", () => {
  const hello: ChatMessage[] = [{ role: "user", content: "hi" }];
  /** `body` 100,000 times, with a text of a megabyte or more. */
  const text = (body: string, unit = "ab "): string =>
    `{% set ns = namespace(s='${unit}') %}{% for i in range(19) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{% for i in range(100000) %}${body}{% endfor %}`;
  /** ... with a list of 200,000 strings. */
  const list = (body: string): string =>
    `{% set l = range(100000) | map('string') | list %}{% set l = l + l %}{% for i in range(100000) %}${body}{% endfor %}`;
  const deep = (body: string): string =>
    `{% set ns = namespace(n=[1], l=['map'] * 30000) %}{% for i in range(30000) %}{% set ns.n = [ns.n] %}{% endfor %}${body}`;
  const cases: [string, string, string][] = [
    ["attribute paths", "TPL_FUEL", text("{% set y = [{}] | map(attribute=ns.s) | list %}")],
    ["mapped filters", "TPL_FUEL", text("{% set y = [ns.s] | map('length') | list %}")],
    ["selecting tests", "TPL_FUEL", text("{% set y = [ns.s] | select('upper') | list %}")],
    ["words", "TPL_FUEL", text("{% set y = ns.s.title() %}")],
    ["stripped characters", "TPL_FUEL", text("{% set y = ns.s.strip('ab ') %}{% set y = 'x'.strip(ns.s) %}")],
    ["blanks", "TPL_FUEL", text("{% set y = ns.s | trim %}", "   ")],
    ["digits that are no number", "TPL_FUEL", text("{% set y = (ns.s ~ 'x') | int %}", "111")],
    ["order", "TPL_FUEL", text("{% set y = ns.s < ns.s ~ '' %}")],
    ["sorting", "TPL_FUEL", text("{% set y = [ns.s, ns.s ~ i] | sort %}")],
    ["keys looked up", "TPL_FUEL", text("{% set y = {'a': 1}[ns.s ~ i] %}{% set y = ns.s ~ i in {} %}")],
    ["keys made", "TPL_FUEL", text("{% set y = {ns.s ~ i: 1} %}")],
    ["characters counted", "TPL_FUEL", text("{% set y = ns.s | length + ns.s.find(' x') %}", "🦊 ")],
    ["prefixes", "TPL_FUEL", text("{% set y = ns.s.startswith((ns.s[:-1] ~ 'x',)) %}")],
    ["format fields", "TPL_FUEL", text("{% set y = ns.s.format(1, x=2) %}", "{0}{x}")],
    ["escapes", "TPL_FUEL", text("{% set y = [ns.s] | tojson(ensure_ascii=true) %}", "é")],
    ["quotes", "TPL_FUEL", text("{% set y = [ns.s] | string %}", "\\n")],
    ["lists repeated", "TPL_FUEL", "{{ ([1] * 600000) * 600000 }}"],
    ["nothing, for ever", "TPL_FUEL", "{{ [] * 10 ** 400 }}"],
    ["lists copied", "TPL_FUEL", list("{% set y = l | list %}")],
    ["lists spread", "TPL_FUEL", list("{% set y = cycler(*l) %}")],
    [
      "origins",
      "TPL_FUEL",
      `{% set t = range(50000) | map('string') | join(messages[0].content) %}{% for c in t %}{{ c }}{% endfor %}`,
    ],
    [
      "shared lists",
      "TPL_FUEL",
      "{% set ns = namespace(l=[]) %}{% for i in range(40) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l | tojson }}",
    ],
    ["map of map of map, never read", "text", deep("{{ ns.n | map(*ns.l) | list }}")],
    ["equal depths", "TPL_DEPTH", deep("{{ ns.n == [ns.n] }}")],
    ["lists that grow", "TPL_UNSUPPORTED", "{% set l = [] %}{% set y = l.append(l) %}{{ l }}"],
    // Two runs on one budget: each takes three fifths of it.
    ["parts that stumble", "TPL_FUEL", "{% for i in range(140000) %}{% endfor %}{{ messages[1].content + 'x' }}"],
    ["tests with arguments", "TPL_DEPTH", `{{ 1${" is eq(1)".repeat(13000)} }}`],
    ["raw after raw", "TPL_SYNTAX", "{% raw %}".repeat(29000)],
  ];
  test.each(cases)("%s: %s in less than 300 ms", (_, code, source) => {
    const messages: ChatMessage[] = [...hello, { role: "user", content: [{ type: "text", text: "hi" }] }];
    const time = milliseconds(() => expect(outcome(source, messages)).toBe(code));
    // Measured 300 ms at most on a busy machine.
    expect(time).toBeLessThan(600);
  });
});

describe("mutated templates", () => {
  const templates = Object.values(golden.templates).map(({ source }) => source);
  const pieces =
    "{{|}}|{%|%}|{%-|-%}|{#|#}|(|)|[|]|{|}|'|\"|\\|.|,|:|~|-|*|**|//|%|==| is | not | in | if | else | for |endfor|endif|macro|call|set |namespace|loop|messages|none|0|1e9|9999999|\u0000|\ud83d|é|\n| eq(|[::-1]|*messages|**tools|tojson|items|dictsort|map('list')|join|sort".split(
      "|",
    );
  const mutation = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    length: fc.integer({ min: 0, max: 12 }),
    insert: fc.oneof(fc.constantFrom(...pieces), fc.constantFrom("| tojson", "| items | list", "| map('length')", "")),
    copy: fc.double({ min: 0, max: 1, noNaN: true }),
    copied: fc.integer({ min: 0, max: 40 }),
  });
  const pick = <T>(list: readonly T[], at: number): T => list[Math.min(list.length - 1, Math.floor(at * list.length))];

  test("give text or an EngineError, never anything else", () => {
    const run = (
      which: number,
      chat: number,
      mutations: { at: number; length: number; insert: string; copy: number; copied: number }[],
    ) => {
      let source = pick(templates, which);
      for (const { at, length, insert, copy, copied } of mutations) {
        const [from, other] = [Math.floor(at * source.length), Math.floor(copy * source.length)];
        source = source.slice(0, from) + insert + source.slice(other, other + copied) + source.slice(from + length);
      }
      const { messages, tools } = pick(golden.conversations, chat);
      outcome(source, messages, tools);
    };
    const unit = fc.double({ min: 0, max: 1, noNaN: true });
    const numRuns = Number(process.env["MUTATIONS"] ?? 1500);
    fc.assert(fc.property(unit, unit, fc.array(mutation, { minLength: 1, maxLength: 3 }), run), { seed, numRuns });
  });
});
