/// <reference lib="esnext.disposable" preserve="true" />
/** The public surface. A model can be held with `await using`, which its types say with the library of that proposal. */

import { openAdapter } from "./checkpoint/adapter.ts";
import { type CheckpointLike, openCheckpoint } from "./checkpoint/open.ts";
import { openSource, type SourceLike } from "./checkpoint/source.ts";
import { type GenerationConfig, readDefaults } from "./engine/generation-config.ts";
import { type AdapterInspection, describeAdapter } from "./engine/inspect-adapter.ts";
import { inspectCheckpoint, type ModelInspection } from "./engine/inspect-model.ts";
import { openTower, type TowerSearch } from "./engine/vision.ts";
import { readOptions } from "./given.ts";
import { StoredLogits } from "./measure/logits-file.ts";
import { readStoredGeneration } from "./model/config/stored-generation.ts";
import { inspectText, type TextInspection } from "./tokenizer/inspect.ts";

export type {
  ByteSource,
  Checkpoint,
  MetadataArray,
  MetadataValue,
  StoredTensor,
} from "./checkpoint/checkpoint.ts";
export type { CheckpointLike } from "./checkpoint/open.ts";
export type { SourceLike } from "./checkpoint/source.ts";
export type { Choice, Choices } from "./choice.ts";
export { type Quantized, type QuantizeOptions, quantize } from "./convert/quantize.ts";
export type { TowerType } from "./convert/quantize-tower.ts";
export type { QuantizeProgress, WrittenFile } from "./convert/write-files.ts";
export type { Activity } from "./engine/activity.ts";
export type { AdapterInfo, AdapterOptions } from "./engine/adapters.ts";
export type { ChatOptions } from "./engine/chat-request.ts";
export type { EmbedOptions, Pooling } from "./engine/embedding.ts";
export type { DefaultOption, GenerationConfig } from "./engine/generation-config.ts";
export type { ModelInfo } from "./engine/info.ts";
export type { AdapterInspection } from "./engine/inspect-adapter.ts";
export type { ModelInspection, VisionInspection } from "./engine/inspect-model.ts";
export type { LoadOptions } from "./engine/load-options.ts";
export type { Model } from "./engine/model.ts";
export { type CreateOptions, createModel, loadModel } from "./engine/open.ts";
export type { PrefixCache, PrefixOptions } from "./engine/prefix-cache.ts";
export type { PromptOptions, ScoreOptions } from "./engine/prompt-options.ts";
export type { Session, SessionChatOptions, SessionGenerateOptions } from "./engine/session.ts";
export type { ClassSum, TensorClass } from "./engine/tensor-classes.ts";
export type { RunnableTool, RunToolsOptions, ToolContext, ToolRun } from "./engine/tool-rounds.ts";
export type { TraceOptions } from "./engine/tracing.ts";
export { EngineError, type ErrorDetail, type ErrorPlace, type PartialAnswer } from "./error.ts";
export { ERROR_CODES, type ErrorCode } from "./error-codes.ts";
export type { AdapterChoice } from "./generate/adapter-choice.ts";
export type { BatchOutcome, BatchPiece, GenerationBatch } from "./generate/batch.ts";
export type { BatchFailure, BatchOptions, BatchPlace, BatchPrompt, BatchPrompts } from "./generate/batch-plan.ts";
export type { DraftModel } from "./generate/draft.ts";
export type { DryOptions } from "./generate/dry.ts";
export type { Generation } from "./generate/generation.ts";
export type { LogitsProcessor } from "./generate/logits-processor.ts";
export type { Formatted, GenerateOptions } from "./generate/options.ts";
export type { PrefixStats } from "./generate/prefixes.ts";
export type { Prompt } from "./generate/prompt-ids.ts";
export type { FinishReason, GenerationResult, StopReason } from "./generate/result.ts";
export type { SampledToken, TokenProbability } from "./generate/sampler.ts";
export type { Seed } from "./generate/seed.ts";
export type { PixelValues } from "./generate/sight.ts";
export type { StepReport } from "./generate/step-reports.ts";
export type { XtcOptions } from "./generate/xtc.ts";
export type { ResponseFormat } from "./grammar/format.ts";
export type { StandardResult, StandardSchema } from "./grammar/standard-schema.ts";
export type { Build } from "./host/build.ts";
export type { HostName } from "./host/host-facts.ts";
export type { Divergence, Perplexity } from "./measure/divergence.ts";
export type { StoredLogits } from "./measure/logits-file.ts";
export type { DivergenceOptions, Measured, PerplexityOptions, PerplexityProgress } from "./measure/perplexity.ts";
export type { Score } from "./measure/score.ts";
export type { WindowRule } from "./measure/windows.ts";
export type { ArchitectureName } from "./model/config/architectures.ts";
export type { LayerConfig, ModelConfig, RopeScaling } from "./model/config/config.ts";
export type { CreateConfig } from "./model/config/random.ts";
export type { CacheType } from "./model/plan/pages.ts";
export type { Recipe } from "./model/plan/recipes.ts";
export type { LoadProgress } from "./model/run/load.ts";
export type { OpTime } from "./model/run/resident.ts";
export type { TapData } from "./model/run/tap-reader.ts";
export type { Tuning } from "./model/run/tune.ts";
export type { VisionConfig } from "./model/vision/config.ts";
export type { ChatMessage, ChatOptions as RenderOptions, ImagePart, TextPart } from "./tokenizer/chat.ts";
export type { NamedId, TemplateInspection, TextInspection, TokenizerInspection } from "./tokenizer/inspect.ts";
export type { DecodeOptions, EncodeOptions, Tokenizer, TokenStream } from "./tokenizer/tokenizer.ts";
export type { AnswerPart, ToolCall } from "./tools/call.ts";
export type { ToolFormat } from "./tools/dialect.ts";
export type { ToolChoice } from "./tools/offer.ts";
export type { ActivationType, StoredType } from "./weight-types.ts";

/** What `inspect` tells; names in it come from the file, those of tokens are escaped. */
export interface Inspection extends ModelInspection, TextInspection {
  /** What an option of `generate` is that a call leaves out, and who says so. */
  readonly generationConfig: GenerationConfig;
}

/** What is in a checkpoint and what it would need, without loading it; `vision` as in `loadModel`. */
export async function inspect(
  source: CheckpointLike,
  options?: { vision?: CheckpointLike | false },
): Promise<Inspection> {
  const { vision } = readOptions(options, ["vision"]);
  const checkpoint = await openCheckpoint(source);
  let search: TowerSearch | undefined;
  try {
    search = await openTower(vision, source, checkpoint, undefined);
    const model = await inspectCheckpoint(checkpoint, search);
    const text = await inspectText(checkpoint, model.config.vocab);
    const limits = { vocab: model.config.vocab, context: model.memory.context };
    const defaults = readDefaults(readStoredGeneration(checkpoint), limits, undefined);
    return {
      ...model,
      ...text,
      generationConfig: defaults.shown,
      warnings: [...model.warnings, ...text.warnings, ...defaults.warnings],
    };
  } finally {
    if (search?.tower?.source) await search.tower.checkpoint.close();
    await checkpoint.close();
  }
}

/** What is in an adapter that `loadModel` takes in `adapters`. */
export async function inspectAdapter(source: CheckpointLike): Promise<AdapterInspection> {
  const checkpoint = await openAdapter(source);
  try {
    return describeAdapter(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

/** The file that `model.perplexity` wrote through `saveLogits`, as a reference of `model.divergence`; the caller closes it. */
export async function openLogits(source: SourceLike): Promise<StoredLogits> {
  return await StoredLogits.open(await openSource(source));
}
