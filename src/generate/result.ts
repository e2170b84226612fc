import type { ToolCall } from "../tools/call.ts";
import type { SampledToken } from "./sampler.ts";
import type { Seed } from "./seed.ts";

/** What a generation comes to. */

/** `tool-calls`: it was stopped, and nothing stands behind its last call. */
export type FinishReason = "stop" | "length" | "tool-calls";

/**
 * What ended an answer. `eos`: an id that the checkpoint names, also where the caller does; `stopId`: one that the caller alone does;
 * `stopString`: a string of `stop`, also where it is the name of a control token; `format`: a `responseFormat` that nothing can follow.
 */
export type StopReason = "eos" | "stopId" | "stopString" | "format" | "maxTokens" | "context";

export interface GenerationResult<Value = unknown> {
  /**
   * Generated ids. The id that ended the generation is not among them, nor is any whose text begins at or behind the stop
   * string that did.
   */
  readonly ids: number[];
  /** Ends before the stop string. Calls of tools are not in it. */
  readonly text: string;
  /** Whole calls of tools that were offered, in order. */
  readonly toolCalls: readonly ToolCall[];
  /**
   * What the text means under `responseFormat`: JSON parsed, or what a Standard Schema makes of it. undefined of other formats, and
   * where the text did not come to its end.
   */
  readonly value: Value | undefined;
  readonly finishReason: FinishReason;
  /** The same in full. */
  readonly stopReason: StopReason;
  /** Which limit was reached, where the reason is `length`: `maxTokens`, or the context with the prompt in it. */
  readonly limit: "maxTokens" | "context" | undefined;
  /** The stop string as it was given, or the stop id. */
  readonly stoppedBy: number | string | undefined;
  /** Ids of the prompt, the begin-of-text id among them, and of `ids`. */
  readonly usage: {
    readonly promptTokens: number;
    readonly completionTokens: number;
    /** Ids of the prompt that were known from before: not computed again. */
    readonly cachedTokens: number;
    /** Ids that were guessed, where `speculate` was asked for, and those of them that were drawn. */
    readonly draftedTokens: number;
    readonly acceptedTokens: number;
  };
  /** Milliseconds: until the first token, and from the first to the last; tokens a second of each, of the prompt those that were computed. */
  readonly timings: {
    readonly promptMs: number;
    readonly generationMs: number;
    readonly promptTokensPerSecond: number;
    readonly tokensPerSecond: number;
  };
  /** One entry a generated id, when asked for. */
  readonly logProbabilities: SampledToken[] | undefined;
  /** What it drew with: the same prompt and options with this seed give the same ids. Decimal text from 2^53 on. */
  readonly seed: Seed;
  /** What is odd in what was asked, yet was done. */
  readonly warnings: readonly string[];
}
