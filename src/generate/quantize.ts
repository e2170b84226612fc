import { host } from "#host";
import { createFile, refuseOwnFiles, streamSink } from "../checkpoint/file-sink.ts";
import { type CheckpointLike, openCheckpoint } from "../checkpoint/open.ts";
import { EngineError } from "../error.ts";
import { type Quantized, type QuantizeProgress, quantizeCheckpoint } from "../model/quantize.ts";
import { RECIPES, type Recipe } from "../model/recipes.ts";
import { tokenizerPairs } from "../tokenizer/gguf-pairs.ts";
import { checkLoadOptions, chooseThreads } from "./load-options.ts";
import { checkPlain } from "./options.ts";

export { RECIPES };

export interface QuantizeOptions {
  /** A stored type for all matrices, or a recipe of several. */
  type: Recipe;
  /** Worker threads; 0: the caller's thread. Default: the processor's cores. */
  threads?: number;
  onProgress?: (progress: QuantizeProgress) => void;
  signal?: AbortSignal;
}

/**
 * Writes `source` (a GGUF file or an HF folder) as a GGUF file of quantised weights: tensor by tensor, in bounded memory. A path appears
 * only when the file is whole and on disk, and is never one of the source's own files (`QUANTIZE_TARGET`).
 */
export async function quantize(
  source: CheckpointLike,
  target: string | WritableStream<Uint8Array>,
  options: QuantizeOptions,
): Promise<Quantized> {
  checkPlain(options);
  const { type, ...rest } = options;
  if (!RECIPES.includes(type)) {
    throw new EngineError("OPTION_RANGE", "type", {
      at: { source: "option", field: "type" },
      actual: String(type),
      limit: `one of ${RECIPES.join(", ")}`,
    });
  }
  const { onProgress, ...others } = rest;
  const checked = checkLoadOptions(others);
  for (const name of Object.keys(others)) {
    if (name !== "threads" && name !== "signal") {
      throw new EngineError("OPTION_UNKNOWN", "this option does not belong to quantize", {
        at: { source: "option", field: name },
        limit: "one of type, threads, onProgress, signal",
      });
    }
  }
  const checkpoint = await openCheckpoint(source, checked.signal);
  try {
    if (typeof target === "string") await refuseOwnFiles(source, checkpoint, target);
    const sink = typeof target === "string" ? await createFile(target) : streamSink(target);
    try {
      const { count: threads } = chooseThreads(checked.threads, host.threads());
      const tokenizer = (vocab: number) => tokenizerPairs(checkpoint, vocab);
      const done = await quantizeCheckpoint(checkpoint, sink, {
        tokenizer,
        recipe: type,
        threads,
        onProgress,
        signal: checked.signal,
      });
      await sink.commit();
      return done;
    } catch (error) {
      await sink.discard(error);
      throw error;
    }
  } finally {
    await checkpoint.close();
  }
}
