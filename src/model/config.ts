/** Hyper-parameters, validated, whatever file they came from. Numbers that enter arithmetic are already rounded to f32. */

/** What one layer does; everything the forward pass branches on. */
export interface LayerConfig {
  /** Rotary positions on q and k. */
  readonly rope: boolean;
  /** Attention sees only keys of the query's chunk (`ModelConfig.chunk` positions, counted from 0). */
  readonly chunked: boolean;
  /** Weightless RMS norm of every q and k head, after rope. */
  readonly qkNorm: boolean;
  /** q scaled by 1 + temperatureScale * ln(1 + floor((p + 1) / temperatureFloor)). */
  readonly temperature: boolean;
  /** Mixture of experts instead of the dense feed-forward. */
  readonly moe: boolean;
}

export interface ModelConfig {
  readonly architecture: "llama4";
  readonly vocab: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  /** Width of dense feed-forward layers (HF `intermediate_size_mlp`). */
  readonly denseWidth: number;
  /** Width of each routed expert and of the shared expert (HF `intermediate_size`). */
  readonly expertWidth: number;
  readonly experts: number;
  readonly expertsUsed: number;
  /** sigmoid: score on the expert's input (Llama 4); softmax: over the picked logits, on the expert's output (Mixtral). */
  readonly router: "sigmoid" | "softmax";
  readonly sharedExpert: boolean;
  /** Attention chunk in positions; 0 where no layer is chunked. */
  readonly chunk: number;
  readonly normEps: number;
  readonly ropeTheta: number;
  /** llama3 scaling as HF names it; null where frequencies are plain or a `rope_freqs` tensor gives the divisors. */
  readonly ropeScaling: RopeScaling | null;
  readonly temperatureFloor: number;
  readonly temperatureScale: number;
  /** Positions the file allows. */
  readonly context: number;
  readonly tiedEmbeddings: boolean;
  readonly bos: number | null;
  /** Every id that ends generation. */
  readonly eos: readonly number[];
  readonly layers: readonly LayerConfig[];
}

export interface RopeScaling {
  readonly factor: number;
  readonly lowFrequency: number;
  readonly highFrequency: number;
  readonly originalContext: number;
}
