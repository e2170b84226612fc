import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModel, type Model, openLogits } from "../dist/src/index.js";
import { codeOf } from "./error-code.ts";
import { idsOf } from "./resident.ts";
import { layeredModel } from "./small-models.ts";

/** Perplexity in windows and divergence from a reference, against sums over the logits of sessions. */

const config = layeredModel({
  ...{ vocab_size: 260, hidden_size: 64, intermediate_size: 64, head_dim: 32 },
  ...{ attention_chunk_size: 16, bos_token_id: 256, eos_token_id: [] },
});
const BOS = 256;
const IDS = [BOS, ...idsOf(101, 250)];
let exact: Model;
let rough: Model;
beforeAll(async () => {
  exact = await createModel(config, { threads: 1, context: 128, seed: 4 });
  rough = await createModel(config, { threads: 0, context: 128, seed: 4, type: "q4_0" });
});
afterAll(async () => {
  await exact.dispose();
  await rough.dispose();
});

/** ln p of every id behind `ids`, in double precision. */
async function logProbabilities(model: Model, ids: readonly number[]): Promise<Float64Array> {
  const session = model.session();
  await session.sync(ids);
  const logits = Float64Array.from(await session.logits());
  await session.dispose();
  const largest = Math.max(...logits);
  const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0)) + largest;
  return logits.map((logit) => logit - total);
}

/** [ids before, id] of everything that is scored: by hand, for windows of 32 of the 102 ids. */
const HALVES = [0, 32, 64].flatMap((start) =>
  Array.from({ length: 15 }, (_, index) => ({
    before: [BOS, ...IDS.slice(start + 1, start + 17 + index)],
    id: IDS[start + 17 + index],
  })),
);
const STRIDED = IDS.slice(1).map((id, index) => {
  const at = index + 1;
  // Windows of 32 begin at 0, 20, 40, 60, 80; the first that reaches the id scores it.
  const start = at < 32 ? 0 : 20 * Math.ceil((at - 31) / 20);
  return { before: [BOS, ...IDS.slice(start + 1, at)], id };
});

const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const errorOf = (values: readonly number[]) =>
  Math.sqrt(meanOf(values.map((value) => (value - meanOf(values)) ** 2)) / (values.length - 1));

describe("perplexity", () => {
  it.each([
    ["whole windows: the second half of each, every window behind the begin id", { window: 32 }, HALVES, 3],
    ["a stride: every id but the first, once", { window: 32, stride: 20 }, STRIDED, 5],
  ] as const)("%s", async (_, options, scored, windows) => {
    const result = await exact.perplexity(IDS, options);
    const nll: number[] = [];
    for (const { before, id } of scored) nll.push(-(await logProbabilities(exact, before))[id]);
    expect(result).toMatchObject({ ids: 102, scored: scored.length, windows });
    expect(result.nll.length).toBe(scored.length);
    result.nll.forEach((value, index) => {
      expect(value).toBeCloseTo(nll[index], 12);
    });
    expect(result.meanNll).toBeCloseTo(meanOf(nll), 12);
    expect(result.perplexity).toBeCloseTo(Math.exp(meanOf(nll)), 9);
    expect(result.standardError).toBeCloseTo(errorOf(nll), 12);
  });

  it("a text that fits one window is scored whole, as score() does; without the begin id windows keep their own first", async () => {
    const { nll } = await exact.perplexity(IDS, { window: 128 });
    expect(nll).toEqual((await exact.score(IDS)).nll);
    const bare = IDS.slice(1);
    const { nll: windowed } = await exact.perplexity(bare, { window: 32 });
    const second = (await exact.score(bare.slice(32, 64))).nll;
    expect(windowed.slice(15, 30)).toEqual(second.slice(16));
  });

  it("tells every step how far it is, and stops at a signal", async () => {
    const steps: number[] = [];
    const { meanNll } = await exact.perplexity(IDS, {
      window: 32,
      onProgress: ({ done, total, meanNll }) => steps.push(done / total, meanNll),
    });
    expect(steps.slice(-2)).toEqual([1, expect.closeTo(meanNll, 12)]);
    const reason = new Error("enough");
    const controller = new AbortController();
    const options = { window: 32, signal: controller.signal, onProgress: () => controller.abort(reason) };
    await expect(exact.perplexity(IDS, options)).rejects.toBe(reason);
  });
});

async function savedLogits(model: Model, options: { window: number; stride?: number }): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  await model.perplexity(IDS, { ...options, saveLogits: (bytes) => pieces.push(bytes) });
  return new Uint8Array(Buffer.concat(pieces));
}

describe("divergence", () => {
  it("from a model: the sums over the vocabulary, their mean, median, 99 % quantile and largest", async () => {
    const result = await rough.divergence(IDS, exact, { window: 32 });
    const kl: number[] = [];
    const difference: number[] = [];
    let same = 0;
    for (const { before, id } of HALVES) {
      const p = await logProbabilities(exact, before);
      const q = await logProbabilities(rough, before);
      kl.push(p.reduce((sum, logP, index) => sum + Math.exp(logP) * (logP - q[index]), 0));
      difference.push(p[id] - q[id]);
      if (p.indexOf(Math.max(...p)) === q.indexOf(Math.max(...q))) same++;
    }
    const sorted = kl.toSorted((a, b) => a - b);
    expect(result.kl.mean).toBeGreaterThan(1e-4);
    result.kl.values.forEach((value, index) => {
      expect(value).toBeCloseTo(kl[index], 12);
    });
    expect(result.kl).toMatchObject({
      mean: expect.closeTo(meanOf(kl), 12),
      standardError: expect.closeTo(errorOf(kl), 12),
      median: expect.closeTo(sorted[22], 12), // of 45
      quantile99: expect.closeTo(sorted[43] + 0.56 * (sorted[44] - sorted[43]), 12), // 0.99 * 44 = 43.56
      max: expect.closeTo(sorted[44], 12),
    });
    expect(result.nllDifference.mean).toBeCloseTo(meanOf(difference), 12);
    expect(result.nllDifference.standardError).toBeCloseTo(errorOf(difference), 12);
    expect(result.perplexityRatio).toBeCloseTo(result.perplexity / result.reference.perplexity, 9);
    expect(result.reference.nll).toEqual((await exact.perplexity(IDS, { window: 32 })).nll);
    expect(result.sameTop).toBe(same / 45);
    expect(same).toBeLessThan(45);
  });

  it("of a model from itself is exactly 0; two that ask for each other do not wait for ever", async () => {
    const { kl, sameTop, nllDifference } = await exact.divergence(IDS, exact, { window: 32 });
    expect([kl.max, sameTop, nllDifference.mean]).toEqual([0, 1, 0]);
    const [there, back] = await Promise.all([exact.divergence(IDS, rough), rough.divergence(IDS, exact)]);
    expect(there.reference.nll).toEqual(back.nll);
  });

  it("from stored logits: the reference's nll to the bit, KL within 2e-5 sqrt(2 KL), the windows of the file", async () => {
    const stored = await openLogits(await savedLogits(exact, { window: 32, stride: 20 }));
    expect(stored).toMatchObject({ window: 32, stride: 20, vocab: 260, rows: 101 });
    const fromModel = await rough.divergence(IDS, exact, { window: 32, stride: 20 });
    const fromFile = await rough.divergence(IDS, stored);
    expect(fromFile.reference).toEqual(fromModel.reference);
    expect(fromFile.sameTop).toBe(fromModel.sameTop);
    fromFile.kl.values.forEach((value, index) => {
      const kl = fromModel.kl.values[index];
      expect(Math.abs(value - kl)).toBeLessThan(2e-5 * Math.sqrt(2 * kl));
    });
    expect((await exact.divergence(IDS, stored)).kl.max).toBeLessThan(1e-9);
    await stored.close();
  });
});

describe("refusals", () => {
  it.each([
    ["window", { window: 129 }, "OPTION_RANGE"],
    ["window", { window: 3 }, "OPTION_RANGE"],
    ["stride", { window: 32, stride: 32 }, "OPTION_RANGE"],
    ["onProgress", { onProgress: 5 }, "OPTION_RANGE"],
    ["strde", { strde: 5 }, "REQ_UNSUPPORTED_PARAM"],
  ])("option %s %j", async (_, options, code) => {
    expect(await codeOf(() => exact.perplexity(IDS, options as never))).toBe(code);
    expect(await codeOf(() => exact.divergence(IDS, exact, options as never))).toBe(code);
  });

  it("a reference that is none, of another vocabulary, and one id", async () => {
    const other = await createModel({ ...config, vocab_size: 300 }, { threads: 0, context: 128 });
    expect(await codeOf(() => exact.divergence(IDS, other))).toBe("MODEL_TOKENS");
    expect(await codeOf(() => exact.divergence(IDS, {} as never))).toBe("REQ_PARAM");
    expect(await codeOf(() => exact.divergence(IDS, exact, { saveLogits: () => {} } as never))).toBe(
      "REQ_UNSUPPORTED_PARAM",
    );
    expect(await codeOf(() => exact.perplexity([1]))).toBe("REQ_EMPTY_PROMPT");
    const bytes = await savedLogits(exact, { window: 32 });
    expect(await codeOf(async () => other.divergence(IDS, await openLogits(bytes)))).toBe("LOGITS_VOCAB");
    await other.dispose();
  });

  it("files of logits that are none, cut, of a newer version, of other ids, windows or values", async () => {
    const bytes = await savedLogits(exact, { window: 32 });
    const changed = (change: (view: DataView) => void) => {
      const copy = bytes.slice();
      change(new DataView(copy.buffer));
      return openLogits(copy);
    };
    const use = async (change: (view: DataView) => void, ids = IDS, options = {}) =>
      exact.divergence(ids, await changed(change), options);
    const same = () => {};
    expect(await codeOf(() => use(same))).toBeUndefined();
    expect(await codeOf(() => openLogits(new Uint8Array(10)))).toBe("LOGITS_FORMAT");
    expect(await codeOf(() => changed((view) => view.setUint8(0, 0)))).toBe("LOGITS_FORMAT");
    expect(await codeOf(() => changed((view) => view.setUint32(8, 2, true)))).toBe("LOGITS_VERSION");
    expect(await codeOf(() => openLogits(bytes.slice(0, -1)))).toBe("LOGITS_SIZE");
    expect(await codeOf(() => changed((view) => view.setUint32(12, 0xffffffff, true)))).toBe("LOGITS_SIZE");
    expect(await codeOf(() => use(same, [...IDS.slice(0, -1), 7]))).toBe("LOGITS_IDS");
    expect(await codeOf(() => use(same, IDS.slice(0, -1)))).toBe("LOGITS_IDS");
    expect(await codeOf(() => use(same, IDS, { window: 64 }))).toBe("LOGITS_WINDOWS");
    expect(await codeOf(() => use((view) => view.setUint32(16, 1 << 20, true)))).toBe("OPTION_RANGE");
    expect(await codeOf(() => use((view) => view.setFloat64(64, Number.NaN, true)))).toBe("LOGITS_VALUE");
    expect(await codeOf(() => use((view) => view.setFloat64(64 + 8, 1e308, true)))).toBe("LOGITS_VALUE");
    expect(await codeOf(() => use((view) => view.setFloat64(64 + 536, -1, true)))).toBe("LOGITS_VALUE");
  });

  it("a writer that fails ends the measuring with its error, and leaves no pages behind", async () => {
    const full = new Error("no space");
    const saveLogits = () => Promise.reject(full);
    for (let round = 0; round < 70; round++)
      await expect(exact.perplexity(IDS, { window: 32, saveLogits })).rejects.toBe(full);
    expect((await exact.perplexity(IDS)).scored).toBe(101);
  });
});
