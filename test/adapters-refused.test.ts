import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type CheckpointLike, loadModel } from "../dist/src/index.js";
import {
  baseModel,
  ggufAdapter,
  ggufPairs,
  modelsOfTests,
  peftFolder,
  peftTensors,
  randomAdapter,
} from "./adapters.ts";
import { errorOf } from "./error-code.ts";
import { textPair } from "./write-gguf.ts";
import type { SafeTensor } from "./write-safetensors.ts";

const load = modelsOfTests();

describe("refused by name", () => {
  const good = randomAdapter(41);
  const peft = (config: Record<string, unknown>) => (): string => peftFolder(good, config);
  const tensors = (change: (tensors: Record<string, SafeTensor>) => void) => (): string => {
    const all = peftTensors(good);
    change(all);
    return peftFolder(good, {}, all);
  };
  const Q = "base_model.model.model.layers.0.self_attn.q_proj.lora_";
  const moved = (to: string) =>
    tensors((all) => {
      all[`base_model.model.${to}`] = all[`${Q}A.weight`];
      delete all[`${Q}A.weight`];
    });
  const gguf = (...pairs: Uint8Array[]) => ggufAdapter(good, [], pairs);
  const [type, architecture, lora, alpha] = ggufPairs(good);
  const foreign = (sizes: number[]) =>
    tensors((all) => {
      all[`${Q}B.weight`] = f32Tensor(sizes);
    });
  const f32Tensor = (shape: number[], fill = 0) => ({
    dtype: "F32",
    shape,
    data: new Uint8Array(new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(fill).buffer),
  });
  const unsupported: Record<string, unknown>[] = [
    { use_dora: true },
    { bias: "all" },
    { bias: "lora_only" },
    { lora_bias: true },
    { modules_to_save: ["lm_head"] },
    { fan_in_fan_out: true },
    { layer_replication: [[0, 2]] },
    { trainable_token_indices: [1] },
    { target_parameters: ["experts.gate"] },
    { alora_invocation_tokens: [1, 2] },
    { use_qalora: true },
    { init_lora_weights: "pissa" },
    { init_lora_weights: "olora" },
    { peft_type: "LOHA" },
    { megatron_config: { a: 1 } },
    { something_new: "x" },
    { r: 0 },
    { r: 2.5 },
    { r: "8" },
    { lora_alpha: null },
    { lora_alpha: "16" },
    { use_rslora: "yes" },
    { rank_pattern: [1] },
    { rank_pattern: { q_proj: 0 } },
    { rank_pattern: { "(a+)+$": 4 } },
    { alpha_pattern: { q_proj: "4" } },
  ];
  it.each(unsupported.map((config) => [JSON.stringify(config), Object.keys(config)[0], config]))(
    "%s",
    async (_, field, config) => {
      const error = await errorOf(() =>
        load(baseModel(), { adapters: [{ source: peftFolder(good, config as never) }] }),
      );
      expect(error).toMatchObject({ code: "ADAPTER_CONFIG", at: { field: `/${field}` } });
    },
  );

  const cases: [string, () => CheckpointLike, string, RegExp][] = [
    ["another rank than promised", peft({ r: 5 }), "ADAPTER_TENSOR", /another rank.*got 4, expected 5/],
    ["another rank by pattern", peft({ rank_pattern: { q_proj: 7 } }), "ADAPTER_TENSOR", /got 4, expected 7/],
    ["outputs of another model", foreign([48, 4]), "ADAPTER_TENSOR", /got \[48, 4\], expected \[64, 4\]/],
    ["halves of two ranks", foreign([64, 3]), "ADAPTER_TENSOR", /got \[64, 3\], expected \[64, 4\]/],
    ["another number of axes", foreign([64, 4, 1]), "ADAPTER_TENSOR", /got \[64, 4, 1\]/],
    ["a lone half", tensors((all) => delete all[`${Q}B.weight`]), "ADAPTER_TENSOR", /other half is missing: lora_b/],
    ["no tensors", () => peftFolder(good, {}, {}), "ADAPTER_TENSOR", /no tensors/],
    ["a layer too many", moved("model.layers.3.self_attn.q_proj.lora_A.weight"), "ADAPTER_TENSOR", /has 3 layers/],
    ["an expert", moved("model.layers.0.block_sparse_moe.experts.0.w1.lora_A.weight"), "ADAPTER_TENSOR", /experts/],
    ["the output", moved("lm_head.lora_A.weight"), "ADAPTER_TENSOR", /embedding and the output/],
    ["the embedding", moved("model.embed_tokens.lora_embedding_A"), "ADAPTER_TENSOR", /not a tensor of LoRA/],
    [
      "a magnitude of DoRA",
      moved("model.layers.0.mlp.up_proj.lora_magnitude_vector"),
      "ADAPTER_TENSOR",
      /not a tensor/,
    ],
    ["a norm", moved("model.layers.0.input_layernorm.lora_A.weight"), "ADAPTER_TENSOR", /no such matrix/],
    [
      "two of one role",
      tensors((all) => {
        all[`${Q}A.default.weight`] = all[`${Q}A.weight`];
      }),
      "ADAPTER_TENSOR",
      /role of .* too/,
    ],
    [
      "integers",
      tensors((all) => {
        all[`${Q}A.weight`] = { dtype: "I32", shape: [4, 64], data: new Uint8Array(1024) };
      }),
      "ADAPTER_TENSOR",
      /I32/,
    ],
    [
      "NaN",
      tensors((all) => {
        all[`${Q}A.weight`] = f32Tensor([4, 64], Number.NaN);
      }),
      "WEIGHT_NONFINITE",
      /lora_A/,
    ],
    [
      "infinity",
      tensors((all) => {
        all[`${Q}B.weight`] = f32Tensor([64, 4], Number.POSITIVE_INFINITY);
      }),
      "WEIGHT_NONFINITE",
      /lora_B/,
    ],
    [
      "a scale that makes infinity",
      tensors((all) => {
        all[`${Q}B.weight`] = f32Tensor([64, 4], 3e38);
      }),
      "WEIGHT_NONFINITE",
      /lora_B/,
    ],
    ["a model of GGUF", () => gguf(architecture, lora, alpha), "ADAPTER_CONFIG", /general\.type/],
    [
      "another kind of GGUF",
      () => gguf(type, architecture, alpha, textPair("adapter.type", "ia3")),
      "ADAPTER_CONFIG",
      /ia3/,
    ],
    [
      "another architecture",
      () => gguf(type, textPair("general.architecture", "gemma"), lora, alpha),
      "ADAPTER_CONFIG",
      /gemma/,
    ],
    ["GGUF without alpha", () => gguf(type, architecture, lora), "ADAPTER_CONFIG", /alpha/],
    [
      "an activated adapter",
      () => gguf(type, architecture, lora, alpha, textPair("adapter.alora.invocation_tokens", "x")),
      "ADAPTER_CONFIG",
      /alora/,
    ],
    [
      "a folder without one",
      () => fileURLToPath(new URL(".", import.meta.url)),
      "ADAPTER_MISSING",
      /no adapter_config\.json/,
    ],
    ["a path that is none", () => "no/such/adapter.gguf", "FILE_MISSING", /no\/such/],
    ["a source that is none", () => 5 as never, "SOURCE_KIND", /source/],
  ];
  it.each(cases)("%s", async (_, source, code, message) => {
    const error = await errorOf(() => load(baseModel(), { adapters: [{ source: source() }] }));
    expect(error.code, error.message).toBe(code);
    expect(error.message).toMatch(message);
  });

  it("options that are none, names that two share, an adapter in place of a model", async () => {
    const source = ggufAdapter(good);
    const lists: [unknown, string, string][] = [
      [5, "OPTION_RANGE", "adapters"],
      [{ source }, "OPTION_RANGE", "adapters"],
      [[source], "REQ_PARAM", "adapters[0]"],
      [[{ source, scale: "1" }], "OPTION_RANGE", "adapters[0].scale"],
      [[{ source, scale: Number.NaN }], "OPTION_RANGE", "adapters[0].scale"],
      [[{ source, scale: 1e39 }], "OPTION_RANGE", "adapters[0].scale"],
      [[{ source, name: "" }], "OPTION_RANGE", "adapters[0].name"],
      [[{ source, name: 5 }], "REQ_PARAM", "adapters[0].name"],
      [[{ source, weight: 1 }], "REQ_UNSUPPORTED_PARAM", "weight"],
      [[{ source }, { source }], "OPTION_RANGE", "adapters[1].name"],
      [Array(65).fill({ source }), "OPTION_RANGE", "adapters"],
    ];
    for (const [adapters, code, field] of lists) {
      const error = await errorOf(() => load(baseModel(), { adapters: adapters as never }));
      expect(error).toMatchObject({ code, at: { field } });
    }
    expect(await errorOf(() => loadModel(source))).toMatchObject({ code: "ADAPTER_ALONE" });
    const model = await load(baseModel());
    expect(await errorOf(() => model.generate([1], { adapter: 0 }))).toMatchObject({ code: "REQ_PARAM" });
    expect(
      (await model.generate([1], { maxTokens: 8, temperature: 0, adapter: null }).result()).finishReason,
    ).toBeDefined();
  });

  it("an adapter of some layers is taken, and a warning says of how many", async () => {
    const part = { ...good, pairs: new Map([...good.pairs].filter(([place]) => place.startsWith("0."))) };
    const model = await load(baseModel(), { adapters: [{ source: ggufAdapter(part), name: "part" }] });
    expect(model.info.warnings).toContain('adapter "part" changes 1 of 3 layers');
  });
});
