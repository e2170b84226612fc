import { afterEach, expect, it } from "vitest";
import { Prefixes } from "../dist/src/generate/prefixes.js";
import { Scheduler } from "../dist/src/generate/scheduler.js";
import type { ResidentModel } from "../dist/src/model/run/resident.js";
import { idsOf, openResident, type Wish } from "./resident.ts";
import { layeredModel } from "./small-models.ts";

/** What was computed before is not computed again, and nobody can tell from the bits. */

const config = layeredModel({ attention_chunk_size: 100 });
const opened: ResidentModel[] = [];
afterEach(async () => {
  for (const resident of opened.splice(0)) await resident.dispose();
});

/** A scheduler of its own, the rows that its steps compute, and a prefix cache of at most `maxBytes`. */
async function open(wish: Wish = {}, chunk = 100, maxBytes = Number.POSITIVE_INFINITY) {
  const resident = await openResident({ config: { ...config, attention_chunk_size: chunk }, type: "q8_0" }, wish);
  opened.push(resident);
  const counted = { rows: 0, steps: 0 };
  const step = resident.step.bind(resident);
  resident.step = (parts, onLogits, signal) => {
    counted.steps++;
    for (const { inputs } of parts) counted.rows += inputs.length;
    return step(parts, onLogits, signal);
  };
  const prefixes = new Prefixes(resident.cache, maxBytes);
  return {
    resident,
    prefixes,
    scheduler: new Scheduler(resident, { prefixes: maxBytes === 0 ? null : prefixes }),
    counted,
  };
}

/** `count` likeliest ids behind the prompt, and the bits of all their logits. */
async function grow(
  scheduler: Scheduler,
  ids: readonly number[],
  count: number,
  { signal, salt }: { signal?: AbortSignal; salt?: string } = {},
) {
  const drawn: number[] = [];
  let digest = 7;
  const onLogits = (logits: Float32Array) => {
    for (const bits of new Uint32Array(logits.buffer, logits.byteOffset, logits.length))
      digest = Math.imul(digest ^ bits, 0x01000193);
    drawn.push(logits.indexOf(Math.max(...logits)));
    return drawn.length < count ? drawn[drawn.length - 1] : null;
  };
  const cached = await scheduler.once({ ids, logitsFrom: ids.length - 1, signal, onLogits }, { salt });
  return { ids: [...ids, ...drawn], digest, cached };
}

it("a chat computes each id once, whatever the length of its turns", async () => {
  const { scheduler, counted } = await open();
  let history: number[] = [];
  for (let turn = 0; turn < 20; turn++) {
    const prompt = [...history, ...idsOf(3 + ((turn * 7) % 11), 300, turn)];
    const { ids, cached } = await grow(scheduler, prompt, 5);
    // The last drawn id was never an input.
    expect(cached, `turn ${turn}`).toBe(Math.max(0, history.length - 1));
    history = ids;
  }
  expect(counted.rows).toBe(history.length - 1);
});

it("what sixteen requests of one tick have in common is computed once", async () => {
  const { scheduler, counted } = await open({ context: 2048 });
  const system = idsOf(1030, 300, 5);
  const alone = await open({ context: 2048 }, 100, 0);
  const asks = Array.from({ length: 16 }, (_, index) => [...system, index, 1, 2, 3]);
  const together = await Promise.all(asks.map((ask) => grow(scheduler, ask, 3)));
  expect(together.map(({ cached }) => cached)).toEqual([0, ...Array(15).fill(1030)]);
  expect(counted.rows).toBe(1030 + 16 * (4 + 2));
  for (const index of [0, 7, 15]) {
    const solo = await grow(alone.scheduler, asks[index], 3);
    expect([together[index].ids, together[index].digest]).toEqual([solo.ids, solo.digest]);
  }
});

it("at a multiple of the chunk no chunked page is wanted; elsewhere those of the last chunk", async () => {
  const { scheduler, prefixes } = await open({ context: 512 }, 128);
  const text = idsOf(400, 300, 9);
  await grow(scheduler, text, 1);
  // Those of the first chunks went when the sequence passed them; its own stayed.
  expect((await grow(scheduler, [...text.slice(0, 390), 1, 2], 1)).cached).toBe(390);
  expect((await grow(scheduler, [...text.slice(0, 256), 1, 2], 1)).cached).toBe(256);
  expect(prefixes.stats.hits).toBe(2);
});

it("a chunked page that was begun in its middle serves nobody who needs its beginning", async () => {
  const { scheduler, prefixes } = await open();
  const text = idsOf(250, 300, 4);
  await grow(scheduler, text, 1);
  // The first block is used, so that the second gives its chunked page back.
  const first = scheduler.open();
  first.ids = text;
  prefixes.known(first, 64);
  expect(prefixes.reclaim("chunked")).toBe(true);
  expect((await grow(scheduler, text.slice(0, 130), 1)).cached).toBe(100);
  const { cached, digest } = await grow(scheduler, [...text.slice(0, 95), 1], 3);
  const alone = await open({}, 100, 0);
  expect([cached, digest]).toEqual([64, (await grow(alone.scheduler, [...text.slice(0, 95), 1], 3)).digest]);
});

it("prefixes go before a running sequence waits, the least recently used first, and within their budget", async () => {
  const { scheduler, prefixes, resident, counted } = await open({ context: 512 });
  const texts = Array.from({ length: 30 }, (_, index) => idsOf(300, 300, index + 1));
  for (const text of texts) await grow(scheduler, text, 1);
  const rows = counted.rows;
  expect((await grow(scheduler, texts[29], 1)).cached).toBe(299);
  expect((await grow(scheduler, texts[0], 1)).cached).toBe(0);
  expect(counted.rows - rows).toBe(1 + 300);
  prefixes.clear();
  expect(prefixes.stats.pages).toBe(0);
  expect(resident.cache.freePages).toEqual({ full: 72, chunked: 72 });

  const small = await open({ context: 512 }, 100, 10 * resident.cache.pageBytes.full);
  for (const text of texts.slice(0, 5)) await grow(small.scheduler, text, 1);
  expect(small.prefixes.stats.bytes).toBeLessThanOrEqual(10 * resident.cache.pageBytes.full);
  expect((await grow(small.scheduler, texts[0], 1)).cached).toBe(0);
});

it("a text that is computed twice is kept once, so that a lone sequence always finds its pages", async () => {
  const { scheduler, resident } = await open({ context: 512, sequences: 2 });
  const first = await grow(scheduler, [5, 6], 450);
  const again = await grow(scheduler, [5, 6], 450);
  expect(again.digest).toBe(first.digest);
  for (const start of [1, 2, 3]) await Promise.all([grow(scheduler, [5, start], 450), grow(scheduler, [5, 6], 450)]);
  expect((await grow(scheduler, [5, 6], 450)).digest).toBe(first.digest);
  expect(resident.cache.freePages.full).toBeLessThan(10);
});

it("another salt is another tenant", async () => {
  const { scheduler } = await open();
  const text = idsOf(200, 300, 3);
  await grow(scheduler, text, 1, { salt: "a" });
  expect((await grow(scheduler, text, 1, { salt: "b" })).cached).toBe(0);
  expect((await grow(scheduler, text, 1, { salt: "a" })).cached).toBe(199);
});

it.each([
  ["f32 cache, no thread", { threads: 0, cache: "f32" }, 100],
  ["q8 cache, two threads, two memories", { threads: 2, cache: "q8", memories: 2 }, 70],
  ["three threads, no chunks", { threads: 3, cache: "f32" }, 4096],
  ["few pages", { threads: 1, cache: "q8", context: 256 }, 64],
] as [string, Wish, number][])(
  "random trees of prompts, edits and aborts have the bits of nobody's cache: %s",
  async (_, wish, chunk) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    let state = seed;
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const shared = await open(wish, chunk);
    const alone = await open(wish, chunk, 0);
    const context = wish.context ?? 512;
    let cached = 0;
    const known: number[][] = [idsOf(random(200), 300, seed)];
    for (let round = 0; round < 16; round++) {
      // Chunked pages that are given back first, as where pages are few: what is left ends, and begins again, anywhere.
      for (let pages = random(5); pages > 0; pages--) shared.prefixes.reclaim("chunked");
      const asks = Array.from({ length: 1 + random(6) }, () => {
        const from = known[random(known.length)];
        const length = random(from.length + 1);
        const cut = random(2) === 0 ? length : length - (length % chunk);
        return [...from.slice(0, cut), ...idsOf(1 + random(90), 300, random(1000))].slice(0, context - 10);
      });
      const stop = new AbortController();
      const answers = await Promise.allSettled(
        asks.map((ask, index) =>
          grow(shared.scheduler, ask, 1 + random(8), index > 2 ? { signal: stop.signal } : {}).finally(() =>
            stop.abort(),
          ),
        ),
      );
      for (const [index, answer] of answers.entries()) {
        if (answer.status === "rejected") continue;
        known.push(answer.value.ids);
        cached += answer.value.cached;
        const solo = await grow(alone.scheduler, asks[index], answer.value.ids.length - asks[index].length);
        expect([answer.value.ids, answer.value.digest], `seed ${seed}, round ${round}`).toEqual([
          solo.ids,
          solo.digest,
        ]);
      }
    }
    expect(cached, `seed ${seed}`).toBeGreaterThan(0);
    const all = { ...shared.resident.cache.freePages };
    shared.prefixes.clear();
    expect(shared.resident.cache.freePages, `seed ${seed}: free before ${all.full}`).toEqual(
      alone.resident.cache.freePages,
    );
  },
);
