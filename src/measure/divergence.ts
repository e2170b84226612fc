import { exp } from "../exact.ts";
import type { Scheduler } from "../generate/scheduler.ts";
import { logSumExp, mean, negativeLogLikelihood, nonFinite, type Score, scoreOf, standardError } from "./score.ts";
import { type Piece, WindowWalk } from "./windows.ts";

/** How far the next-token distributions Q of a model are from those of a reference P, position by position. */

export interface Perplexity extends Score {
  /** Of `meanNll`: positions taken for independent. Times `perplexity` it is that of the perplexity. NaN for one id. */
  readonly standardError: number;
}

export interface Divergence extends Perplexity {
  readonly reference: Perplexity;
  /** Of the mean nll, model less reference; the error is that of the paired differences. */
  readonly nllDifference: { readonly mean: number; readonly standardError: number };
  /** Perplexity over the reference's: e^nllDifference. */
  readonly perplexityRatio: number;
  /** KL(P || Q), the sum over the vocabulary of p ln(p / q), in nats, of each scored id, and what they come to. */
  readonly kl: {
    readonly values: Float64Array;
    readonly mean: number;
    readonly standardError: number;
    readonly median: number;
    /** 99 % are not above it (linear between neighbours). */
    readonly quantile99: number;
    readonly max: number;
  };
  /** Share of positions whose likeliest id is the same (of equals the lowest). */
  readonly sameTop: number;
}

/** A model as it is measured. */
export interface Measurable {
  readonly scheduler: Scheduler;
  readonly vocab: number;
  /** Of a step at most. */
  readonly rows: number;
  /** Place of the adapter that it is measured with. */
  readonly adapter: number | null;
}

/** Where P comes from: a second model, or a file. */
export interface Reference {
  /** Gets the rows of a piece ready. */
  advance(piece: Piece): Promise<void>;
  /** Of a row of that piece, up to a constant; valid until the next `advance`. */
  logits(row: number): Float32Array;
  /** Of a row's target. */
  nll(row: number): number;
  close(): void;
}

export class ModelReference implements Reference {
  readonly #vocab: number;
  readonly #walk: WindowWalk;
  readonly #held: Float32Array; // [rows, vocab]
  readonly #nll: Float64Array; // [rows]

  constructor({ scheduler, vocab, adapter }: Measurable, rows: number, signal: AbortSignal | undefined) {
    this.#vocab = vocab;
    this.#walk = new WindowWalk(scheduler, signal, adapter);
    this.#held = new Float32Array(rows * this.#vocab);
    this.#nll = new Float64Array(rows);
  }

  async advance(piece: Piece): Promise<void> {
    await this.#walk.run(piece, (logits, row) => {
      this.#held.set(logits, row * this.#vocab);
      this.#nll[row] = negativeLogLikelihood(logits, logSumExp(logits), piece.targets[row]);
    });
  }

  logits(row: number): Float32Array {
    return this.#held.subarray(row * this.#vocab, (row + 1) * this.#vocab);
  }

  nll(row: number): number {
    return this.#nll[row];
  }

  close(): void {
    this.#walk.close();
  }
}

/** Takes in rows, and says what they come to. */
export class Comparison {
  readonly #kl: Float64Array;
  readonly #nll: Float64Array;
  #same = 0;

  constructor(scored: number) {
    this.#kl = new Float64Array(scored);
    this.#nll = new Float64Array(scored);
  }

  /** `total`: the `logSumExp` of the model's logits. */
  add(index: number, reference: Float32Array, referenceNll: number, logits: Float32Array, total: number): void {
    this.#nll[index] = referenceNll;
    const { kl, same } = compareRows(reference, logits, total);
    this.#kl[index] = kl;
    if (same) this.#same++;
  }

  result(nll: Float64Array): Divergence {
    const values = this.#kl;
    const sorted = values.slice().sort();
    const differences = nll.map((value, index) => value - this.#nll[index]);
    const difference = mean(differences);
    return {
      ...perplexityOf(nll),
      reference: perplexityOf(this.#nll),
      nllDifference: { mean: difference, standardError: standardError(differences) },
      perplexityRatio: exp(difference),
      kl: {
        values,
        mean: mean(values),
        standardError: standardError(values),
        median: quantile(sorted, 0.5),
        quantile99: quantile(sorted, 0.99),
        max: sorted[sorted.length - 1],
      },
      sameTop: this.#same / values.length,
    };
  }
}

export function perplexityOf(nll: Float64Array): Perplexity {
  return { ...scoreOf(nll), standardError: standardError(nll) };
}

function compareRows(p: Float32Array, q: Float32Array, totalQ: number): { kl: number; same: boolean } {
  const totalP = logSumExp(p);
  let sum = 0;
  let topP = 0;
  let topQ = 0;
  for (let id = 0; id < p.length; id++) {
    const logP = p[id] - totalP;
    sum += exp(logP) * (logP - (q[id] - totalQ));
    if (p[id] > p[topP]) topP = id;
    if (q[id] > q[topQ]) topQ = id;
  }
  if (!Number.isFinite(sum)) throw nonFinite();
  // It is never negative, only its rounding is.
  return { kl: Math.max(0, sum), same: topP === topQ };
}

function quantile(sorted: Float64Array, part: number): number {
  const at = (sorted.length - 1) * part;
  const low = sorted[Math.floor(at)];
  return low + (sorted[Math.ceil(at)] - low) * (at % 1);
}
