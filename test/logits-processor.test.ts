import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModel, type Model } from "../dist/src/index.js";
import { codeOf, errorOf } from "./error-code.ts";
import { byteModel } from "./small-models.ts";

/** A caller's own rule over the logits. */

const VOCAB = 260;
let model: Model;
beforeAll(async () => {
  model = await createModel(byteModel(32), { threads: 0 });
});
afterAll(() => model.dispose());

const only = (wanted: (step: number) => number, prompt: number) => (logits: Float32Array, ids: number[]) => {
  const id = wanted(ids.length - prompt);
  for (let at = 0; at < logits.length; at++) if (at !== id) logits[at] = -Infinity;
};

describe("a logits processor", () => {
  it("decides what is drawn, sees prompt and output, and says it by change or by what it returns", async () => {
    const seen: number[][] = [];
    const changed = await model
      .generate([1, 2], {
        maxTokens: 4,
        logitsProcessor: (logits, ids) => {
          seen.push(ids);
          only((step) => 65 + step, 2)(logits, ids);
        },
      })
      .result();
    expect(changed.text).toBe("ABCD");
    expect(seen).toEqual([
      [1, 2],
      [1, 2, 65],
      [1, 2, 65, 66],
      [1, 2, 65, 66, 67],
    ]);
    const returned = await model
      .generate([1, 2], {
        maxTokens: 2,
        logitsProcessor: () => new Float32Array(VOCAB).fill(-Infinity).fill(3, 90, 91),
      })
      .result();
    expect(returned.text).toBe("ZZ");
  });

  it("comes after penalties and bias, and log-probabilities are those it leaves", async () => {
    const seen: number[] = [];
    const options = { temperature: 0, maxTokens: 1, logProbabilities: 1, logitBias: { 7: 50, 8: -100 } };
    const plain = await model
      .generate([1], { ...options, logitBias: {}, logitsProcessor: (l) => void seen.push(l[7], l[8]) })
      .result();
    const { ids, logProbabilities } = await model
      .generate([1], {
        ...options,
        logitsProcessor: (logits) => {
          seen.push(logits[7], logits[8]);
          logits.fill(0, 0, 2).fill(-Infinity, 2);
        },
      })
      .result();
    expect(plain.ids).toHaveLength(1);
    expect(seen[2]).toBe(Math.fround(seen[0] + 50));
    expect(seen[3]).toBe(-Infinity);
    expect(ids).toEqual([0]);
    expect(logProbabilities?.[0].logProbability).toBeCloseTo(-Math.log(2), 9);
  });

  it("that changes nothing changes nothing, and what it keeps is nobody else's", async () => {
    const kept: Float32Array[] = [];
    const options = { seed: 5, maxTokens: 20 };
    const plain = await model.generate("ab", options).result();
    const watched = model.generate("ab", {
      ...options,
      logitsProcessor: (logits, ids) => {
        for (const old of kept) old.fill(Number.NaN);
        kept.push(logits);
        ids.length = 0;
      },
    });
    expect((await watched.result()).ids).toEqual(plain.ids);
  });

  it("throws what it throws for its own generation alone", async () => {
    const cause = new RangeError("mine");
    const plain = await model.generate("ab", { seed: 5, maxTokens: 8 }).result();
    const failures: unknown[] = [];
    const thrower = () => {
      throw cause;
    };
    const results = await model
      .generateBatch([{ prompt: "ab", options: { logitsProcessor: thrower } }, "ab"], {
        seed: 5,
        maxTokens: 8,
        onError: ({ error }) => failures.push(error),
      })
      .results();
    expect(failures).toEqual([cause]);
    expect(results[0]).toBe(null);
    expect(results[1]?.ids).toEqual(plain.ids);
    await expect(model.generate("ab", { logitsProcessor: thrower }).text()).rejects.toBe(cause);
  });

  it.each<[string, unknown]>([
    ["a promise", async () => {}],
    ["a promise that rejects", () => Promise.reject(new Error("late"))],
    ["a list", () => Array(VOCAB).fill(0)],
    ["another type", () => new Float64Array(VOCAB)],
    ["another length", () => new Float32Array(VOCAB - 1)],
    ["null", () => null],
    ["NaN", (logits: Float32Array) => void logits.fill(Number.NaN, 3, 4)],
    ["Infinity", (logits: Float32Array) => logits.fill(Infinity, 3, 4)],
  ])("that gives %s is LOGITS_PROCESSOR", async (_, logitsProcessor) => {
    const error = await errorOf(() => model.generate("ab", { logitsProcessor: logitsProcessor as never }).result());
    expect(error.code).toBe("LOGITS_PROCESSOR");
    expect(error.at).toEqual({ source: "option", field: "logitsProcessor" });
    expect(error.actual).toBeDefined();
  });

  it("that forbids everything is SAMPLE_NO_CANDIDATE", async () => {
    const options = { logitsProcessor: (logits: Float32Array) => logits.fill(-Infinity) };
    expect(await codeOf(() => model.generate("ab", options).result())).toBe("SAMPLE_NO_CANDIDATE");
  });
});
