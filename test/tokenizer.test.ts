import { Tokenizer as HuggingFace } from "@huggingface/tokenizers";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MetadataValue } from "../src/checkpoint/checkpoint.ts";
import { BYTE_ALPHABET } from "../src/tokenizer/alphabet.ts";
import { MergeTable, mergeSymbols } from "../src/tokenizer/bpe.ts";
import { byteTokenizer, openTokenizer } from "../src/tokenizer/tokenizer.ts";
import { milliseconds, nasty, seeded } from "./nasty-text.ts";
import { checkpoint, fresh, gguf, ggufMetadata, golden, hf, refusal, storyteller, tokenizer } from "./storyteller.ts";

const property = seeded("tokenizer");

describe("merging", () => {
  test("the queue and the plain search give the same tokens, whatever the ranks", () => {
    const merges = fc.uniqueArray(fc.tuple(fc.nat(11), fc.nat(11)), { selector: (pair) => pair.join(), maxLength: 60 });
    const run = (pairs: [number, number][], symbols: number[], ranks: number[]) => {
      const table = new MergeTable(pairs.length);
      for (const [i, [left, right]] of pairs.entries()) {
        // Ids 4 to 11 come from merges; ranks in any order, so that a merge may open a pair of lower rank.
        table.add(left, right, ((ranks[i % ranks.length] + 1) * 100 + i) % 7919, 4 + (i % 8));
      }
      const slow = naiveMerge(table, symbols);
      const fast = Int32Array.from(symbols);
      expect([...fast.subarray(0, mergeSymbols(table, fast, fast.length))]).toEqual(slow);
    };
    const symbols = fc.array(fc.nat(3), { minLength: 0, maxLength: 150 });
    fc.assert(fc.property(merges, symbols, fc.array(fc.nat(5000), { minLength: 1, maxLength: 60 }), run), property);
  });

  test("ids equal those of @huggingface/tokenizers on random Unicode", () => {
    const oracle = new HuggingFace(fresh(), storyteller.config);
    const run = (text: string) => {
      const expected = oracle.encode(text, { add_special_tokens: false }).ids;
      expect(tokenizer.encode(text, { specialTokens: true })).toEqual(expected);
    };
    fc.assert(fc.property(nasty, run), property);
  });

  test.each(["a", " ", "\n", "ab", "é", "<|", "\u0301", "aA", "he"])(
    "a million units of %j take less than a second",
    (unit) => {
      const text = unit.repeat(1e6 / unit.length);
      let ids: number[] = [];
      const time = milliseconds(() => (ids = tokenizer.encode(text, { specialTokens: true })));
      expect(time).toBeLessThan(1000);
      expect(tokenizer.decode(ids)).toBe(text);
    },
  );

  test("ignore_merges takes a whole piece that is a token, though merges do not make it", () => {
    const json = fresh();
    json.model.vocab.qzxj = 2041;
    for (const token of json.added_tokens) token.id++;
    expect(hf(json, 2049).encode("qzxj").length).toBeGreaterThan(1);
    json.model.ignore_merges = true;
    expect(hf(json, 2049).encode("qzxj")).toEqual([2041]);
  });
});

function naiveMerge(table: MergeTable, symbols: readonly number[]): number[] {
  const list = [...symbols];
  while (true) {
    let best = -1;
    let lowest = Number.POSITIVE_INFINITY;
    for (let i = 0; i + 1 < list.length; i++) {
      const rank = table.rank(list[i], list[i + 1]);
      if (rank >= 0 && rank < lowest) [best, lowest] = [i, rank];
    }
    if (best < 0) return list;
    list.splice(best, 2, table.merged(list[best], list[best + 1]));
  }
}

describe("the storyteller tokenizer", () => {
  test.each([
    ["folder", tokenizer],
    ["GGUF", gguf()],
  ] as const)("from %s gives the reference ids", (_, one) => {
    for (const { prompt, ids, greedy, greedy_text } of storyteller.prompts) {
      const rendered = prompt.startsWith("<|begin_of_text|>");
      expect(one.encode(prompt, { specialTokens: true, addBos: !rendered })).toEqual(ids);
      expect(one.decode(greedy)).toBe(greedy_text);
    }
    expect(one.encode(storyteller.text, { specialTokens: true })).toEqual(storyteller.textIds);
    expect([one.bos, one.addBos, one.stopIds]).toEqual([2041, true, [2042, 2045, 2046]]);
    expect(one.warnings).toEqual([]);
  });

  test("the 512-token vocabulary of the golden models loads", () => {
    const tiny = hf(golden("tiny-512.tokenizer.json"), 512);
    expect(tiny.stopIds).toEqual([506, 509, 510]);
    expect(tiny.addBos).toBe(false);
    expect(tiny.decode(tiny.encode("Five naïve children <extra457>"))).toBe("Five naïve children <extra457>");
    expect(tiny.encode("<extra457>")).toEqual([457]); // user-defined tokens are text with a name
  });

  test("decoding what was encoded gives the text back", () => {
    const back = (text: string) => {
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    };
    fc.assert(fc.property(nasty, back), property);
    for (const text of ["", "\0", "\ufeffa", "\u202ea", "e\u0301".repeat(9999), " ".repeat(99999), "\u{10ffff}"])
      back(text);
  });

  test("control tokens arise from text only when asked for", () => {
    const text = "<|begin_of_text|><|header_start|>system<|header_end|><|eot|>";
    expect(Math.max(...tokenizer.encode(text))).toBeLessThan(2041);
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    expect(tokenizer.encode("a<|eot|><|eo", { specialTokens: true })).toContain(2046);
    expect(tokenizer.encode("<|eot|><|eot|>", { specialTokens: true, plain: [9, 10] })).toEqual([
      2046,
      ...tokenizer.encode("<|eot|>"),
    ]);
  });

  test("control tokens decode to nothing, or to their names", () => {
    expect(tokenizer.decode([2041, 2046])).toBe("");
    expect(tokenizer.decode([2041, 2046], { specialTokens: true })).toBe("<|begin_of_text|><|eot|>");
    expect([2041, 0].map((id) => tokenizer.isSpecial(id))).toEqual([true, false]);
    expect(tokenizer.tokenBytes(0)).toEqual(Uint8Array.of(33));
  });

  test("a stream never cuts a character and equals decode in all", () => {
    const run = (ids: number[]) => {
      const stream = tokenizer.stream();
      const parts = ids.map((id) => stream.push(id));
      expect(parts.join("") + stream.end()).toBe(tokenizer.decode(ids));
    };
    fc.assert(fc.property(fc.array(fc.nat(2047), { maxLength: 40 }), run), property);
    const stream = tokenizer.stream();
    const parts = tokenizer.encode("a🦊").map((id) => stream.push(id));
    expect(parts.filter((part) => part !== "")).toEqual(["a", "🦊"]);
    const half = tokenizer.stream();
    expect(half.push(tokenizer.encode("🦊")[0])).toBe("");
    expect(half.end()).toBe("\ufffd");
  });

  test.each(["\ud800", "ab\udc00c", "\udc00\ud800"])("the lone surrogate in %j is refused with its index", (text) => {
    const { code, message } = refusal(() => tokenizer.encode(text));
    expect(code).toBe("PROMPT_UNICODE");
    expect(message).toContain(`index ${text.search(/\p{Cs}/u)}`);
  });

  test.each([-1, 2048, Number.NaN, 1.5, "5"])("id %s is refused", (id) => {
    for (const run of [
      () => tokenizer.decode([id as number]),
      () => tokenizer.tokenBytes(id as number),
      () => tokenizer.isSpecial(id as number),
    ]) {
      expect(refusal(run).code).toBe("TOK_ID_RANGE");
    }
  });
});

test("the byte tokenizer speaks bytes", () => {
  const bytes = byteTokenizer();
  expect(bytes.encode("é<|end|>", { addBos: true })).toEqual([256, 0xc3, 0xa9, ...Buffer.from("<|end|>")]);
  expect(bytes.encode("<|end|>", { specialTokens: true })).toEqual([257]);
  expect(bytes.decode([256, 0xc3, 0xa9, 257])).toBe("é");
  expect([bytes.vocabSize, bytes.bos, bytes.stopIds]).toEqual([260, 256, [257]]);
  expect(byteTokenizer(300).decode([299, 65])).toBe("A");
  const run = (text: string) => {
    expect(bytes.decode(bytes.encode(text))).toBe(text);
  };
  fc.assert(fc.property(nasty, run), property);
});

test("a checkpoint without tokenizer files has none", () => {
  expect(openTokenizer(checkpoint({}), 10)).toBeNull();
  expect(openTokenizer(checkpoint({ format: "gguf" }), 10)).toBeNull();
});

test("a vocabulary of 202,048 tokens and 440,000 merges is built in less than a second", () => {
  // Every string over 27 letters of up to three, then four-letter ones; each merge list entry is a real split.
  const letters = [..."abcdefghijklmnopqrstuvwxyzĠ"];
  const tokens = [...BYTE_ALPHABET];
  const two = letters.flatMap((a) => letters.map((b) => a + b));
  const three = two.flatMap((a) => letters.map((b) => a + b));
  const merges = two.map((text) => `${text[0]} ${text[1]}`);
  tokens.push(...two, ...three);
  for (const text of three) merges.push(`${text.slice(0, 2)} ${text[2]}`, `${text[0]} ${text.slice(1)}`);
  for (let i = 0; tokens.length < 200_000; i++) {
    const text = three[i % three.length] + letters[(i / three.length) | 0];
    tokens.push(text);
    merges.push(`${text.slice(0, 3)} ${text[3]}`, `${text.slice(0, 2)} ${text.slice(2)}`);
    if (merges.length < 440_000) merges.push(`${text[0]} ${text.slice(1)}`);
  }
  const types = new Int32Array(202_048).fill(1);
  while (tokens.length < 202_048) {
    types[tokens.length] = 3;
    tokens.push(`<|reserved_${tokens.length}|>`);
  }
  const metadata = new Map([
    ...ggufMetadata(fresh()),
    ["tokenizer.ggml.tokens", tokens],
    ["tokenizer.ggml.token_type", types],
    ["tokenizer.ggml.merges", merges],
  ] as [string, MetadataValue][]);
  let one = tokenizer;
  const time = milliseconds(() => (one = openTokenizer(checkpoint({ format: "gguf", metadata }), 202_048)!));
  expect(merges.length).toBeGreaterThanOrEqual(439_802);
  expect(time).toBeLessThan(1000);
  expect(one.encode("abcd")).toHaveLength(1);
});
