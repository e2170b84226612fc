/** Vocabularies that are odd and usable: they load with a warning, and give the ids of the reference that reads them. */
import { describe, expect, test } from "vitest";
import type { MetadataValue } from "../src/checkpoint/checkpoint.ts";
import { openTokenizer } from "../src/tokenizer/tokenizer.ts";
import { sentencePiece, sentencePieceGguf, sentencePieceJson } from "./sentencepiece.ts";
import { checkpoint, folder, fresh, gguf, golden, hf, type Json } from "./storyteller.ts";

type Metadata = Map<string, MetadataValue>;
const odd = golden("odd-files.json.gz");
const key = (name: string): string => `tokenizer.ggml.${name}`;
const size = sentencePiece.pieces.length;
const added = (content: string, id: number, more: object = {}) => ({ content, id, special: false, ...more });

describe("added tokens with lstrip, rstrip, single_word and normalized, against tokenizers", () => {
  test.each<[string, Json]>(odd.added.map((one: Json, i: number) => [`${one.variant} ${i}`, one]))("%s", (_, one) => {
    const json = one.variant === "bytes" ? fresh() : sentencePieceJson(one.variant);
    json.added_tokens.push(...one.added);
    const tokenizer = hf(json, one.rows);
    for (const [i, text] of one.texts.entries())
      expect(tokenizer.encode(text, { specialTokens: true }), text).toEqual(one.ids[i]);
  });

  test("white space goes to a token once, however many tokens claim it", () => {
    const json = fresh();
    json.added_tokens.push(added("<a>", 2048, { rstrip: true }), added(" ", 2049, { lstrip: true, rstrip: true }));
    const tokenizer = hf(json, 2050);
    expect(tokenizer.encode(`x<a>${" ".repeat(100_000)}<a>y`)).toEqual([
      ...tokenizer.encode("x"),
      2048,
      2048,
      ...tokenizer.encode("y"),
    ]);
  });
});

describe("ids of llama.cpp", () => {
  const changes: Record<string, (m: Metadata) => void> = {
    "sp-noscores": (m) => m.delete(key("scores")),
    "sp-type0": (m) => (m.get(key("token_type")) as Int32Array).fill(0, 300, 500),
    "sp-empty": (m) => ((m.get(key("tokens")) as string[])[999] = ""),
    "sp-none-ids": (m) => {
      for (const name of ["bos", "eos", "unknown"]) m.set(key(`${name}_token_id`), 2 ** 32 - 1);
    },
    "sp-notypes": (m) => m.delete(key("token_type")),
    "bl-type0": (m) => (m.get(key("token_type")) as Int32Array).fill(0, 300, 400),
  };
  test.each(Object.entries(odd.llamaCppOdd.ids as Record<string, number[][]>))("%s", (name, ids) => {
    const tokenizer = name.startsWith("sp") ? sentencePieceGguf(changes[name]) : gguf(changes[name]);
    for (const [i, text] of odd.llamaCppOdd.texts.entries()) expect(tokenizer.encode(text), text).toEqual(ids[i]);
    expect(tokenizer.warnings.length > 0).toBe(name !== "sp-none-ids");
    if (name.startsWith("sp")) expect([tokenizer.bos, tokenizer.eos]).toEqual([1, 2]);
  });

  test.each([["default"], [undefined]])("the rule of a file that names %s, unless its control tokens tell", (pre) => {
    const rule = (m: Metadata) => (pre === undefined ? m.delete(key("pre")) : m.set(key("pre"), pre));
    const unknown = gguf((m) => {
      rule(m);
      const tokens = m.get(key("tokens")) as string[];
      tokens[tokens.indexOf("<|header_start|>")] = "<|hs|>";
    });
    expect([unknown.kind, unknown.addBos]).toEqual(["default", true]);
    expect(unknown.warnings.join()).toMatch(/TOK_REGEX: .*llama\.cpp's default/);
    for (const [i, text] of odd.llamaCppDefault.texts.entries())
      expect(unknown.encode(text), text).toEqual(odd.llamaCppDefault.ids[i]);
    const known = gguf(rule);
    expect([known.kind, known.warnings.join()]).toEqual(["llama4", expect.stringContaining("<|header_start|>")]);
  });
});

describe("tokenizer.model alone", () => {
  const { texts, models, refused } = odd.sentencepiece as {
    texts: string[];
    models: Record<string, { model: string; rows: number; ids: number[][] }>;
    refused: Record<string, string>;
  };
  const open = (model: string | Uint8Array, rows: number, files: Record<string, Json> = {}) => {
    const sentencePieceFile = typeof model === "string" ? new Uint8Array(Buffer.from(model, "base64")) : model;
    const json = new Map(Object.entries(files));
    return openTokenizer(checkpoint({ json, sentencePiece: sentencePieceFile }), rows)!;
  };

  test.each(Object.entries(models))("%s: the ids of sentencepiece", (_, { model, rows, ids }) => {
    const one = open(model, rows);
    for (const [i, text] of texts.entries()) expect(one.encode(text), text).toEqual(ids[i]);
    expect([one.kind, one.bos, one.eos, one.addBos, one.addEos]).toEqual(["sentencepiece", 1, 2, true, false]);
    expect(one.stopIds).toEqual([2]);
    expect(one.encode("a</s>")).not.toContain(2);
    expect(one.encode("a</s>", { specialTokens: true }).at(-1)).toBe(2);
  });

  test("a folder's configuration counts: begin token, legacy spaces, tokens of its own", () => {
    const { model, rows } = models["llama"];
    const config = {
      bos_token: "<s>",
      add_bos_token: false,
      legacy: false,
      added_tokens_decoder: { [rows]: { content: "<|im_end|>", special: true } },
    };
    const one = open(model, rows + 1, { "tokenizer_config.json": config });
    expect([one.addBos, one.specialId("<|im_end|>"), one.stopIds]).toEqual([false, rows, [2, rows]]);
    const marked = (tokenizer: typeof one) => tokenizer.encode("a</s>b", { specialTokens: true });
    expect(marked(one)).not.toEqual(marked(open(model, rows + 1)));
  });

  test.each(Object.entries(refused))("%s is refused by what it needs", (_, model) => {
    expect(() => open(model, 600)).toThrow(/^TOK_COMPONENT/);
  });

  test("more pieces than rows, and every cut or changed file, are typed errors or tokenizers", () => {
    const { model, rows } = models["llama"];
    const bytes = new Uint8Array(Buffer.from(model, "base64"));
    expect(() => open(bytes, rows - 1)).toThrow(/^TOK_ID/);
    expect(() => open(new Uint8Array(0), rows)).toThrow(/^TOK_PROTOBUF/);
    let state = 1;
    const next = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let i = 0; i < 300; i++) {
      const changed = bytes.slice(0, i % 3 === 0 ? next(bytes.length) : bytes.length);
      for (let j = 0; j < 3 && i % 3 > 0; j++) changed[i % 3 === 1 ? next(64) : next(changed.length)] = next(256);
      try {
        open(changed, rows).encode("a <note> b");
      } catch (error) {
        expect(String(error)).toMatch(/^EngineError: TOK_/);
      }
    }
  });
});

describe("tokenizer.json", () => {
  test("user-defined pieces as transformers 5 writes them, a pattern of alternatives, give its ids", () => {
    const { json, texts, ids } = odd.isolated;
    const one = hf(json, 620);
    for (const [i, text] of texts.entries()) expect(one.encode(text, { specialTokens: true }), text).toEqual(ids[i]);
    for (const pattern of ["", "a|", "|a", "a||b", "a+", "a|(b)", "\\d", "a|.", "[a]", "a|^b", "(a+)+$"]) {
      const other = structuredClone(json);
      other.pre_tokenizer.pretokenizers[1].pattern.Regex = pattern;
      expect(() => hf(other, 620), pattern).toThrow(/^TOK_COMPONENT/);
    }
  });

  test("a hole in the ids decodes to nothing, and the others keep theirs", () => {
    const json = fresh();
    json.added_tokens.splice(3, 1);
    json.added_tokens.push(added("<far>", 2060));
    const one = hf(json, 2061, folder);
    expect(one.warnings.join()).toMatch(/TOK_ID: 13 ids/);
    expect([one.encode("<far>"), one.decode([2050]), one.specialId("<|eot|>")]).toEqual([[2060], "", 2046]);
  });

  test("an added token beyond the rows stays text", () => {
    const json = fresh();
    json.added_tokens.push(added("<new>", 2048));
    const one = hf(json, 2048, folder);
    expect(one.warnings.join()).toMatch(/TOK_ADDED: "<new>" has id 2048/);
    expect(one.decode(one.encode("<new>"))).toBe("<new>");
  });

  test("of two added tokens of one text the first id counts, of one id the text that was there", () => {
    const json = fresh();
    json.added_tokens.push(added("<twice>", 2048), added("<twice>", 2049), added("<late>", 5));
    const one = hf(json, 2060, folder);
    expect([one.encode("<twice>"), one.encode("<late>")]).toEqual([[2048], [2049]]);
    expect(one.warnings.join()).toMatch(/TOK_DUPLICATE.*TOK_ID/s);
  });

  test("the configuration adds tokens, and says what tokenizer.json does not", () => {
    const config = {
      ...folder["tokenizer_config.json"],
      pad_token: { content: "<pad>" },
      extra_special_tokens: ["<extra>"],
      added_tokens_decoder: {
        2048: { content: "<tool>", lstrip: true, special: false },
        2046: { content: "<|eot|>", special: true, rstrip: true },
      },
    };
    const one = hf(fresh(), 2052, { ...folder, "tokenizer_config.json": config });
    expect(one.encode("a  <tool>")).toEqual([...one.encode("a"), 2048]);
    expect(one.encode("<|eot|>  a", { specialTokens: true })).toEqual([2046, ...one.encode("a")]);
    expect([one.specialId("<pad>"), one.specialId("<extra>")]).toEqual([2049, 2050]);
    expect([one.isSpecial(2048), one.isSpecial(2049), one.isSpecial(2050)]).toEqual([false, true, true]);
    const tight = hf(fresh(), 2048, { ...folder, "tokenizer_config.json": config });
    expect(tight.warnings.join()).toMatch(/"<pad>" has id 2048, beyond/);
  });

  test("a padding token that is one character takes nothing from texts; one that is a word stays one", () => {
    const config = (pad: string) => ({
      "tokenizer_config.json": { ...folder["tokenizer_config.json"], pad_token: pad },
    });
    const one = hf(fresh(), 2048, config("!"));
    expect(one.encode("Oh!!")).toEqual([...one.encode("Oh"), 0, 0]); // as tokenizers does
    expect(one.decode(one.encode("Oh!!"))).toBe("Oh!!");
    const word = hf(fresh(), 2048, config("the"));
    expect(word.encode("the then")).toEqual(hf(fresh(), 2048, folder).encode("the then"));
    expect(word.warnings.join()).toMatch(/TOK_SPECIAL: "the"/);
  });

  test("text never becomes a control token, though merges lead to it", () => {
    const json = fresh();
    json.added_tokens[5].content = "he";
    expect(json.model.vocab["he"]).toBeGreaterThan(0);
    json.added_tokens.push({ content: "he", id: json.model.vocab["he"], special: true });
    const one = hf(json, 2048, folder);
    expect(one.encode("he the")).not.toContain(json.model.vocab["he"]);
    expect(one.warnings.join()).toMatch(/TOK_MERGE: \d+ merges/);
  });

  test("characters outside the alphabet only decode; empty tokens give nothing; dropout is not done", () => {
    const json = fresh();
    json.model.vocab["日本"] = 2048;
    json.model.vocab[""] = 2049;
    json.model.dropout = 0.5;
    const one = hf(json, 2050, folder);
    expect(one.decode([2048, 2049])).toBe("日本");
    expect(one.encode("日本")).toEqual(hf(fresh(), 2048, folder).encode("日本"));
    expect(one.warnings.join()).toMatch(/dropout.*TOK_LENGTH.*TOK_BYTELEVEL/s);
  });

  test("the general class without a post-processor adds no begin token; Llama's does", () => {
    const adds = (tokenizer_class: string | undefined, more: object = {}) => {
      const json = sentencePieceJson("prepend");
      json.post_processor = null;
      return hf(json, size, { "tokenizer_config.json": { bos_token: "<s>", tokenizer_class, ...more } }).addBos;
    };
    for (const general of ["PreTrainedTokenizerFast", "TokenizersBackend"]) {
      expect(adds(general)).toBe(false);
      expect(adds(general, { add_bos_token: true })).toBe(true);
    }
    for (const own of ["LlamaTokenizer", "LlamaTokenizerFast", undefined]) expect(adds(own)).toBe(true);
  });

  test("the post-processor's own id of a token counts, and files without token names take those of the older map", () => {
    const json = sentencePieceJson("prepend");
    json.post_processor.special_tokens = { "<s>": { id: "<s>", ids: [2], tokens: ["</s>"] } };
    expect(hf(json, size).bos).toBe(2);
    const bare = sentencePieceJson("prepend");
    bare.post_processor = null;
    const older = hf(bare, size, { "special_tokens_map.json": { bos_token: "<s>", eos_token: { content: "</s>" } } });
    expect([older.bos, older.eos, older.stopIds]).toEqual([1, 2, [2]]);
  });

  test.each([-1, 2 ** 32 - 1, null])("the id %s is none", (none) => {
    const files = { "generation_config.json": { bos_token_id: none, eos_token_id: [none, 2046] } };
    expect([hf(fresh(), 2048, files).stopIds.includes(2046), hf(fresh(), 2048, files).bos]).toEqual([true, 2041]);
    if (none !== null) expect(gguf((m) => m.set(key("bos_token_id"), none)).bos).toBeNull();
  });
});
