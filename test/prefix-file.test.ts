import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type CreateConfig, type CreateOptions, createModel, type Model } from "../dist/src/index.js";
import { codeOf } from "./error-code.ts";
import { idsOf } from "./resident.ts";
import { layeredModel } from "./small-models.ts";

/** What one model computed is begun with by another, from a file. */

const config = layeredModel({ attention_chunk_size: 100, max_position_embeddings: 1024, eos_token_id: [] });
const folder = mkdtempSync(join(tmpdir(), "prefix-"));
const path = join(folder, "text.prefix");
const text = idsOf(300, 300, 7);
const models: Model[] = [];
const open = async (options: CreateOptions = {}, others: Partial<CreateConfig> = {}) => {
  const model = await createModel({ ...config, ...others }, { type: "q8_0", threads: 0, context: 512, ...options });
  models.push(model);
  return model;
};
const answer = async (model: Model) => {
  const { ids, usage } = await model.generate([...text, 1, 2], { temperature: 0, maxTokens: 12 }).result();
  return { ids, cached: usage.cachedTokens };
};
let ids: number[];
let bytes: Uint8Array;

beforeAll(async () => {
  const first = await open({ threads: 1 });
  expect(await first.cache.save(text, path)).toEqual({ positions: 256 });
  ids = (await answer(first)).ids;
  bytes = new Uint8Array(readFileSync(path));
});
afterAll(async () => {
  for (const model of models) await model.dispose();
  rmSync(folder, { recursive: true });
});

it.each([
  ["two threads, the plain build", { threads: 2, build: "simd" }],
  ["the caller's thread", { threads: 0 }],
  ["layers over two memories", { threads: 1, memoryLimit: 3_520_000 }],
] as [string, CreateOptions][])(
  "another model begins behind it, with the bits of one that computed all: %s",
  async (_, options) => {
    const model = await open(options);
    if (options.memoryLimit) expect(model.info.memory.memories.length).toBeGreaterThan(1);
    expect(await model.cache.load(path)).toEqual({ positions: 256 });
    expect(await answer(model)).toEqual({ ids, cached: 256 });
  },
);

it("a stream takes the same bytes, with what was not known computed first; a salt is kept", async () => {
  const model = await open();
  const parts: Uint8Array[] = [];
  const stream = new WritableStream<Uint8Array>({ write: (part) => void parts.push(part) });
  expect(await model.cache.save(text, stream, { salt: "a" })).toEqual({ positions: 256 });
  expect(Buffer.concat(parts).equals(bytes)).toBe(true);
  const other = await open();
  await other.cache.load(Buffer.concat(parts), { salt: "a" });
  expect((await answer(other)).cached).toBe(0);
  const { usage } = await other.generate(text, { maxTokens: 1, salt: "a" }).result();
  expect(usage.cachedTokens).toBe(256);
});

it("a foreign, cut or altered file is a typed error and changes nothing", async () => {
  const model = await open();
  const free = model.cache.stats();
  const altered = (at: number) => {
    const copy = bytes.slice();
    copy[at] ^= 1;
    return copy;
  };
  expect(await codeOf(() => model.cache.load(bytes.slice(0, 20)))).toBe("PREFIX_FORMAT");
  expect(await codeOf(() => model.cache.load(altered(0)))).toBe("PREFIX_FORMAT");
  expect(await codeOf(() => model.cache.load(altered(8)))).toBe("PREFIX_FORMAT");
  // The version of 8-bit pages, in a file that is of this model otherwise.
  const otherwise = bytes.slice();
  otherwise[8] = 2;
  expect(await codeOf(() => model.cache.load(otherwise))).toBe("PREFIX_FORMAT");
  expect(await codeOf(() => model.cache.load(altered(21)))).toBe("PREFIX_MODEL");
  const seed = Math.floor(Math.random() * 2 ** 31);
  for (let round = 0; round < 60; round++) {
    const at = 36 + ((seed + round * 104_729) % (bytes.length - 36));
    expect(await codeOf(() => model.cache.load(altered(at))), `byte ${at}`).toBe("PREFIX_DATA");
    expect(await codeOf(() => model.cache.load(bytes.slice(0, at))), `cut at ${at}`).toBe("PREFIX_DATA");
  }
  for (const at of [12, 16])
    expect(await codeOf(() => model.cache.load(altered(at)))).toMatch(/PREFIX_DATA|CONTEXT_LENGTH/);
  expect(model.cache.stats()).toEqual(free);
  expect((await answer(model)).ids).toEqual(ids);
});

it.each([
  ["other weights", { seed: 1 }, {}],
  ["another type of cache", { cache: "q8" }, {}],
  ["other activations", { activations: "f32" }, {}],
  ["another chunk", {}, { attention_chunk_size: 128 }],
] as [string, CreateOptions, Partial<CreateConfig>][])("a prefix is of one model: %s", async (_, options, others) => {
  const model = await open(options, others);
  expect(await codeOf(() => model.cache.load(path))).toBe("PREFIX_MODEL");
});

it("an abort ends the writing to a stream that takes nothing", async () => {
  const model = await open();
  const controller = new AbortController();
  const reason = new Error("enough");
  const full = new WritableStream<Uint8Array>({ write: () => new Promise(() => controller.abort(reason)) });
  await expect(model.cache.save(text, full, { signal: controller.signal })).rejects.toBe(reason);
});

it("what cannot be is said", async () => {
  const model = await open({ prefixCache: false });
  expect(await codeOf(() => model.cache.load(path))).toBe("PREFIX_OFF");
  expect(await codeOf(() => model.cache.save(text.slice(0, 63), path))).toBe("OPTION_RANGE");
  const locked = new WritableStream<Uint8Array>();
  locked.getWriter();
  for (const target of [5, locked, { getWriter: 5 }])
    expect(await codeOf(() => model.cache.save(text, target as never))).toBe("REQ_PARAM");
  const small = await open({ context: 128 });
  expect(await codeOf(() => small.cache.load(join(folder, "none")))).toBe("FILE_MISSING");
  expect(await codeOf(() => small.cache.load(path))).toBe("CONTEXT_LENGTH");
  await small.dispose();
  expect(await codeOf(() => small.cache.load(path))).toBe("DISPOSED");
});
