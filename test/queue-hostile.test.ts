/** What others may write into the Redis of a queue, and addresses at which there is none. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { Queue, UnrecoverableError, Worker } from "bullmq";
import { Redis } from "ioredis";
import { describe, expect, it } from "vitest";
import { freePort } from "../scripts/free-port.mjs";
import { NO_REDIS, startRedis } from "../scripts/queue-kills/processes.mjs";
import { parseCommand } from "../src/cli/arguments.ts";
import { run } from "./command-line.ts";
import { lines, queued } from "./queued.ts";

const prefix = "wasmaverick";

describe.skipIf(NO_REDIS)(`a queue that others write into${NO_REDIS && ` (skipped: ${NO_REDIS})`}`, () => {
  const { redis, read, write, worker, batch } = queued();
  const connect = () => new Redis(redis.url, { maxRetriesPerRequest: null });

  it("jobs that are no lines are errors of their own; the worker goes on", async () => {
    const client = connect();
    const queue = new Queue("lines", { connection: client, prefix });
    const jobs: readonly (readonly [string, unknown, object?])[] = [
      ["null", null],
      ["list", [1]],
      ["no text", { text: 5, number: "x" }],
      ["no JSON", { text: "{", number: 1 }],
      ["deep", { text: "[".repeat(100_000), number: 2 }],
      ["another url", { text: JSON.stringify({ ...lines(1)[0], url: "/metrics" }), number: 3 }],
      ["a stream", { text: JSON.stringify(lines(1, { stream: true })[0]), number: 4 }],
      [
        "prototype",
        { text: '{"custom_id":"__proto__","method":"POST","url":"/v1/completions","body":{"__proto__":1}}' },
      ],
      ["another backoff", { text: "{" }, { backoff: { type: "none such" }, attempts: 1e9 }],
    ];
    for (const [jobId, data, options] of jobs) await queue.add("line", data, { jobId, ...options });
    await client.hset(queue.toKey("list"), "data", "{no JSON");
    const { child, ended } = await worker();
    const ends = async () => Promise.all(jobs.map(([id]) => client.hget(queue.toKey(id), "returnvalue")));
    await expect.poll(async () => (await ends()).filter((end) => end === null), { timeout: 10_000 }).toEqual([]);
    for (const end of await ends()) {
      const { failed, line } = JSON.parse(end!);
      expect([failed, JSON.parse(line).error.type]).toEqual([true, "invalid_request_error"]);
    }
    write(lines(3));
    expect((await batch().ended).code).toBe(0);
    child.kill("SIGTERM");
    expect((await ended).code).toBe(0);
    await queue.close();
    client.disconnect();
  });

  it("results that are none of their lines are errors of the lines; what is not tried again is one, too", async () => {
    const results: unknown[] = [
      null,
      "text",
      { line: '{"custom_id":"1"}', failed: false, tokens: 0 },
      { line: '{"custom_id":"3"}\n{"custom_id":"3"}', failed: false, tokens: 0 },
      { line: '{"custom_id":"4","line":1}', failed: true, tokens: 0 },
      { line: "{", failed: false, tokens: 0 },
      { line: '{"custom_id":"6"}', failed: false, tokens: "all" },
    ];
    const client = connect();
    const answer = async ({ data }: { data: { number: number } }) => {
      if (data.number > results.length) throw new UnrecoverableError("it burns");
      return results[data.number - 1];
    };
    const liar = new Worker("lines", answer, { connection: client, prefix });
    write(lines(results.length + 1));
    const { code, stderr } = await batch().ended;
    expect([code, stderr]).toEqual([1, "8 of 8 lines done, 8 failed\n"]);
    const errors = read("errors.jsonl");
    expect(errors.map(({ line, error }) => [line, error.code])).toEqual([
      ...results.map((_, index) => [index + 1, "invalid_result"]),
      [8, "worker_failed"],
    ]);
    expect(errors[7].error.message).toBe("no worker could answer it: it burns");
    await liar.close();
    client.disconnect();
  });

  it("an address whose password is wrong is an error that does not tell it, nor does --verbose", async () => {
    const guarded = await startRedis("--requirepass", "right-secret");
    try {
      for (const secret of ["", ":wrong-secret@"]) {
        const { code, stderr } = await run("queue", guarded.url.replace("//", `//${secret}`), "--verbose");
        expect([code, stderr]).toEqual([1, expect.stringMatching(/REDIS_UNREACHABLE: .*(NOAUTH|WRONGPASS)/)]);
        expect(stderr).not.toContain("secret");
      }
      expect((await run("queue", guarded.url.replace("//", "//:right-secret@"))).code).toBe(0);
    } finally {
      await guarded.end();
    }
  });
});

describe("an address at which there is no Redis", () => {
  it("is an error within seconds: nobody listens, somebody says nothing, somebody else answers, it has no name", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    const other = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")).listen(0, "127.0.0.1");
    await Promise.all([once(silent, "listening"), once(other, "listening")]);
    const ports = [await freePort(), ...[silent, other].map((server) => (server.address() as AddressInfo).port)];
    const hosts = [...ports.map((port) => `127.0.0.1:${port}`), "no-such-host.invalid"];
    const begun = performance.now();
    const ended = await Promise.all(hosts.map((host) => run("work", "--queue", `redis://${host}`)));
    for (const [index, { code, stderr }] of ended.entries()) {
      expect([code, stderr]).toEqual([
        1,
        expect.stringContaining(`REDIS_UNREACHABLE: the queue's Redis cannot be reached, got ${hosts[index]}: `),
      ]);
    }
    expect(performance.now() - begun).toBeLessThan(20_000);
    silent.close();
    other.close();
  });

  it.each([
    [["work"], "no queue, expected --queue redis://"],
    [["work", "--queue", "http://secret@x"], "the queue is no address of Redis, expected redis://"],
    [["work", "--queue", "redis://"], "the queue is no address of Redis"],
    [["work", "--queue", "redis://x/0?family=6"], "more than a database behind its host"],
    [["work", "--queue", "redis://x", "--queue-name", "a:b"], "--queue-name has a bad value"],
    [["queue"], "0 queues, expected one"],
    [["batch", "a", "b", "--queue", "redis://x", "--model", "m"], "--model beside --queue"],
    [["batch", "a", "b", "--queue", "redis://x", "--threads", "0"], "--threads beside --queue"],
    [["batch", "a", "b", "--queue-name", "x"], "--queue-name without a queue"],
  ])("%j: %s", (argv, message) => {
    expect(() => parseCommand(argv)).toThrow(message);
    expect(() => parseCommand(argv)).not.toThrow("secret");
  });
});

it.each([
  ["batch", "a", "b", "-m", "x"],
  ["work", "--queue", "redis://x"],
])("%s holds no prompt back beside answers that nobody reads yet", (...argv) => {
  expect(parseCommand(argv)).toMatchObject({ load: { latency: Number.MAX_SAFE_INTEGER } });
});
