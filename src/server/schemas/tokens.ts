import { z } from "zod";
import { messages, tools } from "./chat.ts";
import { modelName, optional } from "./fields.ts";

/** Text and ids, and messages as the model reads them. */

export const tokenizeRequest = z.strictObject({
  model: modelName,
  content: z.string(),
  add_special: optional(z.boolean().describe("The begin-of-text id in front, as the model wants it")),
  parse_special: optional(z.boolean().describe("Names of control tokens are those tokens")),
  with_pieces: optional(z.boolean().describe("With the text of each")),
});

export const detokenizeRequest = z.strictObject({
  model: modelName,
  tokens: z.array(z.int().min(0)),
  with_special: optional(z.boolean().describe("Control tokens by their names")),
});

export const templateRequest = z.strictObject({
  model: modelName,
  messages,
  tools,
  add_generation_prompt: optional(z.boolean()),
});
