import { z } from "zod";
import {
  alternatives,
  answers,
  bystanders,
  jsonObject,
  maxTokens,
  modelName,
  optional,
  sampling,
  streaming,
  toolName,
  toolsOf,
  unsupported,
} from "./fields.ts";
import { responseFormat } from "./formats.ts";

/** Chat completions. */

const textPart = z.strictObject({ type: z.literal("text"), text: z.string() });
/** Only text is read: any other part is refused by its type. */
const parts = z.array(z.discriminatedUnion("type", [textPart]));
const content = z.union([z.string(), parts]);

const call = z.strictObject({
  id: z.string(),
  type: z.literal("function"),
  function: z.strictObject({ name: z.string(), arguments: z.string(), ...parsedByClients() }),
});

/** What OpenAI's own client puts into messages that it parsed, and sends back. */
function parsedByClients() {
  return { parsed_arguments: z.unknown().optional().describe("Without effect: a client's copy of arguments") };
}

const name = optional(z.string().min(1));
const message = z.discriminatedUnion("role", [
  z.strictObject({ role: z.literal("system"), content, name }),
  z.strictObject({ role: z.literal("developer"), content, name }),
  z.strictObject({ role: z.literal("user"), content, name }),
  z.strictObject({
    role: z.literal("assistant"),
    content: content.nullish(),
    name,
    tool_calls: z.array(call).nullish(),
    refusal: unsupported(),
    audio: unsupported(),
    function_call: unsupported(),
    annotations: z.array(z.never()).nullish(),
    parsed: z.unknown().optional().describe("Without effect: a client's copy of content"),
  }),
  z.strictObject({ role: z.literal("tool"), content, tool_call_id: z.string(), name }),
]);

export const messages = z.array(message).min(1).max(1024);

const tool = z.strictObject({
  type: z.literal("function"),
  function: z.strictObject({
    name: toolName,
    description: optional(z.string()),
    parameters: optional(jsonObject),
    strict: optional(z.boolean()),
  }),
});

export const tools = toolsOf(tool, (one) => one.function.name);

export const toolChoice = optional(
  z.union([
    z.enum(["none", "auto", "required"]),
    z.strictObject({ type: z.literal("function"), function: z.strictObject({ name: z.string() }) }),
  ]),
);

export const chatRequest = z.strictObject({
  model: modelName,
  messages,
  ...sampling,
  ...streaming,
  ...bystanders,
  max_tokens: maxTokens,
  max_completion_tokens: maxTokens,
  n: answers,
  logprobs: optional(z.boolean()),
  top_logprobs: alternatives,
  response_format: optional(responseFormat),
  tools,
  tool_choice: toolChoice,
  parallel_tool_calls: optional(z.boolean()),
  store: z.literal(false).nullish().describe("Without effect: nothing is stored"),
  modalities: z.tuple([z.literal("text")]).nullish(),
  audio: unsupported(),
  function_call: unsupported(),
  functions: unsupported(),
  prediction: unsupported(),
  reasoning_effort: unsupported(),
  verbosity: unsupported(),
  web_search_options: unsupported(),
});

export type ChatRequest = z.output<typeof chatRequest>;
