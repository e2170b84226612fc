import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { baseName } from "../src/checkpoint/file-source.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { readSafetensors } from "../src/checkpoint/safetensors.ts";
import { openSource } from "../src/checkpoint/source.ts";
import { EngineError } from "../src/error.ts";
import { entry, rawSafetensors, writeSafetensors } from "./write-safetensors.ts";

const bytes = (size: number) => new Uint8Array(size);
const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const read = async (file: Uint8Array) => readSafetensors(await openSource(file));

describe("a valid file", () => {
  test("gives every tensor's shape, place and bytes", async () => {
    const file = writeSafetensors({
      a: { dtype: "F32", shape: [2, 1], data: floats(1, 2) },
      empty: { dtype: "F16", shape: [0, 3], data: bytes(0) },
      scalar: { dtype: "BF16", shape: [], data: bytes(2) },
    });
    const { tensors, warnings } = await read(file);
    expect(warnings).toEqual([]);
    expect([...tensors].map(([name, { shape, type, bytes }]) => [name, shape, type, bytes])).toEqual([
      ["a", [2, 1], "f32", 8],
      ["empty", [0, 3], "f16", 0],
      ["scalar", [], "bf16", 2],
    ]);
    const { source, offset } = tensors.get("a")!;
    const data = bytes(8);
    await source.read(offset, data);
    expect(data).toEqual(floats(1, 2));
  });

  test("S18 whose data is not aligned is read all the same", async () => {
    for (let padding = 0; padding < 8; padding++) {
      const file = rawSafetensors(`{${entry("a", 0, 4)}}${" ".repeat(padding)}`, floats(0.1));
      const { source, offset } = (await read(file)).tensors.get("a")!;
      const data = bytes(4);
      await source.read(offset, data);
      expect(data).toEqual(floats(0.1));
    }
  });

  test("may list its tensors in any order, with metadata, white space and unknown fields", async () => {
    const other = '"b":{"note":[{"x":1.5e3}],"data_offsets":[0,4],"dtype":"F32","shape":[1]}';
    const { tensors } = await read(
      rawSafetensors(`{ \n${entry("a", 4, 8)},\t"__metadata__":{"format":"pt"},${other}}`, bytes(8)),
    );
    expect([...tensors.keys()]).toEqual(["a", "b"]);
  });

  test("S07 may call a tensor __proto__, or anything else, escaped", async () => {
    const { tensors } = await read(
      rawSafetensors(
        `{${entry("__proto__", 0, 4)},"\\u00e9\\ud83d\\ude00/":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`,
        bytes(8),
      ),
    );
    expect([...tensors.keys()]).toEqual(["__proto__", "é😀/"]);
  });

  test("S14 of types that no weights have is read without them, with one warning", async () => {
    const ids = { dtype: "I64", shape: [2], data: bytes(16) };
    const wide = { dtype: "F64", shape: [1], data: bytes(8) };
    const { tensors, unread, warnings } = await read(
      writeSafetensors({ ids, a: { dtype: "F32", shape: [1], data: bytes(4) }, wide }),
    );
    expect([...tensors.keys()]).toEqual(["a"]);
    expect([...unread]).toEqual([
      ["ids", "I64"],
      ["wide", "F64"],
    ]);
    expect(warnings).toEqual([
      'ST_DTYPE: "bytes": 2 tensors of types that no weights have here are left out, "ids" (I64) first',
    ]);
  });

  test("S03 with JSON's blanks around the header, an empty __metadata__ and a single number is read, as the reference does", async () => {
    const entry = '"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}';
    for (const text of [` {${entry}}`, `\n\t {${entry}}\r\n `, `{"__metadata__":null,${entry}}`]) {
      const { tensors } = await read(rawSafetensors(text, bytes(4)));
      expect(tensors.get("a")?.shape).toEqual([]);
    }
  });

  test("S17 of 100,000 entries takes time linear in their number", async () => {
    const file = (count: number) =>
      rawSafetensors(
        `{${Array.from({ length: count }, (_, i) => entry(`t${i}`, i * 4, i * 4 + 4)).join()}}`,
        bytes(count * 4),
      );
    const time = async (input: Uint8Array) => {
      const start = performance.now();
      await read(input);
      return performance.now() - start;
    };
    const [small, large] = [file(25_000), file(100_000)];
    await time(small);
    const base = await time(small);
    expect(await time(large)).toBeLessThan(12 * base + 100);
  });
});

const prefixed = (length: bigint, rest = 8) =>
  Buffer.concat([Buffer.from(BigUint64Array.of(length).buffer), bytes(rest)]);
const header = (text: string | Uint8Array, data = 0) => rawSafetensors(text, bytes(data));
const offsets = (text: string) => header(`{"a":{"dtype":"F32","shape":[1],"data_offsets":${text}}}`, 4);
const shape = (text: string, data = 0, dtype = "F32") => header(`{${entry("a", 0, data, dtype, text)}}`, data);
const latin1 = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

/** Row of the catalogue, file, code, offset, field. */
const HOSTILE: [string, Uint8Array, string, number?, string?][] = [
  ["S01 nothing", bytes(0), "ST_TRUNCATED", 0],
  ["S01 seven bytes", bytes(7), "ST_TRUNCATED", 0],
  ...[0n, 1n, 17n, 100_000_001n, 2n ** 64n - 1n].map((length): [string, Uint8Array, string, number] => [
    `S02 header of ${length} bytes`,
    prefixed(length, 16),
    "ST_HEADER_LEN",
    0,
  ]),
  ["S03 blanks alone", header("  "), "ST_HEADER_START", 8],
  ["S03 begins with a BOM", header("\ufeff{}"), "ST_HEADER_START", 8],
  ["S03 begins with a bracket", header("[]"), "ST_HEADER_START", 8],
  ["S04 not UTF-8", header(latin1('{"abc\xff":{}}')), "ST_UTF8", 13],
  ["S04 half a surrogate pair", header('{"\\ud800":{}}'), "ST_UTF8", 10],
  ["S05 not JSON", header("{a:1}"), "ST_JSON", 9],
  ["S05 a comment", header("{/**/}"), "ST_JSON", 9],
  ["S05 a trailing comma", header(`{${entry("a", 0, 0, "F32", "[0]")},}`), "ST_JSON"],
  ["S05 NaN", offsets("[NaN,4]"), "ST_JSON", 56, "/a/data_offsets/0"],
  ["S05 a leading zero", offsets("[0,04]"), "ST_INTEGER"],
  ["S05 a control character", header('{"a\n":{}}'), "ST_JSON", 11],
  ["S05 an open string", header('{"a'), "ST_JSON", 11],
  ["S05 an open object", header('{"a":{}'), "ST_FIELD"],
  ["S05 bytes after the header", header("{}x"), "ST_JSON", 10],
  ["S05 a form feed after the header", header("{}\f"), "ST_JSON", 10],
  ["S06 a name twice", header(`{${entry("a", 0, 4)},${entry("a", 0, 4)}}`, 4), "ST_DUPLICATE_KEY", 62, "/a"],
  ["S06 a field twice", header('{"a":{"dtype":"F32","dtype":"F16"}}'), "ST_DUPLICATE_KEY", 28, "/a/dtype"],
  ...["9007199254740993", "9007199254740992", "1e3", "4.0", "-0", "-1", '"4"', "null", "[]"].map(
    (end): [string, Uint8Array, string, number, string] => [
      `S08 offset ${end}`,
      offsets(`[0,${end}]`),
      "ST_INTEGER",
      58,
      "/a/data_offsets/1",
    ],
  ),
  ["S09 one offset", offsets("[4]"), "ST_OFFSETS"],
  ["S09 three offsets", offsets("[0,4,8]"), "ST_OFFSETS"],
  ["S09 reversed", offsets("[4,0]"), "ST_OFFSETS"],
  ["S09 no array", offsets("4"), "ST_OFFSETS"],
  ["S09 no offsets", header('{"a":{"dtype":"F32","shape":[]}}'), "ST_FIELD"],
  ["S10 overlap", header(`{${entry("a", 0, 8, "F32", "[2]")},${entry("b", 4, 8)}}`, 8), "ST_OVERLAP"],
  ["S10 hole", header(`{${entry("a", 0, 4)},${entry("b", 8, 12)}}`, 12), "ST_HOLE"],
  ["S10 hole at the start", header(`{${entry("a", 4, 8)}}`, 8), "ST_HOLE"],
  ["S11 a long file", header(`{${entry("a", 0, 4)}}`, 5), "ST_COVER"],
  ["S11 a short file", header(`{${entry("a", 0, 4)}}`, 3), "ST_COVER"],
  ["S12 the product overflows", shape("[4294967296,4294967296]"), "ST_TENSOR_BYTES"],
  ["S12 shape and bytes disagree", shape("[2]", 4), "ST_TENSOR_BYTES"],
  ["S13 a huge side of nothing", shape("[9007199254740991,2,0]"), "ST_TENSOR_BYTES"],
  ["S13 2^53 of nothing", shape("[9007199254740992,0]"), "ST_INTEGER"],
  ["S13 nine dimensions", shape("[1,1,1,1,1,1,1,1,1]", 4), "ST_NDIMS"],
  ["S14 an unknown dtype", shape("[1]", 4, "F12"), "ST_DTYPE"],
  ["S14 six bits of another size", shape("[4]", 4, "F6_E2M3"), "ST_TENSOR_BYTES"],
  ["S15 half a byte", shape("[3]", 1, "F4"), "ST_MISALIGNED"],
  ["S16 metadata of numbers", header('{"__metadata__":{"a":1}}'), "ST_METADATA", 29, "/__metadata__/a"],
  ["S16 metadata is a list", header('{"__metadata__":[]}'), "ST_METADATA"],
  ["S16 metadata twice", header('{"__metadata__":{},"__metadata__":{}}'), "ST_DUPLICATE_KEY"],
  ["S17 nine levels", header(`{"a":{"x":${"[".repeat(7)}`), "ST_DEPTH", 24],
  ["S17 five million levels", header(`{"a":{"x":${"[".repeat(5e6)}`), "ST_DEPTH", 24],
];

describe("a hostile file is refused:", () => {
  test.each(HOSTILE)("%s", async (_, file, code, offset, field) => {
    const source = await openSource(new Uint8Array(file));
    const start = performance.now();
    const error = await readSafetensors(source).catch((error) => error);
    expect(performance.now() - start).toBeLessThan(100);
    expect(error).toBeInstanceOf(EngineError);
    expect(error.code).toBe(code);
    expect(error.at.source).toBe("safetensors");
    if (offset !== undefined) expect(error.at.offset).toBe(offset);
    if (field !== undefined) expect(error.at.field).toBe(field);
  });

  test("S10 the same range 100,000 times", async () => {
    const entries = Array.from({ length: 100_000 }, (_, i) => entry(`t${i}`, 0, 4));
    const error = await read(header(`{${entries.join()}}`, 4)).catch((error) => error);
    expect(error.code).toBe("ST_OVERLAP");
    expect(error.message).toMatch(/"t1" overlaps "t0"/);
  });

  test("S14 an unknown dtype is refused, one that no weights have is left out", async () => {
    await expect(read(shape("[1]", 4, "F12"))).rejects.toThrow("there is no such dtype");
    expect([...(await read(shape("[1]", 1, "F8_E5M2"))).unread.values()]).toEqual(["F8_E5M2"]);
  });

  test("S16 metadata of 100,001 keys", async () => {
    const pairs = Array.from({ length: 100_001 }, (_, i) => `"${i}":""`);
    await expect(read(header(`{"__metadata__":{${pairs.join()}}}`))).rejects.toMatchObject({ code: "ST_METADATA" });
  });

  test("any bytes changed: an EngineError or tensors, never anything else", async () => {
    const seed = Date.now() & 0x7fffffff;
    const file = header(`{"__metadata__":{"a":"\\u00e9"},${entry("a", 0, 4)},${entry("ü", 4, 8, "BF16", "[1,2]")}}`, 8);
    const change = fc.record({ at: fc.nat(file.length - 9), value: fc.nat(255) });
    const property = fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), async (changes) => {
      const changed = file.slice();
      for (const { at, value } of changes) changed[at] = value;
      await read(changed).catch((error) => expect(error).toBeInstanceOf(EngineError));
    });
    console.log(`safetensors mutations: seed ${seed}`);
    await fc.assert(property, { seed, numRuns: 3000 });
  });
});

describe("a folder", () => {
  let root: string;
  let count = 0;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "wasmaverick-folder-"));
  });
  afterAll(() => rm(root, { recursive: true }));

  /** A new folder of the files given; null makes a folder of that name. */
  const folder = async (files: Record<string, string | Uint8Array | null>) => {
    const path = join(root, `folder${count++}`);
    await mkdir(path);
    for (const [name, content] of Object.entries(files)) {
      if (content === null) await mkdir(join(path, name));
      else await writeFile(join(path, name), content);
    }
    return path;
  };
  const tensor = { dtype: "F32", shape: [1], data: floats(7) };
  const weights = { "model.safetensors": writeSafetensors({ a: tensor }) };
  const index = (map: unknown, metadata: unknown = { total_size: 8 }) => ({
    "model.safetensors.index.json": JSON.stringify({ metadata, weight_map: map }),
  });
  const shards = { "x.safetensors": writeSafetensors({ a: tensor }), "y.safetensors": writeSafetensors({ b: tensor }) };
  const map = { a: "x.safetensors", b: "y.safetensors" };

  test("is opened with its JSON files, its template and its weights", async () => {
    const files = { "config.json": '{"a":1}', "tokenizer.json": "[]", "chat_template.jinja": "{{ x }}" };
    const checkpoint = await openFolder(await folder({ ...files, ...weights }));
    expect(checkpoint.json).toEqual(
      new Map<string, unknown>([
        ["config.json", { a: 1 }],
        ["tokenizer.json", []],
      ]),
    );
    expect(checkpoint.chatTemplate).toBe("{{ x }}");
    expect([...checkpoint.tensors.keys()]).toEqual(["a"]);
    expect(checkpoint.metadata.size).toBe(0);
    await checkpoint.verify?.();
    await checkpoint.close();
  });

  test("of shards is read by its index", async () => {
    const checkpoint = await openFolder(await folder({ ...shards, ...index(map) }));
    expect([...checkpoint.tensors.values()].map(({ name, source }) => [name, baseName(source.name)])).toEqual(
      Object.entries(map),
    );
    expect(checkpoint.warnings).toEqual([]);
    await checkpoint.close();
  });

  test("I07 is warned of where the total size is wrong, and not where it is missing", async () => {
    const wrong = await openFolder(await folder({ ...shards, ...index(map, { total_size: 9 }) }));
    expect(wrong.warnings[0]).toMatch(/^INDEX_TOTAL_SIZE: .* 9 bytes, its shards hold 8/);
    await wrong.close();
    const missing = await openFolder(await folder({ ...shards, ...index(map, {}) }));
    expect(missing.warnings).toEqual([]);
    await missing.close();
  });

  const NAMES = ["../../etc/passwd", "/etc/passwd", "a\\..\\b", "file://x.safetensors", "http://x/y.safetensors"];
  test.each([...NAMES, "x\0.safetensors", "C:x.safetensors", "../x.safetensors", "x.bin", ""])(
    "I01 is refused where a shard is called %j",
    async (name) => {
      const error = await openFolder(await folder({ ...shards, ...index({ a: name }) })).catch((error) => error);
      expect([error.code, error.at.field]).toEqual(["INDEX_PATH", "/weight_map/a"]);
    },
  );

  const sixteen = " ".repeat(16 * 2 ** 20);
  test.each<[string, Record<string, string | Uint8Array | null>, string, string?]>([
    ["without weights", { "config.json": "{}" }, "CHECKPOINT_EMPTY"],
    ["I03 shard missing", index(map), "SHARD_MISSING"],
    ["I03 shard is a folder", { ...shards, "y.safetensors": null, ...index(map) }, "SHARD_NOT_FILE"],
    [
      "I04 tensor not in its shard",
      { ...shards, ...index({ ...map, c: "x.safetensors" }) },
      "INDEX_TENSOR",
      "/weight_map/c",
    ],
    [
      "I04 tensor mapped to the other shard",
      { ...shards, ...index({ a: "y.safetensors", b: "y.safetensors" }) },
      "INDEX_TENSOR",
    ],
    [
      "I04 tensor in two shards",
      { ...shards, "y.safetensors": shards["x.safetensors"], ...index({ a: "x.safetensors", b: "y.safetensors" }) },
      "INDEX_TENSOR",
    ],
    [
      "I04 tensor not listed",
      { "x.safetensors": writeSafetensors({ a: tensor, b: tensor }), ...index({ a: "x.safetensors" }) },
      "INDEX_TENSOR",
      "/weight_map/b",
    ],
    [
      "I04 tensor mapped twice",
      { "model.safetensors.index.json": '{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}' },
      "INDEX_TENSOR",
      "/weight_map/a",
    ],
    [
      "I06 100,000 shards",
      index(Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`t${i}`, `${i}.safetensors`]))),
      "INDEX_SHARDS",
    ],
    ["I08 map is a list", index(["x.safetensors"]), "INDEX_SHAPE", "/weight_map"],
    ["I08 shard is a number", index({ "a/b": 1 }), "INDEX_SHAPE", "/weight_map/a~1b"],
    ["I08 no map", { "model.safetensors.index.json": "{}" }, "INDEX_SHAPE", "/weight_map"],
    ["I08 index is a list", { "model.safetensors.index.json": "[]" }, "INDEX_SHAPE"],
    ["index of depth 5", index({ a: "x.safetensors" }, { a: [[[1]]] }), "JSON_DEPTH"],
    ["broken JSON", { "config.json": '{"a":}', ...weights }, "JSON_SYNTAX", "/a"],
    ["JSON not UTF-8", { "config.json": latin1('"\xff"'), ...weights }, "JSON_SYNTAX"],
    ["deep JSON", { "config.json": "[".repeat(33), ...weights }, "JSON_DEPTH"],
    ["large JSON", { "config.json": `${sixteen}1`, ...weights }, "JSON_SIZE"],
    ["large template", { "chat_template.jinja": " ".repeat(2 ** 18 + 1), ...weights }, "TPL_SIZE"],
    ["broken weights", { "model.safetensors": bytes(3) }, "ST_TRUNCATED"],
  ])("is refused: %s", async (_, files, code, field) => {
    const path = await folder(files);
    const start = performance.now();
    const error = await openFolder(path).catch((error) => error);
    expect(performance.now() - start).toBeLessThan(300);
    expect(error).toBeInstanceOf(EngineError);
    expect(error.code).toBe(code);
    if (field !== undefined) expect(error.at.field).toBe(field);
  });

  test("I02 follows a shard that is a link, into a hub's cache or anywhere else: whoever owns the disk made it", async () => {
    const outside = join(root, "outside.safetensors");
    await writeFile(outside, shards["y.safetensors"]);
    const path = await folder({ "x.safetensors": shards["x.safetensors"], ...index(map) });
    await symlink(outside, join(path, "y.safetensors"));
    const linked = await openFolder(path);
    expect(linked.tensors.size).toBe(Object.keys(map).length);
    await linked.close();
  });
});
