import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadModel } from "../dist/src/index.js";
import { type Bucket, openBucket } from "./bucket.ts";
import { binary, serve, type Workerd } from "./workerd.ts";

/** examples/edge in the real workerd, over workerd's own R2 binding. */

const KEY = "storyteller-q8_0.gguf";
const MODEL = fileURLToPath(new URL(`../models/${KEY}`, import.meta.url));
const PROMPT = "Once upon a time there was an owl";
const TOKENS = 60;
const WRANGLER = JSON.parse(
  readFileSync(new URL("../examples/edge/wrangler.jsonc", import.meta.url), "utf8").replace(/^\s*\/\/.*$/gm, ""),
);
const MIB = 2 ** 20;

const missing = "missing" in binary ? binary.missing : undefined;

describe.skipIf(missing)(`examples/edge in workerd${missing ? ` (skipped: ${missing})` : ""}`, () => {
  let bucket: Bucket;
  let workerd: Workerd;
  let expected: string;

  beforeAll(async () => {
    const model = await loadModel(MODEL, { threads: 0, context: 512 });
    expected = await model.generate(PROMPT, { maxTokens: TOKENS, temperature: 0 }).text();
    await model.dispose();
    bucket = await openBucket(KEY, readFileSync(MODEL));
  });

  afterAll(async () => {
    // A request that hangs would hold an orderly end up.
    await workerd?.kill();
    bucket?.close();
  });

  const start = async (key = KEY) => {
    bucket.fault = undefined;
    bucket.gets = 0;
    workerd = await serve({
      entry: `examples/edge/${WRANGLER.main}`,
      compatibilityDate: WRANGLER.compatibility_date,
      flags: WRANGLER.compatibility_flags,
      vars: { ...WRANGLER.vars, MODEL_KEY: key },
      buckets: { [WRANGLER.r2_buckets[0].binding]: bucket.address },
    });
  };

  const ask = (fields: Record<string, unknown> = {}, signal?: AbortSignal) => {
    const body = JSON.stringify({ prompt: PROMPT, maxTokens: TOKENS, temperature: 0, ...fields });
    return fetch(workerd.url, { method: "POST", body, signal });
  };

  test("the first answer: Node's greedy text, streamed, in little memory", async () => {
    const begun = performance.now();
    await start();
    const idle = workerd.peak() ?? 0;
    const response = await ask();
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "text/plain; charset=utf-8",
      "content-encoding": "identity",
    });
    const pieces: Uint8Array[] = [];
    const times: number[] = [];
    for await (const piece of response.body!) {
      pieces.push(piece);
      times.push(performance.now());
    }
    expect(Buffer.concat(pieces).toString()).toBe(expected);
    // A piece of text a token, of which few arrive together.
    expect(pieces.length).toBeGreaterThan(TOKENS / 4);
    const info = await (await fetch(`${workerd.url}/info`)).json();
    expect(info).toMatchObject({ host: "workerd", threads: { used: 0 }, context: 512 });
    expect(info.memory.total).toBeLessThan(128 * MIB);
    expect(bucket.gets).toBeLessThan(10);
    const again = performance.now();
    await (await ask()).text();
    const mib = (bytes: number) => `${(bytes / MIB).toFixed(0)} MiB`;
    const ms = (time: number) => `${time.toFixed(0)} ms`;
    console.log(
      [
        `start to first byte ${ms(times[0] - begun)}, first to last ${ms(times.at(-1)! - times[0])} in ${pieces.length} pieces`,
        `${TOKENS} tokens again in ${ms(performance.now() - again)}`,
        `memory ${JSON.stringify(info.memory)}, ${bucket.gets} ranges, build ${info.build.name}`,
        `peak resident memory of the process ${mib(workerd.peak() ?? 0)}, before the first request ${mib(idle)}`,
      ].join("\n"),
    );
  });

  test("GET asks the same", async () => {
    const query = new URLSearchParams({ prompt: PROMPT, maxTokens: String(TOKENS), temperature: "0" });
    expect(await (await fetch(`${workerd.url}/?${query}`)).text()).toBe(expected);
  });

  test("several clients each get their text", async () => {
    const texts = await Promise.all([ask(), ask(), ask()].map(async (response) => (await response).text()));
    expect(texts).toEqual([expected, expected, expected]);
  });

  test("clients that leave, answered or waiting, hold nobody up", async () => {
    for (let round = 0; round < 3; round++) {
      const leaving = new AbortController();
      const answered = await ask({ maxTokens: 256 }, leaving.signal);
      const waiting = ask({ maxTokens: 256 }, leaving.signal).catch(() => {});
      const reader = answered.body!.getReader();
      expect((await reader.read()).done).toBe(false);
      const behind = ask();
      leaving.abort();
      await waiting;
      expect(await (await behind).text()).toBe(expected);
    }
  });

  test("more than can wait are sent away at once, and leave no trace", async () => {
    const answers = await Promise.all(Array.from({ length: 15 }, () => ask({ maxTokens: 20 })));
    const texts = await Promise.all(answers.map((response) => response.text()));
    const busy = answers.filter(({ status }) => status === 503).length;
    expect(busy).toBeGreaterThan(0);
    const first = expected.split(" ").slice(0, 5).join(" ");
    expect(texts.filter((text) => text.startsWith(first)).length).toBe(15 - busy);
    expect(texts.filter((text) => text.includes('"BUSY"')).length).toBe(busy);
    expect(await (await ask()).text()).toBe(expected);
  });

  test.each([
    [400, "REQ_PARAM", { prompt: undefined }],
    [400, "REQ_PARAM", { maxTokens: 1000 }],
    [400, "REQ_PARAM", { maxTokens: "5" }],
    [400, "REQ_PARAM", { topK: 5 }],
    [413, "REQ_SIZE", { prompt: "x".repeat(5000) }],
    [413, "REQ_SIZE", { prompt: "x".repeat(50_000) }],
    [400, "CONTEXT_LENGTH", { prompt: "x ".repeat(1500) }],
    [400, "REQ_PARAM", { temperature: -1 }],
  ])("%i %s: what is wrong with a request", async (status, code, fields) => {
    const response = await ask(fields);
    expect([response.status, await response.json()]).toEqual([status, { code, message: expect.any(String) }]);
  });

  test("paths, methods and bodies that are none", async () => {
    const code = async (path: string, init?: RequestInit) => {
      const response = await fetch(workerd.url + path, init);
      return [response.status, (await response.json()).code];
    };
    expect(await code("/nothing")).toEqual([404, "NOT_FOUND"]);
    expect(await code("/", { method: "DELETE" })).toEqual([405, "REQ_METHOD"]);
    expect(await code("/", { method: "POST", body: "{" })).toEqual([400, "REQ_JSON"]);
    expect(await code("/", { method: "POST", body: "[]" })).toEqual([400, "REQ_JSON"]);
    expect(await code("/?prompt=a&maxTokens=")).toEqual([400, "REQ_PARAM"]);
  });

  test("it ends when it is asked to", async () => {
    expect(await workerd.stop()).not.toBe("SIGKILL");
    expect(workerd.stderr()).toBe("");
  });

  test.each([
    ["short", "FILE_CHANGED"],
    ["broken", "FILE_IO"],
    ["replaced", "FILE_CHANGED"],
    ["gone", "FILE_MISSING"],
  ] as const)("a bucket that is %s gives %s, and the next request works", async (fault, code) => {
    await start();
    bucket.fault = fault;
    const response = await ask();
    expect([response.status, (await response.json()).code]).toEqual([503, code]);
    bucket.fault = undefined;
    expect(await (await ask()).text()).toBe(expected);
    await workerd.stop();
  });
});
