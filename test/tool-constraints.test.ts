/** Calls that must come, and arguments that must follow a schema: the grammar of such answers. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadModel } from "../dist/src/index.js";
import { Automaton, DEAD, matches } from "../src/grammar/automaton.ts";
import type { Fragment } from "../src/grammar/fragment.ts";
import { CallReader } from "../src/tools/call-reader.ts";
import { constraintFor, textWithout } from "../src/tools/constraint.ts";
import { dialectNamed, type ToolFormat } from "../src/tools/dialect.ts";
import { readOffer, type ToolChoice } from "../src/tools/offer.ts";
import { MODEL } from "./runtimes.ts";
import { refusal } from "./storyteller.ts";

const SEED = Number(process.env.SEED ?? 20261128);

const city = {
  type: "object",
  properties: { city: { enum: ["Zürich", "Bern"] } },
  required: ["city"],
  additionalProperties: false,
};
const tools = [
  { name: "weather", strict: true, parameters: city },
  { name: "say", parameters: { type: "object", "x-unknown": 1 } },
];
const never = (_: string) => false;
const control = (mark: string) =>
  dialectNamed("hermes").marks.includes(mark) || dialectNamed("mistral").marks.includes(mark);
const of = (choice: ToolChoice, format: ToolFormat, isControl = never) =>
  constraintFor(readOffer(tools, choice, undefined), dialectNamed(format), isControl);
const accepts = (fragment: Fragment) => {
  const automaton = new Automaton(fragment);
  return (text: string) => matches(automaton, new TextEncoder().encode(text));
};

const good = '{"name": "weather", "arguments": {"city": "Bern"}}';
const other = '{"name": "say", "arguments": {"a": [1, "<tool_call>"]}}';
const bad = '{"name": "weather", "arguments": {"city": "Rome"}}';
const hermes = (call: string) => `<tool_call>\n${call}\n</tool_call>`;
const parameters = (call: string) => call.replace("arguments", "parameters");

describe("the grammar of an answer", () => {
  it.each<[string, ToolChoice, ToolFormat, (mark: string) => boolean, string[], string[]]>([
    [
      "a call of any tool",
      "required",
      "hermes",
      never,
      [hermes(good), hermes(other), `${hermes(good)}\n${hermes(other)}`],
      ["", "I look.", hermes(bad), `${hermes(good)}!`],
    ],
    [
      "a call of one tool",
      { name: "weather" },
      "hermes",
      never,
      [hermes(good)],
      [hermes(other), hermes(bad), `${hermes(good)}\n${hermes(good)}`],
    ],
    ["a call behind a mark of the prompt", "required", "hermes", control, [`\n${good}`], [hermes(good)]],
    [
      "JSON",
      "required",
      "json",
      never,
      [parameters(good), parameters(other)],
      [good, parameters(bad), ` ${parameters(good)}`],
    ],
    [
      "a list",
      "required",
      "mistral",
      never,
      [`[TOOL_CALLS] [${good}]`, `[TOOL_CALLS] [${good}, ${other}]`],
      ["[TOOL_CALLS] []", good],
    ],
    [
      "a list behind its mark",
      { name: "say" },
      "mistral",
      control,
      [` [${other}]`],
      [` [${good}]`, ` [${other}, ${other}]`],
    ],
    ["some of a list behind its mark", "required", "mistral", control, [` [${other}, ${good}]`], [` [${bad}]`]],
    [
      "free text, then a call",
      "auto",
      "hermes",
      never,
      ["", "a <tool <tool_cal", `I look. ${hermes(good)} and ${hermes(other)}`, hermes(good)],
      [`I look. ${hermes(bad)}`, "<tool_call>", `${hermes(good)}<tool_call>{`],
    ],
    [
      "free text, or JSON",
      "auto",
      "json",
      never,
      ["", " \n", "Hm {", parameters(good), `${parameters(good)}; ${parameters(other)}`],
      [parameters(bad), '{"a": 1}', "[1]", ` ${parameters(bad)}`],
    ],
    [
      "calls of Python",
      "required",
      "pythonic",
      never,
      ['[weather(city="Bern")]', '[say(), weather(city="Zürich")]', '[say(a={"b": [None, True, -1.5e3]})]'],
      ["", "[]", '[weather(city="Rome")]', "[weather()]", "[say(a=1, b=2)]", "[say(a=null)]", "[say(1)]", "[say()]."],
    ],
    ["one call of Python", { name: "say" }, "pythonic", control, ["[say()]"], ["[say(), say()]", "say()"]],
    [
      "free text, or calls of Python",
      "auto",
      "pythonic",
      never,
      ["", " \n", "Hm [", "{}", "<|pyth", '[weather(city="Bern"), say()]'],
      ['[weather(city="Rome")]', " [1]", "a <|python_start|>[weather()]", "[say()] so"],
    ],
    [
      "free text, then a list",
      "auto",
      "mistral",
      never,
      ["a [TOOL", `Hm. [TOOL_CALLS] [${good}, ${other}]`],
      [`[TOOL_CALLS] [${bad}]`],
    ],
  ])("%s", (_, choice, format, isControl, yes, no) => {
    const { fragment, opened } = of(choice, format, isControl)!;
    expect(opened).toBe(isControl === control && format !== "pythonic" ? dialectNamed(format).marks[0] : null);
    const is = accepts(fragment());
    for (const text of yes) expect(is(text), text).toBe(true);
    for (const text of no) expect(is(text), text).toBe(false);
  });

  it("is free where nothing demands otherwise", () => {
    expect(of("none", "hermes")).toBeNull();
    expect(constraintFor(readOffer([tools[1]], "auto", undefined), dialectNamed("pythonic"), never)).toBeNull();
  });

  it("is refused where no grammar of text can say it", () => {
    const nameless = readOffer([{ name: "my tool", parameters: {} }], "required", undefined);
    expect(refusal(() => constraintFor(nameless, dialectNamed("pythonic"), never))).toMatchObject({
      code: "TOOLS_UNSUPPORTED",
      at: { field: "tools" },
    });
    const dashed = { name: "f", strict: true, parameters: { properties: { "a-b": true } } };
    const strict = readOffer([dashed], "required", undefined);
    expect(refusal(() => constraintFor(strict, dialectNamed("pythonic"), never)?.fragment())).toMatchObject({
      code: "SCHEMA_UNSUPPORTED",
      at: { field: "tools.f.parameters/properties/a-b" },
    });
    expect(refusal(() => of("auto", "mistral", control))).toMatchObject({
      code: "TOOLS_UNSUPPORTED",
      at: { field: "tools" },
    });
    const wrong = [{ name: "f", strict: true, parameters: { properties: { a: { "x-unknown": 1 } } } }];
    const asked = readOffer(wrong, "auto", undefined);
    expect(refusal(() => constraintFor(asked, dialectNamed("json"), never)?.fragment())).toMatchObject({
      code: "SCHEMA_UNSUPPORTED",
      at: { field: expect.stringMatching(/^tools\.f\.parameters.*\/properties\/a/) },
    });
  });

  it(`text without a mark is any text without it, seed ${SEED}`, () => {
    for (const mark of ["<tool_call>", "[TOOL_CALLS]", "<ab>"]) {
      const is = accepts(textWithout(mark));
      const piece = fc.constantFrom(...mark, mark.slice(0, -1), mark.slice(0, 3), mark, "é🗼", "\n");
      fc.assert(
        fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
          const text = pieces.join("");
          expect(is(text), text).toBe(!text.includes(mark));
        }),
        { numRuns: 500, seed: SEED },
      );
    }
  });

  it(`whatever it allows is read as calls that follow it, seed ${SEED}`, () => {
    let state = SEED;
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    let calls = 0;
    for (const [choice, format, isControl] of [
      ["required", "hermes", never],
      ["required", "hermes", control],
      ["required", "json", never],
      ["required", "mistral", control],
      ["required", "pythonic", never],
      ["auto", "pythonic", never],
      ["auto", "hermes", never],
      ["auto", "json", never],
    ] as const) {
      const { fragment, opened } = of(choice, format, isControl)!;
      const automaton = new Automaton(fragment());
      for (let run = 0; run < 60; run++) {
        const written: number[] = [];
        let at = automaton.hold(automaton.begin());
        while (written.length < 4000 && !(at.ends && (at.frames.length === 0 || random(20) === 0))) {
          const ways = Array.from({ length: 256 }, (_, byte) => byte).filter(
            (byte) => automaton.next(at.index, byte) !== DEAD,
          );
          // Strings end sooner where their ends are likelier than one byte in 256.
          const likely = ways.filter((byte) => '"}]<'.includes(String.fromCharCode(byte)));
          const byte = likely.length > 0 && random(3) > 0 ? likely[random(likely.length)] : ways[random(ways.length)];
          written.push(byte);
          at = automaton.hold(automaton.state(automaton.next(at.index, byte)));
        }
        if (!at.ends) continue;
        const reader = new CallReader(
          { dialect: dialectNamed(format), offered: new Set(["weather", "say"]), opened },
          String,
          () => {},
        );

        reader.push(new TextDecoder().decode(Uint8Array.from(written)));
        reader.end();
        expect(reader.warnings).toEqual([]);
        if (choice === "required")
          expect([reader.toolCalls.length > 0, reader.endsInCall, reader.text]).toEqual([true, true, ""]);
        for (const { name, arguments: given } of reader.toolCalls)
          if (name === "weather") expect(["Zürich", "Bern"]).toContain(given["city"]);
        calls += reader.toolCalls.length;
      }
    }
    expect(calls).toBeGreaterThan(200);
  });
});

describe("a model that knows nothing of tools", () => {
  const asked = { tools, temperature: 1, maxTokens: 120 } as const;
  const messages = [{ role: "user", content: "Tell me a story" }];

  it.each(["json", "pythonic"] as const)(
    "calls what it must in %s, and strict arguments follow their schema",
    async (toolFormat) => {
      await using model = await loadModel(MODEL, { threads: 1 });
      const runs = Array.from({ length: 8 }, (_, seed) =>
        model
          .chat(messages, { ...asked, toolFormat, seed, toolChoice: seed < 4 ? { name: "weather" } : "required" })
          .result(),
      );
      for (const { text, toolCalls, finishReason, warnings } of await Promise.all(runs)) {
        if (finishReason === "length") continue;
        expect([finishReason, text, toolCalls.length > 0]).toEqual(["tool-calls", "", true]);
        expect(warnings.filter((warning) => warning.startsWith("TOOL"))).toEqual([]);
        const [{ name, arguments: given }] = toolCalls;
        if (name === "weather") expect(["Zürich", "Bern"]).toContain(given["city"]);
      }
      const ended = (await Promise.all(runs.slice(0, 4))).filter(({ finishReason }) => finishReason === "tool-calls");
      expect(ended).toHaveLength(4);
      const free = await model.chat(messages, { ...asked, toolFormat, seed: 1, toolChoice: "auto" }).result();
      expect([free.toolCalls, free.text.length > 20]).toEqual([[], true]);
      const plain = await model.chat(messages, { seed: 1, temperature: 1, maxTokens: 120 }).result();
      expect(free.text).toBe(plain.text);
    },
  );
});
