import { afterAll, beforeAll, expect, it } from "vitest";
import { Candidates } from "../dist/src/draw/candidates.js";
import { DraftSpeculation } from "../dist/src/generate/draft.js";
import { DEFAULT_OPTIONS } from "../dist/src/generate/options.js";
import { Scheduler } from "../dist/src/generate/scheduler.js";
import type { ResidentModel } from "../dist/src/model/run/resident.js";
import { codeOf } from "./error-code.ts";
import { idsOf, openResident } from "./resident.ts";
import { layeredModel } from "./small-models.ts";

/** One text's guesses by a second model: how many, when none, and what is left of them in its cache. */

const VOCAB = 300;
let resident: ResidentModel;
let scheduler: Scheduler;
beforeAll(async () => {
  resident = await openResident({ config: layeredModel({ attention_chunk_size: 64 }), type: "f32" }, { threads: 0 });
  scheduler = new Scheduler(resident);
});
afterAll(() => resident.dispose());

const costs = { plain: 50, guessed: 55, perGuess: 5, together: 1 };
const prompt = idsOf(20, VOCAB, 1);

/** Its clock goes on by `step` at every look. */
function draftOf({ share = 0.05, step = 0.5, signal = undefined as AbortSignal | undefined }) {
  let now = 0;
  const clock = () => {
    now += step;
    return now;
  };
  const drafter = { scheduler, context: 256, adapter: null, share };
  const options = { ...DEFAULT_OPTIONS, temperature: 0 };
  const own = new Scheduler(resident);
  const parts = { drafter, own, options, seed: 1, vocab: VOCAB, candidates: new Candidates(VOCAB) };
  return new DraftSpeculation({ ...parts, prompt: prompt.length, endIds: new Set(), constraint: null, signal }, clock);
}

/** Writes `count` ids: those that were guessed where `right` says so, else others. Says behind how many ids it guessed. */
async function write(draft: DraftSpeculation, count: number, right: boolean): Promise<number[]> {
  const ids = [...prompt];
  const tries: number[] = [];
  while (ids.length < prompt.length + count) {
    const guesses = await draft.guess(ids, 32, costs);
    if (guesses.length > 0) tries.push(ids.length - prompt.length);
    const drawn = right ? [...guesses, 7] : [guesses[0] === 7 ? 8 : 7];
    for (const id of drawn) {
      draft.drew(id);
      ids.push(id);
    }
  }
  return tries;
}

it("guesses go on as long as they are right, more of them at a time", async () => {
  const draft = draftOf({});
  const tries = await write(draft, 120, true);
  expect(tries.length).toBeLessThan(25);
  expect(draft.accepted).toBe(draft.drafted);
  draft.close();
});

it("guesses that are never right rest, and are tried again as far as a fiftieth of the time allows", async () => {
  const draft = draftOf({});
  const tries = await write(draft, 200, false);
  const late = tries.filter((at) => at > 40);
  expect(tries.length - late.length).toBeLessThan(12);
  expect(late.length).toBeLessThan(8);
  expect(draft.accepted).toBe(0);
  draft.close();
});

it("a draft as large as the model is not begun; one that turns out slow ends soon", async () => {
  const equal = draftOf({ share: 1 });
  expect(await write(equal, 100, true)).toEqual([]);
  const slow = draftOf({ step: 400 });
  expect((await write(slow, 200, true)).length).toBeLessThan(4);
  equal.close();
  slow.close();
});

it("its pages go back where it ends, in the middle of a guess as well", async () => {
  const all = { ...resident.cache.freePages };
  const draft = draftOf({});
  await write(draft, 100, true);
  expect(resident.cache.freePages.full).toBeLessThan(all.full);
  draft.close();
  expect(resident.cache.freePages).toEqual(all);
  const controller = new AbortController();
  const left = draftOf({ signal: controller.signal });
  const guess = codeOf(() => left.guess(prompt, 32, costs));
  await Promise.resolve();
  controller.abort("left");
  left.close();
  expect(await guess).toBe("left");
  await scheduler.alone(() => {});
  expect(resident.cache.freePages).toEqual(all);
});
