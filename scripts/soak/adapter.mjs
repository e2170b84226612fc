import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A small adapter of one matrix, as PEFT writes it: `folder/adapter`. */
export function writeAdapter(folder, { hidden, heads, headSize }, random) {
  const to = join(folder, "adapter");
  mkdirSync(to);
  writeFileSync(join(to, "adapter_config.json"), JSON.stringify({ peft_type: "LORA", r: 1, lora_alpha: 1 }));
  const sizes = [hidden, heads * headSize];
  const values = Float32Array.from({ length: sizes[0] + sizes[1] }, () => (random.below(2001) - 1000) / 20000);
  const name = "base_model.model.model.layers.0.self_attn.q_proj.lora_";
  const header = JSON.stringify({
    [`${name}A.weight`]: { dtype: "F32", shape: [1, sizes[0]], data_offsets: [0, 4 * sizes[0]] },
    [`${name}B.weight`]: { dtype: "F32", shape: [sizes[1], 1], data_offsets: [4 * sizes[0], 4 * values.length] },
  });
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(
    join(to, "adapter_model.safetensors"),
    Buffer.concat([length, Buffer.from(header), Buffer.from(values.buffer)]),
  );
  return to;
}
