import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Checkpoint, MetadataValue, StoredTensor } from "../dist/src/checkpoint/checkpoint.js";
import { openCheckpoint } from "../dist/src/checkpoint/open.js";
import { classOf } from "../dist/src/engine/tensor-classes.js";
import { inspect } from "../dist/src/index.js";
import { randomModelCheckpoint } from "../dist/src/model/config/random.js";
import { MODEL } from "./runtimes.ts";

/** What `inspect` says of files, whole and odd. */

/** The storyteller with other metadata; a value of undefined takes the key away. Reading a tensor fails. */
async function changed(metadata: Record<string, MetadataValue | undefined>): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(MODEL);
  await checkpoint.close(); // whoever reads weights hears of it
  const all = new Map(checkpoint.metadata);
  for (const [key, value] of Object.entries(metadata)) {
    if (value === undefined) all.delete(key);
    else all.set(key, value);
  }
  return { ...checkpoint, metadata: all, close: async () => {} };
}

describe("the storyteller", () => {
  it("has its tensors summed by class and type, without one being read", async () => {
    const { classes, tensors, fileBytes, parameters } = await inspect(await changed({}));
    const rows = classes.map(({ class: name, type, tensors: count }) => [name, type, count]);
    // 8 layers, 4 of them mixtures of stacked experts with a shared one; two norms a layer and the last.
    expect(rows).toEqual([
      ["embedding", "q8_0", 1],
      ["norms", "f32", 17],
      ["attention", "q8_0", 32],
      ["dense feed-forward", "q8_0", 12],
      ["router", "f32", 4],
      ["shared expert", "q8_0", 12],
      ["experts", "q8_0", 12],
      ["output", "q8_0", 1],
    ]);
    const sum = (field: "tensors" | "elements" | "bytes") => classes.reduce((total, one) => total + one[field], 0);
    expect([sum("tensors"), sum("elements"), sum("bytes")]).toEqual([tensors.length, parameters.total, fileBytes]);
  });

  it("has its tokenizer, its control tokens and its template told, and no warning", async () => {
    const { tokenizer, template, warnings, memory } = await inspect(MODEL);
    const checkpoint = await openCheckpoint(MODEL);
    const source = checkpoint.metadata.get("tokenizer.chat_template") as string;
    await checkpoint.close();
    expect(tokenizer).toMatchObject({
      kind: "gpt2",
      rule: "llama4",
      size: 2048,
      bos: { id: 2041, name: "<|begin_of_text|>" },
      addBos: true,
      special: { count: 7 },
    });
    expect(tokenizer!.stop.map(({ name }) => name)).toEqual(["<|end_of_text|>", "<|eom|>", "<|eot|>"]);
    expect(tokenizer!.special.known.map(({ id }) => id)).toEqual([2041, 2042, 2043, 2044, 2045, 2046, 2047]);
    expect(template).toEqual({
      sha256: createHash("sha256").update(source).digest("hex"),
      characters: source.length,
      family: "Llama 4",
    });
    expect(warnings).toEqual([]);
    expect(memory.weights + memory.cache + memory.activations).toBe(memory.total);
    // 8,192 positions and 64 spare pages of 64: one and a half times eight times 1,024.
    expect(memory.cache).toBe(12 * (memory.cachePer1024.f32.full + memory.cachePer1024.f32.chunked));
  });
});

describe("odd files", () => {
  it.each([
    ["an unknown rule", { "tokenizer.ggml.pre": "martian\u001b[31m" }, /^tokenizer: TOK_REGEX: .*martian\\u001b\[31m/],
    ["no tokenizer", { "tokenizer.ggml.tokens": undefined, "llama4.vocab_size": 2048 }, /^no tokenizer:/],
    ["a broken template", { "tokenizer.chat_template": "{% if %}" }, /^chat template: TPL_/],
    ["no template", { "tokenizer.chat_template": undefined }, /^no chat template: chats are refused$/],
    [
      "nothing that ends",
      { "tokenizer.ggml.eos_token_id": undefined, "tokenizer.ggml.eot_token_id": undefined },
      /eos/,
    ],
  ])("%s is a warning", async (_, metadata, expected) => {
    const { warnings, tokenizer, template } = await inspect(await changed(metadata));
    expect(warnings).toContainEqual(expect.stringMatching(expected));
    expect(tokenizer === null).toBe(/^\^(?:tokenizer|no tokenizer)/.test(expected.source));
    if (/template/.test(expected.source)) expect(template).toBeNull();
  });

  it("names of tokens are escaped and cut", async () => {
    const checkpoint = await openCheckpoint(MODEL);
    const tokens = [...(checkpoint.metadata.get("tokenizer.ggml.tokens") as string[])];
    await checkpoint.close();
    tokens[2041] = "\u001b]0;evil\u0007\u202e";
    tokens[2042] = "x".repeat(250);
    const { tokenizer } = await inspect(
      await changed({ "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.eos_token_id": 2042 }),
    );
    expect(tokenizer!.bos!.name).toBe("\\u001b]0;evil\\u0007\\u202e");
    expect(tokenizer!.stop.find(({ id }) => id === 2042)!.name).toBe(`${"x".repeat(125)}...`);
  });

  const scout = {
    vocab_size: 64,
    hidden_size: 32,
    intermediate_size: 32,
    num_hidden_layers: 4,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: 16,
    num_local_experts: 16,
    max_position_embeddings: 131072,
    rope_theta: 500000,
  };
  const scaling = (factor: number, high: number) => ({
    rope_type: "llama3",
    factor,
    low_freq_factor: 1,
    high_freq_factor: high,
    original_max_position_embeddings: 8192,
  });

  it("Scout's first rope scaling is warned of, in a configuration and as a tensor; the corrected one is not", async () => {
    const warned = async (checkpoint: Checkpoint) =>
      (await inspect(checkpoint)).warnings.filter((text) => text.startsWith("rope factors of"));
    const random = (config: object) => randomModelCheckpoint({ ...scout, ...config }, 1, "f32");
    const withTensor = (checkpoint: Checkpoint, factors: number[]): Checkpoint => {
      const bytes = new Uint8Array(Float32Array.from(factors).buffer);
      const read = async (_: number, into: Uint8Array) => into.set(bytes);
      const source = { name: "factors", size: bytes.length, read, close: async () => {} };
      const rest = { name: "rope_freqs.weight", type: "f32", shape: [factors.length], offset: 0 } as const;
      const tensor: StoredTensor = { ...rest, bytes: bytes.length, source };
      return { ...checkpoint, tensors: new Map([...checkpoint.tensors, [tensor.name, tensor]]) };
    };
    const plain = random({});
    expect(await warned(random({ rope_scaling: scaling(16, 1) }))).toEqual([]);
    expect(await warned(withTensor(plain, [1, 1, 1, 1, 1, 16, 16, 16]))).toEqual([]);
    expect(await warned(plain)).toEqual([]);
    expect(await warned(random({ rope_scaling: scaling(8, 4) }))).toHaveLength(1);
    expect(await warned(withTensor(plain, [1, 1, 1, 1, 1, 3.5, 8, 8]))).toEqual([
      expect.stringContaining("rope factors of 3.5"),
    ]);
    // Another model may scale as it likes.
    expect(await warned(random({ num_local_experts: 8, rope_scaling: scaling(8, 4) }))).toEqual([]);
  });
});

it("classes are told by the names of both formats", () => {
  const names = {
    embedding: ["token_embd.weight", "model.embed_tokens.weight", "language_model.model.embed_tokens.weight"],
    norms: ["blk.3.attn_norm.weight", "output_norm.weight", "model.layers.1.post_attention_layernorm.weight"],
    attention: ["blk.3.attn_output.weight", "blk.0.attn_q.bias", "model.layers.2.self_attn.o_proj.weight"],
    "dense feed-forward": [
      "blk.0.ffn_gate.weight",
      "model.layers.0.mlp.up_proj.weight",
      "x.feed_forward.down_proj.weight",
    ],
    router: ["blk.0.ffn_gate_inp.weight", "x.feed_forward.router.weight", "x.block_sparse_moe.gate.weight"],
    "shared expert": ["blk.0.ffn_up_shexp.weight", "x.feed_forward.shared_expert.up_proj.weight"],
    experts: ["blk.0.ffn_up_exps.weight", "blk.0.ffn_up.7.weight", "x.block_sparse_moe.experts.3.w1.weight"],
    output: ["output.weight", "lm_head.weight", "language_model.lm_head.weight"],
    "rope factors": ["rope_freqs.weight"],
    vision: [
      "vision_model.layernorm_post.weight",
      "model.vision_model.x",
      "v.blk.0.attn_q.weight",
      "mm.model.fc.weight",
    ],
    other: ["surprise"],
  };
  for (const [name, tensors] of Object.entries(names))
    for (const tensor of tensors) expect([tensor, classOf(tensor)]).toEqual([tensor, name]);
});
