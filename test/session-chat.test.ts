import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type ChatMessage,
  type ChatOptions,
  type GenerationResult,
  loadModel,
  type Model,
  type Session,
} from "../dist/src/index.js";
import { ChatHistory } from "../src/tokenizer/chat-history.ts";
import { codeOf } from "./error-code.ts";
import { sentencePiece, sentencePieceJson } from "./sentencepiece.ts";
import { folder, fresh, tokenizer } from "./storyteller.ts";
import { type TinyFolder, tinyFolder } from "./tiny-folder.ts";

/** Chats of a session: each turn is made into tokens once, and the ids that the model wrote stay what they are. */

const made: { model: Model; files: TinyFolder }[] = [];
async function open(template: string, sentence = false): Promise<Model> {
  const names = { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>" };
  const config = sentence ? names : folder["tokenizer_config.json"];
  const files = tinyFolder(sentence ? sentencePiece.pieces.length : 2048, {
    ...(sentence ? {} : folder),
    "tokenizer.json": sentence ? sentencePieceJson("prepend") : fresh(),
    "tokenizer_config.json": { ...config, chat_template: template },
  });
  const model = await loadModel(files.path, { threads: 1 });
  made.push({ model, files });
  return model;
}
afterAll(async () => {
  for (const { model, files } of made) {
    await model.dispose();
    files[Symbol.dispose]();
  }
});

let stories: Model;
beforeAll(async () => {
  stories = await loadModel("models/storyteller-q8_0.gguf", { threads: 1, context: 2048 });
});
afterAll(() => stories.dispose());

const user = (content: string): ChatMessage => ({ role: "user", content });
const assistant = (content: string): ChatMessage => ({ role: "assistant", content });
/** No control tokens: nothing that a message could not hold. */
const plain = Object.fromEntries([...Array(7).keys()].map((index) => [2041 + index, -100]));
const wild = { temperature: 1.6, topP: 1, logitBias: plain, maxTokens: 12 } satisfies ChatOptions;

interface Said {
  readonly text: string;
  readonly cached: number;
  /** Ids of the prompt, of the answer. */
  readonly prompt: readonly number[];
  readonly answer: readonly number[];
}

async function say(session: Session, messages: readonly ChatMessage[], options: ChatOptions): Promise<Said> {
  const { ids, text, usage } = await session.chat(messages, options).result();
  const { promptTokens, cachedTokens: cached } = usage;
  expect(session.ids.slice(promptTokens)).toEqual(ids);
  return { text, cached, prompt: session.ids.slice(0, promptTokens), answer: ids };
}

const turns = (content: string) =>
  `{% for m in messages %}<|header_start|>{{ m.role }}<|header_end|>{% if m.role == "user" %}{{ m.content }}{% else %}${content}{% endif %}<|eot|>{% endfor %}{% if add_generation_prompt %}<|header_start|>assistant<|header_end|>{% endif %}`;

it("computes each id of twenty turns once; what it wrote stays, where another reading of the text has other ids", async () => {
  const model = await open(turns("{{ m.content }}"));
  await using session = model.session();
  const messages: ChatMessage[] = [];
  let before: readonly number[] = [];
  let computed = 0;
  for (let turn = 0; turn < 20; turn++) {
    messages.push(user(`And ${turn}?`));
    const { text, cached, prompt, answer } = await say(session, messages, { ...wild, seed: turn });
    expect(prompt.slice(0, before.length)).toEqual(before);
    const alone = await model.generate(prompt, { ...wild, seed: turn }).result();
    expect(answer).toEqual(alone.ids);
    computed += prompt.length - cached + answer.length - 1;
    before = [...prompt, ...answer];
    messages.push(assistant(text));
  }
  // The last id of an answer is drawn, and computed with the next turn.
  expect(computed).toBe(before.length - 1);
  const { ids } = model.render(messages, { addGenerationPrompt: false });
  expect(ids).not.toEqual(before);
  const spell = (all: readonly number[]) => model.tokenizer.decode(all, { specialTokens: true });
  expect(`${spell(before)}<|eot|>`).toBe(spell(ids));
});

describe("a template that writes old turns in another way", () => {
  it.each([
    ["without its last word", turns("{{ m.content.rsplit(' ', 1)[0] }}")],
    ["trimmed", turns("{{ m.content | trim }}")],
    ["without all but the newest", turns("{% if not loop.last %}gone{% else %}{{ m.content }}{% endif %}")],
  ])("%s, is found: what comes before keeps its ids, the rest is read anew", async (_, template) => {
    const model = await open(template);
    await using session = model.session();
    const spaced = "Once upon a time there was ";
    const first = [user("Tell me"), assistant(spaced), user("more")];
    const one = await say(session, first, { ...wild, seed: 1 });
    const answered = [...first, assistant(`${one.text} fox `), user("and more")];
    const two = await say(session, answered, { ...wild, seed: 2 });
    const spell = (ids: readonly number[]) => model.tokenizer.decode(ids, { specialTokens: true });
    expect(spell(two.prompt)).toBe(spell(model.render(answered).ids));
    const same = two.prompt.findIndex((id, index) => id !== [...one.prompt, ...one.answer][index]);
    // The last id of an answer is drawn, not computed.
    expect(two.cached).toBe(Math.min(same, two.prompt.length - 1, one.prompt.length + one.answer.length - 1));
    expect(same).toBeGreaterThanOrEqual(one.prompt.length - 1);
  });

  it("as with today's date in front, is read as without a session", async () => {
    const model = await open(`{{ strftime_now("%d") }}${turns("{{ m.content }}")}`);
    await using session = model.session();
    const messages = [user("Tell me")];
    const { text } = await say(session, messages, { ...wild, seed: 1, now: new Date(2026, 10, 27) });
    messages.push(assistant(text), user("more"));
    const tomorrow = { ...wild, seed: 2, now: new Date(2026, 10, 28) };
    expect((await say(session, messages, tomorrow)).prompt).toEqual(model.render(messages, tomorrow).ids);
  });
});

it("keeps the space that a vocabulary writes before an answer, and puts none before what goes on", async () => {
  const template =
    "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token }}[INST] {{ m.content }} [/INST]{% else %} {{ m.content }} {{ eos_token }}{% endif %}{% endfor %}";
  const model = await open(template, true);
  await using session = model.session();
  // Token 270 is "▁a".
  const saysA = { temperature: 0, maxTokens: 2, logitBias: { 270: 100 } };
  const one = await say(session, [user("hi")], saysA);
  expect([one.text, one.answer]).toEqual(["a a", [270, 270]]);
  const messages = [user("hi"), assistant(one.text), user("ho")];
  const two = await say(session, messages, saysA);
  expect(two.prompt.slice(0, one.prompt.length + 2)).toEqual([...one.prompt, 270, 270]);
  expect(two.prompt).toEqual(model.render(messages).ids);
  expect(two.cached).toBe(one.prompt.length + 1);
});

describe("a session's chat", () => {
  it("goes on behind an aborted answer as far as that came, and before its first id holds what it held", async () => {
    await using session = stories.session();
    const stop = new AbortController();
    const answer = session.chat([user("hi")], { ...wild, maxTokens: 200, seed: 1, signal: stop.signal });
    await expect(
      (async () => {
        for await (const _ of answer) stop.abort("enough");
      })(),
    ).rejects.toBe("enough");
    const { ids, text } = answer.partial;
    const held = session.ids;
    expect(held.slice(-ids.length)).toEqual(ids);
    const failing = { ...wild, logitsProcessor: () => Promise.resolve() as never };
    const messages = [user("hi"), assistant(text), user("more")];
    expect(await codeOf(() => session.chat(messages, failing).result())).toBe("LOGITS_PROCESSOR");
    expect(session.ids).toEqual(held);
    const { prompt } = await say(session, messages, { ...wild, seed: 2 });
    expect(prompt.slice(0, held.length)).toEqual(held);
  });

  it("is one with what is generated by hand: a format, a rewind, an answer behind it", async () => {
    await using session = stories.session();
    const responseFormat = { type: "choice", choices: ["yes", "no"] } as const;
    expect(["yes", "no"]).toContain(await session.chat([user("hi")], { seed: 1, responseFormat }).text());
    await session.rewind(5);
    const ids = [...session.ids, 17];
    expect((await session.generate([17], wild).result()).usage.cachedTokens).toBe(5);
    expect(session.ids.slice(0, 6)).toEqual(ids);
    expect(await codeOf(() => session.chat([user("a")], { specialTokens: true } as never).result())).toBe("REQ_PARAM");
    expect(await codeOf(() => session.chat([user("a")], { salt: "a" } as never))).toBe("REQ_UNSUPPORTED_PARAM");
  });
});

it("the example of docs/generation.md runs", async () => {
  const docs = readFileSync(new URL("../docs/generation.md", import.meta.url), "utf8");
  const [, code] = /### Sessions[\s\S]*?```js\n([\s\S]*?)```/.exec(docs)!;
  const AsyncFunction = (async () => {}).constructor as new (...code: string[]) => (...given: unknown[]) => Promise<[]>;
  const run = new AsyncFunction("model", "messages", `${code}; return [first, second, other]`);
  const [first, second, other] = (await run(stories, [user("Tell me")])) as GenerationResult[];
  const { usage } = second;
  expect(usage.cachedTokens).toBeGreaterThanOrEqual(first.usage.promptTokens);
  expect([other.usage.cachedTokens, other.usage.promptTokens > usage.promptTokens]).toEqual([usage.promptTokens, true]);
});

describe("ids of turns", () => {
  const marked = (text: string, ...own: string[]) => {
    const marks: number[] = [];
    let at = 0;
    for (const part of own) {
      const start = text.indexOf(part, at);
      marks.push(start, start + part.length);
      at = start + part.length;
    }
    return { text, marks };
  };
  const eot = tokenizer.specialId("<|eot|>")!;
  const asked = marked("<|eot|>hi", "hi");
  const ids = tokenizer.encode("<|eot|>hi", { specialTokens: true });

  it("hold where the template writes the same control tokens, and not where a message merely spells them", () => {
    const history = new ChatHistory(tokenizer).after(asked, ids, [eot, 40], false);
    const text = `<|eot|>hi<|eot|>${tokenizer.decode([40])}!`;
    expect(history.recall(marked(text, "hi"))).toEqual({ length: text.length - 1, ids: [...ids, eot, 40] });
    expect(history.recall(marked(text, "hi<|eot|>"))).toMatchObject({ length: 9, ids });
    expect(history.recall(marked(text, "<|eot|>hi"))).toEqual({ length: 0, ids: [] });
  });

  it("hold up to the white space that a template takes from the end of an answer, not within its words", () => {
    const answer = ["fox", " ran", " \n"].flatMap((word) => tokenizer.encode(word));
    const history = new ChatHistory(tokenizer).after(asked, ids, answer, false);
    const trimmed = history.recall(marked("<|eot|>hifox ran<|eot|>", "hi", "fox ran"));
    expect(trimmed).toEqual({ length: 16, ids: [...ids, ...answer.slice(0, -tokenizer.encode(" \n").length)] });
    expect(history.recall(marked("<|eot|>hifox run<|eot|>", "hi", "fox run"))).toEqual({ length: 9, ids });
  });

  it("do not take a control token that the model only spelled for one", () => {
    const spelled = tokenizer.encode("<|eot|>");
    const history = new ChatHistory(tokenizer).after(asked, ids, spelled, false);
    const text = "<|eot|>hi<|eot|>";
    expect(history.recall(marked(text, "hi<|eot|>")).ids).toEqual([...ids, ...spelled]);
    expect(history.recall(marked(text, "hi")).ids).toEqual(ids);
  });
});
