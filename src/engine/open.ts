import { orAborted } from "../abortable.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { type CheckpointLike, openCheckpoint } from "../checkpoint/open.ts";
import { checkPlain, outOfRange } from "../given.ts";
import { type CreateConfig, randomModelCheckpoint } from "../model/config/random.ts";
import { byteTokenizer, openTokenizer, type Tokenizer } from "../tokenizer/tokenizer.ts";
import type { StoredType } from "../weight-types.ts";
import { closeAdapters, openAdapters } from "./adapters.ts";
import { type CheckedLoadOptions, checkLoadOptions, type LoadOptions } from "./load-options.ts";
import { Model } from "./model.ts";
import { openTower } from "./vision.ts";

/** The doors to a model: from what is stored somewhere, or from sizes alone. */

/** Loads a GGUF file (its first shard where split), or a Hugging Face folder; bytes that lie elsewhere through a ByteSource. */
export async function loadModel(source: CheckpointLike, options?: LoadOptions): Promise<Model> {
  const checked = checkLoadOptions(options);
  checked.signal?.throwIfAborted();
  const checkpoint = await orAborted(openCheckpoint(source, checked.signal), checked.signal, (late) => late.close());
  try {
    return await openWith(checkpoint, source, checked, (vocab) => openTokenizer(checkpoint, vocab));
  } catch (error) {
    // A source that was told to stop by the same signal fails in its own words.
    checked.signal?.throwIfAborted();
    throw error;
  } finally {
    await checkpoint.close();
  }
}

/** With its tower and adapters, which are closed again. `source`: where the checkpoint is; null: nowhere. */
async function openWith(
  checkpoint: Checkpoint,
  source: CheckpointLike | null,
  checked: CheckedLoadOptions,
  openTokens: (vocab: number) => Tokenizer | null,
): Promise<Model> {
  const search = await openTower(checked.vision, source, checkpoint, checked.signal);
  const beside = search.tower?.source ? [search.tower.checkpoint] : [];
  try {
    const adapters = await openAdapters(checked.adapters, checked.signal);
    try {
      const model = await Model.open(checkpoint, search, adapters, checked, openTokens);
      await verify([checkpoint, ...beside, ...adapters.map((adapter) => adapter.checkpoint)], model);
      return model;
    } finally {
      await closeAdapters(adapters);
    }
  } finally {
    for (const tower of beside) await tower.close();
  }
}

/** A file that changed while it was read is no model. */
async function verify(checkpoints: readonly Checkpoint[], model: Model): Promise<void> {
  try {
    for (const checkpoint of checkpoints) await checkpoint.verify?.();
  } catch (error) {
    await model.dispose();
    throw error;
  }
}

export interface CreateOptions extends LoadOptions {
  /** The same seed gives the same weights. Default 0. */
  seed?: number;
  /** Type of the matrices. Default f32. */
  type?: StoredType;
}

/** A model of random weights from its sizes (names of HF `text_config`). It speaks bytes: 256 ids, then bos, eos, pad, unknown. */
export async function createModel(config: CreateConfig, options?: CreateOptions): Promise<Model> {
  checkPlain(options);
  // Getters are read once.
  const given = { ...options };
  const checked = checkLoadOptions(given, ["seed", "type"]);
  const { seed = 0, type = "f32" } = given;
  if (!Number.isSafeInteger(seed)) throw outOfRange("seed", seed, "a safe integer");
  const checkpoint = randomModelCheckpoint(config, seed, type);
  return await openWith(checkpoint, null, checked, (vocab) => (vocab >= 260 ? byteTokenizer(vocab) : null));
}
