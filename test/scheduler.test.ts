import { afterAll, beforeAll, expect, it } from "vitest";
import { Session } from "../dist/src/engine/session.js";
import { Scheduler } from "../dist/src/generate/scheduler.js";
import { scoreIds } from "../dist/src/measure/score.js";
import { piecesOf, planWindows, WindowWalk } from "../dist/src/measure/windows.js";
import type { ResidentModel } from "../dist/src/model/run/resident.js";
import type { StepPart } from "../dist/src/model/run/step.js";
import { codeOf } from "./error-code.ts";
import { idsOf, openResident } from "./resident.ts";
import { layeredModel } from "./small-models.ts";

/** Whatever is computed is a sequence of the scheduler, which alone calls steps. */

const config = layeredModel({ attention_chunk_size: 64 });
let resident: ResidentModel;
let scheduler: Scheduler;
/** Rows of each part, step by step. */
let steps: number[][];
let onStep: (parts: readonly StepPart[]) => void = () => {};

beforeAll(async () => {
  resident = await openResident({ config, type: "f32" }, { threads: 1 });
  const step = resident.step.bind(resident);
  resident.step = (parts, onLogits, signal) => {
    steps.push(parts.map(({ inputs }) => inputs.length));
    onStep(parts);
    return step(parts, onLogits, signal);
  };
  scheduler = new Scheduler(resident);
});
afterAll(() => resident.dispose());

/** It neither reads text nor answers: of what the model lends it, sequences and sizes are all that it asks for. */
const session = () =>
  new Session({
    ...{ scheduler, vocab: 300, context: 512, sight: null, refuseDisposed: () => {} },
    ...({ kin: {} } as Pick<ConstructorParameters<typeof Session>[0], "kin" | "starter" | "chats">),
  });

/** Ids that follow `prompt`: always the likeliest. */
async function grow(prompt: readonly number[], count: number, signal?: AbortSignal): Promise<number[]> {
  const drawn: number[] = [];
  const onLogits = (logits: Float32Array) => {
    drawn.push(logits.indexOf(Math.max(...logits)));
    return drawn.length < count ? drawn[drawn.length - 1] : null;
  };
  await scheduler.once({ ids: prompt, logitsFrom: prompt.length - 1, signal, onLogits });
  return drawn;
}

async function windows(ids: readonly number[]): Promise<number> {
  const plan = planWindows(ids, { window: 64, stride: 32 }, null);
  const walk = new WindowWalk(scheduler, undefined);
  let rows = 0;
  for (const piece of piecesOf(plan, 512, 512)) await walk.run(piece, () => rows++);
  walk.close();
  return rows;
}

it("a session, eight generations, a score and windows are computed in the same steps, each to its solo bits", async () => {
  const prompts = Array.from({ length: 8 }, (_, index) => idsOf(5, 300, index + 1));
  const text = idsOf(60, 300, 99);
  steps = [];
  const alone: number[][] = [];
  for (const prompt of prompts) alone.push(await grow(prompt, 20));
  const scored = (await scoreIds(scheduler, text)).nll;
  const one = session();
  await one.sync(text);
  const logits = await one.logits();
  await one.rewind(0);
  const before = steps.length;
  steps = [];
  const [, together, score, rows] = await Promise.all([
    one.sync(text),
    Promise.all(prompts.map((prompt) => grow(prompt, 20))),
    scoreIds(scheduler, text),
    windows(text),
  ]);
  expect(together).toEqual(alone);
  expect(score.nll).toEqual(scored);
  expect(rows).toBe(59);
  expect(await one.logits()).toEqual(logits);
  expect(steps[0]).toEqual([5, 5, 5, 5, 5, 5, 5, 5, 59, 59, 60]);
  expect([before, steps.length]).toEqual([162, 20]);
  await one.dispose();
  expect(resident.cache.freePages).toEqual({ full: 72, chunked: 72 });
});

it("a decoding session and generations decode in one step", async () => {
  const one = session();
  await one.sync(idsOf(40, 300));
  steps = [];
  await Promise.all([one.sync([...idsOf(40, 300), 7]), ...Array.from({ length: 8 }, () => grow([1], 3))]);
  expect(steps).toEqual([Array(9).fill(1), Array(8).fill(1), Array(8).fill(1)]);
  await one.dispose();
});

it("what is postponed is computed again, and shows no logits twice", async () => {
  const texts = Array.from({ length: 24 }, (_, index) => idsOf(200, 300, index + 1));
  steps = [];
  const alone = await scoreIds(scheduler, texts[0]);
  const growing = texts.map((text) => grow(text, 250));
  const seen: number[] = [];
  const onLogits = (_: Float32Array, index: number) => {
    seen.push(index);
    return null;
  };
  await scheduler.once({ ids: [...texts[0], ...texts[1]], logitsFrom: 0, signal: undefined, onLogits });
  await Promise.all(growing);
  expect(seen).toEqual(Array.from({ length: 400 }, (_, index) => index));
  const rows = steps.flat().reduce((sum, count) => sum + count, 0);
  expect(rows, "some were postponed").toBeGreaterThan(24 * 449 + 400 + 199);
  expect(await scoreIds(scheduler, texts[0])).toEqual(alone);
  expect(resident.cache.freePages).toEqual({ full: 72, chunked: 72 });
});

it("an abort, an error of the owner and a fault of a kernel end a sequence the same way: its pages come back, the others go on", async () => {
  const stop = new AbortController();
  const other = grow([5], 30);
  const aborted = codeOf(() => grow([6], 100, stop.signal));
  const thrown = scheduler.once({
    ids: [7],
    logitsFrom: 0,
    signal: undefined,
    onLogits: () => {
      throw new RangeError("mine");
    },
  });
  onStep = () => steps.length > 5 && stop.abort(new RangeError("enough"));
  steps = [];
  await expect(thrown).rejects.toThrow("mine");
  expect(await aborted).toBe("RangeError: enough");
  onStep = () => {};
  expect((await other).length).toBe(30);
  const faulty = codeOf(() => grow([299, 4000], 3));
  expect(await faulty).toBe("KERNEL_INDEX");
  expect((await grow([5], 30)).length).toBe(30);
  expect(resident.cache.freePages).toEqual({ full: 72, chunked: 72 });
});

it("work by itself waits for the step that runs and holds up the next", async () => {
  const order: string[] = [];
  onStep = () => order.push("step");
  steps = [];
  const growing = grow([5], 4);
  await Promise.resolve();
  await Promise.resolve();
  const work = scheduler.alone(async () => {
    order.push("begins");
    await new Promise((resolve) => setImmediate(resolve));
    order.push("ends");
  });
  await Promise.all([growing, work]);
  onStep = () => {};
  expect(order.join(" ")).toContain("begins ends");
  expect(order.filter((what) => what === "step").length).toBe(4);
});
