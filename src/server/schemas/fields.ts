import { z } from "zod";

/** What requests of several APIs have in common. A field that is not in a schema is refused by its name. */

/** Null is as good as absent. */
export const optional = <Schema extends z.ZodType>(schema: Schema) =>
  schema.nullish().transform((value) => value ?? undefined);

/** Known to the API that is spoken, and not done here: only null may be said. */
export const unsupported = () =>
  z.null({ error: "not supported by this server" }).optional().describe("Not supported: null or absent");

/** Taken, and without any effect. */
export const withoutEffect = <Schema extends z.ZodType>(schema: Schema) => schema.nullish().describe("Without effect");

export const modelName = optional(z.string().describe("As /v1/models lists it; absent: the first"));

/** A safe integer: 2^53 + 1 has been rounded to another number when it is read. */
const whole = (least: number, most: number = Number.MAX_SAFE_INTEGER) => z.int().min(least).max(most);

const BIASES = 1024;

/** How tokens are drawn. */
export const sampling = {
  temperature: optional(z.number().min(0).max(2)),
  top_p: optional(z.number().gt(0).max(1)),
  top_k: optional(whole(-1)),
  min_p: optional(z.number().min(0).max(1)),
  typical_p: optional(z.number().gt(0).max(1)),
  repetition_penalty: optional(z.number().gt(0).max(10)),
  presence_penalty: optional(z.number().min(-2).max(2)),
  frequency_penalty: optional(z.number().min(-2).max(2)),
  seed: optional(z.int().describe("The same fingerprint and seed: the same answer. Answer k of n uses seed + k")),
  stop: optional(z.union([z.string(), z.array(z.string()).max(16)])),
  logit_bias: optional(
    z
      .record(z.string().regex(/^(0|[1-9]\d{0,9})$/, "not a token id"), z.number().min(-100).max(100))
      .refine((biases) => Object.keys(biases).length <= BIASES, `more than ${BIASES} ids`),
  ),
  min_tokens: optional(whole(0)),
  ignore_eos: optional(z.boolean()),
};

export const streaming = {
  stream: optional(z.boolean()),
  stream_options: optional(
    z.strictObject({
      include_usage: optional(z.boolean()),
      include_obfuscation: z.literal(false).nullish().describe("Streams are not obfuscated"),
    }),
  ),
};

export const bystanders = {
  user: withoutEffect(z.string()),
  metadata: withoutEffect(z.record(z.string(), z.string())),
  service_tier: withoutEffect(z.enum(["auto", "default"])),
};

/** Answers to one prompt. */
export const answers = optional(whole(1, 8));
export const maxTokens = optional(whole(1));
/** Likeliest ids told of each place. */
export const alternatives = optional(whole(0, 20));

export const toolName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "expected 1 to 64 letters, digits, _ and -");
const MOST_TOOLS = 128;

/** Schemas are looked into by the engine, which names what it cannot enforce. */
export const jsonObject = z.record(z.string(), z.unknown());

/** Tools whose names differ. */
export const toolsOf = <Schema extends z.ZodType>(tool: Schema, nameOf: (tool: z.output<Schema>) => string) =>
  optional(
    z
      .array(tool)
      .max(MOST_TOOLS)
      .superRefine((tools, context) => {
        const names = new Set<string>();
        for (const [index, one] of tools.entries()) {
          const name = nameOf(one);
          if (names.has(name)) context.addIssue({ code: "custom", path: [index], message: "two tools of one name" });
          names.add(name);
        }
      }),
  );
