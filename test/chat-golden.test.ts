/**
 * Prompts as transformers renders them (test/golden/chat/make.py), to the character.
 * CHAT_GOLDEN=FILE compares with another file that the script wrote, for templates that are not in the repository.
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { type ChatMessage, ChatTemplate } from "../src/tokenizer/chat.ts";

type Expected = string | { raised: string } | { error: string };

interface Conversation {
  name: string;
  messages: ChatMessage[];
  tools?: unknown[];
  prompt?: boolean;
  variables?: Record<string, string | number | boolean>;
}

interface Golden {
  conversations: Conversation[];
  constructs: { source: string; text: Expected }[];
  templates: Record<string, { source: string; bos_token: string; eos_token: string; texts: Expected[] }>;
}

const file = process.env["CHAT_GOLDEN"] ?? new URL("./golden/chat.gz", import.meta.url);
const { conversations, constructs, templates }: Golden = JSON.parse(gunzipSync(readFileSync(file)).toString());
const now = new Date(2025, 3, 5, 6, 7, 8);

function outcome(chat: () => ChatTemplate, { messages, tools, prompt = true, variables = {} }: Conversation): Expected {
  try {
    return chat().render(messages, { tools, addGenerationPrompt: prompt, variables, now });
  } catch (error) {
    const { name, code, actual, message } = error as { name: string; code: string; actual: string; message: string };
    expect(name, message).toBe("EngineError");
    return code === "TPL_RAISED" ? { raised: actual } : { error: code };
  }
}

/** Arguments given as JSON text are not encoded again, as transformers does with a template that has `tojson`. */
const encodedOnce = (text: Expected, messages: ChatMessage[]): Expected => {
  const calls = messages.flatMap((message) => (message["tool_calls"] ?? []) as { function: { arguments: unknown } }[]);
  return calls.reduce((known, { function: { arguments: given } }) => {
    if (typeof given !== "string" || typeof known !== "string") return known;
    return known.replace(JSON.stringify(given), () => given);
  }, text);
};

/** Python's own refusals have other words than ours. */
const comparable = (text: Expected): Expected =>
  typeof text === "object" && "error" in text ? { error: expect.stringMatching(/^TPL_/) } : text;

describe.each(Object.entries(templates))("%s", (_, { source, bos_token, eos_token, texts }) => {
  const chat = () => new ChatTemplate(source, { bosToken: bos_token, eosToken: eos_token });
  test.each(conversations.map((conversation, i) => ({ ...conversation, text: texts[i] })))(
    "$name",
    ({ text, ...conversation }) => {
      expect(outcome(chat, conversation)).toEqual(comparable(encodedOnce(text, conversation.messages)));
    },
  );
});

describe("constructs", () => {
  const conversation = conversations.find(({ name }) => name === "two calls")!;
  test.each(constructs)("$source", ({ source, text }) => {
    expect(outcome(() => new ChatTemplate(source), conversation)).toEqual(comparable(text));
  });
});
