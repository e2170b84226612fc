/** Several models in one process: names, memory, reloads; and what a server says where a package is missing. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { readServeConfig } from "../dist/src/cli/serve-config.js";
import { createModel, EngineError, type Model } from "../dist/src/index.js";
import { createServer, ModelPool, type PooledModel } from "../dist/src/server/create-server.js";
import { StoredResponses } from "../dist/src/server/stored-responses.js";
import { PROJECT } from "./runtimes.ts";
import { eventsOf, get, post, posted } from "./served.ts";
import { byteModel } from "./small-models.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const TEXT = "/v1/completions";
const opened: Model[] = [];
const log: string[] = [];
let pool: ModelPool;
afterEach(async () => {
  await pool?.dispose();
  log.length = 0;
});

/** A model whose seed is its name's; tells of loading and of the end. */
const pooled = (name: string, more: Partial<PooledModel> = {}): PooledModel => ({
  key: name,
  load: async ({ maxMemory }) => {
    const model = await createModel(byteModel(32), { threads: 0, seed: name.charCodeAt(0), maxMemory });
    opened.push(model);
    log.push(`+${name}`);
    const dispose = model.dispose.bind(model);
    model.dispose = async () => {
      log.push(`-${name}`);
      await dispose();
    };
    return model;
  },
  ...more,
});
const entries = (names: string) => Object.fromEntries([...names].map((name) => [name, pooled(name)]));
const ask = (model: string, more: object = {}) => ({ model, prompt: "x", max_tokens: 4, seed: 1, ...more });

async function sizeOfOne(): Promise<number> {
  await using model = await createModel(byteModel(32), { threads: 0 });
  return model.info.memory.total;
}

describe("a pool", () => {
  it("loads on demand, once for all who ask, and unloads the least recently used for another", async () => {
    pool = new ModelPool(entries("abc"), { maxMemory: 2 * (await sizeOfOne()) });
    const handler = await createServer(pool);
    expect(log).toEqual([]);
    await Promise.all([
      posted(handler, TEXT, ask("a")),
      posted(handler, TEXT, ask("a")),
      posted(handler, TEXT, ask("b")),
    ]);
    expect(log).toEqual(["+a", "+b"]);
    await posted(handler, TEXT, ask("a"));
    await posted(handler, TEXT, ask("c"));
    expect(log).toEqual(["+a", "+b", "-b", "+c"]);
    expect(pool.loaded.map(({ name }) => name)).toEqual(["a", "c"]);
    expect(await get(handler, "/metrics").then((response) => response.text())).toContain('model_bytes{model="c"}');
  });

  it("never unloads what is used: who asks for another waits for the end", async () => {
    pool = new ModelPool(entries("ab"), { maxMemory: await sizeOfOne() });
    const handler = await createServer(pool, { metrics: false });
    const stream = await post(handler, TEXT, ask("a", { stream: true, max_tokens: 200 }));
    const other = posted(handler, TEXT, ask("b"));
    expect((await eventsOf(stream)).at(-1)!.data).toBe("[DONE]");
    await other;
    expect(log).toEqual(["+a", "-a", "+b"]);
  });

  it("lets who leaves while it waits for memory go at once, and keeps nobody waiting for it", async () => {
    pool = new ModelPool(entries("abc"), { maxMemory: await sizeOfOne() });
    const used = await pool.lease("a", AbortSignal.timeout(60_000));
    const client = new AbortController();
    const waiting = pool.lease("b", client.signal);
    const other = pool.lease("c", AbortSignal.timeout(60_000));
    client.abort(new Error("left"));
    await expect(waiting).rejects.toThrow("left");
    used.release();
    (await other).release();
    expect(log).toEqual(["+a", "-a", "+c"]);
  });

  it("takes another limit of memory when it is replaced", async () => {
    pool = new ModelPool(entries("a"), { maxMemory: 1000 });
    await expect(pool.lease("a", AbortSignal.timeout(60_000))).rejects.toThrow("MODEL_TOO_LARGE");
    pool.replace(entries("a"), { maxMemory: await sizeOfOne() });
    (await pool.lease("a", AbortSignal.timeout(60_000))).release();
  });

  it("refuses what is too large for all of the memory, and goes on", async () => {
    pool = new ModelPool(entries("a"), { maxMemory: 1000 });
    const handler = await createServer(pool, { metrics: false });
    const response = await post(handler, TEXT, ask("a"));
    expect([response.status, (await response.json()).error.code]).toEqual([503, "MODEL_TOO_LARGE"]);
    expect(handler.active).toBe(0);
  });

  it("is replaced while it serves: what stays stays loaded, what goes ends behind its requests", async () => {
    pool = new ModelPool(entries("ab"));
    const handler = await createServer(pool, { metrics: false });
    await posted(handler, TEXT, ask("b"));
    const stream = await post(handler, TEXT, ask("a", { stream: true, max_tokens: 200 }));
    pool.replace({ ...entries("bc"), d: pooled("d", { aliases: ["gpt-4o"], defaults: { maxTokens: 2 } }) });
    expect((await post(handler, TEXT, ask("a"))).status).toBe(404);
    expect(log).toEqual(["+b", "+a"]);
    expect((await eventsOf(stream)).at(-1)!.data).toBe("[DONE]");
    await expect.poll(() => log).toEqual(["+b", "+a", "-a"]);
    const { model, usage } = await posted(handler, TEXT, { model: "gpt-4o", prompt: "x", seed: 1 });
    expect([model, usage.completion_tokens]).toEqual(["d", 2]);
    expect(() => pool.replace({ a: pooled("a", { aliases: ["b"] }), b: pooled("b") })).toThrow(
      "two models of one name",
    );
    expect(pool.names).toEqual(["b", "c", "d"]);
  });
});

it("stored responses are bounded in number and in length, those of all clients together", () => {
  const stored = (length: number) => ({ response: {}, messages: [], input: ["x".repeat(length)] });
  const few = new StoredResponses(2);
  for (const id of ["a", "b", "c"]) few.add("owner", id, stored(1));
  expect(["a", "b", "c"].map((id) => few.get("owner", id) !== undefined)).toEqual([false, true, true]);
  const long = new StoredResponses(256);
  for (const id of ["a", "b", "c"]) long.add("owner", id, stored(24 * 2 ** 20));
  expect(["a", "b", "c"].map((id) => long.get("owner", id) !== undefined)).toEqual([false, true, true]);
  expect([long.delete("owner", "b"), long.delete("owner", "b"), long.get("other", "c")]).toEqual([
    true,
    false,
    undefined,
  ]);
  const fair = new StoredResponses(3);
  fair.add("modest", "a", stored(1));
  for (const id of ["a", "b", "c", "d"]) fair.add("greedy", id, stored(1));
  expect(["a", "b", "c", "d"].map((id) => fair.get("greedy", id) !== undefined)).toEqual([false, false, true, true]);
  expect(fair.get("modest", "a"), "none pushes another client's out by keeping more").toBeDefined();
});

it("a model by its name, an alias or none answers; its defaults are what a request leaves out", async () => {
  await using a = await createModel(byteModel(32), { threads: 0, seed: 1 });
  await using b = await createModel(byteModel(32), { threads: 0, seed: 2 });
  const handler = await createServer({ a, b: { model: b, aliases: ["c"], defaults: { seed: 9 } } }, { metrics: false });
  const text = async (model?: string, seed?: number) =>
    (await posted(handler, TEXT, { model, prompt: "x", max_tokens: 6, seed })).choices[0].text;
  expect(await text(undefined, 1)).toBe(await text("a", 1));
  expect(await text("c")).toBe(await text("b", 9));
  expect((await (await get(handler, "/v1/models")).json()).data.map(({ id }: { id: string }) => id)).toEqual([
    "a",
    "b",
  ]);
  await expect(createServer({ a, b: { model: b, aliases: ["a"] } })).rejects.toThrow(EngineError);
});

describe("a config file", () => {
  const folder = temporaryFolder("wasmaverick-config");
  const path = join(folder, "models.json");
  const read = (config: unknown) => {
    writeFileSync(path, typeof config === "string" ? config : JSON.stringify(config));
    return readServeConfig(path);
  };
  afterEach(() => rmSync(path, { force: true }));

  it("names models, their files beside it, and what they are loaded with", async () => {
    const { models, maxMemory, preload } = await read({
      maxMemory: "1GiB",
      models: { a: { source: "a.gguf", aliases: ["b"], load: { context: 256 }, defaults: { topK: 5 }, preload: true } },
    });
    expect([maxMemory, preload, models["a"].aliases, models["a"].defaults]).toEqual([
      2 ** 30,
      ["a"],
      ["b"],
      { topK: 5 },
    ]);
    expect(models["a"].key).toBe(JSON.stringify([join(folder, "a.gguf"), { wide: true, context: 256 }]));
    await expect(models["a"].load({ maxMemory: undefined })).rejects.toThrow("FILE_MISSING");
  });

  it("takes the widest vectors of the processor, as where one model is served, unless it says no", async () => {
    const load = { context: 64, threads: 0 };
    const source = join(PROJECT, "models/storyteller-q8_0.gguf");
    const { models } = await read({ models: { a: { source, load }, b: { source, load: { ...load, wide: false } } } });
    for (const [name, asked] of Object.entries({ a: true, b: false })) {
      await using model = await models[name].load({ maxMemory: undefined });
      expect(model.info.wide.reason !== "not asked for", name).toBe(asked);
    }
  });

  it.each([
    ["{", "--config is no JSON"],
    [{}, "--config is wrong at models"],
    [{ models: {} }, "--config is wrong at models: no models"],
    [{ models: { a: {} } }, "--config is wrong at models.a.source"],
    [{ models: { a: { source: "x", speed: 3 } } }, 'models.a: Unrecognized key: "speed"'],
    [{ models: { a: { source: "x", load: { contxt: 3 } } } }, "models.a.load: OPTION_UNKNOWN"],
    [{ models: { a: { source: "x", defaults: { topK: -7 } } } }, "models.a.defaults: REQ_PARAM"],
    [{ maxMemory: "much", models: { a: { source: "x" } } }, "--config is wrong at maxMemory"],
  ])("%j is refused by its place", async (config, line) => {
    await expect(read(config)).rejects.toThrow(line);
  });
});

it.each([
  [
    "server",
    `const { createServer } = await import("./dist/src/server/create-server.js");
    await createServer({ generate() {}, info: { name: "x" } }).catch((error) => console.log(error.message));`,
    /^PEER_MISSING: .*, got "?(hono|zod)"?, expected npm install hono zod prom-client\n$/,
  ],
  [
    "queue",
    `const { openQueue } = await import("./dist/src/cli/queue-connection.js");
    await openQueue({ url: "redis://x", name: "lines" }, 0).catch((error) => console.log(error.message));`,
    /^PEER_MISSING: .*, got "?(bullmq|ioredis)"?, expected npm install bullmq ioredis\n$/,
  ],
])("without a package that it needs, a %s says which and how it is installed", (_, program, message) => {
  const folder = mkdtempSync(join(tmpdir(), "wasmaverick-alone-"));
  try {
    cpSync(join(PROJECT, "dist"), join(folder, "dist"), { recursive: true });
    cpSync(join(PROJECT, "package.json"), join(folder, "package.json"));
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      cwd: folder,
      encoding: "utf8",
    });
    expect(stdout, stderr).toMatch(message);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
