import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModel, type Model } from "../dist/src/index.js";
import { Pace } from "../src/generate/pace.ts";
import { Queue } from "../src/generate/queue.ts";
import { compose, type Running } from "../src/generate/running.ts";
import { codeOf, errorOf } from "./error-code.ts";
import { idsOf } from "./resident.ts";
import { layeredModel } from "./small-models.ts";

/** Many callers of one model: who goes first, how long the others wait, and what is too much. */

describe("who waits", () => {
  const entry = (caller: object, priority = 0) => ({ caller, priority });
  it("callers take turns: one call waits for no batch of thousands", () => {
    const [batch, other, lone] = [{ name: "batch" }, { name: "other" }, { name: "lone" }];
    const queue = new Queue<{ caller: object; priority: number }>();
    for (let index = 0; index < 1000; index++) queue.add(entry(batch));
    queue.add(entry(lone));
    for (let index = 0; index < 1000; index++) queue.add(entry(other));
    const running = new Map<object, number>();
    const order = Array.from({ length: 9 }, () => {
      const { caller } = queue.take((one) => running.get(one) ?? 0)!;
      running.set(caller, (running.get(caller) ?? 0) + 1);
      return (caller as { name: string }).name;
    });
    expect(order).toEqual(["batch", "lone", "other", "batch", "other", "batch", "other", "batch", "other"]);
    expect(queue.size).toBe(2001 - 9);
  });

  it("higher priorities go first, yet nobody is passed over for ever", () => {
    const queue = new Queue<{ caller: object; priority: number }>();
    const low = entry({}, 0);
    queue.add(low);
    let passed = 0;
    for (;;) {
      queue.add(entry({}, 5));
      if (queue.take(() => 0) === low) break;
      passed++;
    }
    expect(passed).toBeGreaterThan(64 * 4);
    expect(passed).toBeLessThanOrEqual(64 * 6);
  });

  it("who leaves is not asked", () => {
    const queue = new Queue<{ caller: object; priority: number }>();
    const [a, b] = [entry({}), entry({})];
    queue.add(a);
    queue.add(b);
    expect([queue.delete(a), queue.delete(a), queue.size, queue.take(() => 0) === b, queue.take(() => 0)]).toEqual([
      true,
      false,
      1,
      true,
      undefined,
    ]);
  });
});

describe("a step", () => {
  const running = (missing: number[], caller?: object): Running[] =>
    missing.map(
      (count) =>
        ({
          caller: caller ?? {},
          sequence: { ids: Array(count).fill(1), computed: 0 },
          next: count - 1,
          leader: null,
          drafted: 0,
          request: {},
        }) as unknown as Running,
    );
  const rows = (composed: ReturnType<typeof compose>) => composed.map(({ part }) => part.inputs.length);

  it("has a row of each that decodes, then half for the first prompt, and the others whole, the shortest first", () => {
    expect(rows(compose(running([4000, 1, 30, 1, 300]), 512, 512))).toEqual([1, 1, 255, 30, 225]);
    expect(rows(compose(running([70, 70, 60, 80]), 150, 150))).toEqual([70, 60, 20]);
    expect(rows(compose(running([4000, 3000]), 512, 40))).toEqual([256, 256]);
    expect(rows(compose(running(Array(600).fill(1)), 512, 40)).length).toBe(600);
  });

  it("leaves no row empty while a prompt has one, and holds back beside the answers of others alone", () => {
    expect(rows(compose(running([4000, 1, 1]), 512, 40))).toEqual([1, 1, 40]);
    expect(rows(compose(running([4000, 1, 10]), 512, 40))).toEqual([1, 30, 10]);
    expect(rows(compose(running([4000, 1, 1], {}), 512, 40))).toEqual([1, 1, 510]);
  });

  it("takes as many rows of prompts as were measured to fit the time", () => {
    const pace = new Pace(50);
    expect(pace.rows()).toBe(32);
    pace.took(0, 10);
    pace.took(100, 210);
    expect(pace.rows()).toBe(20);
    for (let step = 0; step < 50; step++) pace.took(20, 110);
    expect(pace.rows()).toBe(8);
    const slow = new Pace(50);
    slow.took(0, 100);
    slow.took(100, 200);
    expect(slow.rows()).toBe(50);
    expect(new Pace(Number.POSITIVE_INFINITY).rows()).toBe(Number.POSITIVE_INFINITY);
  });
});

const config = layeredModel({
  hidden_size: 64,
  intermediate_size: 64,
  head_dim: 32,
  attention_chunk_size: 256,
  eos_token_id: [],
});

describe("a model", () => {
  let model: Model;
  beforeAll(async () => {
    model = await createModel(config, { threads: 1, context: 1024, sequences: 4, maxWaiting: 3, cachePositions: 2048 });
  });
  afterAll(() => model.dispose());

  it("takes as many as may wait, and says how many are ahead of one more; batches hold back by themselves", async () => {
    const calls = Array.from({ length: 12 }, (_, index) => model.generate([index], { maxTokens: 30 }).result());
    const settled = await Promise.allSettled(calls);
    const refused = settled.filter(({ status }) => status === "rejected");
    expect(refused.length).toBeGreaterThanOrEqual(5);
    const error = await errorOf(() => calls[11]);
    expect([error.code, error.message]).toEqual(["QUEUE_FULL", expect.stringContaining("3 ahead")]);
    const batch = await model
      .generateBatch(
        Array.from({ length: 40 }, (_, index) => [index]),
        { maxTokens: 5 },
      )
      .results();
    expect(batch.length).toBe(40);
  });

  it("where nobody may wait still takes as many as there are places", async () => {
    const strict = await createModel(config, { threads: 0, context: 1024, sequences: 2, maxWaiting: 0 });
    const calls = Array.from({ length: 3 }, (_, index) => strict.generate([index], { maxTokens: 3 }).result());
    const settled = await Promise.allSettled(calls);
    expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
    expect(await codeOf(() => calls[2])).toBe("QUEUE_FULL");
    await strict.dispose();
  });

  it("keeps no process alive for the deadline of an answer that was dropped", async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    const pieces = model.generate("a", { deadline: 1_000_000 })[Symbol.asyncIterator]();
    await pieces.next();
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it("ends an answer at its deadline, and what waits at its own", async () => {
    const started = performance.now();
    const late = model.generate(idsOf(10, 300), { deadline: 5, maxTokens: 1000, ignoreEos: true });
    expect(await codeOf(() => late.result())).toBe("DEADLINE");
    expect(performance.now() - started).toBeLessThan(2000);
    expect((await model.generate([1], { deadline: 60_000, maxTokens: 3 }).result()).ids.length).toBe(3);
  });

  it.each([
    ["sequences", 0],
    ["sequences", 513],
    ["cachePositions", 512],
    ["maxWaiting", -1],
    ["latency", 0],
    ["latency", "50"],
    ["prefixCache", true],
    ["prefixCache", { maxByte: 5 }],
    ["prefixCache", { maxBytes: "much" }],
  ])("refuses %s: %j", async (name, value) => {
    expect(await codeOf(() => createModel(config, { context: 1024, [name]: value } as never))).toBe("OPTION_RANGE");
  });
});
