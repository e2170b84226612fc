import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import type { ErrorPlace } from "../../error.ts";
import { isPlain } from "../../given.ts";
import type { Processor } from "../../picture/canvas.ts";
import { at, type Field, integer, refuse } from "../config/field.ts";
import { CHANNELS, isTowerFile, type VisionConfig } from "./config.ts";

/** How pictures become tiles, and which tokens stand around them: `preprocessor_config.json`, `processor_config.json`. */

export interface PictureConfig {
  readonly processor: Processor;
  /** Names of tokens. */
  readonly tokens: PictureTokens;
}

export interface PictureTokens {
  readonly start: string;
  /** Where a template wants a picture; in front of its last tile. */
  readonly image: string;
  readonly end: string;
  /** Between tiles of a row, and behind each row. */
  readonly column: string;
  readonly row: string;
}

const NAMES: Readonly<Record<keyof PictureTokens, readonly [key: string, name: string]>> = {
  start: ["start_of_image_token", "<|image_start|>"],
  image: ["image_token", "<|image|>"],
  end: ["end_of_image_token", "<|image_end|>"],
  column: ["tile_x_separator_token", "<|tile_x_separator|>"],
  row: ["tile_y_separator_token", "<|tile_y_separator|>"],
};

/** Of the released models, where a file does not say. */
export const DEFAULT_TOKENS: PictureTokens = tokensOf(undefined);
const MAX_TILES = 16;
const MOST_TILES = 64;
const HALF = [0.5, 0.5, 0.5];

/** null: a folder without it; its model takes prepared tiles alone. */
export function readPictureConfig(tower: Checkpoint, model: Checkpoint, config: VisionConfig): PictureConfig | null {
  const processor = isTowerFile(tower) ? ofGguf(tower, config) : ofFolder(tower, config);
  return processor && { processor, tokens: tokensOf(model.json.get("processor_config.json")) };
}

function ofFolder({ json }: Checkpoint, config: VisionConfig): Processor | null {
  const nested = json.get("processor_config.json");
  const inside = isPlain(nested) && isPlain(nested["image_processor"]) ? nested["image_processor"] : undefined;
  const file = json.get("preprocessor_config.json") ?? inside;
  if (!isPlain(file)) return null;
  const place: ErrorPlace = { source: "config", file: "preprocessor_config.json" };
  const field = (name: string) => at(place, `/${name}`, file[name]);
  const size = isPlain(file["size"]) ? file["size"] : {};
  for (const side of ["height", "width"])
    if (size[side] !== undefined && size[side] !== config.tileSize)
      throw refuse("CONFIG_RANGE", at(place, `/size/${side}`, size[side]), `${config.tileSize}, the tower's tile`);
  for (const name of ["do_resize", "do_rescale", "do_normalize", "do_convert_rgb"])
    if (file[name] === false) throw refuse("CONFIG_UNSUPPORTED", field(name), "true");
  if ((file["resample"] ?? 2) !== 2) throw refuse("CONFIG_UNSUPPORTED", field("resample"), "2, bilinear");
  const rescale = file["rescale_factor"] ?? 1 / 255;
  if (typeof rescale !== "number" || !(rescale > 0)) throw refuse("CONFIG_RANGE", field("rescale_factor"), "a number");
  return {
    tileSize: config.tileSize,
    maxTiles: integer(field("max_patches"), "CONFIG_RANGE", 1, MOST_TILES, MAX_TILES),
    toMaxCanvas: file["resize_to_max_canvas"] === true,
    rescale,
    mean: channels(field("image_mean"), false),
    deviation: channels(field("image_std"), true),
  };
}

/** Of how many tiles a picture may have such files say nothing. */
function ofGguf({ metadata, name }: Checkpoint, config: VisionConfig): Processor {
  const field = (key: string): Field => {
    const value = metadata.get(key);
    const place: ErrorPlace = { source: "gguf", file: name, field: key };
    return { value: value instanceof Float32Array || value instanceof Float64Array ? [...value] : value, place };
  };
  return {
    tileSize: config.tileSize,
    maxTiles: integer(field(MAX_TILES_KEY), "CONFIG_RANGE", 1, MOST_TILES, MAX_TILES),
    toMaxCanvas: false,
    rescale: 1 / 255,
    mean: channels(field("clip.vision.image_mean"), false),
    deviation: channels(field("clip.vision.image_std"), true),
  };
}

/** Ours, not llama.cpp's. */
export const MAX_TILES_KEY = "clip.vision.max_patches";

function channels(field: Field, positive: boolean): readonly number[] {
  if (field.value == null) return HALF;
  const list = field.value;
  const usable = (value: unknown) => Number.isFinite(value) && (!positive || (value as number) > 0);
  if (Array.isArray(list) && list.length === CHANNELS && list.every(usable)) return list.map(Math.fround);
  throw refuse("CONFIG_RANGE", field, `${CHANNELS} numbers`);
}

function tokensOf(file: unknown): PictureTokens {
  const name = ([key, fallback]: readonly [string, string]): string => {
    const value = isPlain(file) ? file[key] : undefined;
    return typeof value === "string" ? value : fallback;
  };
  return {
    start: name(NAMES.start),
    image: name(NAMES.image),
    end: name(NAMES.end),
    column: name(NAMES.column),
    row: name(NAMES.row),
  };
}
