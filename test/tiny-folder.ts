/** A folder of a Llama of 16 columns and one layer, all weights small: what matters is the text files beside them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { writeSafetensors } from "./write-safetensors.ts";

const HIDDEN = 32;

export interface TinyFolder extends Disposable {
  readonly path: string;
}

/** `files`: by path in the folder; text and bytes as they are, anything else as JSON. */
export function tinyFolder(vocab: number, files: Readonly<Record<string, unknown>>): TinyFolder {
  const path = mkdtempSync(join(tmpdir(), "tiny-"));
  const config = {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: vocab,
    hidden_size: HIDDEN,
    intermediate_size: HIDDEN,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    max_position_embeddings: 512,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: true,
    bos_token_id: 1,
    eos_token_id: 2,
  };
  const all: Record<string, unknown> = { "config.json": config, "model.safetensors": weights(vocab), ...files };
  for (const [name, content] of Object.entries(all)) {
    const asIs = typeof content === "string" || content instanceof Uint8Array;
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), asIs ? content : JSON.stringify(content));
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

function weights(vocab: number): Uint8Array {
  const layer = "model.layers.0.";
  const shapes: Record<string, number[]> = {
    "model.embed_tokens.weight": [vocab, HIDDEN],
    "model.norm.weight": [HIDDEN],
    [`${layer}input_layernorm.weight`]: [HIDDEN],
    [`${layer}post_attention_layernorm.weight`]: [HIDDEN],
    [`${layer}self_attn.q_proj.weight`]: [HIDDEN, HIDDEN],
    [`${layer}self_attn.k_proj.weight`]: [HIDDEN / 2, HIDDEN],
    [`${layer}self_attn.v_proj.weight`]: [HIDDEN / 2, HIDDEN],
    [`${layer}self_attn.o_proj.weight`]: [HIDDEN, HIDDEN],
    [`${layer}mlp.gate_proj.weight`]: [HIDDEN, HIDDEN],
    [`${layer}mlp.up_proj.weight`]: [HIDDEN, HIDDEN],
    [`${layer}mlp.down_proj.weight`]: [HIDDEN, HIDDEN],
  };
  return writeSafetensors(
    Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => {
        const count = shape.reduce((product, size) => product * size, 1);
        const data = Float32Array.from({ length: count }, (_, i) => Math.sin(i * 7) / 8);
        return [name, { dtype: "F32", shape, data: new Uint8Array(data.buffer) }];
      }),
    ),
  );
}
