import { host } from "#host";
import { orAborted } from "../abortable.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { isSinkTarget, isStream, openSink, refuseOwnFiles, type Sink } from "../checkpoint/file-sink.ts";
import { baseName, filesOf, folderOf } from "../checkpoint/file-source.ts";
import { type CheckpointLike, openCheckpoint } from "../checkpoint/open.ts";
import { findTowers, towerName } from "../checkpoint/tower-file.ts";
import { checkLoadOptions, chooseThreads, type LoadOptions } from "../engine/load-options.ts";
import { openTower, readTower, type TowerSearch } from "../engine/vision.ts";
import { EngineError } from "../error.ts";
import { checkFlag, checkPlain, outOfRange, tell } from "../given.ts";
import { readConfig } from "../model/config/config.ts";
import { RECIPES, type Recipe } from "../model/plan/recipes.ts";
import { planText } from "./quantize-checkpoint.ts";
import { planTower, TOWER_TYPES, type TowerType } from "./quantize-tower.ts";
import { tokenizerPairs } from "./tokenizer-pairs.ts";
import { type PlannedFile, type QuantizeProgress, type WrittenFile, writeFiles } from "./write-files.ts";

export { RECIPES, TOWER_TYPES };

export interface QuantizeOptions {
  /** A stored type for all matrices of the text model, or a recipe of several. */
  type: Recipe;
  /**
   * Quantise weights again although that makes them no smaller, only worse. Default false: `QUANTIZE_AGAIN`. Where it makes them smaller
   * it is done, with a warning in the result.
   */
  requantize?: boolean;
  /** The vision tower, as in `loadModel`; `false`: it is left out. */
  vision?: CheckpointLike | false;
  /** Of the tower's matrices. Default: 16 bits, those that are stored, else f16. What is quantised already stays what it is. */
  visionType?: TowerType;
  /** Worker threads; 0: the caller's thread. Default: the processor's cores. */
  threads?: number;
  onProgress?: (progress: QuantizeProgress) => void;
  signal?: AbortSignal;
}

export interface Quantized extends WrittenFile {
  /** The vision tower, in a file of its own beside the new one; null: there is none, or it lies there already. */
  readonly vision: (WrittenFile & { readonly file: string }) | null;
  readonly warnings: readonly string[];
}

/**
 * Writes `source` (a GGUF file or an HF folder) as a GGUF file of quantised weights: tensor by tensor, in bounded memory. A path appears
 * only when the file is whole and on disk, and is never one of the source's own files (`QUANTIZE_TARGET`). A vision tower goes to
 * `mmproj-NAME` beside the file NAME, where `loadModel` and llama.cpp look for it; a stream has no room for it.
 */
export async function quantize(
  source: CheckpointLike,
  target: string | WritableStream<Uint8Array>,
  options: QuantizeOptions,
): Promise<Quantized> {
  const wish = readWish(options);
  checkTarget(target);
  if (typeof target !== "string" && (wish.vision || wish.visionType !== undefined))
    throw outOfRange(wish.vision ? "vision" : "visionType", "a tower beside a stream", "a path as target");
  const checkpoint = await openCheckpoint(source, wish.signal);
  let search: TowerSearch | undefined;
  try {
    search = await openTower(wish.vision, source, checkpoint, wish.signal);
    return await quantizeFiles({ source, target, checkpoint, search, wish });
  } finally {
    if (search?.tower?.source) await search.tower.checkpoint.close();
    await checkpoint.close();
  }
}

type Wish = QuantizeOptions & Required<Pick<QuantizeOptions, "requantize">>;

function readWish(options: QuantizeOptions): Wish {
  checkPlain(options);
  const { type, requantize, visionType, ...others }: Partial<QuantizeOptions> = options ?? {};
  if (type === undefined || !RECIPES.includes(type)) throw outOfRange("type", type, `one of ${RECIPES.join(", ")}`);
  if (visionType !== undefined && !TOWER_TYPES.includes(visionType))
    throw outOfRange("visionType", visionType, `one of ${TOWER_TYPES.join(", ")}`);
  if (visionType !== undefined && others.vision === false)
    throw outOfRange("visionType", visionType, "nothing beside vision: false");
  checkLoadOptions(others as LoadOptions);
  for (const name of Object.keys(others)) {
    if (!["vision", "threads", "signal", "onProgress"].includes(name)) {
      throw new EngineError("OPTION_UNKNOWN", "this option does not belong to quantize", {
        at: { source: "option", field: name },
        limit: "one of type, requantize, vision, visionType, threads, onProgress, signal",
      });
    }
  }
  return { ...others, type, visionType, requantize: checkFlag(requantize, "requantize", false) };
}

interface Work {
  readonly source: CheckpointLike;
  readonly target: string | WritableStream<Uint8Array>;
  readonly checkpoint: Checkpoint;
  readonly search: TowerSearch;
  readonly wish: Wish;
}

async function quantizeFiles({ source, target, checkpoint, search, wish }: Work): Promise<Quantized> {
  const { config, warnings: odd } = readConfig(checkpoint);
  const { vision, pictures, warnings: ofTower } = readTower(search, checkpoint, config);
  if (!vision && wish.visionType !== undefined) throw noTower(checkpoint);
  const text = await planText(checkpoint, config, {
    ...{ recipe: wish.type, requantize: wish.requantize, sees: vision !== null },
    tokenizer: (vocab) => tokenizerPairs(checkpoint, vocab),
  });
  const tower = vision && (await planTower(search.tower!.checkpoint, vision, pictures, wish.visionType));
  const warnings = [...checkpoint.warnings, ...odd, ...text.warnings, ...ofTower, ...(tower?.warnings ?? [])];
  const files: { file: PlannedFile; target: string | WritableStream<Uint8Array> }[] = [{ file: text, target }];
  let towerFile: string | null = null;
  if (tower && typeof target !== "string") {
    warnings.push("VISION_FILE: the vision tower is left out: it takes a file of its own, and a stream has no place");
  } else if (tower && typeof target === "string") {
    if (await liesThere(search, tower, target)) {
      warnings.push("VISION_FILE: the vision tower lies beside the new file already, and is not written again");
    } else {
      towerFile = folderOf(target) + towerName(baseName(target));
      files.push({ file: tower, target: towerFile });
    }
  }
  for (const { target } of files) {
    if (typeof target !== "string") continue;
    await refuseOwnFiles(source, checkpoint, target);
    if (search.tower?.source) await refuseOwnFiles(search.tower.source, search.tower.checkpoint, target);
  }
  const written = await write(files, wish, async () => {
    await checkpoint.verify?.();
    await search.tower?.checkpoint.verify?.();
  });
  return { ...written[0], vision: towerFile === null ? null : { file: towerFile, ...written[1] }, warnings };
}

/** All of them, or none. `verify`: throws where what was read has changed. */
async function write(
  files: readonly { file: PlannedFile; target: string | WritableStream<Uint8Array> }[],
  { threads, onProgress, signal }: Wish,
  verify: () => Promise<void>,
): Promise<WrittenFile[]> {
  const opened: { file: PlannedFile; sink: Sink; target: string | WritableStream<Uint8Array> }[] = [];
  try {
    for (const { file, target } of files) opened.push({ file, target, sink: await openSink(target) });
    const { count } = chooseThreads(threads, host.threads());
    const written = await writeFiles(opened, { threads: count, onProgress, signal });
    await verify();
    // The model itself last: who finds it finds its tower. A rename is waited for: it must not happen after the error.
    for (const { sink, target } of opened.toReversed())
      await (typeof target === "string" ? sink.commit() : orAborted(sink.commit(), signal));
    return written;
  } catch (error) {
    for (const { sink } of opened) await sink.discard(error);
    throw error;
  }
}

/** Whether whoever loads the new file finds the tower where it is, as it is. */
async function liesThere({ tower }: TowerSearch, { outputs }: PlannedFile, target: string): Promise<boolean> {
  if (typeof tower?.source !== "string" || outputs.some(({ copied }) => copied === null)) return false;
  const beside = await findTowers(target);
  const { realpath } = filesOf(target).system;
  return beside.length === 1 && (await realpath(beside[0])) === (await realpath(tower.source));
}

function noTower({ name }: Checkpoint): EngineError {
  return new EngineError("VISION_FILE", "visionType for a model without a vision tower", {
    at: { source: "file", file: name, field: "visionType" },
    limit: "a multimodal folder, or the option vision: its mmproj file",
  });
}

function checkTarget(target: unknown): void {
  if (isSinkTarget(target)) return;
  throw new EngineError("OPTION_RANGE", "target", {
    at: { source: "option", field: "target" },
    actual: isStream(target) ? "a locked stream" : tell(target),
    limit: "a path or a WritableStream",
  });
}
