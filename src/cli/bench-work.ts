import type { Inspection, ModelConfig, ModelInfo } from "../index.ts";

/** What a token costs by the sizes of the model, and what that says beside a measured speed. */

type CachePer1024 = Inspection["memory"]["cachePer1024"]["f32"];

export interface Work {
  /** Bytes of packed weights that one token reads. */
  readonly weightBytes: number;
  /** Bytes of keys and values that one token reads behind so many. */
  cacheBytes(context: number): number;
  /** Multiply-adds of a token, the mean of a prompt whose last token alone has logits. */
  multiplyAdds(prompt: number): number;
}

/**
 * Counted: every matrix once, but of experts only those that a token uses, and of the embedding nothing (it is one row) unless
 * it is the output too; keys and values once. Where matrices are of several types, their mean size stands for each.
 */
export function workOf(config: ModelConfig, memory: ModelInfo["memory"], cached: CachePer1024): Work {
  const { vocab, hidden, heads, headSize, chunk, layers, tiedEmbeddings } = config;
  const all = layerElements(config, config.experts) + vocab * hidden * (tiedEmbeddings ? 1 : 2);
  const used = layerElements(config, config.expertsUsed);
  const inChunk = (position: number) => (chunk > 0 ? position % chunk : position);
  const chunked = layers.filter((layer) => layer.chunked).length;
  return {
    weightBytes: Math.round((memory.weights * (used + vocab * hidden)) / all),
    cacheBytes: (context) => (cached.full * context + cached.chunked * inChunk(context)) / 1024,
    multiplyAdds(prompt) {
      let keys = 0;
      for (let at = 0; at < prompt; at++) {
        keys += (layers.length - chunked) * (at + 1) + chunked * (inChunk(at) + 1);
      }
      return used + (vocab * hidden + 2 * heads * headSize * keys) / prompt;
    },
  };
}

/** Elements of the matrices of all layers, with so many experts each. */
function layerElements(config: ModelConfig, experts: number): number {
  const { hidden, heads, kvHeads, headSize, denseWidth, expertWidth, sharedExpert } = config;
  const mixtures = config.layers.filter(({ moe }) => moe).length;
  const attention = hidden * headSize * 2 * (heads + kvHeads);
  const dense = 3 * hidden * denseWidth;
  const mixture = hidden * config.experts + 3 * hidden * expertWidth * (experts + (sharedExpert ? 1 : 0));
  return config.layers.length * attention + (config.layers.length - mixtures) * dense + mixtures * mixture;
}

/** From this part of plain reading on, memory is said to be what limits. */
export const MEMORY_BOUND = 0.7;

export interface Bound {
  readonly bytesPerToken: number;
  readonly bytesPerSecond: number;
  /** Of what plain reading reaches; null where that was not measured. */
  readonly share: number | null;
  readonly by: "memory" | "instructions" | null;
}

export function boundOf(bytesPerToken: number, tokensPerSecond: number, plainBytesPerSecond: number | null): Bound {
  const bytesPerSecond = bytesPerToken * tokensPerSecond;
  const share = plainBytesPerSecond === null ? null : bytesPerSecond / plainBytesPerSecond;
  const by = share === null ? null : share >= MEMORY_BOUND ? "memory" : "instructions";
  return { bytesPerToken, bytesPerSecond, share, by };
}
