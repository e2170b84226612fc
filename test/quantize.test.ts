/**
 * quantize: a GGUF file of other types. Blocks are held to the reference in blocks-encode.test.ts; here it is the file around them.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { inspect, loadModel, quantize } from "../dist/src/index.js";
import type { Checkpoint, StoredTensor } from "../src/checkpoint/checkpoint.ts";
import { encode } from "../src/checkpoint/encode.ts";
import { openCheckpoint } from "../src/checkpoint/open.ts";
import { padding, writeHeader, writePair } from "../src/convert/gguf-writer.ts";
import { WEIGHT_TYPES } from "../src/weight-types.ts";
import { termsOf, valuesOf } from "./block-terms.ts";
import { codeOf } from "./error-code.ts";
import { goldenCase } from "./golden.ts";
import { hash } from "./resident.ts";
import { MODEL } from "./runtimes.ts";
import { type SafeTensor, writeSafetensors } from "./write-safetensors.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "quantize-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function bytesOf({ source, offset, bytes }: StoredTensor): Promise<Uint8Array> {
  const into = new Uint8Array(bytes);
  await source.read(offset, into);
  return into;
}

async function withCheckpoints<T>(paths: string[], use: (...opened: Checkpoint[]) => Promise<T>): Promise<T> {
  const opened = await Promise.all(paths.map((path) => openCheckpoint(path)));
  try {
    return await use(...opened);
  } finally {
    await Promise.all(opened.map((one) => one.close()));
  }
}

it("every q8_0 matrix becomes the reference's q4_0 blocks, the output q6_k; metadata, names, order and vectors stay", async () => {
  const target = join(folder, "q4_0.gguf");
  const seen: number[] = [];
  const done = await quantize(MODEL, target, {
    type: "q4_0",
    onProgress: ({ loaded, total }) => {
      seen.push(loaded);
      expect(loaded).toBeLessThanOrEqual(total);
    },
  });
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  expect(done.bytes).toBe(readFileSync(target).length);
  expect(seen.at(-1)).toBe(done.bytes);
  await withCheckpoints([MODEL, target], async (from, to) => {
    expect([...to.tensors.keys()]).toEqual([...from.tensors.keys()]);
    const changed = /^general\.(?:file_type|quantization_version|alignment)$/;
    for (const [key, value] of from.metadata)
      if (!changed.test(key)) expect([key, to.metadata.get(key)]).toEqual([key, value]);
    expect(to.metadata.get("general.file_type")).toBe(2);
    const types: Record<string, { tensors: number; bytes: number }> = {};
    for (const [name, tensor] of to.tensors) {
      const before = from.tensors.get(name)!;
      expect([name, tensor.shape]).toEqual([name, before.shape]);
      types[tensor.type] ??= { tensors: 0, bytes: 0 };
      types[tensor.type].tensors++;
      types[tensor.type].bytes += tensor.bytes;
      const stored = await bytesOf(before);
      if (tensor.type === before.type) expect(Buffer.compare(await bytesOf(tensor), stored)).toBe(0);
      if (tensor.type !== "q4_0") continue;
      const values = Float32Array.from(valuesOf(termsOf("q8_0", stored, 34)));
      const expected = new Uint8Array((values.length / 32) * WEIGHT_TYPES.q4_0.bytes);
      encode("q4_0", values, expected);
      expect([name, Buffer.compare(await bytesOf(tensor), expected)]).toEqual([name, 0]);
    }
    expect(done.types).toEqual(types);
    expect(Object.keys(types).sort()).toEqual(
      ["f32", "q4_0", to.tensors.has("output.weight") ? "q6_k" : "q4_0"].sort(),
    );
  });
});

it("the bytes do not depend on threads, and a WritableStream gets those of the file", async () => {
  const target = join(folder, "one.gguf");
  await quantize(MODEL, target, { type: "q5_1", threads: 2 });
  const chunks: Uint8Array[] = [];
  const stream = new WritableStream<Uint8Array>({ write: (chunk) => void chunks.push(chunk) });
  await quantize(MODEL, stream, { type: "q5_1", threads: 0 });
  expect(Buffer.compare(Buffer.concat(chunks), readFileSync(target))).toBe(0);
});

it("a recipe of 256 values a block on shorter rows says which types came instead; the file loads and speaks", async () => {
  const target = join(folder, "q4_k_m.gguf");
  const done = await quantize(MODEL, target, { type: "q4_k_m" });
  const { config, types } = await inspect(target);
  const ragged = [config.hidden, config.denseWidth, config.expertWidth].some((width) => width % 256 !== 0);
  expect(done.warnings.some((warning) => /no whole blocks of/.test(warning))).toBe(ragged);
  expect(Object.keys(types)).toEqual(Object.keys(done.types));
  const model = await loadModel(target, { threads: 0 });
  try {
    const { text } = await model.generate("Once upon a time", { maxTokens: 8, temperature: 0 }).result();
    expect(text).toMatch(/^[,\w .!']+$/);
  } finally {
    await model.dispose();
  }
});

it.each(["text-a-scout", "text-b-maverick", "text-d-guard", "dense-llama3", "mixtral"] as const)(
  "%s: a folder written as GGUF gives the bits of the folder quantised while loading",
  async (name) => {
    const golden = goldenCase(name);
    const target = join(folder, `${name}.gguf`);
    await quantize(golden.hfPath(), target, { type: "q8_0", threads: 0 });
    const logitsOf = async (source: string, options: object) => {
      const model = await loadModel(source, { threads: 0, ...options });
      try {
        const session = model.session();
        await session.sync(golden.inputIds.slice(0, 40));
        return { logits: hash(await session.logits()), config: { ...model.config, ropeScaling: null } };
      } finally {
        await model.dispose();
      }
    };
    const written = await logitsOf(target, {});
    const loaded = await logitsOf(golden.hfPath(), { quantize: "q8_0" });
    expect(written.logits).toBe(loaded.logits);
    const { eos, bos, ...rest } = loaded.config; // these folders have no tokenizer to say them
    expect(written.config).toMatchObject(rest);
  },
);

it("no file is left behind by an abort or a full disk, and none is replaced by its own result", async () => {
  const before = readdirSync(folder);
  const aborted = AbortSignal.abort(new Error("enough"));
  await expect(quantize(MODEL, join(folder, "a.gguf"), { type: "q4_0", signal: aborted })).rejects.toThrow("enough");
  const halfway = new AbortController();
  const onProgress = ({ loaded, total }: { loaded: number; total: number }) => {
    if (loaded > total / 2) halfway.abort(new Error("half"));
  };
  const cut = quantize(MODEL, join(folder, "b.gguf"), { type: "q4_0", signal: halfway.signal, onProgress });
  await expect(cut).rejects.toThrow("half");
  expect(await codeOf(() => quantize(MODEL, join(folder, "no/such/place.gguf"), { type: "q4_0" }))).toBe("FILE_IO");
  const copy = join(folder, "copy.gguf");
  const bytes = readFileSync(MODEL);
  writeFileSync(copy, bytes);
  expect(await codeOf(() => quantize(copy, copy, { type: "q4_0" }))).toBe("QUANTIZE_TARGET");
  expect(
    await codeOf(() => quantize(copy, `${folder}/../${folder.split("/").at(-1)}/copy.gguf`, { type: "q4_0" })),
  ).toBe("QUANTIZE_TARGET");
  expect(Buffer.compare(readFileSync(copy), bytes)).toBe(0);
  rmSync(copy);
  const full = new WritableStream<Uint8Array>({ write: () => Promise.reject(new Error("disk full")) });
  await expect(quantize(MODEL, full, { type: "q4_0" })).rejects.toThrow("disk full");
  expect(readdirSync(folder)).toEqual(before);
});

it("nothing that it is made from is replaced, nor anything that is no file", async () => {
  const source = join(folder, "model");
  cpSync(goldenCase("dense-llama3").hfPath(), source, { recursive: true });
  const shards = join(folder, "shards");
  const split = await splitStoryteller(shards);
  const inside = join(folder, "inside"); // a folder that leads to its one GGUF file
  mkdirSync(inside);
  cpSync(MODEL, join(inside, "m.gguf"));
  const hub = join(folder, "hub"); // the root of a cache, which leads to a revision
  cpSync(source, join(hub, "snapshots/abc"), { recursive: true });
  const device = join(folder, "device"); // a link: what is replaced where this fails
  symlinkSync("/dev/null", device);
  const cases = [
    [source, join(source, "config.json"), "QUANTIZE_TARGET"],
    [split[0], split[1], "QUANTIZE_TARGET"],
    [shards, split[1], "QUANTIZE_TARGET"],
    [inside, join(inside, "m.gguf"), "QUANTIZE_TARGET"],
    [hub, join(hub, "snapshots/abc/config.json"), "QUANTIZE_TARGET"],
    [MODEL, device, "FILE_NOT_REGULAR"],
    [MODEL, shards, "FILE_NOT_REGULAR"],
  ];
  for (const [from, to, code] of cases) {
    const seen: unknown[] = [];
    const onProgress = (progress: unknown) => void seen.push(progress);
    expect([to, await codeOf(() => quantize(from, to, { type: "q8_0", onProgress })), seen]).toEqual([to, code, []]);
  }
  await quantize(source, join(source, "new.gguf"), { type: "q8_0" });
  await quantize(source, join(source, "new.gguf"), { type: "q4_0" });
  const whole = join(folder, "whole.gguf");
  await quantize(split[0], whole, { type: "q8_0" });
  await withCheckpoints([whole], async ({ metadata }) => expect(metadata.get("general.file_type")).toBe(7));
});

it("a head whose halves are joined may be larger than a piece", async () => {
  const [hidden, headSize] = [4128, 1024];
  const source = join(folder, "large-head");
  mkdirSync(source);
  const names = ["q", "k", "v", "o"].map((name) => `self_attn.${name}_proj`);
  const parts = [...names, "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"];
  const shapeOf = (name: string) =>
    /norm/.test(name)
      ? [hidden]
      : /[qkv]_proj/.test(name)
        ? [headSize, hidden]
        : /o_proj/.test(name)
          ? [hidden, headSize]
          : /down/.test(name)
            ? [hidden, 32]
            : [32, hidden];
  const layer = [...parts, "input_layernorm", "post_attention_layernorm"].map((name) => `layers.0.${name}`);
  const tensors: Record<string, SafeTensor> = {};
  for (const name of ["embed_tokens", "norm", ...layer]) {
    const shape = shapeOf(name);
    const halves = new Uint16Array(shape.reduce((product, size) => product * size, 1));
    halves.forEach((_, index) => {
      halves[index] = 0x2000 + ((index * 7919) & 0x87ff); // f16 of magnitude 2^-7 .. 2^-5
    });
    tensors[`model.${name}.weight`] = { dtype: "F16", shape, data: new Uint8Array(halves.buffer) };
  }
  writeFileSync(join(source, "model.safetensors"), writeSafetensors(tensors));
  const config = {
    ...{ architectures: ["LlamaForCausalLM"], model_type: "llama", vocab_size: 32, hidden_size: hidden },
    ...{ intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 1, num_key_value_heads: 1 },
    ...{ head_dim: headSize, max_position_embeddings: 16, rms_norm_eps: 1e-5, rope_theta: 10000 },
    ...{ tie_word_embeddings: true, hidden_act: "silu", bos_token_id: 1, eos_token_id: 2 },
  };
  writeFileSync(join(source, "config.json"), JSON.stringify(config));
  const target = join(folder, "large-head.gguf");
  await quantize(source, target, { type: "q8_0", threads: 1 });
  const logitsOf = async (path: string, options: object) => {
    const model = await loadModel(path, { threads: 0, ...options });
    try {
      const session = model.session();
      await session.sync([1, 5, 9]);
      return hash(await session.logits());
    } finally {
      await model.dispose();
    }
  };
  expect(await logitsOf(target, {})).toBe(await logitsOf(source, { quantize: "q8_0" }));
});

/** Two shards of the model; the first, in which no tensors are, is a link to elsewhere. */
async function splitStoryteller(shards: string): Promise<[string, string]> {
  mkdirSync(shards);
  return withCheckpoints([MODEL], async ({ metadata, tensors, storedPair }) => {
    const names = ["model-00001-of-00002.gguf", "model-00002-of-00002.gguf"].map((name) => join(shards, name));
    const split = (no: number) =>
      Object.entries({ count: 2, no }).map(([key, value]) => writePair(`split.${key}`, { u32: value }));
    const pairs = await Promise.all([...metadata.keys()].map((key) => storedPair!(key)));
    // Norms first: the file's type is that of its matrices all the same.
    const list = [...tensors.values()].sort((a, b) => a.shape.length - b.shape.length);
    const first = join(folder, "first");
    writeFileSync(first, writeHeader([...pairs, ...split(0)], []));
    symlinkSync(first, names[0]);
    const data: Uint8Array[] = [writeHeader(split(1), list)];
    for (const tensor of list) data.push(await bytesOf(tensor), new Uint8Array(padding(tensor.bytes)));
    writeFileSync(names[1], Buffer.concat(data));
    return names as [string, string];
  });
}

it.each([0, 2])("a stream that takes nothing more does not keep an abort waiting (%d threads)", async (threads) => {
  const abort = new AbortController();
  const stream = new WritableStream<Uint8Array>({
    write: () => {
      setTimeout(() => abort.abort(new Error("enough")));
      return new Promise(() => {});
    },
  });
  const stalled = quantize(MODEL, stream, { type: "q4_0", threads, signal: abort.signal });
  await expect(stalled).rejects.toThrow("enough");
});

it("a type or an option that there is not is refused by name", async () => {
  const ask = (options: object) => codeOf(() => quantize(MODEL, join(folder, "x.gguf"), options as { type: "q4_0" }));
  expect(await ask({ type: "q3_k" })).toBe("OPTION_RANGE");
  expect(await ask({ type: "q4_0", context: 5 })).toBe("OPTION_UNKNOWN");
  expect(await ask({ type: "q4_0", thread: 5 })).toBe("OPTION_UNKNOWN");
  expect(await ask({ type: "q4_0", onProgress: 5 })).toBe("OPTION_RANGE");
  expect(await codeOf(() => quantize(MODEL, join(folder, "x.gguf"), undefined as never))).toBe("OPTION_RANGE");
  const locked = new WritableStream<Uint8Array>();
  locked.getWriter();
  for (const target of [5, null, {}, locked])
    expect(await codeOf(() => quantize(MODEL, target as string, { type: "q4_0" }))).toBe("OPTION_RANGE");
});
