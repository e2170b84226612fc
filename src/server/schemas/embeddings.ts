import { z } from "zod";
import { modelName, optional, unsupported, withoutEffect } from "./fields.ts";

/** Embeddings. */

const MOST_INPUTS = 2048;
const ids = z.array(z.int().min(0)).min(1);

export const embeddingRequest = z.strictObject({
  model: modelName,
  input: z.union([z.string(), ids, z.array(z.string()).min(1).max(MOST_INPUTS), z.array(ids).min(1).max(MOST_INPUTS)]),
  encoding_format: optional(z.enum(["float", "base64"])),
  dimensions: unsupported(),
  user: withoutEffect(z.string()),
});

export type EmbeddingRequest = z.output<typeof embeddingRequest>;
