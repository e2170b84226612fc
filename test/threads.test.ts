import { syncBuiltinESMExports } from "node:module";
import workerThreads from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OP_END, OP_MEET, WORD_ARRIVED, WORD_GENERATION, WORD_SLEEPERS, WORD_THREADS } from "../assembly/abi.ts";
import { EngineError } from "../dist/src/index.js";
import type { ResidentModel } from "../dist/src/model/run/resident.js";
import { Memory, MemoryPlan } from "../dist/src/runtime/memory.js";
import { openKernels } from "../dist/src/runtime/module.js";
import { startAt, Threads } from "../dist/src/runtime/threads.js";
import { hash, idsOf, openResident } from "./resident.ts";
import { watchWorkers } from "./watched-workers.ts";

/** What happens to a step when its caller changes its mind, or a thread dies. */

const config = {
  vocab_size: 512,
  hidden_size: 256,
  intermediate_size: 512,
  num_hidden_layers: 8,
  num_attention_heads: 8,
  num_key_value_heads: 2,
  num_local_experts: 4,
  num_experts_per_tok: 1,
};
let watched: ReturnType<typeof watchWorkers> | undefined;
let model: ResidentModel | undefined;
afterEach(async () => {
  await model?.dispose();
  model = undefined;
  watched?.leave();
  watched = undefined;
});

const prompt = idsOf(512, 512);

async function logitsOf(resident: ResidentModel, ids: readonly number[], signal?: AbortSignal): Promise<string> {
  const timeline = resident.cache.open();
  let logits = new Float32Array();
  try {
    await resident.step(
      [{ timeline, position: 0, inputs: ids, logits: 1 }],
      (row) => {
        logits = row.slice();
      },
      signal,
    );
  } finally {
    resident.cache.close(timeline);
  }
  return hash(logits);
}

it.each([0, 1, 2])(
  "an abort in the middle of a prefill rejects with its reason and the next step has the right bits, %i threads",
  async (threads) => {
    model = await openResident({ config, type: "q8_0" }, { threads });
    const expected = await logitsOf(model, prompt);
    const reason = new Error("changed my mind");
    const controller = new AbortController();
    // A turn of the event loop after the step began: only a thread that yields lets it come.
    setImmediate(() => setImmediate(() => controller.abort(reason)));
    await expect(logitsOf(model, prompt, controller.signal)).rejects.toBe(reason);
    expect(await logitsOf(model, prompt)).toBe(expected);
    expect(model.cache.freePages).toEqual(model.sizes.pages);
  },
);

it("a worker that dies in a step fails it with WORKER_EXIT, frees its peers, and nothing hangs", async () => {
  watched = watchWorkers();
  model = await openResident({ config, type: "q8_0" }, { threads: 2 });
  expect(watched!.workers.length).toBe(2);
  const running = logitsOf(model, prompt);
  setImmediate(() => void watched!.workers[1].terminate());
  await expect(running).rejects.toMatchObject({ code: "WORKER_EXIT" });
  await expect(logitsOf(model, [1])).rejects.toBeInstanceOf(EngineError);
  await model.dispose();
});

it("short steps are walked by the caller's thread in the first worker's place, to the same bits", async () => {
  model = await openResident({ config, type: "q8_0" }, { threads: 2 });
  const alone = await openResident({ config, type: "q8_0" }, { threads: 1 });
  try {
    const ids = prompt.slice(0, 60);
    const [expected, before] = [await logitsOf(alone, ids), model.threads.wakes];
    for (const id of ids) await logitsOf(model, [id]);
    expect(await logitsOf(model, ids)).toBe(expected);
    let steps = ids.length + 1;
    // Where the machine is busy none may have been short so far.
    for (; model.threads.joins === 0 && steps < 3000; steps++) await logitsOf(model, [1]);
    expect(model.threads.joins).toBeGreaterThan(0);
    expect(model.threads.wakes.map((wakes, thread) => wakes - before[thread])).toEqual([steps, steps]);
    let turns = 0;
    let timer = setImmediate(function again() {
      turns++;
      timer = setImmediate(again);
    });
    for (const id of prompt) await logitsOf(model, [id]);
    clearImmediate(timer);
    expect(turns, "the event loop has its turns between them").toBeGreaterThan(10);
  } finally {
    await alone.dispose();
  }
});

it("a worker that dies between two short steps fails what follows with WORKER_EXIT, and nothing hangs", async () => {
  watched = watchWorkers();
  model = await openResident({ config, type: "q8_0" }, { threads: 2 });
  const step = () => logitsOf(model!, [1]);
  const joined = model.threads.joins;
  for (let steps = 0; model.threads.joins < joined + 5; steps++) {
    expect(steps).toBeLessThan(1000);
    await step();
  }
  void watched!.workers[1].terminate();
  const goOn = async () => {
    for (;;) await step();
  };
  await expect(goOn()).rejects.toMatchObject({ code: "WORKER_EXIT" });
});

describe("a run that the caller's thread walks", () => {
  let threads: Threads;
  let memory: Memory;
  let program: number;
  const run = () => {
    startAt(memory, program);
    return threads.run(0, 0, undefined, { alike: true });
  };

  beforeEach(async () => {
    const { module } = await openKernels("simd", false);
    const plan = new MemoryPlan();
    const words = plan.reserve("program", "u32", [2]);
    memory = new Memory(plan);
    memory.u32(words).set([OP_MEET | (1 << 16), OP_END]);
    program = words.at;
    threads = await Threads.start(2, module, [memory], [null], null);
    for (let runs = 0; threads.joins === 0; runs++) {
      expect(runs).toBeLessThan(1000);
      await run();
    }
  });
  afterEach(() => threads.dispose());

  it("fails with WORKER_EXIT where a kernel traps, and nothing hangs", async () => {
    program = 0xfffffff0;
    await expect(run()).rejects.toMatchObject({ code: "WORKER_EXIT" });
    await expect(run()).rejects.toMatchObject({ code: "WORKER_EXIT" });
  });

  it("leaves its event loop free while another thread is late at a barrier", async () => {
    const { control } = memory;
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    for (let joined = false; !joined; ) {
      const joins = threads.joins;
      control[WORD_THREADS] = 3;
      let done = false;
      const running = run().finally(() => {
        done = true;
      });
      while (Atomics.load(control, WORD_ARRIVED) < 2) await turn();
      // Where the last run took long, the workers alone walk this one.
      joined = threads.joins > joins;
      // A notice that is not for this wait: one may come late, of a change that was seen before it.
      Atomics.notify(control, WORD_GENERATION);
      for (let turns = 0; turns < 3; turns++) await turn();
      expect(done).toBe(false);
      // What the third thread would do that comes last.
      control[WORD_THREADS] = 2;
      Atomics.store(control, WORD_ARRIVED, 0);
      Atomics.add(control, WORD_GENERATION, 1);
      Atomics.notify(control, WORD_GENERATION);
      expect(await running).toMatchObject({ status: "done" });
      expect(Atomics.load(control, WORD_SLEEPERS)).toBe(0);
    }
    expect(await run()).toMatchObject({ status: "done" });
  });
});

it("a worker that cannot start is WORKER_START, and those that did are ended", async () => {
  watched = watchWorkers();
  const started = workerThreads.Worker;
  let count = 0;
  workerThreads.Worker = class extends started {
    constructor(text: string, options: workerThreads.WorkerOptions) {
      super(++count === 2 ? "throw new Error('no')" : text, options);
    }
  };
  syncBuiltinESMExports();
  await expect(openResident({ config, type: "q8_0" }, { threads: 2 })).rejects.toMatchObject({ code: "WORKER_START" });
  // threadId is -1 once a worker is gone.
  expect(watched!.workers.map(({ threadId }) => threadId)).toEqual([-1, -1]);
});

it("a token id beyond the vocabulary is the kernel's own error, and loses nothing", async () => {
  model = await openResident({ config, type: "q8_0" }, { threads: 2 });
  const expected = await logitsOf(model, prompt);
  for (const id of [512, -1, 2 ** 32 - 1])
    await expect(logitsOf(model, [1, id])).rejects.toMatchObject({ code: "KERNEL_INDEX" });
  expect(await logitsOf(model, prompt)).toBe(expected);
});
