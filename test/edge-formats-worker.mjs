/** Served by workerd: an answer in a format, of a small random model. */
import { createModel } from "../dist/src/index.js";

/** Also what Node computes beside it. */
export async function answerInFormat() {
  const config = {
    ...{ vocab_size: 260, hidden_size: 32, intermediate_size: 32, intermediate_size_mlp: 32, num_hidden_layers: 1 },
    ...{ num_attention_heads: 2, num_key_value_heads: 1, head_dim: 16, moe_layers: [], eos_token_id: [] },
    max_position_embeddings: 256,
  };
  const model = await createModel(config, { threads: 0 });
  const schema = {
    type: "object",
    properties: { name: { type: "string", maxLength: 8 }, age: { type: "integer", minimum: 0, maximum: 99 } },
    required: ["name", "age"],
    additionalProperties: false,
  };
  const responseFormat = { type: "json_schema", schema };
  const text = await model.generate("A", { maxTokens: 96, seed: 1, responseFormat }).text();
  await model.dispose();
  return text;
}

export default { fetch: async () => new Response(await answerInFormat()) };
