import type { ChatOptions, GenerateOptions } from "../index.ts";
import type { Lease } from "./models.ts";
import type { FieldNames } from "./refusal.ts";
import type { Ticket } from "./requests.ts";

/** The one translation of what requests ask into what the engine is asked. */

/** As the schemas give it: what was null is undefined. */
export interface Sampling {
  readonly temperature?: number;
  readonly top_p?: number;
  readonly top_k?: number;
  readonly min_p?: number;
  readonly typical_p?: number;
  readonly repetition_penalty?: number;
  readonly presence_penalty?: number;
  readonly frequency_penalty?: number;
  readonly seed?: number;
  readonly stop?: string | readonly string[];
  readonly logit_bias?: Readonly<Record<string, number>>;
  readonly min_tokens?: number;
  readonly ignore_eos?: boolean;
}

export const SAMPLING_NAMES: FieldNames = { logProbabilities: "logprobs", toolChoice: "tool_choice" };

/** `defaults` of the model, what is asked, and who asks. */
export function engineOptions(
  asked: Sampling,
  { defaults }: Lease,
  { client, signal }: Ticket,
  deadline: number | undefined,
): GenerateOptions {
  const given: GenerateOptions = {
    temperature: asked.temperature,
    topP: asked.top_p,
    topK: asked.top_k,
    minP: asked.min_p,
    typicalP: asked.typical_p,
    repetitionPenalty: asked.repetition_penalty,
    presencePenalty: asked.presence_penalty,
    frequencyPenalty: asked.frequency_penalty,
    seed: asked.seed,
    stop: asked.stop,
    logitBias: asked.logit_bias,
    minTokens: asked.min_tokens,
    ignoreEos: asked.ignore_eos,
    salt: client?.salt,
    priority: client?.priority,
    deadline,
  };
  const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { ...defaults, ...said, signal };
}

/** Of answer `index` of several: that of the first, and so many on; each its own where none was given. */
export function seedOf(seed: GenerateOptions["seed"], index: number): GenerateOptions["seed"] {
  if (seed === undefined || BigInt(seed) === -1n) return undefined;
  return BigInt.asUintN(64, BigInt(seed) + BigInt(index));
}

/** How a chat is written: the same for all requests of a model. A form of calls is of use beside tools alone. */
export function chatOptions({ chat: { template, toolFormat } }: Lease, tools: unknown): ChatOptions {
  return {
    ...(template !== undefined && { template }),
    ...(toolFormat !== undefined && tools !== undefined && { toolFormat }),
  };
}
