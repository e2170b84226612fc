import type { StoredTensor, StoredType } from "../checkpoint/checkpoint.ts";

/**
 * Where every weight of the model lies in the checkpoint; checkpoint quirks (names, fused or linearised experts,
 * input-major matrices) end here.
 */

/** y = W x: element (output o, input i) is element `start + o * outputStride + i * inputStride` of the stored tensor. */
export interface Matrix {
  /** Ours, for messages and plans: `layers.3.experts.gate.5`. */
  readonly name: string;
  readonly rows: number; // outputs
  readonly cols: number; // inputs
  readonly stored: StoredTensor;
  /** Elements; quantised tensors have inputStride 1 and outputStride = cols. */
  readonly start: number;
  readonly outputStride: number;
  readonly inputStride: number;
  /** Type in memory: the stored one, but the router is always f32. */
  readonly type: StoredType;
}

/** A norm weight or rope divisors: always f32 in memory. */
export interface Vector {
  readonly name: string;
  readonly length: number;
  readonly stored: StoredTensor;
}

export interface FeedForward {
  readonly gate: Matrix; // [width, hidden]
  readonly up: Matrix; //   [width, hidden]
  readonly down: Matrix; // [hidden, width]
}

export interface LayerWeights {
  readonly attentionNorm: Vector; // [hidden]
  readonly q: Matrix; // [heads * headSize, hidden]
  readonly k: Matrix; // [kvHeads * headSize, hidden]
  readonly v: Matrix; // [kvHeads * headSize, hidden]
  readonly o: Matrix; // [hidden, heads * headSize]
  readonly feedForwardNorm: Vector; // [hidden]
  readonly dense: FeedForward | null;
  readonly router: Matrix | null; // [experts, hidden] f32
  readonly shared: FeedForward | null;
  readonly experts: readonly FeedForward[];
}

export interface ModelWeights {
  readonly embedding: Matrix; // [vocab, hidden]
  readonly layers: readonly LayerWeights[];
  readonly norm: Vector; // [hidden]
  /** null: tied to the embedding. */
  readonly output: Matrix | null; // [vocab, hidden]
  /** Per pair, theta's divisor (GGUF `rope_freqs.weight`); null: from `ropeScaling` or all 1. */
  readonly ropeDivisors: Vector | null; // [headSize / 2]
}
