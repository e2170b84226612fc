import { afterAll, beforeAll, expect, it } from "vitest";
import { type ChatMessage, loadModel, type Model } from "../dist/src/index.js";
import { codeOf } from "./error-code.ts";

/** What a conversation takes of the context, and what goes where it takes too much. */

let model: Model;
beforeAll(async () => {
  model = await loadModel("models/storyteller-q8_0.gguf", { threads: 1, context: 256 });
});
afterAll(() => model.dispose());

const turns = (count: number): ChatMessage[] => [
  { role: "system", content: "You tell stories." },
  ...Array.from({ length: count }, (_, turn): ChatMessage[] => [
    { role: "user", content: `Please tell me story number ${turn}.` },
    { role: "assistant", content: `Once upon a time there was a fox with ${turn} kites. It was happy.` },
  ]).flat(),
  { role: "user", content: "And the last one?" },
];

it("is counted and rendered without an answer: the ids are those that an answer begins with", async () => {
  const { text, ids, warnings } = model.render(turns(2));
  expect(text).toContain("story number 1");
  expect(warnings).toEqual([]);
  expect(model.countTokens(turns(2))).toBe(ids.length);
  expect((await model.chat(turns(2), { maxTokens: 1 }).result()).usage.promptTokens).toBe(ids.length);
  expect(model.countTokens("Once upon a time")).toBe(
    model.tokenizer.encode("Once upon a time", { addBos: true }).length,
  );
});

it("loses as few of its oldest turns as leave room for the answer; the system and the question stay; a warning tells", async () => {
  const long = turns(30);
  expect(await codeOf(() => model.chat(long).result())).toBe("CONTEXT_LENGTH");
  const asked = { fit: "drop-oldest", maxTokens: 40, temperature: 0 } as const;
  const { usage, warnings } = await model.chat(long, asked).result();
  expect(usage.promptTokens).toBeLessThanOrEqual(256 - 40);
  const dropped = Number(/CHAT_DROPPED: the (\d+) oldest turns/.exec(warnings.join("\n"))?.[1]);
  const kept = [long[0], ...long.slice(1 + 2 * dropped)];
  expect(model.countTokens(kept)).toBe(usage.promptTokens);
  const oneMore = [long[0], ...long.slice(1 + 2 * (dropped - 1))];
  expect(model.countTokens(oneMore)).toBeGreaterThan(256 - 40);
  expect(model.render(long, asked).text).toMatch(/You tell stories[\s\S]*And the last one\?/);
  expect((await model.chat(turns(1), asked).result()).warnings).toEqual([]);
});

it("an unknown policy, and a question that alone is too long, are errors", async () => {
  expect(await codeOf(() => model.chat(turns(1), { fit: "drop" as never }).result())).toBe("REQ_PARAM");
  const question: ChatMessage[] = [{ role: "user", content: "fox ".repeat(400) }];
  expect(await codeOf(() => model.chat(question, { fit: "drop-oldest" }).result())).toBe("CONTEXT_LENGTH");
});
