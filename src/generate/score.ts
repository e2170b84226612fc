import { EngineError } from "../error.ts";
import type { ResidentModel } from "../model/resident.ts";
import { exp, log } from "./exp.ts";

export interface Score {
  /** Nats of each id after the first: nll[i] = -ln p(ids[i + 1] | ids[0..i]). */
  readonly nll: Float64Array;
  readonly meanNll: number;
  readonly perplexity: number;
}

/** Negative log-likelihood of `ids` under the model, all rows of a step at once. */
export async function scoreIds(
  resident: ResidentModel,
  ids: readonly number[],
  signal: AbortSignal | undefined,
): Promise<Score> {
  if (ids.length < 2)
    throw new EngineError("REQ_EMPTY_PROMPT", "nothing to score: the first id is not scored", {
      at: { source: "prompt" },
      actual: `${ids.length} ids`,
      limit: "at least 2",
    });
  const nll = new Float64Array(ids.length - 1);
  const timeline = resident.cache.open();
  try {
    for (let position = 0; position < nll.length; position += resident.sizes.rows) {
      const inputs = ids.slice(position, Math.min(position + resident.sizes.rows, nll.length));
      await resident.step(
        [{ timeline, position, inputs, logits: "all" }],
        (logits, row) => {
          nll[position + row] = negativeLogLikelihood(logits, ids[position + row + 1]);
        },
        signal,
      );
    }
  } finally {
    resident.cache.close(timeline);
  }
  const meanNll = nll.reduce((sum, value) => sum + value, 0) / nll.length;
  return { nll, meanNll, perplexity: exp(meanNll) };
}

function negativeLogLikelihood(logits: Float32Array, id: number): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > largest) largest = logit;
  let sum = 0;
  for (const logit of logits) sum += exp(logit - largest);
  const value = log(sum) + largest - logits[id];
  if (!Number.isFinite(value))
    throw new EngineError("MODEL_NONFINITE", "the logits are no numbers", { at: { source: "kernel" } });
  return value;
}
