import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MetadataValue } from "../src/checkpoint/checkpoint.ts";
import { milliseconds, nasty, seeded } from "./nasty-text.ts";
import { sentencePiece, sentencePieceGguf, sentencePieceJson } from "./sentencepiece.ts";
import { hf, type Json, refusal } from "./storyteller.ts";

const property = seeded("sentencepiece");
const { texts, pieces, llamaCpp, tokenizers } = sentencePiece;
const size = pieces.length;
const plain = sentencePieceGguf();
const unprefixed = sentencePieceGguf((metadata) => metadata.set("tokenizer.ggml.add_space_prefix", false));
const piece = (text: string): number => pieces.indexOf(text);

describe("a Llama 2 vocabulary", () => {
  test.each([
    ["with a space in front", plain, llamaCpp.every],
    ["without one", unprefixed, llamaCpp.none],
  ])("from GGUF, %s, gives llama.cpp's ids", (_, one, expected) => {
    for (const [i, text] of texts.entries()) {
      expect(one.encode(text), text).toEqual(expected.plain[i]);
      expect(one.encode(text, { specialTokens: true }), text).toEqual(expected.marked[i]);
    }
  });

  test("gives the ids of sentencepiece where no user-defined token starts a new span", () => {
    for (const [i, text] of texts.entries()) {
      if (!text.includes("<note>")) expect(plain.encode(text), text).toEqual(sentencePiece.sentencepiece.plain[i]);
    }
  });

  test.each(Object.entries(tokenizers))(
    "from tokenizer.json, %s, gives the ids and texts of tokenizers",
    (variant, ids) => {
      const one = hf(sentencePieceJson(variant), size);
      for (const [i, text] of texts.entries()) {
        expect(one.encode(text), text).toEqual(ids.plain[i]);
        expect(one.encode(text, { specialTokens: true }), text).toEqual(ids.marked[i]);
        expect(one.decode(ids.plain[i]), text).toBe(ids.text[i]);
      }
    },
  );

  test("GGUF and tokenizer.json agree on random Unicode, and decoding gives the text back", () => {
    const folder = hf(sentencePieceJson("prepend"), size);
    const run = (text: string) => {
      fc.pre(!text.includes("\u2581")); // comes back as a space
      const ids = plain.encode(text);
      expect(folder.encode(text)).toEqual(ids);
      expect(plain.decode(ids)).toBe(text);
      expect(unprefixed.decode(unprefixed.encode(text))).toBe(text);
    };
    fc.assert(fc.property(nasty, run), property);
  });

  test("cutting at spaces changes no id: a token with an inner space forbids it, and all else stays", () => {
    const whole = sentencePieceGguf((metadata) => {
      (metadata.get("tokenizer.ggml.tokens") as string[])[size - 1] = "\u4e00\u2581\u4e00"; // cannot be reached
    });
    const usual = sentencePieceGguf((metadata) => {
      (metadata.get("tokenizer.ggml.tokens") as string[])[size - 1] = "\u4e00\u4e00\u4e00";
    });
    const run = (text: string) => {
      expect(whole.encode(text)).toEqual(usual.encode(text));
    };
    fc.assert(fc.property(nasty, run), property);
  });

  test("equal scores merge from the left, higher ones first", () => {
    const change = (scores: Record<string, number>) => (metadata: Map<string, MetadataValue>) => {
      const tokens = metadata.get("tokenizer.ggml.tokens") as string[];
      const given = metadata.get("tokenizer.ggml.scores") as Float32Array;
      for (const [i, [text, score]] of Object.entries(scores).entries()) {
        tokens[size - 1 - i] = text;
        given[size - 1 - i] = score;
      }
      metadata.set("tokenizer.ggml.add_space_prefix", false);
    };
    const spell = (one: typeof plain, text: string) =>
      one.encode(text).map((id) => Buffer.from(one.tokenBytes(id)).toString());
    expect(spell(sentencePieceGguf(change({ q: -1, z: -1, qz: -2, zq: -2 })), "qzqzq")).toEqual(["qz", "qz", "q"]);
    expect(spell(sentencePieceGguf(change({ q: -1, z: -1, qz: -2, zq: -1 })), "qzqzq")).toEqual(["q", "zq", "zq"]);
  });

  test("the space in front is taken away once, and stays where the ids continue a text", () => {
    const ids = plain.encode("  two");
    expect(plain.decode(ids)).toBe("  two");
    expect(plain.decode(ids, { continues: true })).toBe("   two");
    expect(plain.decode([1, ...ids, 2])).toBe("  two");
    expect(unprefixed.decode([piece("\u2581the")])).toBe(" the");
    const stream = plain.stream();
    expect([1, piece("\u2581the"), piece("\u2581the")].map((id) => stream.push(id))).toEqual(["", "the", " the"]);
  });

  test("a stream holds back half characters, bytes and tokens mixed", () => {
    const run = (ids: number[]) => {
      const stream = plain.stream();
      const parts = ids.map((id) => stream.push(id));
      expect(parts.join("") + stream.end()).toBe(plain.decode(ids));
    };
    fc.assert(fc.property(fc.array(fc.nat(size - 1), { maxLength: 40 }), run), property);
    const stream = plain.stream({ continues: true });
    expect(
      unprefixed
        .encode("🦊")
        .map((id) => stream.push(id))
        .join("|"),
    ).toMatch(/^\|*🦊$/);
    expect(stream.push(piece("<0xF0>"))).toBe("");
    expect(stream.push(piece("a"))).toBe("\ufffda");
  });

  test("text never turns into control tokens, byte tokens or the unknown token", () => {
    for (const text of ["<s>", "</s>", "<unk>", "<0x41>"]) {
      expect(plain.decode(plain.encode(text))).toBe(text);
      expect(plain.encode(text).every((id) => !plain.isSpecial(id))).toBe(true);
      expect(plain.encode(text)).not.toContain(piece(text));
    }
  });

  test("a character whose bytes have no tokens is the unknown token, several in a row are one", () => {
    const one = sentencePieceGguf((metadata) => {
      (metadata.get("tokenizer.ggml.tokens") as string[])[piece("<0xF0>")] = "\ue000";
      (metadata.get("tokenizer.ggml.token_type") as Int32Array)[piece("<0xF0>")] = 1;
    });
    const a = piece("\u2581a");
    expect(one.encode("a\u{1f98b}\u{1f98c}")).toEqual([a, 0]);
    expect(one.encode("a\u{1f98b} \u{1f98c}")).toEqual([a, 0, piece("\u2581"), 0]);
    const json = sentencePieceJson("prepend");
    json.model.vocab["\ue000"] = json.model.vocab["<0xF0>"];
    delete json.model.vocab["<0xF0>"];
    json.model.fuse_unk = false;
    expect(hf(json, size).encode("a\u{1f98b}\u{1f98c}")).toEqual([a, 0, 0]);
    json.model.unk_token = "</s>";
    expect(refusal(() => hf(json, size).encode("a\u{1f98b}")).code).toBe("TOK_BYTE");
    json.model.unk_token = null;
    expect(refusal(() => hf(json, size).encode("a\u{1f98b}")).code).toBe("TOK_BYTE");
  });

  test.each(["a", " ", "\n", "é", "🦊", "\ue000", "ab", "\u2581"])(
    "T12 a million units of %j take less than a second",
    (unit) => {
      const text = unit.repeat(1e6 / unit.length);
      let ids: number[] = [];
      expect(milliseconds(() => (ids = plain.encode(text)))).toBeLessThan(1000);
      if (unit !== "\u2581") expect(plain.decode(ids)).toBe(text);
    },
  );
});

describe("what a Llama 2 vocabulary says of texts", () => {
  test("GGUF: begin token and space in front unless the file says otherwise; ids 1 and 2", () => {
    expect([plain.bos, plain.addBos, plain.eos, plain.addEos, plain.stopIds]).toEqual([1, true, 2, false, [2]]);
    const other = sentencePieceGguf((metadata) => {
      metadata.set("tokenizer.ggml.add_bos_token", false).set("tokenizer.ggml.add_eos_token", true);
      metadata.set("tokenizer.ggml.bos_token_id", 2).set("tokenizer.ggml.eos_token_id", 1);
    });
    expect([other.bos, other.addBos, other.eos, other.addEos, other.stopIds]).toEqual([2, false, 1, true, [1, 2]]);
    expect(other.encode("", { addBos: true, addEos: true })).toEqual([2, 1]);
  });

  test("tokenizer.json: its template, else the class, which adds the begin token", () => {
    const json = sentencePieceJson("prepend");
    const config = { "tokenizer_config.json": { bos_token: "<s>", eos_token: "</s>", add_bos_token: false } };
    expect(hf(json, size, config).addBos).toBe(true);
    json.post_processor.single.push({ SpecialToken: { id: "</s>", type_id: 0 } });
    expect([hf(json, size).eos, hf(json, size).addEos]).toEqual([2, true]);
    json.post_processor = null;
    expect(hf(json, size, config).addBos).toBe(false);
    expect(hf(json, size, { "tokenizer_config.json": { bos_token: "<s>" } }).addBos).toBe(true);
  });
});

test("the steps that transformers 5 writes for a tokenizer.model are those of Prepend, or of Metaspace alone", () => {
  const steps = (scheme: string, twice: boolean) => {
    const json = sentencePieceJson(`${scheme}-nosplit`);
    const replace = (pattern: object, content: string) => ({ type: "Replace", pattern, content });
    const second = twice ? [replace({ Regex: "\\A\u2581" }, "\u2581\u2581")] : [];
    json.normalizer = { type: "Sequence", normalizers: [replace({ String: " " }, "\u2581"), ...second] };
    json.pre_tokenizer = { type: "Sequence", pretokenizers: [json.pre_tokenizer] };
    return hf(json, size);
  };
  for (const [scheme, twice, same] of [
    ["always", true, "prepend"],
    ["first", false, "first-nosplit"],
    ["always", false, "always-nosplit"],
  ] as const) {
    const { plain: expected, marked } = tokenizers[same];
    const one = steps(scheme, twice);
    for (const [i, text] of texts.entries()) {
      expect(one.encode(text), text).toEqual(expected[i]);
      expect(one.encode(text, { specialTokens: true }), text).toEqual(marked[i]);
    }
  }
});

describe("bad files of this kind", () => {
  type Change = (json: Json) => void;
  const cases: [string, string, string, Change][] = [
    ["unknown normaliser", "TOK_COMPONENT", "prepend", (j) => (j.normalizer.normalizers[0].type = "NFKC")],
    ["other prefix", "TOK_COMPONENT", "prepend", (j) => (j.normalizer.normalizers[0].prepend = "_")],
    ["other replacement", "TOK_COMPONENT", "prepend", (j) => (j.normalizer.normalizers[1].content = "_")],
    ["a pattern in Replace", "TOK_COMPONENT", "prepend", (j) => (j.normalizer.normalizers[1].pattern = { Regex: " " })],
    ["nothing that escapes spaces", "TOK_COMPONENT", "prepend", (j) => (j.normalizer = null)],
    ["a third normaliser", "TOK_COMPONENT", "prepend", (j) => j.normalizer.normalizers.push({ type: "Lowercase" })],
    ["other pre-tokenizer", "TOK_COMPONENT", "prepend", (j) => (j.pre_tokenizer = { type: "Whitespace" })],
    ["Metaspace twice", "TOK_COMPONENT", "first-split", (j) => (j.normalizer = { type: "Prepend", prepend: "\u2581" })],
    ["unknown scheme", "TOK_COMPONENT", "first-split", (j) => (j.pre_tokenizer.prepend_scheme = "often")],
    ["other space", "TOK_COMPONENT", "first-split", (j) => (j.pre_tokenizer.replacement = "_")],
    ["no decoder", "TOK_COMPONENT", "prepend", (j) => (j.decoder = null)],
    ["decoder without bytes", "TOK_COMPONENT", "prepend", (j) => j.decoder.decoders.splice(1, 1)],
    ["strips much", "TOK_COMPONENT", "prepend", (j) => (j.decoder.decoders[3].start = 2)],
    ["T03 merge of nothing", "TOK_MERGE", "prepend", (j) => (j.model.merges[0] = ["q", "nope"])],
    ["prefix suffix", "TOK_COMPONENT", "prepend", (j) => (j.model.continuing_subword_prefix = "##")],
    [
      "two tokens in front",
      "TOK_COMPONENT",
      "prepend",
      (j) => j.post_processor.single.unshift(j.post_processor.single[0]),
    ],
  ];
  test.each(cases)("tokenizer.json: %s is %s", (_, code, variant, change) => {
    const json = sentencePieceJson(variant);
    change(json);
    expect(refusal(() => hf(json, size)).code).toBe(code);
  });

  test("T09 a control token with the flag `normalized` is found where a template writes it: a warning", () => {
    const json = sentencePieceJson("prepend");
    json.added_tokens[1].normalized = true;
    expect(hf(json, size).warnings.join()).toContain("<s>");
    expect(hf(json, size).encode("a<s>", { specialTokens: true }).at(-1)).toBe(1);
    const other = sentencePieceJson("first-nosplit");
    other.added_tokens[1].normalized = true; // nothing is normalised
    expect(hf(other, size).warnings).toEqual([]);
  });

  test("an unknown token that does not exist is missed only where a text needs it", () => {
    const json = sentencePieceJson("prepend");
    json.model.unk_token = "<nope>";
    expect(hf(json, size).warnings.join()).toMatch(/TOK_SPECIAL: .*<nope>/);
    expect(hf(json, size).encode("a")).toEqual(plain.encode("a"));
  });

  const key = (name: string): string => `tokenizer.ggml.${name}`;
  const tokens = (m: Map<string, MetadataValue>) => m.get(key("tokens")) as string[];
  const ggufCases: [string, string, (metadata: Map<string, MetadataValue>) => void][] = [
    ["scores as f64", "GGUF_ARRAY_TYPE", (m) => m.set(key("scores"), new Float64Array(size))],
    ["too few scores", "TOK_LENGTH", (m) => m.set(key("scores"), new Float32Array(size - 1))],
    ["a score that is no number", "TOK_SCORE", (m) => ((m.get(key("scores")) as Float32Array)[size - 1] = Number.NaN)],
    ["T04 long token", "TOK_LENGTH", (m) => (tokens(m)[size - 1] = "a".repeat(5000))],
    ["T05 byte token", "TOK_BYTE", (m) => (tokens(m)[5] = "<0xZZ>")],
    ["a flag as text", "GGUF_KV_TYPE", (m) => m.set(key("add_space_prefix"), "yes")],
    ["unknown id", "CONFIG_TOKEN_ID", (m) => m.set(key("unknown_token_id"), size)],
  ];
  test.each(ggufCases)("GGUF: %s is %s", (_, code, change) => {
    expect(refusal(() => sentencePieceGguf(change)).code).toBe(code);
  });

  test("tokens so long that finding their parts is work without end are refused in good time", () => {
    const many = Array.from({ length: 60 }, (_, i) => "a".repeat(4000 - i));
    const change = (m: Map<string, MetadataValue>) => {
      for (const [i, text] of many.entries()) tokens(m)[size - 1 - i] = text;
    };
    let code = "";
    expect(milliseconds(() => (code = refusal(() => sentencePieceGguf(change)).code))).toBeLessThan(1000);
    expect(code).toBe("TOK_LENGTH");
  });

  test("T03 so are tokens that join in more ways than any real vocabulary's", () => {
    const all: string[] = [];
    for (let length = 1, words = [""]; length <= 16; length++) {
      words = words.flatMap((word) => [`${word}a`, `${word}b`]);
      all.push(...words);
    }
    const change = (m: Map<string, MetadataValue>) => {
      m.set(key("tokens"), all).set(key("scores"), new Float32Array(all.length));
      m.set(key("token_type"), new Int32Array(all.length).fill(1));
    };
    let code = "";
    const time = milliseconds(() => (code = refusal(() => sentencePieceGguf(change, all.length)).code));
    expect(code).toBe("TOK_MERGE");
    expect(time).toBeLessThan(3000);
  });
});
