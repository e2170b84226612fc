import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import type { ErrorPlace } from "../../error.ts";
import { isPlain } from "../../given.ts";
import type { ModelConfig } from "../config/config.ts";
import { at, type Field, integer, real, refuse } from "../config/field.ts";
import { isVisionName } from "../plan/shelf.ts";

/** Hyper-parameters of a vision tower, from HF's `vision_config` or from the file beside a GGUF model. */

export interface VisionConfig {
  /** Pixels of a tile's side, and of a patch's. */
  readonly tileSize: number;
  readonly patchSize: number;
  /** Patches of a tile's side: even, since four become one. */
  readonly side: number;
  /** Rows of a tile in the tower: its patches, then the class row. */
  readonly tokens: number;
  /** Rows of a tile in the text: a quarter of its patches. */
  readonly rows: number;
  readonly hidden: number;
  readonly heads: number;
  readonly headSize: number;
  readonly width: number;
  readonly layers: number;
  /** Width of the adapter, which the projector reads. */
  readonly adapterWidth: number;
  readonly eps: number;
  readonly ropeTheta: number;
  /** The id whose places the rows take: `<|patch|>`. */
  readonly patchId: number;
}

export const CHANNELS = 3;
/** Of every layer norm: HF's class takes it whatever `norm_eps` says. */
const EPS = 1e-5;
/** Of every GGUF file: it has no key for another. */
export const GGUF_THETA = 10000;
/** Beyond any tower: 4,096 patches a tile, whose rows a context of a million could not hold a thousand times. */
const MOST_SIDE = 64;
const LEAST_SIDE = 4;
const MOST_PIXELS = 4096;
const MOST_WIDTH = 2 ** 20;
const MOST_LAYERS = 512;
const PATCH = "<|patch|>";
/** Not llama.cpp's: it knows the token by its name, which a model without tokenizer lacks. */
export const PATCH_KEY = "clip.vision.patch_token_id";

/** Whether the checkpoint is one of pictures and text together. */
export function holdsTower(checkpoint: Checkpoint): boolean {
  const top = checkpoint.json.get("config.json");
  return (
    checkpoint.format === "safetensors" &&
    isPlain(top) &&
    top["vision_config"] != null &&
    [...checkpoint.tensors.keys(), ...(checkpoint.unread?.keys() ?? [])].some(isVisionName)
  );
}

/** Whether a GGUF file holds a tower, and nothing else. */
export const isTowerFile = (checkpoint: Checkpoint): boolean =>
  checkpoint.format === "gguf" && checkpoint.metadata.get("general.architecture") === "clip";

/** Of an HF folder: `vision_config`. */
export function readHfVision({ json }: Checkpoint, text: ModelConfig): { config: VisionConfig; warnings: string[] } {
  const place: ErrorPlace = { source: "config", file: "config.json" };
  const top = json.get("config.json") as Record<string, unknown>;
  const vision = top["vision_config"];
  if (!isPlain(vision)) throw refuse("CONFIG_MISSING", at(place, "/vision_config", vision), "an object");
  const field = (name: string) => at(place, `/vision_config/${name}`, vision[name]);
  const rope = vision["rope_parameters"];
  const theta = isPlain(rope)
    ? at(place, "/vision_config/rope_parameters/rope_theta", rope["rope_theta"])
    : field("rope_theta");
  expect(field("pixel_shuffle_ratio"), 0.5, 0.5);
  expect(field("num_channels"), CHANNELS, CHANNELS);
  expect(field("vision_feature_select_strategy"), "default", "default");
  expect(field("multi_modal_projector_bias"), false, false);
  const adapterWidth = integer(field("vision_output_dim"), "CONFIG_RANGE", 1, MOST_WIDTH);
  for (const name of ["projector_input_dim", "projector_output_dim"]) expect(field(name), adapterWidth, adapterWidth);
  const warnings: string[] = [];
  // HF's class computes GELU and takes its own eps, whatever these say.
  if (field("hidden_act").value !== undefined && field("hidden_act").value !== "gelu")
    warnings.push("vision_config names another hidden_act than gelu: GELU is computed, as transformers does");
  if (field("norm_eps").value !== undefined && field("norm_eps").value !== EPS)
    warnings.push(`vision_config names another norm_eps than ${EPS}: ${EPS} is taken, as transformers does`);
  const sizes = sizesOf({
    tileSize: field("image_size"),
    patchSize: field("patch_size"),
    hidden: field("hidden_size"),
    heads: field("num_attention_heads"),
    width: field("intermediate_size"),
    layers: field("num_hidden_layers"),
  });
  return {
    config: {
      ...sizes,
      adapterWidth,
      eps: Math.fround(EPS),
      ropeTheta: real(theta, "CONFIG_ROPE", Number.MAX_VALUE, GGUF_THETA),
      patchId: integer(at(place, "/image_token_index", top["image_token_index"]), "CONFIG_TOKEN_ID", 0, text.vocab - 1),
    },
    warnings,
  };
}

/** Of a GGUF file beside the text model `text`, whose tokenizer knows the patch. */
export function readGgufVision(file: Checkpoint, model: Checkpoint, text: ModelConfig): VisionConfig {
  const place = (field: string): ErrorPlace => ({ source: "gguf", file: file.name, field });
  const field = (name: string): Field => ({ value: file.metadata.get(name), place: place(name) });
  const kind = field("clip.projector_type").value === undefined ? "clip.vision.projector_type" : "clip.projector_type";
  if (field(kind).value !== "llama4") throw refuse("CONFIG_UNSUPPORTED", field(kind), "llama4");
  expect(field("clip.has_vision_encoder"), true, true);
  expect(field("clip.use_gelu"), true, true);
  expect(field("clip.use_silu"), false, false);
  expect(field("clip.vision.projector.scale_factor"), 2, 2);
  const hidden = field("clip.vision.projection_dim");
  if (hidden.value !== undefined && hidden.value !== text.hidden)
    throw refuse("CONFIG_RANGE", hidden, `${text.hidden}, the width of the text model`);
  const sizes = sizesOf({
    tileSize: field("clip.vision.image_size"),
    patchSize: field("clip.vision.patch_size"),
    hidden: field("clip.vision.embedding_length"),
    heads: field("clip.vision.attention.head_count"),
    width: field("clip.vision.feed_forward_length"),
    layers: field("clip.vision.block_count"),
  });
  const adapter = file.tensors.get("mm.model.mlp.1.weight");
  return {
    ...sizes,
    adapterWidth: adapter?.shape[0] ?? 1, // a file without it lacks a tensor
    eps: real(field("clip.vision.attention.layer_norm_epsilon"), "CONFIG_RANGE", 1, EPS),
    ropeTheta: GGUF_THETA,
    patchId: ggufPatchId(field(PATCH_KEY), model, text),
  };
}

/** As the file says in a key of ours, or as the text model's tokenizer or configuration does. */
function ggufPatchId(own: Field, model: Checkpoint, text: ModelConfig): number {
  const id = (field: Field) => integer(field, "CONFIG_TOKEN_ID", 0, text.vocab - 1);
  if (own.value !== undefined) return id(own);
  const top = model.json.get("config.json");
  const config: ErrorPlace = { source: "config", file: "config.json" };
  if (isPlain(top)) return id(at(config, "/image_token_index", top["image_token_index"]));
  const tokens = model.metadata.get("tokenizer.ggml.tokens");
  const index = Array.isArray(tokens) ? tokens.indexOf(PATCH) : -1;
  if (index >= 0) return index;
  const place: ErrorPlace = { source: "gguf", file: model.name, field: "tokenizer.ggml.tokens" };
  throw refuse("CONFIG_TOKEN_ID", { value: undefined, place }, `a token ${PATCH}`);
}

type Sizes = "tileSize" | "patchSize" | "hidden" | "heads" | "width" | "layers";

/** Sizes that fit each other. */
function sizesOf(fields: Readonly<Record<Sizes, Field>>) {
  const tileSize = integer(fields.tileSize, "CONFIG_RANGE", 1, MOST_PIXELS);
  const patchSize = integer(fields.patchSize, "CONFIG_RANGE", 1, tileSize);
  const side = tileSize / patchSize;
  // A tile has more rows than a step that each thread may run for itself.
  if (!Number.isInteger(side) || side % 2 !== 0 || side < LEAST_SIDE || side > MOST_SIDE)
    throw refuse(
      "CONFIG_RANGE",
      fields.tileSize,
      `${LEAST_SIDE} to ${MOST_SIDE} patches of ${patchSize}, an even number`,
    );
  const hidden = integer(fields.hidden, "CONFIG_RANGE", 1, MOST_WIDTH);
  const heads = integer(fields.heads, "CONFIG_HEADS", 1, hidden);
  const headSize = hidden / heads;
  // Half of a head turns by column, half by row, in pairs.
  if (!Number.isInteger(headSize) || headSize % 4 !== 0)
    throw refuse("CONFIG_HEADS", fields.heads, `heads of a multiple of 4, together ${hidden}`);
  const width = integer(fields.width, "CONFIG_RANGE", 1, MOST_WIDTH);
  const layers = integer(fields.layers, "CONFIG_RANGE", 1, MOST_LAYERS);
  return {
    tileSize,
    patchSize,
    side,
    tokens: side * side + 1,
    rows: (side * side) / 4,
    hidden,
    heads,
    headSize,
    width,
    layers,
  };
}

/** A value that only `wanted` may be; absent means `fallback`. */
function expect(field: Field, wanted: unknown, fallback: unknown): void {
  if ((field.value ?? fallback) !== wanted) throw refuse("CONFIG_UNSUPPORTED", field, `${wanted}`);
}
