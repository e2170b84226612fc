import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModel, type Model } from "../dist/src/index.js";
import { codeOf, errorOf } from "./error-code.ts";
import { idsOf } from "./resident.ts";
import { byteModel } from "./small-models.ts";

/** Hidden states, pooled, of one prompt and of many; scores of what goes on a prompt. */

let model: Model;
beforeAll(async () => {
  model = await createModel(byteModel(64, { num_hidden_layers: 2, bos_token_id: 256 }), { threads: 1, context: 128 });
});
afterAll(() => model.dispose());

const norm = async (ids: readonly number[]) => {
  const { norm } = await model.trace(ids, { taps: ["norm"] });
  return Array.from({ length: ids.length }, (_, row) => norm.data.slice(row * 64, (row + 1) * 64));
};
const length = (vector: Float32Array) => Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));

describe("embed", () => {
  it("gives the mean of the final states, the last one, or all of them", async () => {
    const ids = idsOf(70, 250);
    const rows = await norm(ids);
    const mean = Float32Array.from(rows[0], (_, at) => rows.reduce((sum, row) => sum + row[at], 0) / rows.length);
    expect(await model.embed(ids)).toEqual(mean);
    expect(await model.embed(ids, { pooling: "mean" })).toEqual(mean);
    const last: Float32Array = await model.embed(ids, { pooling: "last" });
    expect(last).toEqual(rows[69]);
    const all: Float32Array[] = await model.embed(ids, { pooling: "none" });
    expect(all).toEqual(rows);
  });

  it("normalised gives vectors of length 1 in the same direction", async () => {
    const ids = idsOf(9, 250, 3);
    for (const pooling of ["mean", "last"] as const) {
      const plain = await model.embed(ids, { pooling });
      const unit = await model.embed(ids, { pooling, normalize: true });
      expect(length(unit)).toBeCloseTo(1, 6);
      expect(unit).toEqual(plain.map((value) => value / length(plain)));
    }
    for (const row of await model.embed(ids, { pooling: "none", normalize: true }))
      expect(length(row)).toBeCloseTo(1, 6);
  });

  it("of many is each one's own to the bit, while others generate", async () => {
    const prompts = ["a", "bc", idsOf(100, 250), "def"];
    const answer = model.generate("xyz", { seed: 3, maxTokens: 40 }).result();
    const together = await model.embedBatch(prompts, { pooling: "last" });
    for (const [at, prompt] of prompts.entries())
      expect(together[at]).toEqual(await model.embed(prompt, { pooling: "last" }));
    expect((await answer).ids).toEqual((await model.generate("xyz", { seed: 3, maxTokens: 40 }).result()).ids);
    const rows: Float32Array[][] = await model.embedBatch(["ab", "c"], { pooling: "none" });
    expect(rows.map(({ length }) => length)).toEqual([2, 1]);
    expect(await model.embedBatch([])).toEqual([]);
  });

  it("of many lets others step between two of them", async () => {
    const order: string[] = [];
    const many = model.embedBatch(Array(6).fill("abc")).then(() => order.push("embedded"));
    const one = model
      .generate("x", { maxTokens: 2 })
      .result()
      .then(() => order.push("generated"));
    await Promise.all([many, one]);
    expect(order).toEqual(["generated", "embedded"]);
  });

  it("refuses by place what cannot be embedded, before anything is computed, and ends at a signal", async () => {
    const wakes = model.wakes[0];
    const field = async (prompts: unknown, options = {}) => {
      const { code, at } = await errorOf(() => model.embedBatch(prompts as never, options));
      return [code, at?.field];
    };
    expect(await field(["a", 5])).toEqual(["REQ_PARAM", "prompts[1]"]);
    expect(await field(["a", ""])).toEqual(["REQ_EMPTY_PROMPT", "prompts[1]"]);
    expect(await field(["a", [1, 999]])).toEqual(["REQ_TOKEN_ID", "prompts[1][1]"]);
    expect(await field(["a", "b".repeat(129)])).toEqual(["CONTEXT_LENGTH", "prompts[1]"]);
    expect(await field("abc")).toEqual(["REQ_PARAM", "prompts"]);
    expect(await field(["a"], { pooling: "max" })).toEqual(["REQ_PARAM", "pooling"]);
    expect(await field(["a"], { normalize: 1 })).toEqual(["REQ_PARAM", "normalize"]);
    expect(await field(["a"], { pool: "mean" })).toEqual(["REQ_UNSUPPORTED_PARAM", "pool"]);
    expect(model.wakes[0]).toBe(wakes);
    await model.embed(idsOf(100, 250));
    const each = model.wakes[0] - wakes;
    const reason = new Error("enough");
    const stop = new AbortController();
    const many = model.embedBatch(Array(50).fill(idsOf(100, 250)), { signal: stop.signal });
    await model.embed("a");
    stop.abort(reason);
    await expect(many).rejects.toBe(reason);
    expect(model.wakes[0] - wakes).toBeLessThan(10 * each);
  });
});

describe("score behind a prompt", () => {
  it("is of the text's ids alone, as in the score of both together", async () => {
    const [prompt, text] = [idsOf(70, 250, 5), idsOf(30, 250, 6)];
    const whole = await model.score([...prompt, ...text]);
    const behind = await model.score(text, { prompt });
    expect(behind.nll).toEqual(whole.nll.slice(69));
    expect(behind.meanNll).toBeCloseTo(whole.nll.slice(69).reduce((sum, nll) => sum + nll, 0) / 30, 12);
    expect((await model.score("b", { prompt: "a" })).nll).toEqual((await model.score("ab")).nll.slice(-1));
  });

  it("of a prompt or text that cannot be is refused by name", async () => {
    const field = async (text: unknown, prompt: unknown) => {
      const { code, at } = await errorOf(() => model.score(text as never, { prompt: prompt as never }));
      return [code, at?.field];
    };
    expect(await field("a", 5)).toEqual(["REQ_PARAM", "prompt"]);
    expect(await field("a", "")).toEqual(["REQ_EMPTY_PROMPT", "prompt"]);
    expect(await field("", "a")).toEqual(["REQ_EMPTY_PROMPT", "text"]);
    expect(await codeOf(() => model.score(idsOf(100, 250), { prompt: idsOf(29, 250) }))).toBe("CONTEXT_LENGTH");
    expect(await codeOf(() => model.score([1]))).toBe("REQ_EMPTY_PROMPT");
  });
});
