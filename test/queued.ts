/** A queue of lines as tests have it: a Redis, a folder with the files of one batch, processes that end with the test. */
import type { ChildProcess } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { type Started, startCommand, startRedis, startWorker } from "../scripts/queue-kills/processes.mjs";
import type { Json } from "./storyteller.ts";
import { temporaryFolder } from "./temporary-folder.ts";

export const lines = (count: number, more: object = {}) =>
  Array.from({ length: count }, (_, index) => ({
    ...{ custom_id: `${index}`, method: "POST", url: "/v1/completions" },
    body: { prompt: `Tell me of ${index % 5}, ${index}`, max_tokens: 6, seed: index, ...more },
  }));

/** To be called in a `describe`. */
export function queued() {
  const folder = temporaryFolder("wasmaverick-queue");
  const at = (name: string) => join(folder, name);
  const children: ChildProcess[] = [];
  const redis = { url: "", end: async () => {} };
  beforeAll(async () => {
    Object.assign(redis, await startRedis());
  });
  afterAll(async () => {
    await redis.end();
  });
  beforeEach(async () => {
    const client = new Redis(redis.url);
    await client.flushall();
    client.disconnect();
    for (const name of ["out.jsonl", "out.jsonl.queue", "errors.jsonl"]) rmSync(at(name), { force: true });
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });
  const track = (started: Started) => {
    children.push(started.child);
    return started;
  };
  const texts = (name: string) => {
    const text = existsSync(at(name)) ? readFileSync(at(name), "utf8") : "";
    return text.split("\n").filter((line) => line !== "");
  };
  return {
    ...{ at, redis, texts },
    read: (name: string): Json[] => texts(name).map((text) => JSON.parse(text)),
    write: (all: readonly unknown[]) => {
      const written = all.map((one) => (typeof one === "string" ? one : JSON.stringify(one)));
      writeFileSync(at("in.jsonl"), written.join("\n"));
    },
    worker: async (atOnce = 8) =>
      track(await startWorker(redis.url, "--lost-after", "1", "--drain", "1", "--at-once", String(atOnce))),
    batch: () => track(startCommand("batch", at("in.jsonl"), at("out.jsonl"), "--queue", redis.url)),
  };
}
