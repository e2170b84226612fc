import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { philox, uniform } from "../src/draw/random.ts";
import { EngineError } from "../src/error.ts";
import { Sampler, type SamplingOptions } from "../src/generate/sampler.ts";

const NEUTRAL: SamplingOptions = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: new Map(),
  seed: 7,
  logProbabilities: undefined,
};

function sampler(vocab: number, options: Partial<SamplingOptions>): Sampler {
  return new Sampler({ ...NEUTRAL, ...options }, vocab);
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof EngineError) return error.code;
    throw error;
  }
  return "no error";
}

/** Normal deviates, the same on every run. */
function normal(count: number, seed: bigint, deviation: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform(seed, 2 * i)));
    return deviation * radius * Math.cos(2 * Math.PI * uniform(seed, 2 * i + 1));
  });
}

/** The rules as they are written down: sort everything, cut, draw in the order of ids. Independent of the sampler. */
function naive(logits: Float32Array, options: SamplingOptions, random: number): { kept: number[]; id: number } {
  const max = logits.reduce((a, b) => Math.max(a, b));
  const weights = Array.from(logits, (logit) => Math.exp((logit - max) / options.temperature));
  let order = weights.map((_, id) => id).sort((a, b) => logits[b] - logits[a] || a - b);
  if (options.topK > 0) order = order.slice(0, options.topK);
  const total = order.reduce((sum, id) => sum + weights[id], 0);
  let before = 0;
  const nucleus: number[] = [];
  for (const id of order) {
    if (options.topP < 1 && before > options.topP * total) break;
    nucleus.push(id);
    before += weights[id];
  }
  const kept = nucleus.filter((id) => weights[id] >= options.minP && weights[id] > 0).sort((a, b) => a - b);
  let left = random * kept.reduce((sum, id) => sum + weights[id], 0);
  for (const id of kept) {
    left -= weights[id];
    if (left < 0) return { kept, id };
  }
  return { kept, id: kept[kept.length - 1] };
}

describe("the random numbers", () => {
  test("Philox4x32-10 gives the published vectors", () => {
    const hex = (words: readonly number[]) => words.map((word) => word.toString(16).padStart(8, "0")).join(" ");
    const ones = 0xffffffff;
    expect(hex(philox([0, 0, 0, 0], [0, 0]))).toBe("6627e8d5 e169c58d bc57ac4c 9b00dbd8");
    expect(hex(philox([ones, ones, ones, ones], [ones, ones]))).toBe("408f276d 41c83b0e a20bc7c6 6d5451fd");
    expect(hex(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]))).toBe(
      "d16cfe09 94fdcceb 5001e420 24126ea1",
    );
  });

  test("they are uniform over steps and over seeds (chi-square, 64 bins)", () => {
    for (const draw of [(i: number) => uniform(5n, i), (i: number) => uniform(BigInt(i), 5)]) {
      const bins = new Array<number>(64).fill(0);
      for (let i = 0; i < 64_000; i++) bins[Math.floor(draw(i) * 64)]++;
      const chi = bins.reduce((sum, seen) => sum + (seen - 1000) ** 2 / 1000, 0);
      expect(chi).toBeLessThan(110); // 63 degrees of freedom: one in 4000 is above
    }
  });

  test("all 64 bits of the seed and steps beyond 2^32 count", () => {
    const draws = [
      uniform(1n, 0),
      uniform(1n + 2n ** 32n, 0),
      uniform(1n + 2n ** 63n, 0),
      uniform(1n, 2 ** 32),
      uniform(1n, 1),
    ];
    expect(new Set(draws).size).toBe(draws.length);
  });
});

describe("greedy", () => {
  test("takes the lowest id on ties, with -0 equal to 0", () => {
    expect(sampler(5, { temperature: 0 }).sample(Float32Array.of(1, 3, 2, 3, 3), 0)).toEqual({ id: 1 });
    expect(sampler(3, { temperature: 0 }).sample(Float32Array.of(-1, -0, 0), 0)).toEqual({ id: 1 });
    expect(sampler(4, { temperature: 0 }).sample(new Float32Array(4), 0)).toEqual({ id: 0 });
  });

  test("copes with the largest numbers and with forbidden tokens", () => {
    expect(sampler(3, { temperature: 0 }).sample(Float32Array.of(-3e38, 3e38, 3e38), 0).id).toBe(1);
    expect(sampler(3, { temperature: 0 }).sample(Float32Array.of(-Infinity, -3e38, -Infinity), 0).id).toBe(1);
  });
});

describe("logits that no model should give", () => {
  test.each([
    ["NaN at 0", [Number.NaN, 1, 2]],
    ["NaN at the end", [1, 2, Number.NaN]],
    ["all NaN", [Number.NaN, Number.NaN, Number.NaN]],
    ["Infinity", [1, Infinity, 2]],
  ])("%s is MODEL_NONFINITE at every temperature", (_, logits) => {
    for (const temperature of [0, 1e-4, 1]) {
      const at = sampler(3, { temperature, logitBias: new Map([[0, -100]]), repetitionPenalty: 2 });
      at.observePrompt([0, 1, 2]);
      expect(codeOf(() => at.sample(Float32Array.from(logits), 0))).toBe("MODEL_NONFINITE");
    }
  });

  test("all -Infinity, or all forbidden by a bias of -100, is SAMPLE_NO_CANDIDATE, not token 0", () => {
    const bias = new Map([0, 1, 2].map((id) => [id, -100] as const));
    for (const temperature of [0, 1]) {
      expect(codeOf(() => sampler(3, { temperature }).sample(new Float32Array(3).fill(-Infinity), 0))).toBe(
        "SAMPLE_NO_CANDIDATE",
      );
      expect(codeOf(() => sampler(3, { temperature, logitBias: bias }).sample(new Float32Array(3), 0))).toBe(
        "SAMPLE_NO_CANDIDATE",
      );
    }
  });

  test("a wrong number of logits and ids outside the vocabulary are refused", () => {
    expect(codeOf(() => sampler(3, {}).sample(new Float32Array(4), 0))).toBe("MODEL_LOGITS");
    for (const id of [-1, 3, 1.5, Number.NaN]) {
      expect(codeOf(() => sampler(3, {}).accept(id))).toBe("REQ_TOKEN_ID");
      expect(codeOf(() => sampler(3, {}).observePrompt([0, id]))).toBe("REQ_TOKEN_ID");
    }
  });

  test("penalties of the largest numbers stay finite and forbid nothing", () => {
    for (const repetitionPenalty of [1e-30, 10]) {
      const at = sampler(2, { repetitionPenalty });
      at.observePrompt([0, 1]);
      expect([0, 1]).toContain(at.sample(Float32Array.of(3e38, -3e38), 0).id);
    }
  });
});

describe("penalties and bias", () => {
  const logits = Float32Array.of(2, -1, 0.5, 1);
  const probabilities = (at: Sampler) =>
    new Map(at.sample(logits, 0).top?.map(({ id, logProbability }) => [id, logProbability] as const));
  const gap = (at: Sampler, a: number, b: number) => {
    const found = probabilities(at);
    return found.get(a)! - found.get(b)!;
  };

  test("repetition divides positive and multiplies negative logits, once, of prompt and output", () => {
    const at = sampler(4, { repetitionPenalty: 2, logProbabilities: 4 });
    at.observePrompt([0, 0, 1]);
    at.accept(3);
    at.accept(3);
    expect(gap(at, 0, 2)).toBeCloseTo(1 - 0.5, 6);
    expect(gap(at, 1, 2)).toBeCloseTo(-2 - 0.5, 6);
    expect(gap(at, 3, 2)).toBeCloseTo(0.5 - 0.5, 6);
  });

  test("presence is taken once and frequency each time, of the output alone", () => {
    const at = sampler(4, { presencePenalty: 0.5, frequencyPenalty: 0.25, logProbabilities: 4 });
    at.observePrompt([2, 2, 2]);
    at.accept(0);
    at.accept(0);
    at.accept(0);
    at.accept(3);
    expect(gap(at, 0, 2)).toBeCloseTo(2 - 0.5 - 0.75 - 0.5, 6);
    expect(gap(at, 3, 2)).toBeCloseTo(1 - 0.5 - 0.25 - 0.5, 6);
    expect(gap(at, 1, 2)).toBeCloseTo(-1 - 0.5, 6);
  });

  test("all four apply in the order repetition, presence, frequency, bias", () => {
    const at = sampler(4, {
      repetitionPenalty: 2,
      presencePenalty: 1.5,
      frequencyPenalty: 0.5,
      logitBias: new Map([[0, 3]]),
      logProbabilities: 4,
    });
    at.accept(0);
    expect(gap(at, 0, 2)).toBeCloseTo(2 / 2 - 1.5 - 0.5 + 3 - 0.5, 6);
  });

  test("a bias of -100 forbids, whatever the other logits are", () => {
    const at = sampler(3, { logitBias: new Map([[1, -100]]), temperature: 2 });
    for (let step = 0; step < 200; step++) expect(at.sample(Float32Array.of(-200, 100, -200), step).id).not.toBe(1);
  });

  test("sampling leaves the logits and the history as they are", () => {
    const at = sampler(4, { repetitionPenalty: 1.3, frequencyPenalty: 1, logProbabilities: 2 });
    at.observePrompt([0, 3]);
    const own = Float32Array.from(logits);
    expect(at.sample(own, 9)).toEqual(at.sample(own, 9));
    expect(own).toEqual(logits);
  });
});

describe("the draw", () => {
  test("follows the softmax of the logits over the temperature (chi-square)", () => {
    const logits = Float32Array.of(0, 1, 2, -1, 0.5, 1.5, -2, 0.25);
    for (const temperature of [0.5, 1, 2]) {
      const at = sampler(8, { temperature, seed: 11 });
      const seen = new Array<number>(8).fill(0);
      const draws = 20_000;
      for (let step = 0; step < draws; step++) seen[at.sample(logits, step).id]++;
      const weights = Array.from(logits, (logit) => Math.exp(logit / temperature));
      const total = weights.reduce((a, b) => a + b);
      const chi = seen.reduce(
        (sum, n, id) => sum + (n - (draws * weights[id]) / total) ** 2 / ((draws * weights[id]) / total),
        0,
      );
      expect(chi).toBeLessThan(24.3); // 7 degrees of freedom: one in 1000 is above
    }
  });

  test("depends on seed and step alone, not on what was sampled before or on who shares the memory", () => {
    const logits = normal(300, 1n, 2);
    const alone = sampler(300, { topP: 0.9, temperature: 0.6 });
    const other = sampler(300, { topP: 0.9, temperature: 0.6 });
    const forwards = Array.from({ length: 50 }, (_, step) => alone.sample(logits, step).id);
    const backwards = Array.from({ length: 50 }, (_, i) => {
      other.sample(normal(300, BigInt(i), 5), i);
      return other.sample(logits, 49 - i).id;
    });
    expect(backwards.reverse()).toEqual(forwards);
    expect(new Set(forwards).size).toBeGreaterThan(5);
  });

  test("a negative seed is the same as its unsigned form", () => {
    const logits = normal(300, 1n, 1);
    const ids = (seed: number | bigint) =>
      Array.from({ length: 20 }, (_, i) => sampler(300, { seed }).sample(logits, i).id);
    expect(ids(-1)).toEqual(ids(2n ** 64n - 1n));
    expect(ids(-1)).not.toEqual(ids(1));
  });

  test("never takes a forbidden token and survives a temperature of 1e-4", () => {
    const logits = Float32Array.of(-Infinity, 3e38, -Infinity, -3e38, -Infinity);
    for (const topK of [0, 1, 3, 4]) {
      for (const topP of [0.5, 1]) {
        const at = sampler(5, { temperature: 1e-4, topK, topP });
        for (let step = 0; step < 20; step++) expect(at.sample(logits, step).id).toBe(1);
      }
    }
  });
});

describe("top-k, top-p and min-p", () => {
  const ids = (at: Sampler, logits: Float32Array, draws: number) =>
    [...new Set(Array.from({ length: draws }, (_, step) => at.sample(logits, step).id))].sort((a, b) => a - b);

  test("top-p keeps the token that reaches the limit exactly, and the next only if the sum is not above", () => {
    const ten = new Float32Array(10).fill(2);
    expect(ids(sampler(10, { topP: 0.45 }), ten, 400)).toEqual([0, 1, 2, 3, 4]);
    expect(ids(sampler(10, { topP: 0.5 }), ten, 400)).toEqual([0, 1, 2, 3, 4, 5]); // 0.5 before it does not exceed 0.5
    expect(ids(sampler(10, { topP: 1e-9 }), ten, 400)).toEqual([0]);
  });

  test("ties at the edge of top-k go to the lowest ids, with -0 equal to 0", () => {
    expect(ids(sampler(6, { topK: 3 }), Float32Array.of(1, 0, 1, 1, 1, 0), 200)).toEqual([0, 2, 3]);
    expect(ids(sampler(4, { topK: 2 }), Float32Array.of(-5, -0, 0, 0), 200)).toEqual([1, 2]);
  });

  test("min-p is relative to the likeliest, after the temperature", () => {
    const logits = Float32Array.of(0, Math.log(0.5), Math.log(0.2), Math.log(0.05));
    expect(ids(sampler(4, { minP: 0.1 }), logits, 500)).toEqual([0, 1, 2]);
    expect(ids(sampler(4, { minP: 0.1, temperature: 0.5 }), logits, 500)).toEqual([0, 1]);
    expect(ids(sampler(4, { minP: 1 }), logits, 50)).toEqual([0]);
  });

  test("top-p is of what top-k left", () => {
    const four = new Float32Array(40);
    expect(ids(sampler(40, { topK: 4, topP: 0.6 }), four, 300)).toEqual([0, 1, 2]);
  });

  test("every draw equals that of a full sort", () => {
    const logit = fc.oneof(
      { weight: 8, arbitrary: fc.float({ min: -20, max: 20, noNaN: true }) },
      { weight: 3, arbitrary: fc.integer({ min: -3, max: 3 }) },
      { weight: 1, arbitrary: fc.constantFrom(-Infinity, -3e38, -0, 1e-40, 200) },
    );
    const options = fc.record({
      temperature: fc.constantFrom(1e-4, 0.3, 0.6, 1, 2),
      topK: fc.constantFrom(0, 0, 1, 2, 5, 40),
      topP: fc.constantFrom(1, 0.99, 0.9, 0.437, 0.013),
      minP: fc.constantFrom(0, 0, 0.0137, 0.31),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(logit, { minLength: 1, maxLength: 80 }), options, fc.nat(1000), (raw, chosen, step) => {
        const logits = Float32Array.from(raw);
        fc.pre(logits.some((value) => value > -Infinity));
        const topK = Math.min(chosen.topK, logits.length);
        const all = { ...NEUTRAL, ...chosen, topK };
        const expected = naive(logits, all, uniform(BigInt(chosen.seed), step));
        expect(sampler(logits.length, all).sample(logits, step).id).toBe(expected.id);
      }),
      { numRuns: 2000, seed: 20_240_405 },
    );
  });

  test("every draw equals that of a full sort at 20,000 tokens, peaked, flat and quantised to few values", () => {
    const vocab = 20_000;
    const flat = normal(vocab, 2n, 0.3);
    const peaked = normal(vocab, 3n, 4);
    for (const logits of [flat, peaked, peaked.map(Math.round), new Float32Array(vocab)]) {
      for (const chosen of [{ topP: 0.9 }, { topK: 50, topP: 0.95 }, { topK: 7000 }, { minP: 0.02 }, {}]) {
        const all = { ...NEUTRAL, temperature: 0.6, ...chosen };
        const at = sampler(vocab, all);
        for (let step = 0; step < 2; step++) {
          expect(at.sample(logits, step).id).toBe(naive(logits, all, uniform(7n, step)).id);
        }
      }
    }
  });
});

describe("log-probabilities", () => {
  test("are those before temperature and cuts, sorted, the lowest id first on ties", () => {
    const logits = Float32Array.of(1, 2, 0, 2, -Infinity);
    const total = Math.exp(1) + 2 * Math.exp(2) + 1;
    for (const options of [{ temperature: 0 }, { temperature: 0.3, topK: 1 }, { temperature: 2, topP: 0.1 }]) {
      const { id, logProbability, top } = sampler(5, { ...options, logProbabilities: 20 }).sample(logits, 0);
      expect(top?.map((one) => one.id)).toEqual([1, 3, 0, 2]); // the forbidden token is no alternative
      expect(logProbability).toBe(top?.find((one) => one.id === id)?.logProbability);
      for (const one of top ?? []) expect(one.logProbability).toBeCloseTo(logits[one.id] - Math.log(total), 9);
    }
  });

  test("are given for the token alone when no alternatives are asked, and not at all unless asked", () => {
    const logits = normal(100, 4n, 1);
    const plain = sampler(100, {}).sample(logits, 3);
    const asked = sampler(100, { logProbabilities: 0 }).sample(logits, 3);
    expect(Object.keys(plain)).toEqual(["id"]);
    expect(asked.id).toBe(plain.id);
    expect(asked.top).toEqual([]);
    expect(asked.logProbability).toBeLessThan(0);
  });

  test("the top 20 of 5,000 equal those of a full sort", () => {
    const logits = normal(5000, 5n, 2).map((value) => Math.round(value * 4) / 4);
    const order = Array.from(logits, (_, id) => id).sort((a, b) => logits[b] - logits[a] || a - b);
    const { top } = sampler(5000, { logProbabilities: 20, temperature: 0 }).sample(logits, 0);
    expect(top?.map((one) => one.id)).toEqual(order.slice(0, 20));
  });
});
