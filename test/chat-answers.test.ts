/** Chats of SentencePiece models, from a folder's files to the answer's text. */
import { afterAll, describe, expect, test } from "vitest";
import { inspect, loadModel, type Model } from "../dist/src/index.js";
import { sentencePiece, sentencePieceJson } from "./sentencepiece.ts";
import { golden, type Json } from "./storyteller.ts";
import { type TinyFolder, tinyFolder } from "./tiny-folder.ts";

const { zephyr, sentencepiece } = golden("odd-files.json.gz") as Json;
const size = sentencePiece.pieces.length;
const names = { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>" };
const folders: TinyFolder[] = [];
const models: Model[] = [];
afterAll(async () => {
  for (const model of models) await model.dispose();
  for (const one of folders) one[Symbol.dispose]();
});

function folder(files: Readonly<Record<string, unknown>>, vocab = size): string {
  const made = tinyFolder(vocab, files);
  folders.push(made);
  return made.path;
}

async function open(files: Readonly<Record<string, unknown>>, vocab = size): Promise<Model> {
  const model = await loadModel(folder(files, vocab), { threads: 1 });
  models.push(model);
  return model;
}

const tokenizer = { "tokenizer.json": sentencePieceJson("prepend") };
const config = (template: unknown) => ({ "tokenizer_config.json": { ...names, chat_template: template } });
/** Token 270 is "▁a". */
const saysA = { temperature: 0, maxTokens: 2, logitBias: { 270: 100 } };
const user = (content: string) => [{ role: "user", content }];

describe("TinyLlama's template, whose role marks are no tokens", () => {
  test("chats, says that the marks are text, and gives the ids of transformers behind the begin token", async () => {
    const model = await open({ ...tokenizer, ...config(zephyr.template) });
    expect(model.info.warnings).toEqual([]);
    const result = await model.chat(user("Hello"), saysA).result();
    expect(result.warnings).toEqual([expect.stringMatching(/^TOK_SPECIAL: .*: <\|user\|> <\|assistant\|>$/)]);
    for (const { messages, direct } of zephyr.cases) {
      const { usage } = await model.chat(messages, saysA).result();
      expect(usage.promptTokens).toBe(direct.length + 1);
    }
  });
});

describe("the answer of a chat", () => {
  test("is a text of its own: the space before it is not part of it, where generate goes on a text", async () => {
    const model = await open({ ...tokenizer, ...config("[INST] {{ messages[0].content }} [/INST]") });
    const chat = model.chat(user("hi"), saysA);
    const pieces: string[] = [];
    for await (const piece of chat) pieces.push(piece);
    expect([pieces.join(""), (await chat.result()).ids]).toEqual(["a a", [270, 270]]);
    expect(await model.generate("hi", saysA).text()).toBe(" a a");
  });

  test("goes on what the caller said last, where the template ends with that", async () => {
    const model = await open({ ...tokenizer, ...config("{% for m in messages %}{{ m.content }}{% endfor %}") });
    expect(await model.chat(user("hi"), saysA).text()).toBe(" a a");
  });
});

describe("a folder's templates", () => {
  const files = {
    ...tokenizer,
    ...config("stale"),
    "chat_template.jinja": "plain {{ messages[0].content }}",
    "additional_chat_templates/tool_use.jinja": "{{ tools | length }} tools {{ messages[0].content }}",
    "additional_chat_templates/notes.txt": "no template",
  };
  const tools = [{ type: "function", function: { name: "now", description: "", parameters: {} } }];
  const length = async (model: Model, options: object) =>
    (await model.chat(user("hi"), { ...saysA, ...options }).result()).usage.promptTokens;

  test("are read from its files, chosen by tools and by name, and shown by inspect", async () => {
    const model = await open(files);
    const ids = (text: string) => model.tokenizer.encode(text, { addBos: true }).length;
    expect(await length(model, {})).toBe(ids("plain hi"));
    expect(await length(model, { tools })).toBe(ids("1 tools hi"));
    expect(await length(model, { tools, template: "default" })).toBe(ids("plain hi"));
    expect(() => model.chat(user("hi"), { template: "rag" })).toThrow(/TEMPLATE_NAME.*default, tool_use/);
    const told = await model.chat(user("hi"), { ...saysA, tools, template: "default" }).result();
    expect(told.warnings).toEqual([
      expect.stringMatching(/TPL_UNREAD.*"tools"/),
      expect.stringMatching(/^TOOL_FORMAT: calls stay text/),
    ]);
    expect((await inspect(folder(files))).templates).toEqual(["default", "tool_use"]);
  });

  test("an unusable one for tools is a warning of inspect and an error of that chat only", async () => {
    const broken = { ...files, "additional_chat_templates/tool_use.jinja": "{% if %}" };
    const model = await open(broken);
    expect(await length(model, {})).toBeGreaterThan(2);
    expect(() => model.chat(user("hi"), { tools })).toThrow(/TPL_/);
    expect((await inspect(folder(broken))).warnings).toEqual([
      expect.stringMatching(/^chat template "tool_use": TPL_/),
    ]);
  });

  test("too many of them, or one too large, are refused", async () => {
    const many = Object.fromEntries(
      Array.from({ length: 65 }, (_, i) => [`additional_chat_templates/${i}.jinja`, "x"] as const),
    );
    await expect(loadModel(folder({ ...tokenizer, ...many }))).rejects.toThrow(/TPL_SIZE/);
    const large = { "additional_chat_templates/x.jinja": "x".repeat(300_000) };
    await expect(loadModel(folder({ ...tokenizer, ...large }))).rejects.toThrow(/TPL_SIZE/);
  });
});

test("a folder whose only tokenizer is tokenizer.model chats, and can be inspected", async () => {
  const { model: file, rows } = sentencepiece.models.llama;
  const template = "{{ bos_token }}[INST] {{ messages[0].content }} [/INST]{{ eos_token }}";
  const files = { "tokenizer.model": new Uint8Array(Buffer.from(file, "base64")), ...config(template) };
  const model = await open(files, rows);
  const { usage, warnings } = await model.chat(user("hi </s>"), { temperature: 0, maxTokens: 1 }).result();
  expect(warnings).toEqual([]);
  const inner = model.tokenizer.encode("[INST] hi </s> [/INST]");
  expect(usage.promptTokens).toBe(inner.length + 2);
  expect((await inspect(folder(files))).tokenizer).toMatchObject({ kind: "SentencePiece", rule: null });
});

test("a stale vocab_size and ids that mean none are no reason to refuse a model", async () => {
  const path = folder({ ...tokenizer, ...config("{{ messages[0].content }}") });
  const { readFileSync, writeFileSync } = await import("node:fs");
  const stored = JSON.parse(readFileSync(`${path}/config.json`, "utf8"));
  writeFileSync(`${path}/config.json`, JSON.stringify({ ...stored, vocab_size: 32000, bos_token_id: -1 }));
  const model = await loadModel(path, { threads: 1 });
  models.push(model);
  expect(model.config.vocab).toBe(size);
  expect(model.info.warnings).toEqual([expect.stringMatching(/vocab_size is 32000; the embedding has 1000 rows/)]);
  expect(await model.chat(user("hi"), saysA).text()).toBe(" a a");
});
