/** Every split rule against pieces made by Python's `regex` and `tokenizers`, and against its regular expression. */
import { Tokenizer as HuggingFace } from "@huggingface/tokenizers";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SPLIT_RULES, splitText } from "../src/tokenizer/split.ts";
import { milliseconds, nasty, seeded } from "./nasty-text.ts";
import { fresh, gguf, golden, hf, type Json, storyteller } from "./storyteller.ts";

const property = seeded("split");
const pieces = golden("splits.json.gz") as { texts: string[]; lengths: Record<string, number[][]> };

// JS \s is not White_Space, which \s means in the patterns; nor does it fold U+017F to s.
const SPACES = "\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
function asJavaScript(pattern: string): RegExp {
  const anyCase = "(?:'[sSſ]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
  const text = pattern
    .replaceAll("(?i:'s|'t|'re|'ve|'m|'ll|'d)", anyCase)
    .replaceAll("[^\\s", `[^${SPACES}`)
    .replaceAll("\\S", `[^${SPACES}]`)
    .replaceAll("\\s", `[${SPACES}]`);
  return new RegExp(text, "gu");
}

/** What matches, and what is between. */
function cut(text: string, step: RegExp): string[] {
  const parts: string[] = [];
  let done = 0;
  for (const { 0: match, index } of text.matchAll(step)) {
    parts.push(text.slice(done, index), match);
    done = index + match.length;
  }
  return [...parts, text.slice(done)].filter((part) => part !== "");
}

describe.each(SPLIT_RULES.map((rule) => [rule.name, rule] as const))("the %s rule", (name, rule) => {
  // What llama.cpp cuts by default: test/tokenizer-odd.test.ts.
  const expected = pieces.lengths[name];
  if (expected) {
    test("cuts all 482 golden texts as the reference does", () => {
      expect(expected).toHaveLength(482);
      for (const [i, text] of pieces.texts.entries()) {
        expect(splitText(rule, text).map((piece) => piece.length)).toEqual(expected[i]);
      }
    });
  } else test("of no golden texts is the default one alone", () => expect(name).toBe("default"));

  test("equals its regular expression on random Unicode", () => {
    const patterns = rule.patterns.map(asJavaScript);
    const gpt2 = asJavaScript(SPLIT_RULES.find((one) => one.name === "gpt2")!.patterns[0]);
    const parts = (text: string): string[] => {
      if (name === "default") {
        const steps = [/[\p{P}$+<=>^~|]+/gu, gpt2, /\p{N}+/gu, /[0-9]{3}/g];
        return steps.reduce((found, step) => found.flatMap((part) => cut(part, step)), [text]);
      }
      if (name !== "smollm") return text.match(patterns[0]) ?? [];
      return text.split(/(\p{N})/u).flatMap((part) => part.match(/^\p{N}$/u) ?? part.match(gpt2) ?? []);
    };
    const run = (text: string) => {
      expect(splitText(rule, text)).toEqual(parts(text));
    };
    fc.assert(fc.property(nasty, run), { ...property, numRuns: 2000 });
  });

  test.each([" ", "1", "a", "'", "  1", "\n ", "\u0301"])("a million units of %j are cut in linear time", (unit) => {
    const text = unit.repeat(1e6 / unit.length);
    expect(milliseconds(() => splitText(rule, text))).toBeLessThan(1000);
  });
});

describe("files name a rule", () => {
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  const digits = { type: "Digits", individual_digits: true };
  const split = (pattern: string) => ({
    type: "Sequence",
    pretokenizers: [
      { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false },
      { ...byteLevel, use_regex: false },
    ],
  });
  const llama3 = SPLIT_RULES.find(({ name }) => name === "llama-bpe")!;
  const cases: [string, string, Json][] = [
    ["llama-bpe", "llama-bpe", split(llama3.patterns[0])],
    ["llama-v3", "llama-bpe", split(llama3.patterns[0])],
    ["smollm", "smollm", { type: "Sequence", pretokenizers: [digits, byteLevel] }],
    ["gpt-2", "gpt2", byteLevel],
  ];
  test.each(cases)(
    "%s: GGUF, tokenizer.json and another implementation give the same ids",
    (pre, kind, preTokenizer) => {
      const json = fresh();
      json.pre_tokenizer = preTokenizer;
      json.model.ignore_merges = pre.startsWith("llama");
      const oracle = new HuggingFace(json, storyteller.config);
      const fromFolder = hf(json);
      const fromGguf = gguf((metadata) => metadata.set("tokenizer.ggml.pre", pre));
      expect([fromFolder.kind, fromGguf.kind]).toEqual([kind, kind]);
      const run = (text: string) => {
        // This implementation's blanks are JavaScript's, with U+FEFF and without U+0085; the references' are Unicode's, as ours.
        fc.pre(!/[\ufeff\u0085]/.test(text));
        // The reference counts every \p{N} as a digit; this implementation only 0 to 9.
        fc.pre(pre !== "smollm" || !/[^\P{N}0-9]/u.test(text));
        const expected = oracle.encode(text, { add_special_tokens: false }).ids;
        expect(fromFolder.encode(text, { specialTokens: true })).toEqual(expected);
        expect(fromGguf.encode(text, { specialTokens: true })).toEqual(expected);
      };
      fc.assert(fc.property(nasty, run), property);
    },
  );

  test.each([
    ["llama-bpe", true],
    ["llama4", false],
    ["smollm", false],
    ["gpt-2", false],
  ])("GGUF, rule %s: whole pieces are looked up before merging: %s", (pre, expected) => {
    const one = gguf((metadata) => {
      (metadata.get("tokenizer.ggml.tokens") as string[])[2040] = "qzxj"; // no merges make it
      metadata.set("tokenizer.ggml.pre", pre);
      const merges = metadata.get("tokenizer.ggml.merges") as string[];
      metadata.set("tokenizer.ggml.merges", merges.slice(0, 100));
    });
    expect(one.encode("qzxj").length === 1).toBe(expected);
  });

  test("the rules differ, so that a wrong one is seen", () => {
    const text = "I'LL say  12345 it's\n\n  //\n/x";
    const cuts = SPLIT_RULES.map((rule) => splitText(rule, text).join("|"));
    expect(new Set(cuts).size).toBe(SPLIT_RULES.length);
  });
});
