import { Candidates } from "../draw/candidates.ts";
import { EngineError } from "../error.ts";
import { exp, log } from "../exact.ts";
import type { Request } from "../generate/running.ts";
import type { TokenProbability } from "../generate/sampler.ts";
import type { Scheduler } from "../generate/scheduler.ts";
import { nothingToScore } from "./windows.ts";

export interface Score {
  /**
   * Nats of each id after the first: nll[i] = -ln p(ids[i + 1] | ids[0..i]). Behind a prompt of n ids those of the text:
   * nll[i] = -ln p(ids[n + i] | ids[0..n + i - 1]).
   */
  readonly nll: Float64Array;
  readonly meanNll: number;
  readonly perplexity: number;
  /** Of each entry of `nll` the likeliest ids, the likeliest first, where `logProbabilities` asked for some. */
  readonly top?: readonly (readonly TokenProbability[])[];
}

export interface ScoreParts {
  readonly signal?: AbortSignal | undefined;
  readonly adapter?: number | null;
  /** The first id that is scored, 1 at least. */
  readonly from?: number;
  /** Of each id, so many likeliest ones are told. Default 0: none. */
  readonly top?: number;
}

/** Negative log-likelihood of `ids` from index `from` on, in as few steps as they fit: no other logits are computed. */
export async function scoreIds(
  scheduler: Scheduler,
  ids: readonly number[],
  { signal, adapter = null, from = 1, top = 0 }: ScoreParts = {},
): Promise<Score> {
  if (ids.length <= from) throw nothingToScore(ids.length, from + 1);
  const nll = new Float64Array(ids.length - from);
  const likeliest: TokenProbability[][] = [];
  let candidates: Candidates | undefined;
  const request: Request = {
    ids: ids.slice(0, -1),
    logitsFrom: from - 1,
    signal,
    onLogits: (logits, index) => {
      const total = logSumExp(logits);
      nll[index + 1 - from] = negativeLogLikelihood(logits, total, ids[index + 1]);
      if (top === 0) return null;
      candidates ??= new Candidates(logits.length);
      candidates.load(logits);
      // As `nll` has them, to the bit.
      likeliest.push(candidates.best(top).map(([id, value]) => ({ id, logProbability: value - total })));
      return null;
    },
  };
  await scheduler.once(request, { adapter });
  return top > 0 ? { ...scoreOf(nll), top: likeliest } : scoreOf(nll);
}

export function scoreOf(nll: Float64Array): Score {
  const meanNll = mean(nll);
  return { nll, meanNll, perplexity: exp(meanNll) };
}

/** ln of the sum of e^logit: what a logit lacks to being a log-probability. */
export function logSumExp(logits: Float32Array): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > largest) largest = logit;
  let sum = 0;
  for (const logit of logits) sum += exp(logit - largest);
  const value = log(sum) + largest;
  if (!Number.isFinite(value)) throw nonFinite();
  return value;
}

/** -ln of the probability of `id`; `total` is the `logSumExp` of the logits. */
export function negativeLogLikelihood(logits: Float32Array, total: number, id: number): number {
  const value = total - logits[id];
  if (!Number.isFinite(value)) throw nonFinite();
  return value;
}

export function nonFinite(): EngineError {
  return new EngineError("MODEL_NONFINITE", "the logits are no numbers", { at: { source: "kernel" } });
}

export function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of the mean of `values`, taken for independent; NaN where there is one alone. */
export function standardError(values: Float64Array): number {
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1) / values.length);
}
