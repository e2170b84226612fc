/** A batch through Redis, to workers that are killed: every line once, in order, with the bits of a batch of one process. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import type { Job } from "bullmq";
import * as bullmq from "bullmq";
import { Redis } from "ioredis";
import { describe, expect, it } from "vitest";
import { NO_REDIS } from "../scripts/queue-kills/processes.mjs";
import { LinesOfQueue } from "../src/cli/work.ts";
import { run } from "./command-line.ts";
import { lines, queued } from "./queued.ts";
import type { Json } from "./storyteller.ts";

describe.skipIf(NO_REDIS)(`a queue${NO_REDIS && ` (skipped: ${NO_REDIS})`}`, () => {
  const { at, redis, read, texts, write, worker, batch } = queued();
  const written = (count: number) =>
    expect.poll(() => texts("out.jsonl").length, { interval: 2, timeout: 20_000 }).toBeGreaterThanOrEqual(count);
  /** Those of queues and workers stay. */
  const leftOfBatches = async () => {
    const client = new Redis(redis.url);
    const keys = await client.keys("wasmaverick:*");
    client.disconnect();
    return keys.filter((key) => /lines:(batch|[0-9a-f]{8}-|wait|active|completed|failed|delayed)/.test(key));
  };

  const seed = Math.floor(Math.random() * 1e6);
  it(`two workers, one of them and the batch killed at random (seed ${seed}): nothing is lost or doubled, order and bits are kept`, async () => {
    const good = lines(120);
    write([...good, "{", { ...good[0], custom_id: "cold", body: { prompt: "x", temperature: -1 } }, good[7]]);
    const [first] = await Promise.all([worker(), worker()]);
    const killed = batch();
    await written(1 + (seed % 40));
    first.child.kill("SIGKILL");
    await written(1 + (seed % 60));
    killed.child.kill("SIGKILL");
    await killed.ended;
    writeFileSync(at("out.jsonl"), '{"id":"req_', { flag: "a" });
    const { code, stderr } = await batch().ended;
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^123 of 123 lines done, 3 failed\n$/)]);
    expect(read("out.jsonl").map(({ custom_id: id }) => id)).toEqual(good.map(({ custom_id: id }) => id));
    expect(read("errors.jsonl").map(({ line, custom_id: id, error }) => [line, id, error.code])).toEqual([
      [121, null, "invalid_line"],
      [122, "cold", "invalid_value"],
      [123, "7", "invalid_line"],
    ]);
    expect(await leftOfBatches()).toEqual([]);
    expect(existsSync(at("out.jsonl.queue"))).toBe(false);
    const there = read("out.jsonl").map(({ response }) => response.body.choices);
    rmSync(at("out.jsonl"));
    rmSync(at("errors.jsonl"));
    await run("batch", at("in.jsonl"), at("out.jsonl"), "--ordered", "--threads", "0", "--context", "256");
    const here = read("out.jsonl").map(({ response }) => response.body.choices);
    const other = there.flatMap((choices, index) =>
      JSON.stringify(choices) === JSON.stringify(here[index]) ? [] : [{ index, choices, here: here[index] }],
    );
    expect(other, "lines with other bits than a batch of one process").toEqual([]);
  });

  it("what a worker does not end after SIGTERM goes back, and its exit code is 0; a Redis that forgets everything loses nothing", async () => {
    const count = 16;
    write(lines(count, { max_tokens: 230, ignore_eos: true }));
    const leaving = await worker(count);
    const running = batch();
    const client = new Redis(redis.url);
    const active = () => client.llen("wasmaverick:lines:active");
    await expect.poll(active, { interval: 2, timeout: 10_000 }).toBeGreaterThan(0);
    leaving.child.kill("SIGTERM");
    expect((await leaving.ended).code).toBe(0);
    expect(await active()).toBe(0);
    expect(await client.llen("wasmaverick:lines:wait")).toBeGreaterThan(0);
    await client.flushall();
    client.disconnect();
    await worker();
    expect((await running.ended).code).toBe(0);
    expect(read("out.jsonl").map(({ custom_id: id }) => id)).toEqual(lines(count).map(({ custom_id: id }) => id));
  });

  it("a line that workers are lost with again and again is an error in the end, and only then", async () => {
    write(lines(1, { max_tokens: 240, ignore_eos: true }));
    const running = batch();
    const client = new Redis(redis.url);
    const taken = async () => (await client.lrange("wasmaverick:lines:active", 0, -1))[0];
    const lose = async (before: number) => {
      const { child } = await worker();
      await expect.poll(taken, { interval: 2, timeout: 10_000 }).toBeTruthy();
      const key = `wasmaverick:lines:${await taken()}`;
      child.kill("SIGKILL");
      await client.hset(key, "stc", before);
      return key;
    };
    expect(await client.hget(await lose(98), "failedReason")).toBe(null);
    await lose(100);
    await worker();
    expect((await running.ended).code).toBe(1);
    client.disconnect();
    expect(read("errors.jsonl").map(({ custom_id: id, error }) => [id, error.code])).toEqual([["0", "worker_failed"]]);
  });

  it("any machine sees how far batches are, and who works", async () => {
    write(lines(4));
    const waiting = batch();
    await expect.poll(async () => (await status()).lines.waiting, { timeout: 10_000 }).toBe(4);
    expect((await status()).batches).toMatchObject([{ input: at("in.jsonl"), total: 4, done: 0, failed: 0 }]);
    const { child } = await worker();
    expect((await waiting.ended).stderr).toMatch(/no worker is there yet[\s\S]*4 of 4 lines done/);
    const of = (pid: number | undefined) => async () =>
      (await status()).workers.find(({ name }: Json) => name.endsWith(`:${pid}`));
    await expect.poll(of(child.pid), { timeout: 10_000 }).toMatchObject({ lines: 4, atOnce: 8, running: 0 });
    expect((await status()).batches).toEqual([]);
    const { stdout } = await run("queue", redis.url);
    expect(stdout).toMatch(/^0 waiting, 0 running, 0 ended\n\nworkers\n.*storyteller.* 0 of 8 running {2}4 lines/s);
  });
  const status = async (): Promise<Json> => JSON.parse((await run("queue", redis.url, "--json")).stdout);
});

it("what fails at the server is tried by others, as often as its job says; what the line is wrong about is not", async () => {
  const asked: number[] = [];
  const ask = async ({ number }: { number: number }) => {
    asked.push(number);
    return { line: `{"line":${number}}`, failed: true, status: number, tokens: 0 };
  };
  const { answer } = new LinesOfQueue({ bullmq }, { ask });
  const [one] = lines(1);
  const job = (status: number, attemptsMade: number) =>
    ({ data: { text: JSON.stringify(one), number: status }, attemptsMade, opts: { attempts: 3 } }) as Job;
  for (const status of [500, 503, 429]) {
    for (const made of [0, 1])
      await expect(answer(job(status, made))).rejects.toThrow(`the model failed with ${status}`);
    expect(await answer(job(status, 2))).toMatchObject({ line: `{"line":${status}}`, failed: true });
  }
  expect(await answer(job(400, 0))).toMatchObject({ failed: true });
  expect(asked).toEqual([500, 500, 500, 503, 503, 503, 429, 429, 429, 400]);
});
