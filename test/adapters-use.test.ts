/** Adapters as their users meet them: the example of the docs, the command line, what is in one. */
import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { createModel, inspect, inspectAdapter, loadModel } from "../dist/src/index.js";
import { baseModel, ggufAdapter, noise, peftFolder, randomAdapter } from "./adapters.ts";
import { run } from "./command-line.ts";
import { errorOf } from "./error-code.ts";
import { hash, idsOf } from "./resident.ts";
import { runToEnd } from "./runtimes.ts";
import { temporaryFolder } from "./temporary-folder.ts";
import type { SafeTensor } from "./write-safetensors.ts";

/** Of the bundled model: q and down of every layer. */
async function storytellerAdapter(seed: number): Promise<Record<string, SafeTensor>> {
  const { config } = await inspect(STORYTELLER);
  const { hidden, heads, headSize, denseWidth, layers } = config;
  const tensors: Record<string, SafeTensor> = {};
  const add = (name: string, shape: [number, number], of: number) => {
    const values = noise(seed + of, shape[0] * shape[1], 0.2);
    tensors[`base_model.model.${name}`] = { dtype: "F32", shape, data: new Uint8Array(values.buffer) };
  };
  for (const layer of layers.keys()) {
    const prefix = `model.layers.${layer}.`;
    const names = config.architecture === "llama4" ? "feed_forward" : "mlp";
    add(`${prefix}self_attn.q_proj.lora_A.weight`, [4, hidden], 4 * layer);
    add(`${prefix}self_attn.q_proj.lora_B.weight`, [heads * headSize, 4], 4 * layer + 1);
    if (layers[layer].moe) continue;
    add(`${prefix}${names}.down_proj.lora_A.weight`, [4, denseWidth], 4 * layer + 2);
    add(`${prefix}${names}.down_proj.lora_B.weight`, [hidden, 4], 4 * layer + 3);
  }
  return tensors;
}

const STORYTELLER = fileURLToPath(new URL("../models/storyteller-q8_0.gguf", import.meta.url));

it("the example of docs/generation.md runs", async () => {
  const text = readFileSync(new URL("../docs/generation.md", import.meta.url), "utf8");
  const [, code] = /## Adapters[\s\S]*?```js\n([\s\S]*?)```/.exec(text)!;
  const [pirate, bard] = [
    peftFolder(randomAdapter(1), {}, await storytellerAdapter(61)),
    peftFolder(randomAdapter(1), {}, await storytellerAdapter(62)),
  ];
  const file = join(temporaryFolder("adapters"), "example.mjs");
  const places = {
    wasmaverick: new URL("../dist/src/index.js", import.meta.url).href,
    "models/storyteller-q8_0.gguf": STORYTELLER,
  };
  const all = Object.entries({ ...places, "adapters/pirate": pirate, "adapters/bard.gguf": bard });
  writeFileSync(
    file,
    all.reduce((said, [name, path]) => said.replace(JSON.stringify(name), JSON.stringify(path)), code),
  );
  const { code: exit, out, err } = await runToEnd(process.execPath, [file], tmpdir());
  expect(exit, err).toBe(0);
  expect(out.length).toBeGreaterThan(60);
});

it("--lora runs with an adapter, and inspect says what it is", async () => {
  const path = peftFolder(randomAdapter(1), {}, await storytellerAdapter(61));
  const told = async (...more: string[]) => {
    const { code, stdout, stderr } = await run(
      "-p",
      "Once upon a time",
      "--max-tokens",
      "12",
      "--temperature",
      "0",
      ...more,
    );
    expect(code, stderr).toBe(0);
    return stdout;
  };
  const [plain, whole, none] = [await told(), await told("--lora", path), await told("--lora", `${path}:0`)];
  expect(whole).not.toBe(plain);
  expect(none).toBe(plain);
  const { code, stdout } = await run("inspect", path);
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /adapter +peft, LoRA, peft, .* of tensors\nbase model +base\nrank +4; alpha 8\nchanges +self_attn\.q_proj/,
  );
  expect((await run("-p", "x", "--lora", "")).code).toBe(2);
});

it("inspectAdapter says what is in either", async () => {
  const adapter = randomAdapter(51, { rank: 6, alpha: 3, modules: ["self_attn.q_proj", "mlp.up_proj"] });
  const parameters = 3 * 6 * (64 + 64 + 64 + 96);
  const same = { alpha: 3, ranks: [6], layers: 3, parameters, fileBytes: 4 * parameters, warnings: [] };
  expect(await inspectAdapter(peftFolder(adapter))).toEqual({
    ...same,
    name: "peft",
    format: "peft",
    base: "base",
    targets: ["self_attn.q_proj", "mlp.up_proj"],
  });
  expect(await inspectAdapter(ggufAdapter(adapter))).toEqual({
    ...same,
    name: "bytes",
    format: "gguf",
    base: "llama",
    targets: ["attn_q", "ffn_up"],
  });
});

it("a mixture takes adapters of attention and of its dense layers, those of experts are refused", async () => {
  const sizes = {
    hidden_size: 64,
    intermediate_size: 64,
    intermediate_size_mlp: 96,
    num_attention_heads: 4,
    head_dim: 16,
  };
  const config = {
    ...sizes,
    vocab_size: 300,
    num_hidden_layers: 3,
    num_key_value_heads: 2,
    interleave_moe_layer_step: 2,
  };
  const experts = { num_local_experts: 4, num_experts_per_tok: 2, shared_expert: true };
  const all = { ...config, ...experts, max_position_embeddings: 512, attention_chunk_size: 24 };
  const tensors: Record<string, SafeTensor> = {};
  const add = (layer: number, module: string, [rows, cols]: [number, number]) => {
    for (const [half, shape] of [
      ["A", [4, cols]],
      ["B", [rows, 4]],
    ] as const) {
      const values = noise(layer * 100 + rows + cols + (half === "A" ? 7 : 0), shape[0] * shape[1], 0.2);
      const name = `base_model.model.model.layers.${layer}.${module}.lora_${half}.weight`;
      tensors[name] = { dtype: "F32", shape: [...shape], data: new Uint8Array(values.buffer) };
    }
  };
  for (const layer of [0, 1, 2]) {
    add(layer, "self_attn.k_proj", [32, 64]);
    add(layer, "self_attn.o_proj", [64, 64]);
  }
  add(0, "feed_forward.gate_proj", [96, 64]);
  add(0, "feed_forward.down_proj", [64, 96]);
  const source = peftFolder(randomAdapter(1), {}, tensors);
  const ids = idsOf(70, 300, 8);
  for (const type of ["f32", "q8_0"] as const) {
    await using model = await createModel(all, { type, threads: 1, adapters: [{ source }] });
    await using bare = await createModel(all, { type, threads: 1 });
    const bits = async (one: typeof model, adapter?: null) => {
      await using session = one.session({ adapter });
      await session.sync(ids.slice(0, 31));
      await session.sync(ids);
      const logits = await session.logits();
      const traced = (await one.trace(ids, { taps: ["logits"], adapter }))["logits"].data as Float32Array;
      expect(hash(traced.slice(-300))).toBe(hash(logits));
      return hash(logits);
    };
    expect(await bits(model, null)).toBe(await bits(bare));
    expect(await bits(model)).not.toBe(await bits(bare));
    expect(model.info.adapters[0].targets).toEqual(["k", "o", "gate", "down"]);
  }
  add(1, "feed_forward.shared_expert.up_proj", [64, 64]);
  const refused = errorOf(() =>
    createModel(all, { adapters: [{ source: peftFolder(randomAdapter(1), {}, tensors) }] }),
  );
  expect(await refused).toMatchObject({ code: "ADAPTER_TENSOR", message: expect.stringContaining("experts") });
});

it("a prefix on disk is of one adapter: others, and none, do not begin with it", async () => {
  const adapters = [1, 2].map((seed) => ({ source: ggufAdapter(randomAdapter(70 + seed)), name: `${seed}` }));
  const load = () => loadModel(baseModel(), { threads: 1, adapters });
  const ids = idsOf(150, 300, 9);
  await using first = await load();
  await using second = await load();
  const path = join(temporaryFolder("prefix"), "one");
  expect(await first.cache.save(ids, path, { adapter: "2" })).toEqual({ positions: 128 });
  for (const adapter of ["1", null])
    expect(await errorOf(() => second.cache.load(path, { adapter }))).toMatchObject({ code: "PREFIX_MODEL" });
  await second.cache.load(path, { adapter: "2" });
  const answer = async (model: typeof first, adapter: string | null) =>
    await model.generate(ids, { maxTokens: 6, temperature: 0, logProbabilities: 2, adapter }).result();
  for (const [adapter, cached] of [
    ["2", 128],
    ["1", 0],
    [null, 0],
  ] as const) {
    const { usage, logProbabilities } = await answer(second, adapter);
    expect(usage.cachedTokens, `${adapter}`).toBe(cached);
    expect(logProbabilities).toEqual((await answer(first, adapter)).logProbabilities);
  }
  // Without an adapter it is of the plain model too.
  await using bare = await loadModel(baseModel(), { threads: 1 });
  const plain = `${path}-plain`;
  await first.cache.save(ids, plain, { adapter: null });
  expect(await bare.cache.load(plain)).toEqual({ positions: 128 });
});
