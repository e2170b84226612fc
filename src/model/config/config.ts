import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { EngineError, type ErrorPlace } from "../../error.ts";
import { refuseAdapter } from "./adapter.ts";
import type { ArchitectureName } from "./architectures.ts";
import { readGgufConfig } from "./gguf.ts";
import { readHfConfig } from "./hf.ts";

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
  readonly architecture: ArchitectureName;
  readonly vocab: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  /** q, k, v and o have biases; in a GGUF file those whose tensors are there. */
  readonly attentionBias: boolean;
  /** So have gate, up and down. */
  readonly feedForwardBias: boolean;
  /** Width of dense feed-forward layers. */
  readonly denseWidth: number;
  /** Width of each routed expert and of the shared expert. */
  readonly expertWidth: number;
  /** 0 (as `expertsUsed`) where no layer is a mixture, whatever the file says. */
  readonly experts: number;
  readonly expertsUsed: number;
  /** sigmoid: score on the expert's input (Llama 4); softmax: over the picked logits, on the expert's output (Mixtral). */
  readonly router: "sigmoid" | "softmax";
  readonly sharedExpert: boolean;
  /** Attention chunk in positions; 0 where no layer is chunked. */
  readonly chunk: number;
  readonly normEps: number;
  readonly ropeTheta: number;
  /** null where frequencies are plain or a `rope_freqs` tensor gives the divisors. */
  readonly ropeScaling: RopeScaling | null;
  /** 1, with a scale of 0, where the file turns temperature off: the formula then gives exactly 1. */
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

/** As HF names them. */
export type RopeScaling =
  /** Every frequency over `factor`. */
  | { readonly type: "linear"; readonly factor: number }
  | {
      readonly type: "llama3";
      readonly factor: number;
      readonly lowFrequency: number;
      readonly highFrequency: number;
      readonly originalContext: number;
    };

/** Reads and checks the hyper-parameters of a GGUF file, an HF folder or a random model. Reads no tensor data. */
export function readConfig(checkpoint: Checkpoint): { config: ModelConfig; warnings: string[] } {
  refuseAdapter(checkpoint);
  const rows = embeddingRows(checkpoint);
  const { config, warnings, vocab } =
    checkpoint.format === "gguf" ? readGgufConfig(checkpoint, rows) : readHfConfig(checkpoint, rows);
  if (rows !== undefined && vocab.value !== undefined && vocab.value !== rows)
    warnings.push(`the configuration's vocab_size is ${vocab.value}; the embedding has ${rows} rows, which count`);
  checkTokens(checkpoint, config.vocab, vocab.place, warnings);
  return { config, warnings };
}

/** An id that the tokenizer can make must have a row of the embedding. Rows without a token are only odd (padding). */
function checkTokens(checkpoint: Checkpoint, rows: number, at: ErrorPlace, warnings: string[]): void {
  const tokens = checkpoint.metadata.get("tokenizer.ggml.tokens");
  if (!Array.isArray(tokens)) return;
  if (tokens.length > rows) {
    throw new EngineError("CONFIG_VOCAB", "more tokens than the embedding has rows", {
      at,
      limit: `at most ${rows}`,
      actual: tokens.length,
    });
  }
  if (tokens.length < rows) {
    warnings.push(`the tokenizer has ${tokens.length} tokens for a vocabulary of ${rows}; the other ids have no text`);
  }
}

/** An embedding that is missing or no matrix is the error of `mapWeights`. */
function embeddingRows({ tensors }: Checkpoint): number | undefined {
  const names = ["token_embd.weight", ...[...tensors.keys()].filter((name) => name.endsWith("embed_tokens.weight"))];
  const shape = names.map((name) => tensors.get(name)).find((tensor) => tensor !== undefined)?.shape;
  return shape?.length === 2 && shape[0]! > 0 ? shape[0] : undefined;
}
