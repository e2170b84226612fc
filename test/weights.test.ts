import { describe, expect, test } from "vitest";
import type { Checkpoint, StoredTensor } from "../src/checkpoint/checkpoint.ts";
import { EngineError } from "../src/error.ts";
import { type ModelConfig, type RopeScaling, readConfig } from "../src/model/config/config.ts";
import { type CreateConfig, randomModelCheckpoint } from "../src/model/config/random.ts";
import { ropeDivisors, ropeFrequencies } from "../src/model/config/rope.ts";
import { type FeedForward, type Matrix, mapWeights } from "../src/model/plan/weights.ts";
import type { StoredType } from "../src/weight-types.ts";

// Every width is another number, so that a transposition cannot pass.
const [VOCAB, HIDDEN, WIDTH, DENSE, HEADS, KV, SIZE, EXPERTS] = [50, 12, 5, 7, 4, 2, 6, 3];

const CONFIG: ModelConfig = {
  ...{ architecture: "llama4", vocab: VOCAB, hidden: HIDDEN, heads: HEADS, kvHeads: KV, headSize: SIZE },
  ...{ attentionBias: false, feedForwardBias: false },
  ...{ denseWidth: DENSE, expertWidth: WIDTH, experts: EXPERTS, expertsUsed: 1, router: "sigmoid", sharedExpert: true },
  ...{ chunk: 8, normEps: 1e-5, ropeTheta: 500000, ropeScaling: null, temperatureFloor: 8, temperatureScale: 0.1 },
  ...{ context: 64, tiedEmbeddings: false, bos: null, eos: [] },
  layers: [false, true].map((moe) => ({ rope: true, chunked: true, qkNorm: true, temperature: false, moe })),
};

type Shapes = Record<string, number[]>;

const attention = (prefix: string, names: string[]): Shapes => ({
  [`${prefix}${names[0]}.weight`]: [HIDDEN],
  [`${prefix}${names[1]}.weight`]: [HEADS * SIZE, HIDDEN],
  [`${prefix}${names[2]}.weight`]: [KV * SIZE, HIDDEN],
  [`${prefix}${names[3]}.weight`]: [KV * SIZE, HIDDEN],
  [`${prefix}${names[4]}.weight`]: [HIDDEN, HEADS * SIZE],
  [`${prefix}${names[5]}.weight`]: [HIDDEN],
});

const feedForward = (name: (part: string) => string, width: number): Shapes => ({
  [name("gate")]: [width, HIDDEN],
  [name("up")]: [width, HIDDEN],
  [name("down")]: [HIDDEN, width],
});

const GGUF_LAYER = ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm"];
const GGUF: Shapes = {
  "token_embd.weight": [VOCAB, HIDDEN],
  "output_norm.weight": [HIDDEN],
  "output.weight": [VOCAB, HIDDEN],
  "rope_freqs.weight": [SIZE / 2],
  ...attention("blk.0.", GGUF_LAYER),
  ...feedForward((part) => `blk.0.ffn_${part}.weight`, DENSE),
  ...attention("blk.1.", GGUF_LAYER),
  "blk.1.ffn_gate_inp.weight": [EXPERTS, HIDDEN],
  "blk.1.ffn_gate_exps.weight": [EXPERTS, WIDTH, HIDDEN],
  "blk.1.ffn_up_exps.weight": [EXPERTS, WIDTH, HIDDEN],
  "blk.1.ffn_down_exps.weight": [EXPERTS, HIDDEN, WIDTH],
  ...feedForward((part) => `blk.1.ffn_${part}_shexp.weight`, WIDTH),
};

const HF_LAYER = ["q", "k", "v", "o"].map((name) => `self_attn.${name}_proj`);
const hfAttention = (layer: number) =>
  attention(`model.layers.${layer}.`, ["input_layernorm", ...HF_LAYER, "post_attention_layernorm"]);
const MIXTURE = "model.layers.1.feed_forward.";
const HF_COMMON: Shapes = {
  "model.embed_tokens.weight": [VOCAB, HIDDEN],
  "model.norm.weight": [HIDDEN],
  "lm_head.weight": [VOCAB, HIDDEN],
  ...hfAttention(0),
  ...feedForward((part) => `model.layers.0.feed_forward.${part}_proj.weight`, DENSE),
  ...hfAttention(1),
  [`${MIXTURE}router.weight`]: [EXPERTS, HIDDEN],
  ...feedForward((part) => `${MIXTURE}shared_expert.${part}_proj.weight`, WIDTH),
};
const FUSED: Shapes = {
  ...HF_COMMON,
  [`${MIXTURE}experts.gate_up_proj`]: [EXPERTS, HIDDEN, 2 * WIDTH],
  [`${MIXTURE}experts.down_proj`]: [EXPERTS, WIDTH, HIDDEN],
};
const SINGLE: Shapes = Object.assign(
  { ...HF_COMMON },
  ...[0, 1, 2].map((e) => feedForward((part) => `${MIXTURE}experts.${e}.${part}_proj.weight`, WIDTH)),
);

function checkpoint(format: Checkpoint["format"], shapes: Shapes, type: StoredType = "f32"): Checkpoint {
  const tensors = Object.entries(shapes).map(
    ([name, shape]) => [name, { name, type, shape } as unknown as StoredTensor] as const,
  );
  const empty = { metadata: new Map(), json: new Map(), chatTemplate: undefined, warnings: [] };
  return { format, name: "tiny", tensors: new Map(tensors), ...empty, close: async () => {} };
}

const map = (format: Checkpoint["format"], shapes: Shapes, config = CONFIG, type: StoredType = "f32") =>
  mapWeights(checkpoint(format, shapes, type), config);

function fault(run: () => unknown): EngineError {
  try {
    run();
  } catch (error) {
    if (error instanceof EngineError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

/** The index tuple, outermost first, of the element that stands for (output, input). */
function element(matrix: Matrix, output: number, input: number): number[] {
  let flat = matrix.start + output * matrix.outputStride + input * matrix.inputStride;
  const tuple: number[] = [];
  for (const size of [...matrix.stored.shape].reverse()) {
    tuple.unshift(flat % size);
    flat = Math.floor(flat / size);
  }
  expect(flat).toBe(0);
  return tuple;
}

/** What is asked for, without where it is stored. */
function roles(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(roles);
  if (typeof value !== "object" || value === null) return value;
  if ("cols" in value) return { ...value, stored: 0, start: 0, outputStride: 0, inputStride: 0 };
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, key === "stored" ? 0 : roles(inner)]));
}

describe("mapWeights", () => {
  test("GGUF, fused HF and linearised HF name the same weights", () => {
    const gguf = map("gguf", { ...GGUF }).weights;
    expect(gguf.ropeDivisors?.length).toBe(SIZE / 2);
    const plain = roles({ ...gguf, ropeDivisors: null });
    expect(roles(map("safetensors", FUSED).weights)).toEqual(plain);
    expect(roles(map("safetensors", SINGLE).weights)).toEqual(plain);
    expect(gguf.layers[1]?.experts[2]?.gate.name).toBe("layers.1.experts.gate.2");
  });

  test("fused experts are addressed input-major, gate before up", () => {
    const expert = map("safetensors", FUSED).weights.layers[1]?.experts[2] as FeedForward;
    expect(element(expert.gate, 4, 11)).toEqual([2, 11, 4]);
    expect(element(expert.up, 4, 11)).toEqual([2, 11, WIDTH + 4]);
    expect(element(expert.down, 11, 4)).toEqual([2, 4, 11]);
    expect([expert.down.rows, expert.down.cols]).toEqual([HIDDEN, WIDTH]);
  });

  test("GGUF experts are addressed output-major", () => {
    const expert = map("gguf", GGUF).weights.layers[1]?.experts[2] as FeedForward;
    expect(element(expert.up, 4, 11)).toEqual([2, 4, 11]);
    expect(element(expert.down, 11, 4)).toEqual([2, 11, 4]);
  });

  test("linearised experts are tensors of their own", () => {
    const expert = map("safetensors", SINGLE).weights.layers[1]?.experts[2] as FeedForward;
    expect(expert.up.stored.name).toBe(`${MIXTURE}experts.2.up_proj.weight`);
    expect(element(expert.up, 4, 11)).toEqual([4, 11]);
  });

  test("the router is f32 in memory whatever is stored, the rest keeps its type", () => {
    const { layers, embedding } = map("safetensors", FUSED, CONFIG, "bf16").weights;
    expect([layers[1]?.router?.type, layers[1]?.router?.stored.type, embedding.type]).toEqual(["f32", "bf16", "bf16"]);
  });

  test.each(["language_model.", "model.language_model."])("names nested under %s are found", (prefix) => {
    const nested = Object.entries(FUSED).map(([name, shape]) => {
      const bare = prefix === "language_model." ? name : name.replace(/^model\./, "");
      return [name.startsWith("lm_head") && prefix !== "language_model." ? name : prefix + bare, shape];
    });
    expect(roles(map("safetensors", Object.fromEntries(nested)).weights)).toEqual(
      roles(map("safetensors", FUSED).weights),
    );
  });

  test("vision tensors are left out with a warning, computed tables silently", () => {
    const vision = { "vision_model.class_embedding": [9], "multi_modal_projector.linear_1.weight": [9, 9] };
    const { warnings } = map("safetensors", { ...FUSED, ...vision, "model.rotary_emb.inv_freq": [3] });
    expect(warnings).toEqual(["2 vision tensors are left out: the model reads text only"]);
    expect(map("gguf", { ...GGUF, "v.patch_embd.weight": [9], "mm.model.fc.weight": [9] }).warnings).toHaveLength(1);
  });

  test("tied embeddings have no output; one that is stored all the same is named", () => {
    const tied = { ...CONFIG, tiedEmbeddings: true };
    const { "lm_head.weight": _, ...rest } = FUSED;
    expect(map("safetensors", rest, tied)).toMatchObject({ weights: { output: null }, warnings: [] });
    expect(map("safetensors", FUSED, tied).warnings.join()).toMatch(/lm_head\.weight/);
    expect(fault(() => map("safetensors", rest)).at?.field).toBe("lm_head.weight");
  });

  test("a model without shared expert asks for none", () => {
    const rest = Object.fromEntries(Object.entries(GGUF).filter(([name]) => !name.includes("shexp")));
    expect(map("gguf", rest, { ...CONFIG, sharedExpert: false }).weights.layers[1]?.shared).toBeNull();
    expect(fault(() => map("gguf", rest)).message).toMatch(/missing tensors: 3 .*ffn_gate_shexp/);
  });

  test.each(Object.keys(GGUF))("a wrong shape of %s is MODEL_TENSOR with both shapes", (name) => {
    const shape = GGUF[name]!;
    for (const wrong of [shape.map((size) => size + 1), [...shape, 2], shape.toReversed()]) {
      if (wrong.join() === shape.join()) continue;
      const error = fault(() => map("gguf", { ...GGUF, [name]: wrong }));
      expect([error.code, error.at?.field, error.limit, error.actual]).toEqual([
        "MODEL_TENSOR",
        name,
        `[${shape.join(", ")}]`,
        `[${wrong.join(", ")}]`,
      ]);
    }
  });

  test("axes of length 1 are taken away, wherever they stand, with one warning", () => {
    const stretched = Object.fromEntries(Object.entries(GGUF).map(([name, shape]) => [name, [1, ...shape, 1, 1]]));
    const { weights, warnings } = map("gguf", stretched);
    expect(roles(weights)).toEqual(roles(map("gguf", GGUF).weights));
    expect(warnings).toEqual([expect.stringContaining("further axes of length 1")]);
  });

  test("a weight of a type that cannot be read is named with it, another tensor is not missed", () => {
    const { "output_norm.weight": _, ...rest } = GGUF;
    const unread = (name: string) => new Map([[name, "F64"]]);
    const error = fault(() =>
      mapWeights({ ...checkpoint("gguf", rest), unread: unread("output_norm.weight") }, CONFIG),
    );
    expect([error.code, error.at?.field, error.actual]).toEqual(["MODEL_TENSOR", "output_norm.weight", "F64"]);
    expect(mapWeights({ ...checkpoint("gguf", GGUF), unread: unread("buffer") }, CONFIG).warnings).toEqual([]);
  });

  test.each([
    ["rope_freqs.weight", CONFIG],
    ["blk.0.attn_q.bias", { ...CONFIG, attentionBias: true }],
    ["blk.1.ffn_gate_inp.weight", CONFIG],
  ])("%s, which some models lack, is not taken for absent because its type cannot be read", (name, config) => {
    const { [name]: _, ...rest } = GGUF;
    const error = fault(() => mapWeights({ ...checkpoint("gguf", rest), unread: new Map([[name, "IQ2_S"]]) }, config));
    expect([error.code, error.at?.field, error.actual]).toEqual(["MODEL_TENSOR", name, "IQ2_S"]);
  });

  test.each(Object.keys(FUSED))("a missing %s is MODEL_TENSOR", (name) => {
    const { [name]: shape, ...rest } = FUSED;
    const error = fault(() => map("safetensors", rest));
    expect([error.code, error.at?.field, error.limit]).toEqual(["MODEL_TENSOR", name, `[${shape?.join(", ")}]`]);
  });

  test("of many missing tensors the first are named and all counted", () => {
    const rest = Object.fromEntries(Object.entries(GGUF).filter(([name]) => !name.startsWith("blk.0")));
    const { message } = fault(() => map("gguf", rest));
    expect(message).toMatch(
      /missing tensors: 9 \("blk\.0\.attn_norm\.weight", .*, \.\.\.\), got nothing, expected \[12\]/,
    );
  });

  test("a configuration that asks for millions of tensors is refused at the first hundred", () => {
    const layers = Array.from({ length: 512 }, () => CONFIG.layers[1]!);
    const { message } = fault(() => map("safetensors", FUSED, { ...CONFIG, layers, experts: 1024 }));
    expect(message).toMatch(/MODEL_TENSOR/);
    expect(fault(() => map("safetensors", {}, { ...CONFIG, layers })).message).toMatch(/at least 100/);
  });

  test("tensors without a place in the model are MODEL_TENSOR, under the file's own names", () => {
    const error = fault(() => map("gguf", { ...GGUF, "blk.0.attn_q.bias": [24] }));
    expect([error.code, error.at?.field]).toEqual(["MODEL_TENSOR", "blk.0.attn_q.bias"]);
    expect(fault(() => map("safetensors", { ...FUSED, "language_model.x": [1] })).at?.field).toBe("language_model.x");
    const twice = { ...FUSED, "language_model.lm_head.weight": [VOCAB, HIDDEN] };
    expect(fault(() => map("safetensors", twice)).message).toMatch(/"lm_head\.weight"/);
  });

  test("rope divisors of a file beside a scaling of its keys would be one too many", () => {
    const scaled = { ...CONFIG, ropeScaling: { type: "linear" as const, factor: 2 } };
    expect(fault(() => map("gguf", GGUF, scaled)).message).toMatch(/unknown tensors: 1 \("rope_freqs\.weight"\)/);
  });

  test("only rows of q and k, and only in folders of Llama's kind, are halves of heads", () => {
    const llama = { ...CONFIG, architecture: "llama" as const, layers: [CONFIG.layers[0]!], attentionBias: true };
    const rename = (name: string) => name.replace("feed_forward.", "mlp.");
    const first = Object.entries(FUSED).filter(([name]) => !name.includes("layers.1"));
    const biases = Object.entries({ q: HEADS * SIZE, k: KV * SIZE, v: KV * SIZE, o: HIDDEN }).map(
      ([part, rows]) => [`model.layers.0.self_attn.${part}_proj.bias`, [rows]] as const,
    );
    const shapes = Object.fromEntries([...first.map(([name, shape]) => [rename(name), shape] as const), ...biases]);
    const halves = (format: "gguf" | "safetensors", from: Shapes) => {
      const { q, k, v, o } = map(format, from, llama).weights.layers[0]!;
      return [q, k, v, o].flatMap((matrix) => [matrix.halvedHead, matrix.bias?.halvedHead]);
    };
    expect(halves("safetensors", shapes)).toEqual([SIZE, SIZE, SIZE, SIZE, 0, 0, 0, 0]);
    const gguf = Object.fromEntries(Object.entries(GGUF).filter(([name]) => !name.startsWith("blk.1")));
    const biased = { ...gguf, "blk.0.attn_q.bias": [HEADS * SIZE], "blk.0.attn_k.bias": [KV * SIZE] };
    expect(halves("gguf", biased)).toEqual([0, 0, 0, 0, 0, undefined, 0, undefined]);
  });

  test.each<StoredType>(["q8_0", "f8_e4m3"])("a vector stored as %s is refused, not read as f16", (type) => {
    const shapes = { "token_embd.weight": [VOCAB, 32], "output.weight": [VOCAB, 32], "output_norm.weight": [32] };
    const file = checkpoint("gguf", shapes);
    const norm = file.tensors.get("output_norm.weight")!;
    (file.tensors as Map<string, StoredTensor>).set(norm.name, { ...norm, type });
    const error = fault(() => mapWeights(file, { ...CONFIG, hidden: 32, layers: [] }));
    expect([error.code, error.at?.field, error.actual]).toEqual(["MODEL_TENSOR", "output_norm.weight", type]);
  });

  test("quantised rows that do not end with a block are refused", () => {
    expect(fault(() => map("gguf", GGUF, CONFIG, "q8_0")).message).toMatch(/a multiple of 32/);
  });
});

describe("randomModelCheckpoint", () => {
  /** A mixture on every fourth layer, top-2 by softmax. */
  const original: CreateConfig = {
    ...{ vocab_size: 260, hidden_size: 768, intermediate_size: 2048, num_hidden_layers: 12, num_attention_heads: 12 },
    ...{ num_key_value_heads: 4, num_local_experts: 4, num_experts_per_tok: 2, interleave_moe_layer_step: 4 },
    router: "softmax",
  };

  test.each<StoredType>(["f32", "q4_0"])("a softmax mixture on every fourth layer is a whole model in %s", (type) => {
    const file = randomModelCheckpoint(original, 7, type);
    const { config } = readConfig(file);
    expect(config).toMatchObject({ heads: 12, kvHeads: 4, headSize: 64, denseWidth: 2048, bos: 256, eos: [257] });
    expect(config).toMatchObject({ experts: 4, expertsUsed: 2, router: "softmax", sharedExpert: false });
    expect(config.layers.flatMap((layer, index) => (layer.moe ? [index] : []))).toEqual([3, 7, 11]);
    const { weights, warnings } = mapWeights(file, config);
    expect(warnings).toEqual([]);
    expect(weights.layers[3]?.experts[3]?.down).toMatchObject({ rows: 768, cols: 2048, type });
    expect(weights.layers[3]?.router).toMatchObject({ type: "f32", stored: { type: "f32" } });
    expect(weights.layers[3]?.shared).toBeNull();
  });

  test("a shared expert, tied embeddings and a fully dense model come when asked for", () => {
    const file = randomModelCheckpoint({ ...original, shared_expert: true, tie_word_embeddings: true }, 7, "bf16");
    const { weights } = mapWeights(file, readConfig(file).config);
    expect([weights.layers[3]?.shared?.gate.rows, weights.output]).toEqual([2048, null]);
    const dense = { ...original, moe_layers: [], num_local_experts: undefined, shared_expert: undefined };
    const flat = randomModelCheckpoint(dense, 7, "bf16");
    expect(mapWeights(flat, readConfig(flat).config).weights.layers[3]?.experts).toEqual([]);
  });

  test.each<[string, string, Record<string, unknown>]>([
    ["CONFIG_RANGE", "/hidden_size", { hidden_size: 780, head_dim: 64 }],
    ["CONFIG_RANGE", "/intermediate_size", { intermediate_size: 100, intermediate_size_mlp: 128 }],
    ["CONFIG_RANGE", "/intermediate_size_mlp", { intermediate_size_mlp: 100 }],
    ["CONFIG_RANGE", "/head_dim", { head_dim: 6 }],
    ["CONFIG_RANGE", "/num_hidden_layers", { num_hidden_layers: 0 }],
    ["CONFIG_RANGE", "/tie_word_embeddings", { tie_word_embeddings: "yes" }],
    ["CONFIG_MISSING", "/num_local_experts", { num_local_experts: undefined }],
    ["CONFIG_UNSUPPORTED", "/num_expert_per_tok", { num_expert_per_tok: 2 }],
    ["MODEL_TOO_LARGE", "/hidden_size", { hidden_size: 2 ** 31, head_dim: 64 }],
  ])("%s at %s for %j", (code, field, changes) => {
    const error = fault(() => randomModelCheckpoint({ ...original, ...changes } as CreateConfig, 7, "q8_0"));
    expect([error.code, error.at?.source, error.at?.field]).toEqual([code, "option", field]);
  });

  test("an unknown type and a missing configuration are typed errors", () => {
    expect(fault(() => randomModelCheckpoint(original, 7, "iq1_s" as StoredType)).at?.field).toBe("type");
    expect(fault(() => randomModelCheckpoint(null as never, 7, "f32")).code).toBe("REQ_PARAM");
  });
});

describe("rope", () => {
  const scout = { type: "llama3" as const, factor: 16, lowFrequency: 1, highFrequency: 1, originalContext: 64 };
  const smooth = { type: "llama3" as const, factor: 8, lowFrequency: 1, highFrequency: 4, originalContext: 64 };
  const rope = (headSize: number, ropeScaling: RopeScaling | null, ropeTheta = 500000): ModelConfig => ({
    ...CONFIG,
    ...{ headSize, ropeScaling, ropeTheta: Math.fround(ropeTheta) },
  });

  test("divisors have the bits that converters store: smooth branch, and Scout's branch without middle", () => {
    // `rope_freqs.weight` of golden text-c-top2 and text-a-scout
    expect(ropeDivisors(rope(12, smooth))).toEqual(Float32Array.of(1, 5.995034217834473, 8, 8, 8, 8));
    expect(ropeDivisors(rope(12, scout))).toEqual(Float32Array.of(1, 1, 16, 16, 16, 16));
    expect(ropeDivisors(rope(12, null))).toBeNull();
  });

  test("the released Scout scales 29 of 64 pairs by 16", () => {
    const divisors = ropeDivisors(rope(128, { ...scout, originalContext: 8192 })) ?? [];
    expect([...divisors]).toEqual([...Array(35).fill(1), ...Array(29).fill(16)]);
  });

  test("frequencies are within 1 ulp of f32 of the power, for every theta and head size", () => {
    const bits = (value: number) => new Int32Array(Float32Array.of(value).buffer)[0]!;
    for (const theta of [1, 1.5, 100, 10000, 500000, 1e6, 12345.678, 3e38]) {
      for (const size of [2, 12, 64, 128, 254]) {
        const config = rope(size, null, theta);
        const found = ropeFrequencies(config, null);
        const far = [...found].map((value, pair) => bits(value) - bits(config.ropeTheta ** ((-2 * pair) / size)));
        expect(found[0]).toBe(1);
        expect(Math.max(...far.map(Math.abs))).toBeLessThanOrEqual(1);
      }
    }
  });

  test("frequencies are the powers rounded to f32, on every engine", () => {
    // 500000^(-j/6), computed with 50 digits.
    const rounded = ["3f800000", "3de5e157", "3c4e6ceb", "3ab95d22", "39267379", "379577cf"];
    const found = ropeFrequencies(rope(12, null), null);
    expect([...new Uint32Array(found.buffer)].map((word) => word.toString(16))).toEqual(rounded);
  });

  test("a frequency is divided once, by a divisor in f32", () => {
    const config = rope(12, smooth);
    const scaled = ropeFrequencies(config, ropeDivisors(config));
    const plain = ropeFrequencies(config, null);
    expect([scaled[0], scaled[5]]).toEqual([plain[0], plain[5]! / 8]);
  });

  test.each([[[1, 1]], [[1, 1, 1, 1, 1, 0]], [[1, 1, 1, 1, 1, Number.NaN]], [[1, 1, 1, 1, 1, Infinity]]])(
    "divisors %j from a file are CONFIG_ROPE",
    (divisors) => {
      expect(fault(() => ropeFrequencies(rope(12, null), Float32Array.from(divisors))).code).toBe("CONFIG_ROPE");
    },
  );
});
