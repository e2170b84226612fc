import { describe, expect, test } from "vitest";
import type { MetadataValue } from "../src/checkpoint/checkpoint.ts";
import { BYTE_ALPHABET } from "../src/tokenizer/alphabet.ts";
import { folder, fresh, gguf, hf, type Json, refusal } from "./storyteller.ts";

describe("bad files", () => {
  type Change = (json: Json) => void;
  const hfCases: [string, string, Change][] = [
    ["T01 duplicate id", "TOK_ID", (j) => (j.model.vocab["!"] = 1)],
    ["T01 negative id", "TOK_ID", (j) => (j.model.vocab["!"] = -1)],
    ["T01 id 2^32", "TOK_ID", (j) => (j.model.vocab["!"] = 2 ** 32)],
    ["T01 fractional id", "TOK_ID", (j) => (j.model.vocab["!"] = 0.5)],
    ["T03 unknown part", "TOK_MERGE", (j) => (j.model.merges[3] = ["h", "nope"])],
    ["T03 no space", "TOK_MERGE", (j) => (j.model.merges[3] = "he")],
    ["T03 three parts", "TOK_MERGE", (j) => (j.model.merges[3] = "h e e")],
    ["T03 three items", "TOK_MERGE", (j) => (j.model.merges[3] = ["h", "e", "e"])],
    ["T03 five million merges", "TOK_MERGE", (j) => (j.model.merges = Array(5e6).fill("h e"))],
    ["T04 long token", "TOK_LENGTH", (j) => rename(j, "!", "a".repeat(5000))],
    ["T07 hostile pattern", "TOK_REGEX", (j) => (j.pre_tokenizer.pretokenizers[0].pattern.Regex = "(a+)+$")],
    ["T07 string pattern", "TOK_REGEX", (j) => (j.pre_tokenizer.pretokenizers[0].pattern = { String: " " })],
    ["T08 normaliser", "TOK_COMPONENT", (j) => (j.normalizer = { type: "NFC" })],
    ["T08 decoder", "TOK_COMPONENT", (j) => (j.decoder = { type: "WordPiece" })],
    ["T08 post-processor", "TOK_COMPONENT", (j) => (j.post_processor = { type: "Evil" })],
    ["T08 model", "TOK_COMPONENT", (j) => (j.model = { type: "Unigram", unk_id: 0, vocab: [["a", -1]] })],
    ["no merges", "TOK_MERGE", (j) => delete j.model.merges],
    ["T08 ByteLevel alone, with a pattern of its own", "TOK_COMPONENT", (j) => (cutters(j)[1].use_regex = true)],
    ["T08 Split without ByteLevel", "TOK_COMPONENT", (j) => cutters(j).pop()],
    ["T08 ByteLevel that keeps no pattern", "TOK_COMPONENT", (j) => cutters(j).shift()],
    [
      "T08 digits in groups",
      "TOK_COMPONENT",
      (j) => cutters(j).splice(0, 2, { type: "Digits" }, { type: "ByteLevel" }),
    ],
    ["T08 three steps", "TOK_COMPONENT", (j) => cutters(j).unshift({ type: "Digits", individual_digits: true })],
    ["T08 space in front", "TOK_COMPONENT", (j) => (cutters(j)[1].add_prefix_space = true)],
    ["T08 byte fallback", "TOK_COMPONENT", (j) => (j.model.byte_fallback = true)],
    ["T08 nested sequences", "TOK_COMPONENT", nest],
    [
      "the leading token is missing",
      "TOK_SPECIAL",
      (j) => (j.post_processor.processors[1].single[0].SpecialToken.id = "<x>"),
    ],
  ];
  function rename(json: Json, from: string, to: string): void {
    json.model.vocab[to] = json.model.vocab[from];
    delete json.model.vocab[from];
  }
  const cutters = (json: Json): Json[] => json.pre_tokenizer.pretokenizers;
  function nest(json: Json): void {
    for (let i = 0; i < 1000; i++) json.pre_tokenizer = { type: "Sequence", pretokenizers: [json.pre_tokenizer] };
  }
  test.each(hfCases)("tokenizer.json: %s is %s", (_, code, change) => {
    const json = fresh();
    change(json);
    expect(refusal(() => hf(json, 2048, folder)).code).toBe(code);
  });

  const ggufCases: [string, string, (metadata: Map<string, MetadataValue>) => void][] = [
    ["T05 byte token <0xZZ>", "TOK_BYTE", (m) => byteToken(m, "<0xZZ>")],
    ["T05 byte token <0x100>", "TOK_BYTE", (m) => byteToken(m, "<0x100>")],
    ["T05 byte token <0x-1>", "TOK_BYTE", (m) => byteToken(m, "<0x-1>")],
    ["T07 unknown rule", "TOK_REGEX", (m) => m.set("tokenizer.ggml.pre", "qwen2")],
    ["bert", "TOK_COMPONENT", (m) => m.set("tokenizer.ggml.model", "bert")],
    ["unigram", "TOK_COMPONENT", (m) => m.set("tokenizer.ggml.model", "t5")],
    ["rwkv", "TOK_COMPONENT", (m) => m.set("tokenizer.ggml.model", "rwkv")],
    ["a flag as number", "GGUF_KV_TYPE", (m) => m.set("tokenizer.ggml.add_bos_token", 1)],
    ["G21 types of other length", "TOK_LENGTH", (m) => m.set("tokenizer.ggml.token_type", new Int32Array(5).fill(1))],
    ["G20 types as u8", "GGUF_ARRAY_TYPE", (m) => m.set("tokenizer.ggml.token_type", new Uint8Array(2048))],
    ["no merges", "GGUF_ARRAY_TYPE", (m) => m.delete("tokenizer.ggml.merges")],
    ["C12 begin id", "CONFIG_TOKEN_ID", (m) => m.set("tokenizer.ggml.bos_token_id", -2)],
    ["C12 end id", "CONFIG_TOKEN_ID", (m) => m.set("tokenizer.ggml.eos_token_id", 2048)],
    ["C11 more tokens than rows", "CONFIG_VOCAB", (m) => (m.get("tokenizer.ggml.tokens") as string[]).push("x")],
  ];
  function byteToken(metadata: Map<string, MetadataValue>, text: string): void {
    (metadata.get("tokenizer.ggml.tokens") as string[])[0] = text;
    (metadata.get("tokenizer.ggml.token_type") as Int32Array)[0] = 6;
  }
  test.each(ggufCases)("GGUF: %s is %s", (_, code, change) => {
    expect(refusal(() => gguf(change)).code).toBe(code);
  });

  test("an unknown rule is refused with the rules that are known", () => {
    const { message } = refusal(() => gguf((m) => m.set("tokenizer.ggml.pre", "tekken")));
    for (const name of ["tekken", "llama4", "llama-bpe", "smollm", "gpt-2"]) expect(message).toContain(name);
  });

  test("a merge is refused by its line", () => {
    expect(refusal(() => gguf((m) => ((m.get("tokenizer.ggml.merges") as string[])[7] = "nope"))).message).toContain(
      "merges[7]",
    );
  });

  test("T02 a repeated token is a warning: the lowest id encodes, both decode", () => {
    const one = gguf((m) => {
      (m.get("tokenizer.ggml.tokens") as string[]).push("!");
      m.set("tokenizer.ggml.token_type", Int32Array.of(...(m.get("tokenizer.ggml.token_type") as Int32Array), 1));
    }, 2049);
    expect(one.warnings.join()).toContain("TOK_DUPLICATE");
    expect(one.encode("!")).toEqual([0]);
    expect(one.decode([0, 2048])).toBe("!!");
  });

  test("fewer tokens than rows is a warning; the rest decodes to nothing", () => {
    const one = hf(fresh(), 2100, folder);
    expect(one.warnings.join()).toContain("TOK_SHORT");
    expect(one.decode([2099])).toBe("");
    expect(one.vocabSize).toBe(2100);
  });

  test("a byte without a token is refused when a text needs it", () => {
    const json = fresh();
    rename(json, BYTE_ALPHABET[0xf0], `${BYTE_ALPHABET[0xf1]}${BYTE_ALPHABET[0xf2]}`);
    const one = hf(json, 2048, folder);
    expect(one.encode("fine").length).toBeGreaterThan(0);
    expect(refusal(() => one.encode("🦊")).code).toBe("TOK_BYTE");
  });
});
