import type { Prompt } from "../../index.ts";
import { bodyOf, leaseOf, type Route } from "../call.ts";
import { refusalOf } from "../refusal.ts";
import { embeddingRequest } from "../schemas/embeddings.ts";
import { idsOf } from "./prompt-ids.ts";

/** OpenAI's embeddings: the mean of the final states, of unit length. */
export const embeddingRoute: Route = {
  method: "POST",
  path: "/v1/embeddings",
  summary: "Vectors of texts or ids",
  body: embeddingRequest,
  answer: async (call) => {
    const { ticket, service } = call;
    const { model: name, input, encoding_format: format } = await bodyOf(call, embeddingRequest);
    const { model, name: served } = await leaseOf(call, name);
    const one = typeof input === "string" || typeof input[0] === "number";
    const inputs = (one ? [input] : input) as readonly Prompt[];
    try {
      const ids = inputs.map((text, index) =>
        idsOf(text, one ? "input" : `input[${index}]`, model.tokenizer, service.options),
      );
      ticket.promptTokens = ids.reduce((sum, { length }) => sum + length, 0);
      const vectors = await model.embedBatch(ids, { normalize: true, signal: ticket.signal });
      const data = vectors.map((vector, index) => ({
        ...{ object: "embedding", index },
        embedding: format === "base64" ? base64Of(vector) : Array.from(vector),
      }));
      const usage = { prompt_tokens: ticket.promptTokens, total_tokens: ticket.promptTokens };
      return Response.json({ object: "list", data, model: served, usage });
    } catch (error) {
      throw refusalOf(error, { prompts: "input" });
    }
  },
};

/** f32, little endian as the memory of wasm is. */
function base64Of(vector: Float32Array): string {
  const bytes = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
