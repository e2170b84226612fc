import { z } from "zod";
import { jsonObject, maxTokens, optional, toolName, toolsOf, withoutEffect } from "./fields.ts";

/** Anthropic's messages. */

/** Marks of what is worth keeping: everything is kept anyway. */
const cache_control = withoutEffect(
  z.strictObject({ type: z.literal("ephemeral"), ttl: z.enum(["5m", "1h"]).nullish() }),
);

const text = z.strictObject({
  type: z.literal("text"),
  text: z.string(),
  cache_control,
  citations: z.null().optional(),
});
const texts = z.union([z.string(), z.array(text)]);

const block = z.discriminatedUnion("type", [
  text,
  z.strictObject({ type: z.literal("tool_use"), id: z.string(), name: z.string(), input: jsonObject, cache_control }),
  z.strictObject({
    type: z.literal("tool_result"),
    tool_use_id: z.string(),
    content: texts.nullish(),
    is_error: optional(z.boolean()),
    cache_control,
  }),
]);

const tool = z.strictObject({
  type: z.literal("custom").nullish(),
  name: toolName,
  description: optional(z.string()),
  input_schema: jsonObject,
  strict: optional(z.boolean()),
  cache_control,
});

const parallel = { disable_parallel_tool_use: optional(z.boolean()) };

const common = {
  model: z.string(),
  messages: z
    .array(
      z.strictObject({ role: z.enum(["user", "assistant"]), content: z.union([z.string(), z.array(block).min(1)]) }),
    )
    .min(1)
    .max(1024),
  system: optional(texts),
  tools: toolsOf(tool, ({ name }) => name),
  tool_choice: optional(
    z.discriminatedUnion("type", [
      z.strictObject({ type: z.literal("auto"), ...parallel }),
      z.strictObject({ type: z.literal("any"), ...parallel }),
      z.strictObject({ type: z.literal("none") }),
      z.strictObject({ type: z.literal("tool"), name: z.string(), ...parallel }),
    ]),
  ),
  thinking: optional(z.strictObject({ type: z.literal("disabled") })),
};

export const messageRequest = z.strictObject({
  ...common,
  max_tokens: z.int().min(1),
  metadata: withoutEffect(z.strictObject({ user_id: z.string().nullish() })),
  service_tier: withoutEffect(z.enum(["auto", "standard_only"])),
  stop_sequences: optional(z.array(z.string()).max(16)),
  stream: optional(z.boolean()),
  temperature: optional(z.number().min(0).max(1)),
  top_k: optional(z.int().min(0)),
  top_p: optional(z.number().gt(0).max(1)),
});

export const countRequest = z.strictObject({ ...common, max_tokens: maxTokens });

export type MessageRequest = z.output<typeof messageRequest>;
export type CountRequest = z.output<typeof countRequest>;
