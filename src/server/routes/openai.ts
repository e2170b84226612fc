import type { FinishReason } from "../../index.ts";
import type { Answer } from "../answers.ts";

/** Words that OpenAI's APIs share. */

export const FINISH: Readonly<Record<FinishReason, string>> = {
  stop: "stop",
  length: "length",
  "tool-calls": "tool_calls",
};

/** `samples` answers to each prompt: it was read once. */
export function openAiUsage(answers: readonly Answer[], samples = answers.length) {
  const firsts = answers.filter((_, index) => index % samples === 0);
  const sum = (of: readonly Answer[], what: keyof Answer["usage"]) => of.reduce((all, one) => all + one.usage[what], 0);
  const prompt = sum(firsts, "promptTokens");
  const completion = sum(answers, "completionTokens");
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: sum(firsts, "cachedTokens") },
  };
}
