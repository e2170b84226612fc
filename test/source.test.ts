import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rename, rm, truncate, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadModel } from "../dist/src/index.js";
import type { ByteSource } from "../src/checkpoint/checkpoint.ts";
import { openCheckpoint } from "../src/checkpoint/open.ts";
import { openSource } from "../src/checkpoint/source.ts";
import { EngineError } from "../src/error.ts";
import { writeGguf } from "./write-gguf.ts";

const CONTENT = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 7919) >> 3);
const GGUF = writeGguf({ tensors: [{ name: "t", ne: [8], data: new Uint8Array(32) }] });

let root: string;
let origin: string;
let path: string;
/** What the server does with a request; each test sets its own. */
let serve: (request: IncomingMessage, response: ServerResponse) => void;
const server = createServer((request, response) => serve(request, response));

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "wasmaverick-source-"));
  path = join(root, "content.bin");
  await writeFile(path, CONTENT);
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(root, { recursive: true });
});

/** Answers ranges of `content`; `cut` shortens each body. */
function ranges(content: Uint8Array, { etag = '"1"', cut = 0 } = {}) {
  return (request: IncomingMessage, response: ServerResponse) => {
    const [first, last] = /bytes=(\d+)-(\d+)/
      .exec(request.headers.range ?? "")!
      .slice(1)
      .map(Number);
    const body = content.subarray(first, last + 1);
    response.writeHead(206, {
      "content-range": `bytes ${first}-${last}/${content.length}`,
      "content-length": body.length,
      etag,
    });
    if (cut === 0 || first === 0) return response.end(body);
    response.write(body.subarray(0, cut), () => response.destroy());
  };
}

const SOURCES: [string, () => Promise<ByteSource>][] = [
  ["a path", () => openSource(path)],
  ["a file: URL", () => openSource(pathToFileURL(path))],
  ["a file: URL as text", () => openSource(pathToFileURL(path).href)],
  ["bytes", () => openSource(CONTENT)],
  ["a Blob", () => openSource(new Blob([CONTENT]))],
  [
    "an http: URL",
    () => {
      serve = ranges(CONTENT);
      return openSource(new URL(`${origin}/some/content.bin?download=1`));
    },
  ],
];

describe.each(SOURCES)("%s", (_, open) => {
  test("reads any range, also into shared memory", async () => {
    const source = await open();
    expect(source.size).toBe(CONTENT.length);
    const memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
    for (const [offset, length] of [
      [0, 10],
      [199_990, 10],
      [12_345, 70_001],
      [200_000, 0],
    ]) {
      const own = new Uint8Array(length);
      const shared = new Uint8Array(memory.buffer, 3, length);
      await source.read(offset, own);
      await source.read(offset, shared);
      expect(Buffer.compare(own, CONTENT.subarray(offset, offset + length))).toBe(0);
      expect(Buffer.compare(shared, own)).toBe(0);
    }
    await source.verify?.();
    await source.close();
  });
});

test.each(SOURCES.slice(0, 5))("%s that is too short is FILE_CHANGED", async (_, open) => {
  const source = await open();
  const error = await source.read(199_990, new Uint8Array(11)).catch((error) => error);
  expect(error.code).toBe("FILE_CHANGED");
  expect([error.at.offset, error.limit, error.actual].map(Number)).toEqual(
    error.actual === 0 ? [200_000, 1, 0] : [199_990, 11, 10],
  );
  await source.close();
});

test("names are what was asked for, without the query of an address", async () => {
  const names: string[] = [];
  for (const [, open] of SOURCES) {
    const source = await open();
    names.push(source.name);
    await source.close();
  }
  expect(names).toEqual([path, path, path, "bytes", "blob", `${origin}/some/content.bin`]);
});

describe("a path", () => {
  const code = (path: string) =>
    openSource(path).then(
      () => "opened",
      (error) => error.code,
    );

  test("must be a regular file, and a FIFO does not hang", async () => {
    execFileSync("mkfifo", [join(root, "fifo")]);
    expect(await code(join(root, "fifo"))).toBe("FILE_NOT_REGULAR");
    expect(await code(root)).toBe("FILE_NOT_REGULAR");
    expect(await code("/dev/zero")).toBe("FILE_NOT_REGULAR");
  });

  test("that does not exist is FILE_MISSING, under the name that it was asked for, made printable", async () => {
    const error = await openSource(join(root, "no\x1bthing")).catch((error) => error);
    expect(error.code).toBe("FILE_MISSING");
    expect(error.message).toContain(root);
    expect(error.message).toContain("no\\u001bthing");
    expect(await code(join(path, "below-a-file"))).toBe("FILE_MISSING");
    expect(await code("nul\0byte")).toBe("FILE_MISSING");
  });

  test("F01 truncated while open is FILE_CHANGED with offset, expected and got", async () => {
    const victim = join(root, "truncated");
    await writeFile(victim, CONTENT);
    const source = await openSource(victim);
    await truncate(victim, 1000);
    const error = await source.read(500, new Uint8Array(1000)).catch((error) => error);
    expect([error.code, error.at.offset, error.limit, error.actual]).toEqual(["FILE_CHANGED", 1000, 500, 0]);
    await source.close();
  });

  test("F02 replaced by rename stays the old file; F03 overwritten in place fails verify", async () => {
    const victim = join(root, "victim");
    await writeFile(victim, "old");
    const source = await openSource(victim);
    await writeFile(`${victim}.new`, "new");
    await rename(`${victim}.new`, victim);
    const bytes = new Uint8Array(3);
    await source.read(0, bytes);
    expect(new TextDecoder().decode(bytes)).toBe("old");
    await source.verify?.();
    await source.close();

    const second = await openSource(victim);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await writeFile(victim, "NEW");
    await expect(second.verify?.()).rejects.toMatchObject({ code: "FILE_CHANGED" });
    await second.close();
  });

  test("F04 a failing read is FILE_IO with its offset", async () => {
    const source = await openSource(path);
    await source.close();
    await source.close();
    const error = await source.read(7, new Uint8Array(1)).catch((error) => error);
    expect([error.code, error.at.offset]).toEqual(["FILE_IO", 7]);
  });
});

describe("F10 an http: URL", () => {
  const readAll = async () => {
    const source = await openSource(`${origin}/content.bin`);
    const into = new Uint8Array(CONTENT.length);
    await source.read(0, into);
    return into;
  };

  test("without ranges is REMOTE_RANGE", async () => {
    serve = (_, response) => response.end(CONTENT);
    await expect(readAll()).rejects.toMatchObject({ code: "REMOTE_RANGE", actual: 200 });
  });

  test("that answers with another range is REMOTE_RANGE", async () => {
    serve = (_, response) => response.writeHead(206, { "content-range": "bytes 5-5/9" }).end("x");
    await expect(readAll()).rejects.toMatchObject({ code: "REMOTE_RANGE" });
  });

  test("that is not found is REMOTE_STATUS, unreachable REMOTE_FAILED", async () => {
    serve = (_, response) => response.writeHead(404).end();
    await expect(readAll()).rejects.toMatchObject({ code: "REMOTE_STATUS", actual: 404 });
    await expect(openSource("http://127.0.0.1:1/x")).rejects.toMatchObject({ code: "REMOTE_FAILED" });
  });

  test("whose answers break off goes on where they broke; answers that bring nothing end it", async () => {
    const source = await (async () => {
      serve = ranges(CONTENT);
      return openSource(`${origin}/content.bin`);
    })();
    let broken = 0;
    serve = (request, response) => (broken++ < 2 ? ranges(CONTENT, { cut: 1000 }) : ranges(CONTENT))(request, response);
    const into = new Uint8Array(50_000);
    await source.read(100, into);
    expect(Buffer.compare(into, CONTENT.subarray(100, 50_100))).toBe(0);
    serve = (request, response) => {
      const [first, last] = /bytes=(\d+)-(\d+)/.exec(request.headers.range!)!.slice(1);
      response.writeHead(206, { "content-range": `bytes ${first}-${last}/${CONTENT.length}`, etag: '"1"' }).end();
    };
    await expect(source.read(100, into)).rejects.toMatchObject({ code: "REMOTE_SHORT" });
  });

  test("whose file is replaced is REMOTE_CHANGED", async () => {
    serve = ranges(CONTENT);
    const source = await openSource(`${origin}/content.bin`);
    serve = ranges(CONTENT, { etag: '"2"' });
    await expect(source.read(0, new Uint8Array(5))).rejects.toMatchObject({ code: "REMOTE_CHANGED" });
    serve = ranges(CONTENT.subarray(0, 100));
    await expect(source.read(0, new Uint8Array(5))).rejects.toMatchObject({ code: "REMOTE_CHANGED" });
  });

  test("that takes bytes=0-0 for the whole file, as sirv does, is read", async () => {
    serve = (request, response) => {
      if (request.headers.range === "bytes=0-0") request.headers.range = `bytes=0-${CONTENT.length - 1}`;
      ranges(CONTENT)(request, response);
    };
    const source = await openSource(`${origin}/content.bin`);
    expect(source.size).toBe(CONTENT.length);
  });

  test("that cuts a range at the end of a small file is read", async () => {
    serve = (_, response) => response.writeHead(206, { "content-range": "bytes 0-0/1" }).end("x");
    const source = await openSource(`${origin}/one.bin`);
    const into = new Uint8Array(1);
    await source.read(0, into);
    expect([source.size, into[0]]).toEqual([1, 0x78]);
  });

  test("serves a checkpoint", async () => {
    serve = ranges(GGUF);
    const checkpoint = await openCheckpoint(`${origin}/m.gguf`);
    expect([...checkpoint.tensors.keys()]).toEqual(["t"]);
    await checkpoint.close();
  });
});

describe("a ByteSource of the caller", () => {
  const over = (bytes: Uint8Array, parts: Partial<Record<keyof ByteSource, unknown>> = {}) => {
    const own = {
      name: "bucket.gguf",
      size: bytes.length,
      closed: 0,
      read: async (offset: number, into: Uint8Array) => into.set(bytes.subarray(offset, offset + into.length)),
      close: async () => {
        own.closed++;
      },
      ...parts,
    };
    return own as ByteSource & { closed: number };
  };

  test("serves a checkpoint, and a model", async () => {
    const checkpoint = await openCheckpoint(over(GGUF));
    expect([checkpoint.name, ...checkpoint.tensors.keys()]).toEqual(["bucket.gguf", "t"]);
    await checkpoint.close();
    const source = over(readFileSync(new URL("../models/storyteller-q8_0.gguf", import.meta.url)));
    const model = await loadModel(source, { threads: 0, context: 64 });
    expect(source.closed).toBe(1);
    const text = await model.generate("Once upon a time", { maxTokens: 4, temperature: 0 }).text();
    expect(text).toBe(" there was a quiet");
    await model.dispose();
  });

  test.each<[string, Partial<Record<keyof ByteSource, unknown>>]>([
    ["size", { size: Number.NaN }],
    ["size", { size: -1 }],
    ["size", { size: 1.5 }],
    ["size", { size: 2 ** 53 }],
    ["size", { size: "100" }],
    ["name", { name: undefined }],
    ["read", { read: null }],
    ["close", { close: 7 }],
    ["verify", { verify: true }],
  ])("whose %s is wrong is SOURCE_SHAPE: %o", async (field, parts) => {
    const error = await openSource(over(GGUF, parts)).catch((error) => error);
    expect([error.code, error.message]).toEqual(["SOURCE_SHAPE", expect.stringContaining(field)]);
  });

  test("that throws is FILE_IO with its cause and offset, wherever it throws, and is closed", async () => {
    const cause = new Error("the bucket is gone");
    const failing = async () => {
      throw cause;
    };
    const source = over(GGUF, { read: failing });
    const error = await openCheckpoint(source).catch((error) => error);
    expect([error.code, error.at, error.cause, source.closed]).toEqual([
      "FILE_IO",
      { source: "file", file: "bucket.gguf", offset: 0 },
      cause,
      1,
    ]);
    const throwing = () => {
      throw cause;
    };
    await expect(openCheckpoint(over(GGUF, { read: throwing }))).rejects.toMatchObject({ code: "FILE_IO" });
    const opened = await openCheckpoint(over(GGUF, { verify: failing, close: failing }));
    await expect(opened.verify!()).rejects.toMatchObject({ code: "FILE_IO", cause });
    await expect(opened.close()).rejects.toMatchObject({ code: "FILE_IO", cause });
  });

  test("keeps its own typed errors, and the reason of an abort that reached it first", async () => {
    const own = new EngineError("REMOTE_SHORT", "cut");
    await expect(openCheckpoint(over(GGUF, { read: () => Promise.reject(own) }))).rejects.toBe(own);
    const abort = new AbortController();
    const read = async () => {
      abort.abort(new Error("enough"));
      throw new Error("fetch failed");
    };
    await expect(loadModel(over(GGUF, { read }), { signal: abort.signal })).rejects.toThrow("enough");
  });
});

test("what is no source is SOURCE_KIND", async () => {
  await expect(openSource(new URL("ftp://x/y"))).rejects.toMatchObject({ code: "SOURCE_KIND" });
  await expect(openSource(7 as unknown as string)).rejects.toMatchObject({ code: "SOURCE_KIND" });
  await expect(openSource(null as unknown as string)).rejects.toMatchObject({ code: "SOURCE_KIND" });
});
