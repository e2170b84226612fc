import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModel, EngineError, type Model } from "../dist/src/index.js";
import { byteModel } from "./small-models.ts";

/** What there is of an answer, at any time and after any end. */

const OPTIONS = { seed: 9, maxTokens: 30, logitBias: { 256: -100, 257: -100, 258: -100, 259: -100 } };
let model: Model;
let whole: { ids: readonly number[]; text: string };
beforeAll(async () => {
  model = await createModel(byteModel(32), { threads: 0 });
  whole = await model.generate("ab", OPTIONS).result();
});
afterAll(() => model.dispose());

const caught = async (work: Promise<unknown>) => {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
};
/** Ends with what `fail` does behind `count` ids. */
const behind = (count: number, fail: () => void) => (_: Float32Array, ids: number[]) => {
  if (ids.length === 2 + count) fail();
};

describe("answer.partial", () => {
  it("is empty before, grows, and is the result at the end", async () => {
    const answer = model.generate("ab", OPTIONS);
    expect(answer.partial).toEqual({ ids: [], text: "", usage: { promptTokens: 2, completionTokens: 0 } });
    let read = "";
    for await (const piece of answer) {
      read += piece;
      const { ids, text, usage } = answer.partial;
      expect(text.startsWith(read)).toBe(true);
      expect(ids).toEqual(whole.ids.slice(0, ids.length));
      expect(usage.completionTokens).toBe(ids.length);
    }
    expect(answer.partial).toMatchObject({ ids: whole.ids, text: whole.text });
    (answer.partial.ids as number[]).length = 0;
    expect(answer.partial.ids).toEqual(whole.ids);
  });

  it("holds what there was after an abort, which rejects with the signal's own reason, even an EngineError", async () => {
    for (const reason of [new Error("enough"), new EngineError("FILE_IO", "mine")]) {
      const stop = new AbortController();
      const logitsProcessor = behind(7, () => stop.abort(reason));
      const answer = model.generate("ab", { ...OPTIONS, logitsProcessor, signal: stop.signal });
      expect(await caught(answer.result())).toBe(reason);
      expect("partial" in reason).toBe(false);
      expect(answer.partial.ids.length).toBeGreaterThanOrEqual(7);
      expect(answer.partial.ids).toEqual(whole.ids.slice(0, answer.partial.ids.length));
    }
  });

  it("is on the EngineError that ended it, each answer's own, and in no log", async () => {
    const answer = model.generate("ab", { ...OPTIONS, logitsProcessor: behind(5, () => answer.cancel()) });
    const left = (await caught(answer.result())) as EngineError;
    expect([left.code, left.partial]).toEqual(["GENERATION_LEFT", answer.partial]);
    expect(JSON.stringify(left)).not.toContain("partial");
    const shared = new EngineError("FILE_IO", "mine", { at: { source: "file" }, actual: 3 });
    const failing = (count: number) => {
      const logitsProcessor = behind(count, () => {
        throw shared;
      });
      return caught(model.generate("ab", { ...OPTIONS, logitsProcessor }).result());
    };
    const errors = (await Promise.all([failing(4), failing(9)])) as EngineError[];
    expect(errors.map(({ partial }) => partial?.ids)).toEqual([whole.ids.slice(0, 4), whole.ids.slice(0, 9)]);
    expect(errors.map(({ message, at, actual }) => [message, at, actual])).toEqual(
      Array(2).fill([shared.message, shared.at, 3]),
    );
    expect(errors[0]).toBe(shared);
  });

  it("of answers that end together is each one's own, and nobody's else", async () => {
    const other = await createModel(byteModel(32), { threads: 0 });
    const answers = ["ab", "cd"].map((prompt) => other.generate(prompt, { ...OPTIONS, maxTokens: 200 }));
    const ends = answers.map((answer) => caught(answer.result()));
    const score = caught(other.score(Array(200).fill(1)).then(() => other.score([1, 2])));
    await other.embed("a");
    await other.dispose();
    const errors = (await Promise.all(ends)) as EngineError[];
    expect(errors.map(({ code }) => code)).toEqual(["DISPOSED", "DISPOSED"]);
    for (const [at, { partial }] of errors.entries()) expect(partial).toEqual(answers[at].partial);
    expect(((await score) as EngineError).partial).toBe(undefined);
  });

  it("does not grow behind the end", async () => {
    const other = await createModel(byteModel(32), { threads: 0 });
    let disposed: Promise<void> | undefined;
    const logitsProcessor = behind(5, () => {
      disposed = other.dispose();
    });
    const answer = other.generate("ab", { ...OPTIONS, maxTokens: 200, logitsProcessor });
    const company = caught(other.generate("cd", { ...OPTIONS, maxTokens: 200 }).result());
    const { code, partial } = (await caught(answer.result())) as EngineError;
    await Promise.all([company, disposed]);
    expect([code, partial]).toEqual(["DISPOSED", answer.partial]);
  });

  it("of a batch is on the error that is told of, and on the one that ends it", async () => {
    const logitsProcessor = (logits: Float32Array, ids: number[]) => {
      if (ids.length === 6) logits[0] = Number.NaN;
    };
    const told: EngineError[] = [];
    const options = { ...OPTIONS, logitsProcessor };
    await model
      .generateBatch(["ab"], { ...options, onError: ({ error }) => told.push(error as EngineError) })
      .results();
    expect(told[0].partial?.ids).toEqual(whole.ids.slice(0, 4));
    const fatal = (await caught(model.generateBatch(["ab"], options).results())) as EngineError;
    expect([fatal.code, fatal.at?.field, fatal.partial?.ids]).toEqual([
      "LOGITS_PROCESSOR",
      "prompts[0]",
      whole.ids.slice(0, 4),
    ]);
  });
});
