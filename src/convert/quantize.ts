import { host } from "#host";
import { orAborted } from "../abortable.ts";
import { isSinkTarget, isStream, openSink, refuseOwnFiles } from "../checkpoint/file-sink.ts";
import { type CheckpointLike, openCheckpoint } from "../checkpoint/open.ts";
import { checkLoadOptions, chooseThreads, type LoadOptions } from "../engine/load-options.ts";
import { EngineError } from "../error.ts";
import { checkPlain, outOfRange, tell } from "../given.ts";
import { RECIPES, type Recipe } from "../model/plan/recipes.ts";
import { type Quantized, type QuantizeProgress, quantizeCheckpoint } from "./quantize-checkpoint.ts";
import { tokenizerPairs } from "./tokenizer-pairs.ts";

export { RECIPES };

export interface QuantizeOptions {
  /** A stored type for all matrices, or a recipe of several. */
  type: Recipe;
  /**
   * Quantise weights again although that makes them no smaller, only worse. Default false: `QUANTIZE_AGAIN`. Where it makes them smaller
   * it is done, with a warning in the result.
   */
  requantize?: boolean;
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
  const { type, requantize = false, ...others }: Partial<QuantizeOptions> = options ?? {};
  if (type === undefined || !RECIPES.includes(type)) throw outOfRange("type", type, `one of ${RECIPES.join(", ")}`);
  if (typeof requantize !== "boolean") {
    throw new EngineError("OPTION_RANGE", "requantize", {
      at: { source: "option", field: "requantize" },
      actual: typeof requantize,
      limit: "true or false",
    });
  }
  const checked = checkLoadOptions(others as LoadOptions);
  for (const name of Object.keys(others)) {
    if (name !== "threads" && name !== "signal" && name !== "onProgress") {
      throw new EngineError("OPTION_UNKNOWN", "this option does not belong to quantize", {
        at: { source: "option", field: name },
        limit: "one of type, requantize, threads, onProgress, signal",
      });
    }
  }
  checkTarget(target);
  const checkpoint = await openCheckpoint(source, checked.signal);
  try {
    if (typeof target === "string") await refuseOwnFiles(source, checkpoint, target);
    const sink = await openSink(target);
    try {
      const { count: threads } = chooseThreads(checked.threads, host.threads());
      const tokenizer = (vocab: number) => tokenizerPairs(checkpoint, vocab);
      const done = await quantizeCheckpoint(checkpoint, sink, {
        tokenizer,
        recipe: type,
        requantize,
        threads,
        onProgress: others.onProgress,
        signal: checked.signal,
      });
      // A rename is waited for: it must not happen after the error.
      await (typeof target === "string" ? sink.commit() : orAborted(sink.commit(), checked.signal));
      return done;
    } catch (error) {
      await sink.discard(error);
      throw error;
    }
  } finally {
    await checkpoint.close();
  }
}

function checkTarget(target: unknown): void {
  if (isSinkTarget(target)) return;
  throw new EngineError("OPTION_RANGE", "target", {
    at: { source: "option", field: "target" },
    actual: isStream(target) ? "a locked stream" : tell(target),
    limit: "a path or a WritableStream",
  });
}
