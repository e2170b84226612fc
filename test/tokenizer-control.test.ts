/** Begin, end and control tokens: what a file says, what its kind means when it is silent, what text cannot do. */
import { describe, expect, test } from "vitest";
import type { MetadataValue } from "../src/checkpoint/checkpoint.ts";
import { folder, fresh, gguf, hf, type Json, refusal, tokenizer } from "./storyteller.ts";

type Metadata = Map<string, MetadataValue>;
const key = (name: string): string => `tokenizer.ggml.${name}`;

/** The storyteller's seven control tokens (2041 to 2047) under other names. */
function renamed(names: Record<number, string>, kind = 3) {
  return (metadata: Metadata): void => {
    for (const [id, name] of Object.entries(names)) {
      (metadata.get(key("tokens")) as string[])[Number(id)] = name;
      (metadata.get(key("token_type")) as Int32Array)[Number(id)] = kind;
    }
  };
}

describe("the begin token", () => {
  test.each([
    ["llama4", true],
    ["llama-bpe", true],
    ["smollm", false],
    ["gpt-2", false],
  ])("of a GGUF file with rule %s that does not say: %s", (pre, expected) => {
    const silent = (m: Metadata) => m.set(key("pre"), pre).delete(key("add_bos_token"));
    expect(gguf(silent).addBos).toBe(expected);
    for (const given of [true, false]) {
      expect(gguf((m) => m.set(key("pre"), pre).set(key("add_bos_token"), given)).addBos).toBe(given);
    }
    expect(gguf((m) => silent(m) && m.delete(key("bos_token_id"))).addBos).toBe(false);
  });

  test("never stands twice", () => {
    const options = { addBos: true, specialTokens: true };
    const hello = tokenizer.encode("hello");
    expect(tokenizer.encode("hello", options)).toEqual([2041, ...hello]);
    expect(tokenizer.encode("<|begin_of_text|>hello", options)).toEqual([2041, ...hello]);
    expect(tokenizer.encode("<|begin_of_text|>", options)).toEqual([2041]);
    expect(tokenizer.encode("<|eot|><|begin_of_text|>", options)).toEqual([2041, 2046, 2041]);
    // As plain text it is no begin token.
    const text = "<|begin_of_text|>";
    expect(tokenizer.encode(text, { addBos: true })).toEqual([2041, ...tokenizer.encode(text)]);
  });

  test("and the end token, from a tokenizer.json: its template first, else its configuration", () => {
    const json = fresh();
    const template = json.post_processor.processors[1];
    const config = (more: Json) => ({ "tokenizer_config.json": { ...folder["tokenizer_config.json"], ...more } });
    const rules = (one: Json, more: Json = {}) => {
      const { addBos, addEos } = hf(one, 2048, config(more));
      return [addBos, addEos];
    };
    expect(rules(json, { add_bos_token: false, add_eos_token: true })).toEqual([true, false]);
    template.single.push({ SpecialToken: { id: "<|eot|>", type_id: 0 } });
    expect(rules(json)).toEqual([true, true]);
    expect(hf(json).encode("", { addEos: true })).toEqual([2046]);
    template.single.shift();
    expect(rules(json)).toEqual([false, true]);
    template.single[1].SpecialToken.id = "<nope>";
    expect(refusal(() => hf(json)).code).toBe("TOK_SPECIAL");
    json.post_processor = null;
    expect(rules(json)).toEqual([false, false]);
    expect(rules(json, { add_bos_token: true, add_eos_token: true })).toEqual([true, true]);
  });
});

describe("control tokens", () => {
  const names = ["<|end_of_text|>", "<|eom|>", "<|eot|>", "<|eom_id|>", "<|eot_id|>", "<|im_end|>", "<|endoftext|>"];
  test.each([...names, "</s>"])("%s ends an answer, though no key names it", (name) => {
    const one = gguf((m) => renamed({ 2042: "<a>", 2045: "<b>", 2046: "<c>", 2047: name })(m));
    expect(one.stopIds).toEqual([2046, 2047]); // 2046 by its key
  });

  test("the end tokens of generation_config.json, of the tokenizer and by name are one list", () => {
    const json = fresh();
    for (const [i, content] of [
      [5, "<|im_end|>"],
      [6, "<x>"],
    ] as const)
      json.added_tokens[i].content = content;
    const files = (eos: unknown) => ({
      "tokenizer_config.json": { bos_token: "<|begin_of_text|>", eos_token: "<x>" },
      "generation_config.json": { eos_token_id: eos },
    });
    expect(hf(json, 2048, files(2043)).stopIds).toEqual([2042, 2043, 2045, 2046, 2047]);
    expect(hf(json, 2048, files([7, 2047])).stopIds).toEqual([7, 2042, 2045, 2046, 2047]);
  });

  test.each(["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>", "<|eot|>", "</s>", "<s>"])(
    "T09 %s as text or with a mere name is taken as a control token, with a warning",
    (name) => {
      for (const kind of [1, 4]) {
        const one = gguf(renamed({ 2046: name }, kind));
        expect(one.warnings).toEqual([expect.stringContaining(name)]);
        expect([one.isSpecial(2046), one.encode(name).includes(2046)]).toEqual([true, false]);
        expect(one.encode(name, { specialTokens: true })).toEqual([2046]);
      }
      const json = fresh();
      json.added_tokens[5].content = name;
      json.added_tokens[5].special = false;
      expect([hf(json).isSpecial(2046), hf(json).encode(name).includes(2046)]).toEqual([true, false]);
    },
  );

  test("ChatML's, which published files often leave unmarked, are taken as control tokens, with a warning", () => {
    for (const kind of [1, 4]) {
      const one = gguf(renamed({ 2046: "<|im_end|>", 2047: "<|im_start|>" }, kind));
      expect(one.warnings.join()).toContain("<|im_end|>");
      expect([one.isSpecial(2046), one.isSpecial(2047)]).toEqual([true, true]);
      expect(one.stopIds).toContain(2046);
      expect(one.encode("<|im_start|>")).not.toContain(2047);
      expect(one.encode("<|im_start|>", { specialTokens: true })).toEqual([2047]);
    }
    expect(gguf(renamed({ 2046: "<|im_end|>" })).warnings).toEqual([]);
    const json = fresh();
    json.added_tokens[5].content = "<|im_end|>";
    json.added_tokens[5].special = false;
    expect(hf(json).isSpecial(2046)).toBe(true);
  });
});
