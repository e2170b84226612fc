import type { AdapterChoice } from "../generate/adapter-choice.ts";
import type { Prompt } from "../generate/prompt-ids.ts";

/** Of a single measure of a prompt. */
export interface PromptOptions {
  /** Read `<|eot|>` and its like in text as control tokens. Default: as text. */
  specialTokens?: boolean;
  /** As of `generate`. */
  adapter?: AdapterChoice;
  signal?: AbortSignal;
}

export interface ScoreOptions extends PromptOptions {
  /** What the text goes on: not scored. */
  prompt?: Prompt;
  /** So many likeliest ids of each place, 0 to 20, in `top`. Default 0. */
  logProbabilities?: number;
}
