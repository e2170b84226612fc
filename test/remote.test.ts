/**
 * A server that is busy, moves, or wants to know who asks: a load of gigabytes goes on.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { openCheckpoint } from "../src/checkpoint/open.ts";
import { type Patience, retryAfterMs } from "../src/checkpoint/remote-request.ts";
import { openRemote } from "../src/checkpoint/remote-source.ts";
import { pair, u16, VALUE_TYPES, writeGguf } from "./write-gguf.ts";

const CONTENT = Uint8Array.from({ length: 5000 }, (_, i) => i * 7);
const PATIENCE: Patience = { attempts: 4, firstMs: 2, mostMs: 1500 };

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
let asked: IncomingMessage[];
/** The first answers; then ranges. */
let script: Answer[];
let content: Uint8Array = CONTENT;
let headers: Record<string, string>;
const servers = [0, 1].map(() =>
  createServer((request, response) => {
    asked.push(request);
    (script.shift() ?? range)(request, response);
  }),
);
const origin = (at = 0) => `http://127.0.0.1:${(servers[at].address() as AddressInfo).port}`;

const range: Answer = (request, response) => {
  const [first, last] = /bytes=(\d+)-(\d+)/.exec(request.headers.range!)!.slice(1).map(Number);
  const body = content.subarray(first, last + 1);
  response.writeHead(206, {
    "content-range": `bytes ${first}-${first + body.length - 1}/${content.length}`,
    ...headers,
  });
  response.end(body);
};
const status =
  (code: number, more: Record<string, string> = {}): Answer =>
  (_, response) =>
    void response.writeHead(code, more).end();
const reset: Answer = (request) => void request.socket.destroy();
const redirect: Answer = (_, response) => void response.writeHead(302, { location: `${origin(1)}/elsewhere` }).end();

beforeAll(async () => {
  for (const server of servers) await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
});
afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});
beforeEach(() => {
  asked = [];
  script = [];
  content = CONTENT;
  headers = { etag: '"1"' };
});

async function readAll(url = `${origin()}/model.gguf`, patience = PATIENCE) {
  const source = await openRemote(new URL(url), undefined, patience);
  const bytes = new Uint8Array(source.size);
  await source.read(0, bytes);
  return { bytes, source };
}

describe("a server that is busy", () => {
  test.each([
    ["429, 502, 503 and a reset while it is read", () => [range, status(429), status(502), reset]],
    ["503 and a reset before the first answer", () => [status(503), reset, status(504)]],
  ])("%s", async (_, answers) => {
    script = answers();
    expect((await readAll()).bytes).toEqual(CONTENT);
  });

  test("a body that breaks off goes on where it was, as often as it brings something of note", async () => {
    content = Uint8Array.from({ length: 2 ** 20 }, (_, i) => i * 7);
    script = [range, ...new Array(6).fill(cutAfter(2 ** 17))];
    expect((await readAll()).bytes).toEqual(content);
    script = [range, ...new Array(4).fill(cutAfter(10))];
    await expect(readAll()).rejects.toMatchObject({ code: "REMOTE_SHORT" });
  });

  test("Retry-After is waited for, in seconds or as a date; what is too long is said", async () => {
    script = [range, status(503, { "retry-after": "1" })];
    const begun = performance.now();
    await readAll();
    expect(performance.now() - begun).toBeGreaterThan(990);
    expect(retryAfterMs(new Date(Date.now() + 90_000).toUTCString())).toBeGreaterThan(88_000);
    expect([retryAfterMs("soon"), retryAfterMs(null), retryAfterMs(" 2 ")]).toEqual([undefined, undefined, 2000]);
    script = [range, status(429, { "retry-after": "3600" })];
    await expect(readAll()).rejects.toMatchObject({
      code: "REMOTE_STATUS",
      message: expect.stringContaining("after 3600"),
      actual: 429,
    });
  });

  test("ends after as many attempts as it has patience, with the last answer", async () => {
    script = [range, ...new Array(4).fill(status(503))];
    await expect(readAll()).rejects.toMatchObject({
      code: "REMOTE_STATUS",
      message: expect.stringContaining("asked 4 times"),
      actual: 503,
    });
    expect(asked.length).toBe(5);
  });

  test("an answer without a body is waited for like no answer", async () => {
    const bare: Answer = (_, response) => {
      response.writeHead(206, { "content-range": "bytes 0-4999/5000", "content-length": 5000, ...headers });
      response.flushHeaders();
      setImmediate(() => response.destroy());
    };
    script = [range, bare, bare, bare];
    const begun = performance.now();
    expect((await readAll(undefined, { attempts: 4, firstMs: 40, mostMs: 1500 })).bytes).toEqual(CONTENT);
    // At least half of 40, 80 and 160: the pauses grow.
    expect(performance.now() - begun).toBeGreaterThan(135);
    script = [range, bare, bare, bare, bare];
    await expect(readAll()).rejects.toMatchObject({ code: "REMOTE_SHORT" });
  });

  test("a page in place of the file is said", async () => {
    const page = status(200, { "content-type": "text/html; charset=utf-8" });
    script = [page, page];
    await expect(readAll()).rejects.toMatchObject({
      code: "REMOTE_RANGE",
      message: expect.stringMatching(/a web page,/),
    });
    await expect(readAll(`${origin()}/owner/model/blob/main/m.gguf`)).rejects.toThrow("/resolve/ instead of /blob/");
  });

  test("other refusals are not asked again", async () => {
    for (const code of [401, 403, 404, 410, 500]) {
      asked = [];
      script = [status(code)];
      await expect(readAll()).rejects.toMatchObject({ code: "REMOTE_STATUS", actual: code });
      expect(asked.length).toBe(1);
    }
  });

  test("a signal ends the waiting at once, with its reason", async () => {
    const stop = new AbortController();
    script = [range, status(503, { "retry-after": "1" })];
    const source = await openRemote(new URL(`${origin()}/a`), stop.signal, PATIENCE);
    const reading = source.read(0, new Uint8Array(10));
    const begun = performance.now();
    setTimeout(() => stop.abort("enough"), 20);
    await expect(reading).rejects.toBe("enough");
    expect(performance.now() - begun).toBeLessThan(500);
  });
});

const cutAfter =
  (bytes: number): Answer =>
  (request, response) => {
    const [first, last] = /bytes=(\d+)-(\d+)/.exec(request.headers.range!)!.slice(1).map(Number);
    response.writeHead(206, {
      "content-range": `bytes ${first}-${last}/${content.length}`,
      "content-length": last - first + 1,
      ...headers,
    });
    response.write(content.subarray(first, first + bytes), () => response.destroy());
  };

describe("who asks, and for what", () => {
  test("user and password go into a header, and into no message and no name", async () => {
    const url = `${origin().replace("//", "//j%C3%B6rg:p%40ss@")}/private/model.gguf?token=secret`;
    const { source } = await readAll(url);
    expect(asked.map(({ headers }) => headers.authorization)).toEqual(
      new Array(2).fill(`Basic ${Buffer.from("jörg:p@ss").toString("base64")}`),
    );
    expect(asked[0].url).toBe("/private/model.gguf?token=secret");
    expect(source.name).toBe(`${origin()}/private/model.gguf`);
    script = [status(404)];
    const error = await openRemote(new URL(url), undefined, PATIENCE).catch((error) => error);
    expect(JSON.stringify([error.message, error])).not.toMatch(/p@ss|p%40ss|secret|j.rg/);
  });

  test("nor into the cause of an error, where runtimes write the address", async () => {
    const url = new URL("http://u:p@127.0.0.1/m.gguf?sig=secret");
    vi.stubGlobal("fetch", async (asked: URL) => {
      throw Object.assign(new TypeError(`cannot access ${asked.href}`), { code: "ECONNREFUSED", path: asked.href });
    });
    const error = await openRemote(url, undefined, PATIENCE).catch((error) => error);
    vi.unstubAllGlobals();
    expect(error.cause).toMatchObject({ code: "ECONNREFUSED", message: expect.stringContaining("//127.0.0.1/m.gguf") });
    expect(inspect(error, { depth: 9 })).not.toMatch(/secret|u:p/);
  });

  test("nor the address that a redirect led to, as Deno writes it", async () => {
    const url = new URL("http://127.0.0.1/m.gguf");
    const inner = new Error(
      "error sending request for url (http://u:p@cdn.test/x?sig=se(cr)et): client error (Connect)",
    );
    vi.stubGlobal("fetch", async () => {
      throw new TypeError("fetch failed", { cause: inner });
    });
    const error = await openRemote(url, undefined, PATIENCE).catch((error) => error);
    vi.unstubAllGlobals();
    expect(error.cause.message).toContain("for url (http://cdn.test/x): client error (Connect)");
    expect(inspect(error, { depth: 9 })).not.toMatch(/se\(cr|u:p/);
  });

  const shard = (no: number) =>
    writeGguf({
      pairs: [pair("split.no", VALUE_TYPES.u16, u16(no)), pair("split.count", VALUE_TYPES.u16, u16(2))],
      tensors: [{ name: `t${no}`, ne: [8], data: new Uint8Array(32).fill(no) }],
    });
  const shards = [shard(0), shard(1)];
  const serve: Answer = (request, response) => {
    content = shards[/00002-of/i.test(request.url!) ? 1 : 0];
    range(request, response);
  };

  test("shards are asked for with the query and the user of the first", async () => {
    script = new Array(100).fill(serve);
    const checkpoint = await openCheckpoint(`${origin().replace("//", "//u:p@")}/s-00001-of-00002.gguf?sig=a%2Bb`);
    expect([...checkpoint.tensors.keys()]).toEqual(["t0", "t1"]);
    expect(checkpoint.name).toBe("s-00001-of-00002.gguf");
    const second = asked.find(({ url }) => url!.startsWith("/s-00002"))!;
    expect([second.url, second.headers.authorization]).toEqual([
      "/s-00002-of-00002.gguf?sig=a%2Bb",
      `Basic ${btoa("u:p")}`,
    ]);
    await checkpoint.close();
  });

  test.each([
    [
      "/v0/b/bucket/o/models%2Fs-00001-of-00002.gguf?alt=media",
      "/v0/b/bucket/o/models%2Fs-00002-of-00002.gguf?alt=media",
    ],
    ["/a%20b+(c)-00001-of-00002.GGUF", "/a%20b+(c)-00002-of-00002.GGUF"],
    ["/%zz-00001-of-00002.gguf", "/%zz-00002-of-00002.gguf"],
    ["/s%2D00001-of-00002.gguf", "/s-00002-of-00002.gguf"],
  ])("a shard's address differs from the first in its number alone: %s", async (first, second) => {
    script = new Array(100).fill(serve);
    await (await openCheckpoint(origin() + first)).close();
    expect(new Set(asked.map(({ url }) => url))).toEqual(new Set([first, second]));
  });
});

describe("the same file", () => {
  const twice = async (first: Record<string, string>, later: Record<string, string>, mirrored = false) => {
    headers = first;
    const source = await openRemote(new URL(`${origin()}/a`), undefined, PATIENCE);
    headers = later;
    script = mirrored ? [redirect] : [];
    await source.read(0, new Uint8Array(10));
    return source.warnings;
  };
  const date = { "last-modified": "Wed, 21 Oct 2026 07:28:00 GMT" };

  test("weak and strong tags of one opaque tag are equal, no tag says nothing", async () => {
    expect(await twice({ etag: '"1"' }, { etag: 'W/"1"' })).toEqual([]);
    expect(await twice({ etag: 'W/"1"' }, { etag: '"1"' })).toEqual([]);
    expect(await twice({ etag: '"1"' }, {})).toEqual([]);
  });

  test("another tag is another file; on a mirror with equal length and date it is a warning", async () => {
    await expect(twice({ etag: '"1"', ...date }, { etag: '"2"', ...date })).rejects.toMatchObject({
      code: "REMOTE_CHANGED",
    });
    await expect(twice({ etag: '"1"' }, { etag: '"2"' }, true)).rejects.toMatchObject({ code: "REMOTE_CHANGED" });
    expect(await twice({ etag: '"1"', ...date }, { etag: '"2"', ...date }, true)).toEqual([
      expect.stringContaining("REMOTE_MIRROR"),
    ]);
  });

  test("a redirect is followed anew for every range: its address may hold for minutes only", async () => {
    script = [redirect, range, redirect, range, redirect, range];
    const source = await openRemote(new URL(`${origin()}/a`), undefined, PATIENCE);
    await source.read(0, new Uint8Array(4));
    await source.read(4, new Uint8Array(4));
    expect(asked.filter(({ url }) => url === "/a").length).toBe(3);
  });
});
