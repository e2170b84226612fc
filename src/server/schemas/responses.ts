import { z } from "zod";
import {
  alternatives,
  bystanders,
  jsonObject,
  maxTokens,
  modelName,
  optional,
  sampling,
  toolName,
  toolsOf,
  unsupported,
} from "./fields.ts";
import { textFormat } from "./formats.ts";

/** OpenAI's responses. */

/** Text that was asked or answered; what else a client sends back with it has no effect. */
const textPart = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("input_text"), text: z.string() }),
  z.strictObject({
    type: z.literal("output_text"),
    text: z.string(),
    annotations: z.array(z.never()).nullish(),
    logprobs: z.array(z.unknown()).nullish(),
    parsed: z.unknown().optional(),
  }),
]);
const content = z.union([z.string(), z.array(textPart)]);
const status = z.enum(["completed", "incomplete", "in_progress"]).nullish();
const id = z.string().nullish();

const said = (role: "user" | "assistant" | "system" | "developer") =>
  z.strictObject({
    type: z.literal("message").nullish(),
    role: z.literal(role),
    content,
    id,
    status,
    phase: z.null().optional(),
  });

const item = z.union([
  said("user"),
  said("assistant"),
  said("system"),
  said("developer"),
  z.strictObject({
    type: z.literal("function_call"),
    call_id: z.string(),
    name: z.string(),
    arguments: z.string(),
    parsed_arguments: z.unknown().optional(),
    id,
    status,
  }),
  z.strictObject({
    type: z.literal("function_call_output"),
    call_id: z.string(),
    output: z.union([z.string(), z.array(textPart)]),
    id,
    status,
  }),
]);

const tool = z.strictObject({
  type: z.literal("function"),
  name: toolName,
  description: optional(z.string()),
  parameters: optional(jsonObject),
  strict: optional(z.boolean()),
});

const LOGPROBS = "message.output_text.logprobs";

export const responseRequest = z.strictObject({
  model: modelName,
  input: z.union([z.string(), z.array(item).min(1).max(1024)]),
  instructions: optional(z.string()),
  previous_response_id: optional(z.string()),
  store: optional(z.boolean().describe("Kept in memory only where it is true")),
  temperature: sampling.temperature,
  top_p: sampling.top_p,
  top_k: sampling.top_k,
  min_p: sampling.min_p,
  seed: sampling.seed,
  max_output_tokens: maxTokens,
  stream: optional(z.boolean()),
  stream_options: optional(z.strictObject({ include_obfuscation: z.literal(false).nullish() })),
  text: optional(z.strictObject({ format: optional(textFormat), verbosity: unsupported() })),
  tools: toolsOf(tool, ({ name }) => name),
  tool_choice: optional(
    z.union([z.enum(["none", "auto", "required"]), z.strictObject({ type: z.literal("function"), name: z.string() })]),
  ),
  parallel_tool_calls: optional(z.boolean()),
  include: optional(z.array(z.literal(LOGPROBS))),
  top_logprobs: alternatives,
  truncation: optional(z.enum(["disabled", "auto"]).describe("auto: the oldest turns go where they do not fit")),
  ...bystanders,
  background: z.literal(false).nullish(),
  conversation: unsupported(),
  max_tool_calls: unsupported(),
  prompt: unsupported(),
  reasoning: unsupported(),
});

export type ResponseRequest = z.output<typeof responseRequest>;
export type ResponseItem = z.output<typeof item>;
