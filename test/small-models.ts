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

/** A small model of full and chunked layers, dense and of two experts in turn as the defaults are. */
export const layeredModel = (more: Partial<CreateConfig> = {}): CreateConfig => ({
  vocab_size: 300,
  hidden_size: 32,
  intermediate_size: 32,
  num_hidden_layers: 4,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 16,
  num_local_experts: 2,
  num_experts_per_tok: 1,
  max_position_embeddings: 4096,
  ...more,
});
