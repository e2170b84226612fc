/** A folder's tokenizer written as the pairs of a GGUF file and read back: the same ids, bytes and stops, or a warning. */
import { expect, it } from "vitest";
import type { Checkpoint, MetadataValue } from "../src/checkpoint/checkpoint.ts";
import { tokenizerPairs } from "../src/convert/tokenizer-pairs.ts";
import { openTokenizer, type Tokenizer } from "../src/tokenizer/tokenizer.ts";
import { sentencePiece, sentencePieceJson } from "./sentencepiece.ts";
import { checkpoint, folder, fresh, golden, type Json } from "./storyteller.ts";

function written(files: Record<string, Json>, vocab: number, more: Partial<Checkpoint> = {}) {
  const from = checkpoint({ json: new Map(Object.entries(files)), ...more });
  const { pairs, warnings } = tokenizerPairs(from, vocab);
  const metadata = new Map(pairs.map(([key, value]) => [key, Object.values(value)[0] as MetadataValue]));
  const back = openTokenizer(checkpoint({ format: "gguf", metadata }), vocab)!;
  return { folder: openTokenizer(from, vocab)!, back, warnings };
}

const TEXTS = [
  "",
  " ",
  "  two",
  "a<s>b</s> c",
  "<unk> <0x0A>",
  "don't 12345\n\n\t x",
  "héllo \u{1f600} 日本語 ▁",
  "<|header_start|>user",
];

function expectSame(one: Tokenizer, other: Tokenizer, texts: readonly string[]): void {
  for (const text of texts) {
    for (const options of [{}, { specialTokens: true }]) {
      const ids = one.encode(text, options);
      expect([text, [...other.encode(text, options)]]).toEqual([text, [...ids]]);
      expect(other.decode(ids)).toBe(one.decode(ids));
    }
  }
  expect(other.stopIds).toEqual(one.stopIds);
  expect(other.bos).toBe(one.bos);
}

it("byte-level: ids, stops and begin token, also with user-defined tokens and end tokens of any name", () => {
  const json = fresh();
  json.added_tokens.at(-1).special = false; // user-defined
  const eos_token_id = [5, ...folder["generation_config.json"].eos_token_id];
  const files = { "tokenizer.json": json, ...folder, "generation_config.json": { eos_token_id } };
  const { folder: one, back, warnings } = written(files, 2048);
  expect(warnings).toEqual([]);
  expect(one.stopIds).toContain(5);
  expectSame(one, back, TEXTS);
});

it("more end tokens than GGUF has keys for are said to be lost", () => {
  const files = { "tokenizer.json": fresh(), ...folder, "generation_config.json": { eos_token_id: [4, 5, 6, 7] } };
  const { back, warnings } = written(files, 2048);
  expect(warnings).toEqual([expect.stringMatching(/^TOK_SPECIAL: .*: 4, 5$/)]);
  expect(back.stopIds).toEqual(expect.arrayContaining([6, 7]));
});

it.each([
  ["prepend", true],
  ["replace", true],
  ["never-nosplit", true],
  ["first-nosplit", false],
  ["always-nosplit", false],
  ["never-split", false],
])("SentencePiece, spaces by %s: the same ids, or a warning (same: %s)", (variant, same) => {
  const { pieces, texts } = sentencePiece;
  const { folder: one, back, warnings } = written({ "tokenizer.json": sentencePieceJson(variant) }, pieces.length);
  expect(warnings).toEqual(same ? [] : [expect.stringMatching(/^TOK_SPACES/)]);
  if (same) expectSame(one, back, [...TEXTS, ...texts]);
});

it("tokenizer.model: the same ids; where its own pieces end no span, a warning", () => {
  const { texts, models } = golden("odd-files.json.gz").sentencepiece;
  for (const [name, same] of [
    ["noprefix", true],
    ["llama", false],
  ] as const) {
    const sentencePieceFile = new Uint8Array(Buffer.from(models[name].model, "base64"));
    const { folder: one, back, warnings } = written({}, models[name].rows, { sentencePiece: sentencePieceFile });
    expect(warnings).toEqual(same ? [] : [expect.stringMatching(/^TOK_SPACES/)]);
    if (same) expectSame(one, back, texts);
  }
});

it("flags of added tokens are said to be lost", () => {
  const json = fresh();
  json.added_tokens.at(-1).rstrip = true;
  expect(written({ "tokenizer.json": json, ...folder }, 2048).warnings).toEqual([expect.stringMatching(/^TOK_ADDED/)]);
});
