import type { CreateConfig } from "../dist/src/index.js";

/** A small model that takes bytes and gives bytes, of one dense layer; nothing but ids that a test names end its answers. */
export const byteModel = (size: number, more: Partial<CreateConfig> = {}): CreateConfig => ({
  vocab_size: 260,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: 1,
  num_attention_heads: size / 16,
  num_key_value_heads: 1,
  head_dim: 16,
  moe_layers: [],
  intermediate_size_mlp: size,
  max_position_embeddings: 256,
  eos_token_id: [],
  ...more,
});
