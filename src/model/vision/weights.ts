import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import type { Names } from "../config/architectures.ts";
import type { ModelConfig } from "../config/config.ts";
import { changeParts } from "../plan/memory-types.ts";
import { isVisionName, Shelf } from "../plan/shelf.ts";
import type { Matrix, Vector } from "../plan/weights.ts";
import { CHANNELS, type VisionConfig } from "./config.ts";

/** Where every weight of a vision tower lies: in an HF folder beside those of the text, or in a GGUF file of its own. */

export interface Norm {
  readonly weight: Vector; // [hidden]
  readonly bias: Vector; // [hidden]
}

export interface VisionLayer {
  readonly attentionNorm: Norm;
  readonly q: Matrix; // [hidden, hidden], all four with bias
  readonly k: Matrix;
  readonly v: Matrix;
  readonly o: Matrix;
  readonly feedForwardNorm: Norm;
  readonly up: Matrix; // [width, hidden], with bias
  readonly down: Matrix; // [hidden, width], with bias
}

export interface VisionWeights {
  readonly patch: Matrix; // [hidden, 3 patchSize^2]: channel, row, column
  readonly classRow: Vector; // [hidden]
  readonly positions: Vector; // [tokens, hidden], the class row last
  readonly normPre: Norm;
  readonly layers: readonly VisionLayer[];
  readonly normPost: Norm;
  readonly adapter: readonly [Matrix, Matrix]; // [adapterWidth, 4 hidden], [adapterWidth, adapterWidth]
  readonly projector: Matrix; // [hidden of the text, adapterWidth]
}

/** Norms without `weight` and `bias`. */
interface VisionNames extends Pick<Names, "layer" | "attentionNorm" | "q" | "k" | "v" | "o" | "feedForwardNorm"> {
  readonly patch: string;
  readonly classRow: string;
  readonly positions: string;
  readonly normPre: string;
  readonly normPost: string;
  readonly up: string;
  readonly down: string;
  readonly adapter: readonly [string, string];
  readonly projector: string;
}

const HF: VisionNames = {
  patch: "vision_model.patch_embedding.linear.weight",
  classRow: "vision_model.class_embedding",
  positions: "vision_model.positional_embedding_vlm",
  normPre: "vision_model.layernorm_pre",
  normPost: "vision_model.layernorm_post",
  layer: (layer) => `vision_model.model.layers.${layer}.`,
  attentionNorm: "input_layernorm",
  q: "self_attn.q_proj.weight",
  k: "self_attn.k_proj.weight",
  v: "self_attn.v_proj.weight",
  o: "self_attn.o_proj.weight",
  feedForwardNorm: "post_attention_layernorm",
  up: "mlp.fc1.weight",
  down: "mlp.fc2.weight",
  adapter: ["vision_model.vision_adapter.mlp.fc1.weight", "vision_model.vision_adapter.mlp.fc2.weight"],
  projector: "multi_modal_projector.linear_1.weight",
};

/** As llama.cpp writes them. */
export const GGUF_VISION: VisionNames = {
  patch: "v.patch_embd.weight",
  classRow: "v.class_embd",
  positions: "v.position_embd.weight",
  normPre: "v.pre_ln",
  normPost: "v.post_ln",
  layer: (layer) => `v.blk.${layer}.`,
  attentionNorm: "ln1",
  q: "attn_q.weight",
  k: "attn_k.weight",
  v: "attn_v.weight",
  o: "attn_out.weight",
  feedForwardNorm: "ln2",
  up: "ffn_up.weight",
  down: "ffn_down.weight",
  adapter: ["mm.model.mlp.1.weight", "mm.model.mlp.2.weight"],
  projector: "mm.model.fc.weight",
};

/** Finds every weight of the tower and checks its shape; one that it has no place for is an error. Reads no data. */
export function mapVision(
  checkpoint: Checkpoint,
  config: VisionConfig,
  text: ModelConfig,
): { weights: VisionWeights; warnings: string[] } {
  const shelf = new Shelf(checkpoint, isVisionName);
  const names = checkpoint.format === "safetensors" ? HF : GGUF_VISION;
  const { hidden, width, tokens, patchSize, adapterWidth } = config;
  const norm = (ours: string, theirs: string): Norm => ({
    weight: shelf.vector(`${ours}.weight`, `${theirs}.weight`, hidden),
    bias: shelf.vector(`${ours}.bias`, `${theirs}.bias`, hidden),
  });
  const layer = (index: number): VisionLayer => {
    const [ours, theirs] = [`vision.layers.${index}`, names.layer(index)];
    const matrix = (part: (typeof LAYER_PARTS)[number], rows: number, cols: number) =>
      shelf.biased(shelf.matrix(`${ours}.${part}`, theirs + names[part], rows, cols), theirs + names[part]);
    return {
      attentionNorm: norm(`${ours}.attentionNorm`, theirs + names.attentionNorm),
      q: matrix("q", hidden, hidden),
      k: matrix("k", hidden, hidden),
      v: matrix("v", hidden, hidden),
      o: matrix("o", hidden, hidden),
      feedForwardNorm: norm(`${ours}.feedForwardNorm`, theirs + names.feedForwardNorm),
      up: matrix("up", width, hidden),
      down: matrix("down", hidden, width),
    };
  };
  const weights: VisionWeights = {
    patch: shelf.matrix("vision.patch", names.patch, hidden, CHANNELS * patchSize * patchSize),
    classRow: shelf.vector("vision.classRow", names.classRow, hidden),
    positions: shelf.table("vision.positions", names.positions, tokens, hidden),
    normPre: norm("vision.normPre", names.normPre),
    layers: Array.from({ length: config.layers }, (_, index) => layer(index)),
    normPost: norm("vision.normPost", names.normPost),
    adapter: [
      shelf.matrix("vision.adapter.0", names.adapter[0], adapterWidth, 4 * hidden),
      shelf.matrix("vision.adapter.1", names.adapter[1], adapterWidth, adapterWidth),
    ],
    projector: shelf.matrix("vision.projector", names.projector, text.hidden, adapterWidth),
  };
  return { weights, warnings: shelf.close() };
}

/** Matrices of a layer, in the order of the forward pass. */
export const LAYER_PARTS = ["q", "k", "v", "o", "up", "down"] as const;

/** In the order of the forward pass. */
export function matricesOfVision({ patch, layers, adapter, projector }: VisionWeights): Matrix[] {
  return [patch, ...layers.flatMap((layer) => LAYER_PARTS.map((part) => layer[part])), ...adapter, projector];
}

/** Every matrix as `change` makes it. */
export function mapMatrices(weights: VisionWeights, change: (matrix: Matrix) => Matrix): VisionWeights {
  return {
    ...weights,
    patch: change(weights.patch),
    layers: weights.layers.map((layer) => changeParts(layer, LAYER_PARTS, change)),
    adapter: [change(weights.adapter[0]), change(weights.adapter[1])],
    projector: change(weights.projector),
  };
}
