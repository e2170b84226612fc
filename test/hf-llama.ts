/** A GGUF file's tensors as `LlamaForCausalLM` and `MixtralForCausalLM` store them. */
import type { Tensor, Tensors } from "./layouts.ts";

const MODEL_NAMES: Record<string, string> = {
  token_embd: "model.embed_tokens",
  output_norm: "model.norm",
  output: "lm_head",
};
const LAYER_NAMES: Record<string, string> = {
  attn_norm: "input_layernorm",
  ffn_norm: "post_attention_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
  ffn_gate_inp: "block_sparse_moe.gate",
};
const EXPERT_NAMES: Record<string, string> = { gate: "w1", up: "w3", down: "w2" };

export function llamaTensors(gguf: Tensors, config: { readonly head_dim: number }): Map<string, Tensor> {
  const hf = new Map<string, Tensor>();
  for (const [name, tensor] of gguf) {
    const [, layer, part, end] = /^(?:blk\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name)!;
    const [, kind] = /^ffn_(gate|up|down)_exps$/.exec(part) ?? [];
    if (layer === undefined) {
      if (part in MODEL_NAMES) hf.set(`${MODEL_NAMES[part]}.${end}`, tensor); // rope_freqs is GGUF's own: HF derives it
    } else if (kind === undefined) {
      const rotated = part === "attn_q" || part === "attn_k";
      const stored = rotated ? halved(tensor, config.head_dim) : tensor;
      hf.set(`model.layers.${layer}.${LAYER_NAMES[part]}.${end}`, stored);
    } else {
      const prefix = `model.layers.${layer}.block_sparse_moe.experts.`;
      for (const [expert, matrix] of expertsOf(tensor).entries()) {
        hf.set(`${prefix}${expert}.${EXPERT_NAMES[kind]}.weight`, matrix);
      }
    }
  }
  return hf;
}

/** The matrices of [experts, out, in]. */
export function expertsOf({ shape: [count, out, cols], data }: Tensor): Tensor[] {
  return Array.from({ length: count }, (_, expert) => ({
    shape: [out, cols],
    data: data.subarray(expert * out * cols, (expert + 1) * out * cols),
  }));
}

/** Within each head the even rows, then the odd ones. */
function halved({ shape, data }: Tensor, headSize: number): Tensor {
  const width = data.length / shape[0];
  const out = new Float32Array(data.length);
  for (let row = 0; row < shape[0]; row++) {
    const place = row % headSize;
    const from = place < headSize / 2 ? 2 * place : 2 * (place - headSize / 2) + 1;
    out.set(data.subarray((row - place + from) * width, (row - place + from + 1) * width), row * width);
  }
  return { shape, data: out };
}
