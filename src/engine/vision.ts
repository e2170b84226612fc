import { orAborted } from "../abortable.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { type CheckpointLike, openCheckpoint } from "../checkpoint/open.ts";
import { placeOf } from "../checkpoint/source.ts";
import { findTowers } from "../checkpoint/tower-file.ts";
import { EngineError, quoteName } from "../error.ts";
import type { ModelConfig } from "../model/config/config.ts";
import type { Vision } from "../model/run/kernels.ts";
import { holdsTower, isTowerFile, readGgufVision, readHfVision } from "../model/vision/config.ts";
import { type PictureConfig, readPictureConfig } from "../model/vision/processor.ts";
import { mapVision } from "../model/vision/weights.ts";

/** The tower of a model: where it is looked for, and what is in it. */

/** A source of a tower; false: the model reads text only. Absent: what lies in the folder, or beside the file. */
export type VisionOption = CheckpointLike | false | undefined;

export interface OpenedTower {
  readonly checkpoint: Checkpoint;
  /** Where it was opened; null: it is the model's own, and closed with that. */
  readonly source: CheckpointLike | null;
  /** Nobody named it: one that does not fit is left out. */
  readonly found: boolean;
}

export interface TowerSearch {
  readonly tower: OpenedTower | null;
  readonly warnings: readonly string[];
}

/** The tower of a multimodal folder. */
export const ownTower = (model: Checkpoint): TowerSearch => ({
  tower: holdsTower(model) ? { checkpoint: model, source: null, found: true } : null,
  warnings: [],
});

/** Headers only. Whoever gets it closes it. `model` lies at `source`, null: nowhere. */
export async function openTower(
  option: VisionOption,
  source: CheckpointLike | null,
  model: Checkpoint,
  signal: AbortSignal | undefined,
): Promise<TowerSearch> {
  if (option === false) return { tower: null, warnings: [] };
  const open = (place: CheckpointLike) => orAborted(openCheckpoint(place, signal), signal, (late) => late.close());
  if (option !== undefined) {
    return { tower: { checkpoint: await open(option), source: option, found: false }, warnings: [] };
  }
  if (holdsTower(model)) return ownTower(model);
  const path = source === null ? null : placeOf(source);
  if (typeof path !== "string" || model.metadata.get("general.architecture") !== "llama4")
    return { tower: null, warnings: [] };
  const beside = await findTowers(path);
  if (beside.length === 0) return { tower: null, warnings: [] };
  if (beside.length > 1) {
    const names = beside.map((name) => quoteName(name)).join(", ");
    return { tower: null, warnings: [`VISION_FILE: several towers lie beside, the option vision chooses: ${names}`] };
  }
  const checkpoint = await open(beside[0]);
  const found = `CHECKPOINT_FOUND: ${quoteName(beside[0])} lies beside and is taken for the vision tower`;
  return { tower: { checkpoint, source: beside[0], found: true }, warnings: [found] };
}

/** Configuration and places of all weights; null where there is no tower. */
export function readTower(
  { tower, warnings }: TowerSearch,
  model: Checkpoint,
  text: ModelConfig,
): { vision: Vision | null; pictures: PictureConfig | null; warnings: readonly string[] } {
  if (!tower) return { vision: null, pictures: null, warnings };
  const { checkpoint, source, found } = tower;
  try {
    const { config, warnings: odd } = readVision(checkpoint, model, text);
    const mapped = mapVision(checkpoint, config, text);
    const own = source === null ? [] : checkpoint.warnings;
    const all = [...warnings, ...own, ...odd, ...mapped.warnings];
    const pictures = readPictureConfig(checkpoint, model, config);
    return { vision: { config, weights: mapped.weights }, pictures, warnings: all };
  } catch (error) {
    if (!(error instanceof EngineError) || !found || source === null) throw error;
    const left = `VISION_FILE: ${quoteName(checkpoint.name)} lies beside and is no tower of this model: ${error.message}`;
    return { vision: null, pictures: null, warnings: [left] };
  }
}

function readVision(checkpoint: Checkpoint, model: Checkpoint, text: ModelConfig) {
  if (text.architecture !== "llama4") throw noTower(checkpoint, "a vision tower beside a model that reads text only");
  if (holdsTower(checkpoint)) return readHfVision(checkpoint, text);
  if (isTowerFile(checkpoint)) return { config: readGgufVision(checkpoint, model, text), warnings: [] };
  throw noTower(checkpoint, "there is no vision tower in it");
}

function noTower({ format, name }: Checkpoint, what: string): EngineError {
  return new EngineError("VISION_FILE", what, {
    at: { source: format === "random" ? "option" : format, file: name, field: "vision" },
    limit: "a mmproj file of Llama 4, or a folder of a multimodal model",
  });
}
