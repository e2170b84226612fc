import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { philox, uniform } from "../src/draw/random.ts";
import { Typicality } from "../src/draw/typicality.ts";
import { Sampler, type SamplingOptions } from "../src/generate/sampler.ts";

/** Top-n-sigma, top-k, typical-p, top-p, min-p and XTC against their definitions in double precision over a sorted list. */

const NEUTRAL: SamplingOptions = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  typicalP: 1,
  topNSigma: 0,
  xtc: undefined,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: new Map(),
  seed: 7,
  logProbabilities: undefined,
};

interface Token {
  readonly id: number;
  readonly logit: number;
  readonly weight: number;
}

const sumOf = (tokens: readonly Token[]) => tokens.reduce((sum, { weight }) => sum + weight, 0);

/** Tokens from the front of the list while what lies before them is within the limit. */
function within(tokens: readonly Token[], limit: number): Token[] {
  let before = 0;
  return tokens.filter(({ weight }) => {
    const kept = before <= limit;
    before += weight;
    return kept;
  });
}

/** Each cut as its paper or its first implementation says it. */
function naive(logits: Float32Array, options: SamplingOptions, step: number): { kept: number[]; id: number } {
  const { temperature, topNSigma = 0, topK, typicalP = 1, topP, minP, xtc, seed } = options;
  const max = Math.max(...logits);
  // Below e^-64 a weight is none: src/exact.ts.
  const weigh = (logit: number) => (max - logit < 64 * temperature ? Math.exp((logit - max) / temperature) : 0);
  let tokens = Array.from(logits, (logit, id) => ({ id, logit, weight: weigh(logit) }))
    .filter(({ logit }) => logit > -Infinity)
    .sort((a, b) => b.logit - a.logit || a.id - b.id);
  if (topNSigma > 0) {
    const mean = tokens.reduce((sum, { logit }) => sum + logit, 0) / tokens.length;
    const variance = tokens.reduce((sum, { logit }) => sum + (logit - mean) ** 2, 0) / tokens.length;
    tokens = tokens.filter(({ logit }) => logit >= max - topNSigma * Math.sqrt(variance));
  }
  if (topK > 0) tokens = tokens.slice(0, topK);
  if (typicalP < 1) {
    const total = sumOf(tokens);
    const surprise = ({ logit }: Token) => (max - logit) / temperature + Math.log(total);
    const entropy = tokens.reduce((sum, token) => sum + (token.weight / total) * surprise(token), 0);
    const typical = tokens
      .map((token) => ({ token, distance: Math.abs(surprise(token) - entropy) }))
      .sort((a, b) => a.distance - b.distance || a.token.id - b.token.id);
    const kept = new Set(
      within(
        typical.map(({ token }) => token),
        typicalP * total,
      ),
    );
    tokens = tokens.filter((token) => kept.has(token));
  }
  if (topP < 1) tokens = within(tokens, topP * sumOf(tokens));
  tokens = tokens.filter(({ weight }) => weight >= minP * tokens[0].weight && weight > 0);
  if (xtc && uniform(BigInt(seed), step, true) < xtc.probability) {
    const total = sumOf(tokens);
    const heavy = tokens.filter(({ weight }) => weight / total >= xtc.threshold);
    if (heavy.length > 1) tokens = tokens.slice(heavy.length - 1);
  }
  tokens.sort((a, b) => a.id - b.id);
  const kept = tokens.map(({ id }) => id);
  let left = uniform(BigInt(seed), step) * sumOf(tokens);
  for (const { id, weight } of tokens) {
    left -= weight;
    if (left < 0) return { kept, id };
  }
  return { kept, id: kept[kept.length - 1] };
}

/** Whatever can be drawn, where one draw in `draws` finds each. */
function reached(options: Partial<SamplingOptions>, logits: number[], draws = 600): number[] {
  const sampler = new Sampler({ ...NEUTRAL, ...options }, logits.length);
  const seen = Array.from({ length: draws }, (_, step) => sampler.sample(Float32Array.from(logits), step).id);
  return [...new Set(seen)].sort((a, b) => a - b);
}

const ln = (...probabilities: number[]) => probabilities.map(Math.log);

describe("top-n-sigma", () => {
  test("keeps what is within so many standard deviations of the largest, whatever the temperature", () => {
    const logits = [4, 2, 0, -2, -4]; // deviation 2.83
    for (const temperature of [0.7, 2]) {
      expect(reached({ topNSigma: 0.5, temperature }, logits)).toEqual([0]);
      expect(reached({ topNSigma: 0.75, temperature }, logits)).toEqual([0, 1]);
    }
    expect(reached({ topNSigma: 1.5, temperature: 2 }, logits, 3000)).toEqual([0, 1, 2]);
  });

  test("does not count forbidden tokens, and keeps all where all are equal", () => {
    expect(reached({ topNSigma: 0.75 }, [4, -Infinity, 2, 0, -2, -Infinity, -4])).toEqual([0, 2]);
    expect(reached({ topNSigma: 0.1 }, [1, 1, 1])).toEqual([0, 1, 2]);
    expect(reached({ topNSigma: 1 }, [3e38, -3e38, -Infinity])).toEqual([0]);
  });
});

describe("typical-p", () => {
  test("begins at the token whose surprise is nearest to the entropy, not at the likeliest", () => {
    // Entropy 1.28 nats; surprises 0.92, 1.39 (nearest), 1.61, 2.30, 3.0.
    const logits = ln(0.4, 0.25, 0.2, 0.1, 0.05);
    expect(reached({ typicalP: 0.2 }, logits)).toEqual([1]);
    expect(reached({ typicalP: 0.3 }, logits)).toEqual([1, 2]);
    expect(reached({ typicalP: 0.5 }, logits)).toEqual([0, 1, 2]);
  });

  test("of equal tokens takes the lowest ids", () => {
    expect(reached({ typicalP: 0.45 }, Array(10).fill(2))).toEqual([0, 1, 2, 3, 4]);
  });

  test("tells distances apart that are one number in single precision", () => {
    // From the mean of 1 and 3 with these weights, 2 + 1e-9: the second is nearer.
    const weights = Float64Array.of(1, 1 + 2e-9);
    const keeps = new Typicality(2).select(Float32Array.of(2, 0), weights, 2, 3, 2 + 2e-9, 0);
    expect([keeps(0), keeps(1)]).toEqual([false, true]);
  });

  test("leaves min-p the likeliest of what it kept", () => {
    expect(reached({ typicalP: 0.3, minP: 0.9 }, ln(0.4, 0.25, 0.2, 0.1, 0.05))).toEqual([1]);
    expect(reached({ typicalP: 0.3, minP: 0.7 }, ln(0.4, 0.25, 0.2, 0.1, 0.05))).toEqual([1, 2]);
  });
});

describe("XTC", () => {
  const xtc = { probability: 1, threshold: 0.1 };
  test("takes out all that reach the threshold but the least likely of them", () => {
    expect(reached({ xtc }, ln(0.5, 0.3, 0.15, 0.03, 0.02))).toEqual([2, 3, 4]);
  });

  test("does nothing where fewer than two reach it, and of equal ones leaves the last", () => {
    expect(reached({ xtc: { probability: 1, threshold: 0.4 } }, ln(0.5, 0.3, 0.2))).toEqual([0, 1, 2]);
    expect(reached({ xtc: { probability: 1, threshold: 0.25 } }, [1, 1, 1, 1])).toEqual([3]);
  });

  test("comes after the other cuts", () => {
    expect(reached({ xtc, topK: 2 }, ln(0.5, 0.3, 0.15, 0.05))).toEqual([1]);
    expect(reached({ xtc, minP: 0.5 }, ln(0.5, 0.3, 0.15, 0.05))).toEqual([1]);
  });

  test("happens as often as it is asked, by a number of its own", () => {
    const sampler = new Sampler({ ...NEUTRAL, xtc: { probability: 0.25, threshold: 0.1 } }, 2);
    const logits = Float32Array.from(ln(0.6, 0.4));
    let second = 0;
    let both = 0;
    const draws = 20_000;
    for (let step = 0; step < draws; step++) {
      const { id } = sampler.sample(logits, step);
      const low = uniform(7n, step) < 0.6;
      if (low && id === 1) second++;
      if (low) both++;
    }
    // Of steps that would take the likelier token a quarter do not: the two numbers are independent.
    expect(second / both).toBeGreaterThan(0.235);
    expect(second / both).toBeLessThan(0.265);
    const [, , c, d] = philox([3, 0, 0, 0], [7, 0]);
    expect(uniform(7n, 3, true)).toBe(((c >>> 5) * 2 ** 26 + (d >>> 6)) / 2 ** 53);
  });
});

describe("all cuts together", () => {
  const logit = fc.oneof(
    // Coarser than doubles round: surprise and entropy of the definition are sums.
    { weight: 8, arbitrary: fc.integer({ min: -80_000, max: 80_000 }).map((value) => value / 4096) },
    { weight: 3, arbitrary: fc.integer({ min: -3, max: 3 }) },
    { weight: 1, arbitrary: fc.constantFrom(-Infinity, -0) },
  );
  const options = fc.record({
    temperature: fc.constantFrom(0.3, 0.6, 1, 2),
    topNSigma: fc.constantFrom(0, 0, 0.513, 1.37, 2.9),
    topK: fc.constantFrom(0, 0, 1, 2, 5, 40),
    typicalP: fc.constantFrom(1, 0.951, 0.713, 0.217, 0.0131),
    topP: fc.constantFrom(1, 1, 0.9013, 0.437),
    minP: fc.constantFrom(0, 0, 0.0137, 0.313),
    xtc: fc.constantFrom(
      undefined,
      { probability: 1, threshold: 0.0917 },
      { probability: 0.5, threshold: 0.231 },
      { probability: 1, threshold: 0 },
    ),
    seed: fc.nat(),
  });

  test("every draw equals that of sorted lists", () => {
    const seed = Date.now() % 2 ** 31;
    console.log(`cuts: seed ${seed}`);
    fc.assert(
      fc.property(fc.array(logit, { minLength: 1, maxLength: 80 }), options, fc.nat(1000), (raw, chosen, step) => {
        const logits = Float32Array.from(raw);
        fc.pre(logits.some((value) => value > -Infinity));
        const all = { ...NEUTRAL, ...chosen, topK: Math.min(chosen.topK, logits.length) };
        const sampler = new Sampler(all, logits.length);
        const { kept, id } = naive(logits, all, step);
        expect(sampler.sample(logits, step).id).toBe(id);
        // Whatever else it draws is of the same set.
        for (let later = step + 1; later < step + 20; later++)
          expect(sampler.sample(logits, later).id).toBe(naive(logits, all, later).id);
        expect(kept).toContain(id);
      }),
      { numRuns: 2000, seed },
    );
  });

  test("every draw equals that of sorted lists at 20,000 tokens", () => {
    const vocab = 20_000;
    const normal = Float32Array.from({ length: vocab }, (_, id) => {
      const radius = Math.sqrt(-2 * Math.log(1 - uniform(9n, 2 * id)));
      return 3 * radius * Math.cos(2 * Math.PI * uniform(9n, 2 * id + 1));
    });
    for (const logits of [normal, normal.map((value) => value / 10), normal.map(Math.round), new Float32Array(vocab)])
      for (const chosen of [
        { typicalP: 0.9 },
        { typicalP: 0.2, temperature: 1.5 },
        { topNSigma: 1 },
        { topNSigma: 2, topK: 300, typicalP: 0.5, topP: 0.9, xtc: { probability: 1, threshold: 0.003 } },
      ]) {
        const all = { ...NEUTRAL, ...chosen };
        const sampler = new Sampler(all, vocab);
        for (let step = 0; step < 2; step++) expect(sampler.sample(logits, step).id).toBe(naive(logits, all, step).id);
      }
  });
});
