import { z } from "zod";
import { alternatives, answers, bystanders, modelName, optional, sampling, streaming, unsupported } from "./fields.ts";

/** Completions: a text goes on. */

const MOST_PROMPTS = 256;
const ids = z.array(z.int().min(0)).min(1);

export const completionRequest = z.strictObject({
  model: modelName,
  prompt: z.union([
    z.string(),
    ids,
    z.array(z.string()).min(1).max(MOST_PROMPTS),
    z.array(ids).min(1).max(MOST_PROMPTS),
  ]),
  ...sampling,
  ...streaming,
  ...bystanders,
  max_tokens: optional(z.int().min(0).describe("Default 16; 0 only with echo")),
  n: answers,
  best_of: z.literal(1).nullish(),
  echo: optional(z.boolean()),
  logprobs: alternatives,
  suffix: unsupported(),
});

export type CompletionRequest = z.output<typeof completionRequest>;

/** One prompt or several, each text or ids. */
export function promptsOf({ prompt }: CompletionRequest): readonly (string | readonly number[])[] {
  if (typeof prompt === "string") return [prompt];
  if (typeof prompt[0] === "number") return [prompt as readonly number[]];
  return prompt as readonly (string | readonly number[])[];
}
