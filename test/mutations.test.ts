/** A short run of `npm run mutate`: headers, JSON files, tokenizers and templates of the repository, changed, held to one contract. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { run } from "../scripts/command.mjs";
import { ChatTemplate } from "../src/tokenizer/chat.ts";

const SCRIPT = fileURLToPath(new URL("../scripts/mutate.mjs", import.meta.url));

test("4,000 changed files end in a checkpoint or an EngineError: in time, in memory, with nothing left open", async () => {
  const seed = Date.now() % 2 ** 31;
  console.log(`mutations: seed ${seed}`);
  const said = await run(process.execPath, [SCRIPT, "--count", "4000", "--seed", String(seed)], { limitMs: 55_000 });
  expect(said).toContain("every promise is kept");
});

test.each<[string, string, string]>([
  ["a negative width of `indent` (RangeError of String.repeat)", "{{ 'a\nb' | indent(-1, true) }}", "a\nb"],
])("found by a mutation, seed 20261125: %s", (_, template, text) => {
  expect(new ChatTemplate(template).render([{ role: "user", content: "x" }])).toBe(text);
});
