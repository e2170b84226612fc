/** All pages are taken: whoever comes waits for them, whatever it is. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { createModel, type Model } from "../dist/src/index.js";
import { idsOf } from "./resident.ts";
import { layeredModel } from "./small-models.ts";

const config = layeredModel({ attention_chunk_size: 64, max_position_embeddings: 512, eos_token_id: [] });
let model: Model;
let file: Uint8Array;

beforeAll(async () => {
  // Nine pages: one text of the context, and a page.
  model = await createModel(config, { threads: 0, context: 512, cachePositions: 576 });
  const pieces: Uint8Array[] = [];
  await model.cache.save(idsOf(500, 300), new WritableStream({ write: (piece) => void pieces.push(piece) }));
  file = Buffer.concat(pieces);
});
afterAll(() => model.dispose());

/** Holds most pages until it ends. */
const crowd = (seed: number) =>
  model.generate(idsOf(300, 300, seed), { maxTokens: 60, temperature: 0, ignoreEos: true }).result();

it("embed, trace and cache.load wait for answers that have the pages, and change none of them", async () => {
  const alone = await crowd(3);
  const vector = await model.embed(idsOf(400, 300, 5));
  model.cache.clear();
  const answers = [crowd(3), crowd(3)];
  await new Promise((resolve) => setImmediate(resolve));
  const [embedded, traced, loaded] = await Promise.all([
    model.embed(idsOf(400, 300, 5)),
    model.trace(idsOf(350, 300, 6), { taps: ["norm"] }),
    model.cache.load(file),
  ]);
  expect(embedded).toEqual(vector);
  expect(traced.norm.shape[0]).toBe(350);
  expect(loaded).toEqual({ positions: 448 });
  for (const answer of answers) expect((await answer).ids).toEqual(alone.ids);
});

it("an abort ends the waiting at once, and what waits behind goes on", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const answer = crowd(7);
  await new Promise((resolve) => setImmediate(resolve));
  const waiting = model.embed(idsOf(500, 300, 5), { signal: controller.signal });
  const behind = model.embed(idsOf(20, 300, 5));
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  expect((await behind).length).toBe(config.hidden_size);
  expect((await answer).ids.length).toBe(60);
});

it("an answer waits for pages that a slow source or a slow stream holds", async () => {
  const alone = await crowd(9);
  model.cache.clear();
  let goOn = () => {};
  const gate = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let began = () => {};
  const begun = new Promise<void>((resolve) => {
    began = resolve;
  });
  const source = {
    name: "slow",
    size: file.length,
    read: async (offset: number, into: Uint8Array) => {
      into.set(file.subarray(offset, offset + into.length));
      // Behind the head: the pages are taken.
      if (offset === 0) return;
      began();
      await gate;
    },
    close: async () => {},
  };
  const loading = model.cache.load(source);
  await begun;
  const answer = crowd(9);
  let done = false;
  void answer.then(() => {
    done = true;
  });
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(done).toBe(false);
  goOn();
  await loading;
  expect((await answer).ids).toEqual(alone.ids);
});

it("an abort ends a load from a source that gives nothing", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const { signal } = controller;
  const read = () => new Promise<void>(() => controller.abort(reason));
  await expect(
    model.cache.load({ name: "none", size: file.length, read, close: async () => {} }, { signal }),
  ).rejects.toBe(reason);
  expect((await crowd(2)).ids.length).toBe(60);
});
