/** Calls of tools in the text of an answer: every dialect, whole and broken, however the text is cut. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AnswerPart, ToolCall } from "../src/tools/call.ts";
import { CallReader } from "../src/tools/call-reader.ts";
import { dialectNamed } from "../src/tools/dialect.ts";
import { OFFERED, signs, TEXTS, type ToolText } from "./tool-texts.ts";

const SEED = Number(process.env.SEED ?? 20261128);

/** `cut(length)`: how much comes next. */
function read(given: ToolText, special: boolean, cut: (left: number) => number) {
  const parts: AnswerPart[] = [];
  const rules = { dialect: dialectNamed(given.format), offered: new Set(OFFERED) };
  const reader = new CallReader(
    rules,
    (index) => `id${index}`,
    (part) => parts.push(part),
  );
  for (const { text = "", mark } of signs(given.answer, special ? dialectNamed(given.format).marks : [])) {
    if (mark !== undefined) reader.mark(mark);
    for (let at = 0; at < text.length; ) {
      const length = Math.max(1, Math.min(text.length - at, cut(text.length - at)));
      reader.push(text.slice(at, at + length));
      at += length;
    }
  }
  reader.end();
  return { reader, parts };
}

/** Pieces of one text or one call's arguments, joined. */
function joined(parts: readonly AnswerPart[]): AnswerPart[] {
  const all: AnswerPart[] = [];
  for (const part of parts) {
    const last = all.at(-1);
    if ("text" in part && last?.type === part.type) all[all.length - 1] = { ...part, text: last.text + part.text };
    else all.push(part);
  }
  return all;
}

const plain = (calls: readonly ToolCall[]) => calls.map(({ name, arguments: given }) => [name, given]);
const whole = (left: number) => left;

describe.each(TEXTS)("$format, $name", (given) => {
  const { answer, calls = [], warnings = [] } = given;
  const text = given.text ?? (calls.length > 0 ? "" : answer);

  it("gives its text and its calls, and says what is none", () => {
    const { reader, parts } = read(given, false, whole);
    // Marks that are spelled stay in a text that they do not open a call of.
    if (!/<\|python_\w+\|>/.test(answer) || text === "") expect(reader.text).toBe(text);
    expect(plain(reader.toolCalls)).toEqual(calls);
    expect(reader.warnings).toEqual(warnings.map((warning) => expect.stringMatching(warning)));
    const texts = parts.flatMap((part) => (part.type === "text" ? [part.text] : []));
    expect(texts.join("")).toBe(reader.text);
    for (const part of parts) {
      if (part.type !== "tool-call") continue;
      const same = parts.filter((other) => "index" in other && other.index === part.index);
      expect([same[0].type, same.at(-1)]).toEqual(["tool-call-start", part]);
      const json = same.map((other) => (other.type === "tool-call-arguments" ? other.text : "")).join("");
      expect(JSON.parse(json)).toEqual(part.arguments);
      expect(Object.getPrototypeOf(part.arguments)).toBe(Object.prototype);
    }
  });

  // A model whose marks are control tokens does not write them within its strings.
  const spelled = given.format === "hermes" && /<\/?tool_call>/.test(JSON.stringify(calls));
  it.skipIf(spelled)("the same with control tokens, which have no text", () => {
    const { reader } = read(given, true, whole);
    const marks = new RegExp(
      dialectNamed(given.format)
        .marks.map((mark) => mark.replace(/[[\]|/]/g, "\\$&"))
        .join("|"),
      "g",
    );
    expect(plain(reader.toolCalls)).toEqual(calls);
    expect(reader.warnings).toEqual(warnings.map((warning) => expect.stringMatching(warning)));
    expect(reader.text).toBe(text.replace(marks, ""));
  });

  it(`the same however it is cut, seed ${SEED}`, () => {
    if (answer.length > 1000) return;
    let state = SEED;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    for (const special of [false, true]) {
      const { reader, parts } = read(given, special, whole);
      const wanted = JSON.stringify([joined(parts), reader.text, reader.endsInCall]);
      const cuts = [...Array(Math.min(answer.length, 40)).keys()].map((size) => () => size + 1);
      for (const cut of [...cuts, () => 1 + Math.floor(random() * 7), (left: number) => Math.floor(random() * left)]) {
        const { reader, parts } = read(given, special, cut);
        const seen = JSON.stringify([joined(parts), reader.text, reader.endsInCall]);
        if (seen !== wanted) expect(seen).toBe(wanted);
      }
    }
  });
});

it(`answers that are changed anywhere lose nothing and call nothing that is not there, seed ${SEED}`, () => {
  const small = TEXTS.filter(({ answer }) => answer !== "" && answer.length < 1000);
  const edit = fc.tuple(
    fc.nat(),
    fc.nat(4),
    fc.constantFrom(..."{}[]()\"'\\<>,:=;| \nfa1", "[TOOL_CALLS]", "<tool_call>", "</tool_call>"),
  );
  const change = (text: string, [place, kind, sign]: [number, number, string]) => {
    const at = place % (text.length + 1);
    // Cut, leave out, put in, put in place of, double.
    const [to, put] = [
      [text.length, ""],
      [at + 1, ""],
      [at, sign],
      [at + 1, sign],
      [at, text.slice(at, at + 9)],
    ][kind] as [number, string];
    return text.slice(0, at) + put + text.slice(to);
  };
  fc.assert(
    fc.property(fc.constantFrom(...small), fc.array(edit, { minLength: 1, maxLength: 3 }), (given, edits) => {
      const answer = edits.reduce(change, given.answer);
      for (const special of [false, true]) {
        const { reader, parts } = read({ ...given, answer }, special, whole);
        const units = read({ ...given, answer }, special, () => 1);
        expect(JSON.stringify(joined(units.parts))).toBe(JSON.stringify(joined(parts)));
        for (const call of reader.toolCalls) {
          expect(OFFERED).toContain(call.name);
          expect(answer).toContain(call.name);
        }
        const { marks } = dialectNamed(given.format);
        const raw = signs(answer, special ? marks : [])
          .map(({ text = "" }) => text)
          .join("");
        if (reader.toolCalls.length === 0) expect(reader.text).toBe(raw);
        // Each unit of the text stands in the answer, in order.
        let at = 0;
        for (const unit of reader.text) at = raw.indexOf(unit, at) + unit.length;
        expect(at).toBeGreaterThanOrEqual(reader.text.length);
      }
    }),
    { numRuns: 2000, seed: SEED },
  );
});

describe("text", () => {
  const pushed = (format: ToolText["format"], text: string) => {
    const parts: AnswerPart[] = [];
    const reader = new CallReader({ dialect: dialectNamed(format), offered: new Set(OFFERED) }, String, (part) =>
      parts.push(part),
    );
    reader.push(text);
    return parts.map((part) => ("text" in part ? part.text : part.type)).join("|");
  };

  it("is held back only while it may be a call", () => {
    expect(pushed("hermes", "a < b <tool")).toBe("a < b");
    expect(pushed("hermes", "a <tools")).toBe("a <tools");
    expect(pushed("json", '{"nam')).toBe("");
    expect(pushed("json", '{"next')).toBe('{"next'.slice(0, 6));
    expect(pushed("json", 'Hi {"name": "f"')).toBe('Hi {"name": "f"');
    expect(pushed("pythonic", "[note](x")).toBe("[note](x");
    expect(pushed("mistral", "[TOOLS")).toBe("[TOOLS");
  });

  it("arguments come as they are written, numbers when they end", () => {
    expect(pushed("json", '{"name": "f", "parameters": {"a": [1, "b')).toBe('tool-call-start|{"a": [1, "b');
    expect(pushed("pythonic", "[f(a=['x', 12")).toBe('tool-call-start|{"a":["x",');
  });

  it("many broken calls are told once, and counted", () => {
    const reader = new CallReader({ dialect: dialectNamed("hermes"), offered: new Set(OFFERED) }, String, () => {});
    reader.push("<tool_call>?".repeat(1000));
    reader.end();
    expect([reader.warnings.length, reader.warnings.at(-1)]).toEqual([17, "TOOL_CALL: 984 more calls stay text"]);
  });
});
