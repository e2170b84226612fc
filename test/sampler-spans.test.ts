/** By what is known of spans the sampler reads few logits: it draws what it draws from all of them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PEAK } from "../assembly/abi.ts";
import { reachedBy } from "../src/draw/peaks.ts";
import { uniform } from "../src/draw/random.ts";
import type { Spans } from "../src/draw/spans.ts";
import { drawWhole } from "../src/draw/whole.ts";
import { EngineError } from "../src/error.ts";
import { Sampler, type SamplingOptions } from "../src/generate/sampler.ts";
import * as oracle from "./oracle.ts";

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

const NEUTRAL: SamplingOptions = {
  ...{ temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0 },
  ...{ logitBias: new Map(), seed: 7, logProbabilities: undefined },
};

/** Of masses as wrong as the kernel's may be, each in its own way. */
function spansOf(logits: Float32Array, { spanScale }: Sampler, seed = 1): Spans {
  const peaks = Float32Array.from(oracle.peaks(logits, PEAK));
  if (!spanScale) return { peaks, masses: null };
  const wrong = (span: number) => 1 + (2 * uniform(BigInt(seed), span) - 1) * 2 ** -19;
  const masses = oracle.masses(logits, PEAK, spanScale).map((mass, span) => mass * wrong(span));
  return { peaks, masses: Float32Array.from(masses) };
}

/** What it draws, or the code and place of its error. */
function outcome(draw: () => unknown): unknown {
  try {
    return draw();
  } catch (error) {
    if (error instanceof EngineError) return [error.code, error.at];
    throw error;
  }
}

/** Logits of few different values have ties at every edge. */
function logitsOf(vocab: number, seed: number, grain: number): Float32Array {
  return Float32Array.from({ length: vocab }, (_, id) => {
    const value = 12 * (uniform(BigInt(seed), id) - 0.5);
    return grain === 0 ? value : Math.round(value / grain) * grain;
  });
}

describe(`seed ${SEED}`, () => {
  it("with spans and without: the same token, whatever the options, ties, penalties and forbidden ids", () => {
    const id = fc.nat(1299);
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.nat(),
          grain: fc.constantFrom(0, 0.5, 3, 100),
          temperature: fc.constantFrom(0, 0.7, 3),
          topK: fc.constantFrom(0, 0, 0, 1, 2, 4, 5, 40, 2000),
          topP: fc.constantFrom(1, 0.9, 0.2, 1 - 5e-15),
          minP: fc.constantFrom(0, 0.1),
          repetitionPenalty: fc.constantFrom(1, 1.4),
          presencePenalty: fc.constantFrom(0, 1, -2),
          frequencyPenalty: fc.constantFrom(0, 0.5),
          typicalP: fc.constantFrom(1, 1, 0.6),
          xtc: fc.constantFrom(undefined, { probability: 0.9, threshold: 0.05 }),
          bias: fc.array(fc.tuple(id, fc.constantFrom(-100, -3, 5)), { maxLength: 3 }),
          prompt: fc.array(id, { maxLength: 3 }),
          accepted: fc.array(id, { maxLength: 2 }),
          forbidden: fc.array(id, { maxLength: 2 }),
          top: fc.nat(3),
        }),
        ({ seed, grain, bias, prompt, accepted, forbidden, top, ...options }) => {
          const logits = logitsOf(1300, seed, grain);
          const best = logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));
          // Penalties and bans of the likeliest are those that matter.
          const ids = [best, (best + 1) % 1300, ...prompt].slice(0, top);
          const sampler = new Sampler({ ...NEUTRAL, ...options, seed, logitBias: new Map(bias) }, 1300);
          sampler.observePrompt([...prompt, ...ids]);
          for (const one of accepted) sampler.accept(one);
          const banned = [...forbidden, ...ids.slice(1)];
          const draw = (spans: Spans | null) => sampler.sample(logits, 3, banned, null, spans);
          expect(draw(spansOf(logits, sampler, seed))).toEqual(draw(null));
        },
      ),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it("reads spans that hold a candidate, and no others", () => {
    const logits = logitsOf(64 * 40, 5, 0);
    const read = new Set<number>();
    const watched = new Proxy(logits, {
      get(target, key) {
        if (typeof key === "string" && /^\d+$/.test(key)) read.add(Math.floor(Number(key) / PEAK));
        if (key === "subarray" || key === "slice") {
          return (from: number, to: number) => {
            for (let at = from; at < to; at++) read.add(Math.floor(at / PEAK));
            return target[key](from, to);
          };
        }
        const value: unknown = Reflect.get(target, key);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    for (const [options, most] of [
      [{ temperature: 0 }, 1],
      [{ topK: 5 }, 5],
      [{ temperature: 0.001, topP: 0.9 }, 10],
      [{ temperature: 0.001, minP: 0.5 }, 5],
      [{ temperature: 1 }, 1],
      [{ temperature: 0.001, topP: 0.9, logitBias: new Map([[7, -100]]) }, 11],
    ] as const) {
      read.clear();
      const sampler = new Sampler({ ...NEUTRAL, ...options }, logits.length);
      const spans = spansOf(logits, sampler);
      expect(sampler.sample(watched, 0, [], null, spans)).toEqual(sampler.sample(logits, 0));
      expect(read.size).toBeGreaterThan(0);
      expect(read.size).toBeLessThanOrEqual(most);
    }
  });

  it("where the masses leave open which tokens the nucleus holds, all are read", () => {
    const logits = new Float32Array(64 * 80).fill(-100);
    const heavy = Array.from({ length: 10 }, (_, at) => 500 * at);
    for (const id of heavy) logits[id] = 5;
    for (const [topP, tokens] of [
      [0.5, 6],
      [0.4999999, 5],
      [0.5000001, 6],
      [0.55, 6],
    ]) {
      const sampler = new Sampler({ ...NEUTRAL, topP }, logits.length);
      const drawn = new Set<number>();
      for (let step = 0; step < 200; step++) {
        const { id } = sampler.sample(logits, step, [], null, spansOf(logits, sampler, step));
        expect(id).toBe(sampler.sample(logits, step).id);
        drawn.add(id);
      }
      expect([...drawn].sort((a, b) => a - b)).toEqual(heavy.slice(0, tokens));
    }
  });

  it("where nothing is cut, the id of every number is that of all logits, near the edges too", () => {
    const logits = logitsOf(64 * 9 + 5, SEED, 0);
    const { peaks, masses } = spansOf(logits, new Sampler(NEUTRAL, logits.length));
    const max = Math.max(...logits);
    const sums: number[] = [];
    for (const logit of logits) sums.push((sums.at(-1) ?? 0) + Math.exp(logit - max));
    const total = sums[sums.length - 1];
    const edges = sums.flatMap((sum) => [-1e-4, -1e-9, 1e-9, 1e-4].map((by) => sum / total + by));
    const even = Array.from({ length: 1000 }, (_, at) => at / 1000);
    let sure = 0;
    for (const random of [...edges, ...even].filter((at) => at >= 0 && at < 1)) {
      const id = drawWhole(logits, { peaks, masses }, 1, random);
      if (id === null) continue;
      sure++;
      expect(id).toBe(sums.findIndex((sum) => sum > random * total));
    }
    expect(sure).toBeGreaterThan(900);
    expect(drawWhole(logits, { peaks, masses }, 1, sums[300] / total)).toBe(null);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    "a logit of %d: the same token or error",
    (bad) => {
      for (const options of [{ temperature: 0 }, { topK: 3 }, { topP: 0.8 }, { minP: 0.1 }]) {
        for (const at of [0, 63, 64, 1299]) {
          const logits = logitsOf(1300, 5, 0);
          logits[at] = bad;
          const sampler = new Sampler({ ...NEUTRAL, ...options }, 1300);
          const draw = (spans: Spans | null) => outcome(() => sampler.sample(logits, 0, [], null, spans));
          expect(draw(spansOf(logits, sampler))).toEqual(draw(null));
          expect(draw(spansOf(logits.fill(bad), sampler))).toEqual(draw(null));
        }
      }
    },
  );
});

it("as many logits as asked for reach the value, and it is the largest of which the peaks tell", () => {
  const peaks = Float32Array.of(5, -1, 3, 3, 4, -7, 3, 0);
  expect([1, 2].map((count) => reachedBy(count, peaks))).toEqual([5, 4]);
  expect(reachedBy(3, peaks)).toBe(null);
  expect(reachedBy(3, Float32Array.of(...peaks, ...peaks))).toBe(4);
  expect(reachedBy(1, Float32Array.of(1, Number.NaN, 2, 3))).toBe(null);
  expect(reachedBy(1, new Float32Array(4).fill(Number.NEGATIVE_INFINITY))).toBe(null);
  const many = logitsOf(1000, 3, 0.01);
  const sorted = [...many].sort((a, b) => b - a);
  for (const count of [1, 2, 40, 64, 65, 250]) expect(reachedBy(count, many)).toBe(sorted[count - 1]);
});
