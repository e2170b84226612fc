import { z } from "zod";
import type { ResponseFormat } from "../../index.ts";
import { jsonObject, optional } from "./fields.ts";

/** What an answer may be, as OpenAI's APIs say it; regex, choice and grammar are the engine's own beside them. */

const text = z.strictObject({ type: z.literal("text") });
const jsonAny = z.strictObject({ type: z.literal("json_object") });
const named = {
  name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  description: optional(z.string()),
  schema: z.union([jsonObject, z.boolean()]),
  strict: optional(z.boolean().describe("Whether or not: the schema is enforced")),
};
const own = [
  z.strictObject({ type: z.literal("regex"), pattern: z.string() }),
  z.strictObject({ type: z.literal("choice"), choices: z.array(z.string()) }),
  z.strictObject({ type: z.literal("grammar"), gbnf: z.string() }),
] as const;

/** Of chat completions. */
export const responseFormat = z.discriminatedUnion("type", [
  text,
  jsonAny,
  z.strictObject({ type: z.literal("json_schema"), json_schema: z.strictObject(named) }),
  ...own,
]);

/** Of responses, whose schema lies one level higher. */
export const textFormat = z.discriminatedUnion("type", [
  text,
  jsonAny,
  z.strictObject({ type: z.literal("json_schema"), ...named }),
  ...own,
]);

/** undefined: any text. */
export function formatOf(
  format: z.output<typeof responseFormat> | z.output<typeof textFormat> | undefined,
): ResponseFormat | undefined {
  switch (format?.type) {
    case undefined:
    case "text":
      return undefined;
    case "json_object":
      return { type: "json_schema", schema: { type: "object" } };
    case "json_schema":
      return { type: "json_schema", schema: "json_schema" in format ? format.json_schema.schema : format.schema };
    default:
      return format;
  }
}
