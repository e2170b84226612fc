import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rename, rm, truncate, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ByteSource, STORED_BLOCKS, type StoredType } from "../src/checkpoint/checkpoint.ts";
import { encode } from "../src/checkpoint/encode.ts";
import { openCheckpoint } from "../src/checkpoint/open.ts";
import { randomCheckpoint } from "../src/checkpoint/random.ts";
import { openSource } from "../src/checkpoint/source.ts";
import { EngineError } from "../src/error.ts";
import { pair, u16, u32, VALUE_TYPES, writeGguf } from "./write-gguf.ts";
import { writeSafetensors } from "./write-safetensors.ts";

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

test("names are base names", async () => {
  const names: string[] = [];
  for (const [, open] of SOURCES) {
    const source = await open();
    names.push(source.name);
    await source.close();
  }
  expect(names).toEqual(["content.bin", "content.bin", "content.bin", "bytes", "blob", "content.bin"]);
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

  test("that does not exist is FILE_MISSING, without the absolute path in the message", async () => {
    const error = await openSource(join(root, "no\x1bthing")).catch((error) => error);
    expect(error.code).toBe("FILE_MISSING");
    expect(error.message).not.toContain(root);
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

  test("whose answers break off goes on where they broke, three times", async () => {
    const source = await (async () => {
      serve = ranges(CONTENT);
      return openSource(`${origin}/content.bin`);
    })();
    let broken = 0;
    serve = (request, response) => (broken++ < 2 ? ranges(CONTENT, { cut: 1000 }) : ranges(CONTENT))(request, response);
    const into = new Uint8Array(50_000);
    await source.read(100, into);
    expect(Buffer.compare(into, CONTENT.subarray(100, 50_100))).toBe(0);
    serve = ranges(CONTENT, { cut: 1000 });
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

  test("serves a checkpoint", async () => {
    serve = ranges(GGUF);
    const checkpoint = await openCheckpoint(`${origin}/m.gguf`);
    expect([...checkpoint.tensors.keys()]).toEqual(["t"]);
    await checkpoint.close();
  });
});

test("what is no source is SOURCE_KIND", async () => {
  await expect(openSource(new URL("ftp://x/y"))).rejects.toMatchObject({ code: "SOURCE_KIND" });
  await expect(openSource(7 as unknown as string)).rejects.toMatchObject({ code: "SOURCE_KIND" });
  await expect(openSource(null as unknown as string)).rejects.toMatchObject({ code: "SOURCE_KIND" });
});

describe("openCheckpoint", () => {
  const tensor = { dtype: "F32", shape: [1], data: new Uint8Array(4) };

  test("tells a folder, a GGUF file and a checkpoint apart", async () => {
    const folder = join(root, "hf");
    await mkdir(folder);
    await writeFile(join(folder, "model.safetensors"), writeSafetensors({ t: tensor }));
    await writeFile(join(root, "m.gguf"), GGUF);
    for (const [source, format] of [
      [folder, "safetensors"],
      [pathToFileURL(folder), "safetensors"],
      [join(root, "m.gguf"), "gguf"],
      [pathToFileURL(join(root, "m.gguf")), "gguf"],
      [new Blob([GGUF as Uint8Array<ArrayBuffer>]), "gguf"],
      [GGUF, "gguf"],
    ] as const) {
      const checkpoint = await openCheckpoint(source);
      expect([checkpoint.format, ...checkpoint.tensors.keys()]).toEqual([format, "t"]);
      expect(await openCheckpoint(checkpoint)).toBe(checkpoint);
      await checkpoint.close();
    }
  });

  test("sends a lone safetensors file to its folder", async () => {
    const file = join(root, "lone.bin");
    await writeFile(file, writeSafetensors({ t: tensor }));
    await expect(openCheckpoint(file)).rejects.toMatchObject({ code: "CHECKPOINT_LONE_FILE" });
  });

  test("finds the shards of a split file beside it", async () => {
    const shard = (no: number) =>
      writeGguf({
        pairs: [
          pair("split.no", VALUE_TYPES.u16, u16(no)),
          pair("split.count", VALUE_TYPES.u16, u16(2)),
          pair("split.tensors.count", VALUE_TYPES.i32, u32(2)),
        ],
        tensors: [{ name: `t${no}`, ne: [8], data: new Uint8Array(32).fill(no) }],
      });
    for (const no of [0, 1]) await writeFile(join(root, `s-0000${no + 1}-of-00002.gguf`), shard(no));
    for (const place of [join(root, "s-00001-of-00002.gguf"), pathToFileURL(join(root, "s-00001-of-00002.gguf"))]) {
      const checkpoint = await openCheckpoint(place);
      const { source, offset } = checkpoint.tensors.get("t1")!;
      const bytes = new Uint8Array(32);
      await source.read(offset, bytes);
      expect(bytes).toEqual(new Uint8Array(32).fill(1));
      await checkpoint.close();
    }
  });

  test("leaves no file open, whether it fails or not", async () => {
    const open = async () => (await readdir("/proc/self/fd")).length;
    const broken = join(root, "broken");
    await mkdir(broken);
    await writeFile(join(broken, "config.json"), "{");
    const shards = join(root, "shards");
    await mkdir(shards);
    await writeFile(join(shards, "x.safetensors"), writeSafetensors({ t: tensor }));
    await writeFile(
      join(shards, "model.safetensors.index.json"),
      '{"weight_map":{"t":"x.safetensors","u":"y.safetensors"}}',
    );
    await writeFile(
      join(root, "p-00001-of-00002.gguf"),
      writeGguf({ pairs: [pair("split.count", VALUE_TYPES.u16, u16(2))] }),
    );
    await writeFile(join(root, "cut.gguf"), GGUF.subarray(0, 50));
    const before = await open();
    const bad = [
      broken,
      shards,
      root,
      path,
      join(root, "lone.bin"),
      join(root, "cut.gguf"),
      join(root, "p-00001-of-00002.gguf"),
    ];
    for (const place of bad) await expect(openCheckpoint(place)).rejects.toBeInstanceOf(EngineError);
    for (const place of [join(root, "hf"), join(root, "m.gguf")]) await (await openCheckpoint(place)).close();
    expect(await open()).toBe(before);
  });
});

const TYPES = Object.keys(STORED_BLOCKS) as StoredType[];

describe("a random checkpoint", () => {
  const bytesOf = async (type: StoredType, seed: number, second = false) => {
    const shape = [3, 96, 64];
    const tensors = ["a", "b"].map((name) => ({ name, type, shape, scale: 0.5, mean: 1 }));
    const { source, bytes } = randomCheckpoint(tensors, seed).tensors.get(second ? "b" : "a")!;
    const into = new Uint8Array(bytes);
    await source.read(0, into);
    return { source, into };
  };

  test.each(TYPES)("of %s gives the same bytes however the reads are cut", async (type) => {
    const { source, into } = await bytesOf(type, 7);
    for (const [offset, length] of [
      [0, 1],
      [1, 5000],
      [4095, 3],
      [into.length - 7, 7],
      [into.length >> 1, 2],
      [333, 0],
    ]) {
      const part = new Uint8Array(length);
      await source.read(offset, part);
      expect(Buffer.compare(part, into.subarray(offset, offset + length))).toBe(0);
    }
  });

  test("differs by seed and by tensor, and not otherwise", async () => {
    const { into } = await bytesOf("f32", 7);
    expect(Buffer.compare(into, (await bytesOf("f32", 7)).into)).toBe(0);
    for (const other of [await bytesOf("f32", 8), await bytesOf("f32", 7 + 2 ** 32), await bytesOf("f32", 7, true)]) {
      expect(Buffer.compare(into, other.into)).not.toBe(0);
    }
  });

  test("is normal enough, and uncorrelated", async () => {
    const values = new Float32Array((await bytesOf("f32", 7)).into.buffer);
    const n = values.length;
    const centred = Array.from(values, (value) => (value - 1) / 0.5);
    const moment = (f: (x: number, i: number) => number) => centred.reduce((sum, x, i) => sum + f(x, i), 0) / n;
    expect(moment((x) => x)).toBeCloseTo(0, 1);
    expect(moment((x) => x * x)).toBeCloseTo(1, 1);
    expect(moment((x) => x ** 4)).toBeCloseTo(2.7, 0); // the sum of four uniforms has 2.7, a normal 3
    for (const lag of [1, 2, 32, 64, 4096])
      expect(Math.abs(moment((x, i) => x * (centred[i + lag] ?? 0)))).toBeLessThan(0.03);
  });

  test("has the same bytes on every machine", async () => {
    const { into } = await bytesOf("f32", 7);
    expect([...new Uint32Array(into.buffer, 0, 4)].map((bits) => bits.toString(16))).toMatchInlineSnapshot(`
      [
        "3f5aa714",
        "3faacba8",
        "3dd34ba2",
        "3f8a06e6",
      ]
    `);
  });

  test("has the address space of large tensors", async () => {
    const { tensors } = randomCheckpoint([{ name: "t", type: "f32", shape: [2 ** 20, 2 ** 14], scale: 1 }], 1);
    const { source, bytes } = tensors.get("t")!;
    expect(bytes).toBe(2 ** 36);
    const [low, high] = [new Uint8Array(16), new Uint8Array(16)];
    await source.read(0, low);
    await source.read(2 ** 34, high);
    expect(Buffer.compare(low, high)).not.toBe(0);
    await expect(source.read(2 ** 36, new Uint8Array(1))).rejects.toMatchObject({ code: "FILE_CHANGED" });
  });
});

describe("encode", () => {
  const encoded = (type: StoredType, values: number[]) => {
    const block = STORED_BLOCKS[type];
    const into = new Uint8Array((values.length / block.elements) * block.bytes);
    encode(type, Float32Array.from(values), into);
    return into;
  };
  const halves = (type: "f16" | "bf16", values: number[]) => [...new Uint16Array(encoded(type, values).buffer)];

  test("f16 rounds halves to even, to infinity from 65520, to zero at 2^-25", () => {
    const values = [
      1,
      -2,
      65504,
      65519,
      65520,
      2 ** -14,
      2 ** -24,
      2 ** -25,
      2 ** -25 * 1.001,
      -0,
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
    ];
    expect(halves("f16", values)).toEqual([
      0x3c00, 0xc000, 0x7bff, 0x7bff, 0x7c00, 0x0400, 0x0001, 0x0000, 0x0001, 0x8000, 0x3c00, 0x3c02,
    ]);
    expect(halves("f16", [2 ** -14 - 2 ** -26, 3 * 2 ** -25])).toEqual([0x0400, 0x0002]);
  });

  test("bf16 rounds halves to even", () => {
    expect(halves("bf16", [1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -3.14])).toEqual([0x3f80, 0x3f80, 0x3f82, 0xc049]);
  });

  test("q8_0 rounds halves away from zero", () => {
    const values = [127, 0.5, -0.5, 1.5, -1.5, -127, ...new Array(26).fill(0)];
    const bytes = encoded("q8_0", values);
    expect([...bytes.subarray(0, 2)]).toEqual([0x00, 0x3c]);
    expect([...new Int8Array(bytes.buffer, 2, 6)]).toEqual([127, 1, -1, 2, -2, -127]);
    expect(encoded("q8_0", new Array(32).fill(0))).toEqual(new Uint8Array(34));
  });

  test("q4_0 takes the signed value of largest size for -8", () => {
    const values = [8, -8, 1, ...new Array(13).fill(0), -1, ...new Array(15).fill(0)];
    const bytes = encoded("q4_0", values);
    expect([...bytes.subarray(0, 5)]).toEqual([0x00, 0xbc, 0x90, 0x8f, 0x87]);
    expect(encoded("q4_0", new Array(32).fill(0)).subarray(2)).toEqual(new Uint8Array(16).fill(0x88));
  });
});
