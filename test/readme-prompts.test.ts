/** The example prompts of README, and the one that stands in where none is given, do on the bundled model what they ask. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadModel, type Model } from "../dist/src/index.js";
import { DEFAULT_PROMPT } from "../src/cli/prompt.ts";

const README = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const SEEDS = 20;
const ENOUGH = 19;

let model: Model;
beforeAll(async () => {
  model = await loadModel(new URL("../models/storyteller-q8_0.gguf", import.meta.url), { threads: 0, context: 320 });
});
afterAll(() => model.dispose());

/** [prompt, whether it is a message, what its text is to hold] */
const PROMPTS: [prompt: string, chat: boolean, text: RegExp][] = [
  [DEFAULT_PROMPT, false, /^[\s\S]{100,}$/],
  ["Once upon a time there was an owl named", false, /^ ([A-Z][a-z]+)\b[\s\S]*\b\1\b/],
  ["Please tell me a bedtime story about Luna.", true, /\bLuna\b/],
];

test.each(PROMPTS)("%j: 19 of 20 seeds", async (prompt, chat, expected) => {
  expect(README).toContain(prompt);
  const texts = await Promise.all(
    Array.from({ length: SEEDS }, (_, seed) => {
      const options = { seed, maxTokens: 64 };
      return (chat ? model.chat([{ role: "user", content: prompt }], options) : model.generate(prompt, options)).text();
    }),
  );
  expect(texts.filter((text) => expected.test(text)).length).toBeGreaterThanOrEqual(ENOUGH);
});

test("README asks nothing else of the bundled model", () => {
  const lines = README.split("\n").filter((line) => !line.includes("models/beholder")); // that one: pictures.test.ts
  const asked = [...lines.join("\n").matchAll(/(?:-p |generate\(|content: )"([^"]+)"/g)].map(([, prompt]) => prompt);
  const known = new Set(["Once", ...PROMPTS.map(([prompt]) => prompt)]);
  expect(asked.filter((prompt) => !known.has(prompt))).toEqual([]);
  expect(asked.length).toBeGreaterThanOrEqual(PROMPTS.length);
});
