import { syncBuiltinESMExports } from "node:module";
import workerThreads from "node:worker_threads";
import { afterEach, expect, it } from "vitest";
import { EngineError } from "../dist/src/index.js";
import type { ResidentModel } from "../dist/src/model/run/resident.js";
import { hash, idsOf, openResident } from "./resident.ts";

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
const workers: workerThreads.Worker[] = [];
const RealWorker = workerThreads.Worker;

/** Every worker that starts from now on is kept in `workers`. */
function watchWorkers(): void {
  workerThreads.Worker = class extends RealWorker {
    constructor(...args: ConstructorParameters<typeof RealWorker>) {
      super(...args);
      workers.push(this);
    }
  };
  syncBuiltinESMExports();
}

let model: ResidentModel | undefined;
afterEach(async () => {
  await model?.dispose();
  model = undefined;
  workerThreads.Worker = RealWorker;
  syncBuiltinESMExports();
  workers.length = 0;
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
  watchWorkers();
  model = await openResident({ config, type: "q8_0" }, { threads: 2 });
  expect(workers.length).toBe(2);
  const running = logitsOf(model, prompt);
  setImmediate(() => void workers[1].terminate());
  await expect(running).rejects.toMatchObject({ code: "WORKER_EXIT" });
  await expect(logitsOf(model, [1])).rejects.toBeInstanceOf(EngineError);
  await model.dispose();
});

it("a worker that cannot start is WORKER_START, and those that did are ended", async () => {
  watchWorkers();
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
  expect(workers.map(({ threadId }) => threadId)).toEqual([-1, -1]);
});

it("a token id beyond the vocabulary is the kernel's own error, and loses nothing", async () => {
  model = await openResident({ config, type: "q8_0" }, { threads: 2 });
  const expected = await logitsOf(model, prompt);
  for (const id of [512, -1, 2 ** 32 - 1])
    await expect(logitsOf(model, [1, id])).rejects.toMatchObject({ code: "KERNEL_INDEX" });
  expect(await logitsOf(model, prompt)).toBe(expected);
});
