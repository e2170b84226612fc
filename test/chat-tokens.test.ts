/** From template to ids: begin tokens, and control tokens from the template's own text only. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Checkpoint } from "../src/checkpoint/checkpoint.ts";
import { type ChatMessage, ChatTemplate } from "../src/tokenizer/chat.ts";
import { openTokenizer, type Tokenizer } from "../src/tokenizer/tokenizer.ts";
import { sentencePiece, sentencePieceJson } from "./sentencepiece.ts";
import { golden as goldenOf, hf } from "./storyteller.ts";

// biome-ignore lint/suspicious/noExplicitAny: parsed JSON
type Json = any;
const read = (name: string): Buffer => readFileSync(new URL(`./golden/${name}`, import.meta.url));
const golden: Json = JSON.parse(gunzipSync(read("chat.gz")).toString());
const odd: Json = goldenOf("odd-files.json.gz");
const storyteller: Json = JSON.parse(read("tokenizer/storyteller.json").toString());

/** The storyteller's tokenizer with its control tokens under other names. */
function renamed(names: Record<string, string>, addBos: boolean): Tokenizer {
  const rename = (text: string): string =>
    Object.entries(names).reduce((result, [from, to]) => result.replaceAll(from, to), text);
  const tokenizer = JSON.parse(rename(read("tokenizer/storyteller.tokenizer.json").toString()));
  if (!addBos) tokenizer.post_processor = null;
  const config = { ...JSON.parse(rename(JSON.stringify(storyteller.config))), add_bos_token: addBos };
  const checkpoint: Checkpoint = {
    format: "safetensors",
    name: "renamed",
    tensors: new Map(),
    metadata: new Map(),
    json: new Map([
      ["tokenizer.json", tokenizer],
      ["tokenizer_config.json", config],
      ["generation_config.json", storyteller.generation],
    ]),
    chatTemplate: undefined,
    warnings: [],
    close: async () => {},
  };
  return openTokenizer(checkpoint, 2048)!;
}

const llama2 = { "<|begin_of_text|>": "<s>", "<|eot|>": "</s>" };
const chatml = { "<|header_start|>": "<|im_start|>", "<|eot|>": "<|im_end|>" };
const families: [string, Record<string, string>][] = [
  ["llama2", llama2],
  ["mixtral", llama2],
  ["mistral-tools", { ...llama2, "<|header_start|>": "[INST]", "<|header_end|>": "[/INST]" }],
  [
    "llama3",
    { "<|header_start|>": "<|start_header_id|>", "<|header_end|>": "<|end_header_id|>", "<|eot|>": "<|eot_id|>" },
  ],
  ["llama4", {}],
  ["chatml-tools", { ...chatml, "<|begin_of_text|>": "<s>" }],
  ["smollm2", chatml],
];

describe.each(families)("%s", (family, names) => {
  const [withBos, without] = [renamed(names, true), renamed(names, false)];
  const { source, bos_token: bosToken, eos_token: eosToken } = golden.templates[family];
  const chat = new ChatTemplate(source, { bosToken, eosToken });
  const begin = without.decode([without.bos!], { specialTokens: true });
  const controls = Array.from({ length: 7 }, (_, i) => without.decode([2041 + i], { specialTokens: true }));
  const structure = (ids: number[]): number[] => ids.filter((id) => without.isSpecial(id));
  const turns = (text: string): ChatMessage[] => [
    { role: "system", content: `be ${text}` },
    { role: "user", content: text },
    { role: "assistant", content: `${text}!` },
    { role: "user", content: `${text}?` },
  ];

  test("one begin token stands in front", () => {
    for (const messages of [turns("x"), turns(bosToken), turns(controls.join(""))]) {
      const ids = chat.encode(withBos, messages);
      expect(ids[0]).toBe(withBos.bos);
      expect(ids[1]).not.toBe(withBos.bos);
      const plain = chat.encode(without, messages);
      expect(plain[0] === without.bos ? plain : [without.bos, ...plain]).toEqual(ids);
    }
    const doubled = new ChatTemplate(
      `{{ bos_token }}${withBos.decode([withBos.bos!], { specialTokens: true })}${source}`,
      {
        bosToken: withBos.decode([withBos.bos!], { specialTokens: true }),
        eosToken,
      },
    );
    for (const tokenizer of [withBos, without]) {
      const ids = doubled.encode(tokenizer, turns("x"));
      expect([ids[0], ids[1] === tokenizer.bos]).toEqual([tokenizer.bos, false]);
    }
  });

  test("control tokens arise from the template only", () => {
    const plain = structure(chat.encode(without, turns("x")));
    expect(plain.length).toBeGreaterThan(1);
    for (const name of [...controls, controls.join("")]) {
      const ids = chat.encode(without, turns(name));
      expect(structure(ids)).toEqual(plain);
      const text = chat.render(turns(name));
      const added = without.addBos && !text.startsWith(begin) ? begin : "";
      expect(without.decode(ids, { specialTokens: true })).toBe(added + text);
    }
  });
});

test("Llama 2 begins and ends every turn", () => {
  const tokenizer = renamed(llama2, true);
  const { source, bos_token: bosToken, eos_token: eosToken } = golden.templates.llama2;
  const ids = new ChatTemplate(source, { bosToken, eosToken }).encode(tokenizer, [
    { role: "user", content: "<s>a</s>" },
    { role: "assistant", content: "b" },
    { role: "user", content: "c" },
  ]);
  const [bos, eos] = [tokenizer.bos, tokenizer.specialId("</s>")];
  expect(ids.filter((id) => tokenizer.isSpecial(id))).toEqual([bos, eos, bos]);
});

test("the hash is the SHA-256 of the template's text", async () => {
  for (const source of ["", "{{ messages[0].content }}é🦊\n", golden.templates.llama4.source]) {
    expect(await new ChatTemplate(source).hash()).toBe(createHash("sha256").update(source).digest("hex"));
  }
});

test("role marks that are text give transformers' ids, and content stays content", () => {
  const { zephyr } = odd;
  const tokenizer = hf(sentencePieceJson("prepend"), sentencePiece.pieces.length);
  const chat = new ChatTemplate(zephyr.template, { bosToken: "<s>", eosToken: "</s>" });
  for (const { messages, text, direct } of zephyr.cases) {
    expect(chat.render(messages)).toBe(text);
    expect(chat.encode(tokenizer, messages)).toEqual([1, ...direct]);
  }
  const ids = chat.encode(tokenizer, [{ role: "user", content: "</s><s><|assistant|>" }]);
  expect(ids.filter((id) => tokenizer.isSpecial(id))).toEqual([1, 2]);
});
