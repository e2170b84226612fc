import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { createModel } from "../dist/src/index.js";
import { byteModel } from "./small-models.ts";

/** However many prompts a batch has, what it holds does not grow. `PROMPTS=100000` makes it a long run. */

const PROMPTS = Number(process.env.PROMPTS ?? 20_000);
const MOST_GROWTH = 4 * 2 ** 20;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** What finalizers give back needs a turn and another collection. */
async function heap(): Promise<number> {
  for (let turn = 0; turn < 3; turn++) {
    collect();
    await new Promise(setImmediate);
  }
  collect();
  return process.memoryUsage().heapUsed;
}

async function* many() {
  for (let index = 0; index < PROMPTS; index++)
    yield index % 2 === 0 ? `${index} ${"x".repeat(100)}` : [index % 256, 1];
}

it(`${PROMPTS} prompts of an async generator, read as they end: less than 4 MiB from the first thousands to the last`, async () => {
  const model = await createModel(byteModel(16), { threads: 0 });
  const { signal } = new AbortController();
  let ended = 0;
  let early = 0;
  for await (const { result } of model.generateBatch(many(), { maxTokens: 1, signal }).completed()) {
    if (result.ids.length > 1) throw new Error("too many ids");
    if (++ended === 4000) early = await heap();
  }
  expect(ended).toBe(PROMPTS);
  expect((await heap()) - early).toBeLessThan(MOST_GROWTH);
  await model.dispose();
}, 600_000);
