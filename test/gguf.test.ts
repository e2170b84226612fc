import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ByteSource } from "../src/checkpoint/checkpoint.ts";
import { openGguf } from "../src/checkpoint/gguf.ts";
import { openSource } from "../src/checkpoint/source.ts";
import { EngineError } from "../src/error.ts";
import {
  array,
  concat,
  f32,
  type GgufParts,
  latin1,
  pair,
  TENSOR_TYPES,
  text,
  textPair,
  u16,
  u32,
  u64,
  VALUE_TYPES,
  writeGguf,
} from "./write-gguf.ts";
import { DATA_32, HOSTILE, keyed, typed } from "./write-hostile-gguf.ts";

const { u8, i8, i16, i32, f64, bool, string, i64 } = VALUE_TYPES;
const ARRAY = VALUE_TYPES.array;

/** One value of every type, and a tensor of every stored type. */
const VALID: GgufParts = {
  pairs: [
    textPair("general.architecture", "llama4"),
    pair("a.u8", u8, Uint8Array.of(200)),
    pair("a.i8", i8, Uint8Array.of(200)),
    pair("a.u16", VALUE_TYPES.u16, u16(65535)),
    pair("a.i16", i16, u16(65535)),
    pair("a.u32", VALUE_TYPES.u32, u32(2 ** 32 - 1)),
    pair("a.i32", i32, u32(2 ** 32 - 1)),
    pair("a.f32", VALUE_TYPES.f32, f32(0.5)),
    pair("a.bool", bool, Uint8Array.of(1)),
    pair("a.u64", VALUE_TYPES.u64, u64(2n ** 64n - 1n)),
    pair("a.i64", i64, u64(42)),
    pair("a.f64", f64, new Uint8Array(Float64Array.of(Math.PI).buffer)),
    pair(
      "tokens",
      ARRAY,
      array(string, 5, text("Ġthe"), text(""), text("😀a"), text("\ufeffb"), text("x".repeat(300))),
    ),
    pair("types", ARRAY, array(i32, 3, u32(1), u32(3), u32(6))),
    pair("flags", ARRAY, array(bool, 2, Uint8Array.of(1, 0))),
    pair("wide", ARRAY, array(i64, 1, u64(2n ** 64n - 5n))),
    pair("none", ARRAY, array(i32, 0)),
  ],
  tensors: [
    { name: "f32", type: TENSOR_TYPES.f32, ne: [3, 2], data: f32(1, 2, 3, 4, 5, 6) },
    { name: "f16", type: TENSOR_TYPES.f16, ne: [4], data: new Uint8Array(8) },
    { name: "bf16", type: TENSOR_TYPES.bf16, ne: [4], data: new Uint8Array(8) },
    { name: "q4_0", type: TENSOR_TYPES.q4_0, ne: [32, 2], data: new Uint8Array(36) },
    { name: "q8_0", type: TENSOR_TYPES.q8_0, ne: [64, 1, 2], data: new Uint8Array(136).fill(7) },
  ],
};

async function open(bytes: Uint8Array) {
  return openGguf(await openSource(bytes));
}

/** The error of a file that must be refused, at once. */
async function refusal(bytes: Uint8Array): Promise<EngineError> {
  const start = performance.now();
  const error = await open(bytes).then(
    () => undefined,
    (error) => error,
  );
  expect(performance.now() - start).toBeLessThan(100 + bytes.length * 20e-6);
  expect(error).toBeInstanceOf(EngineError);
  return error;
}

describe("a valid file", () => {
  test("gives every value by its type", async () => {
    const { metadata, warnings, format } = await open(writeGguf(VALID));
    expect(format).toBe("gguf");
    expect(warnings).toEqual([]);
    expect(Object.fromEntries(metadata)).toEqual({
      "general.architecture": "llama4",
      "a.u8": 200,
      "a.i8": -56,
      "a.u16": 65535,
      "a.i16": -1,
      "a.u32": 2 ** 32 - 1,
      "a.i32": -1,
      "a.f32": 0.5,
      "a.bool": true,
      "a.u64": 2n ** 64n - 1n,
      "a.i64": 42,
      "a.f64": Math.PI,
      tokens: ["Ġthe", "", "😀a", "\ufeffb", "x".repeat(300)],
      types: Int32Array.of(1, 3, 6),
      flags: [true, false],
      wide: BigInt64Array.of(-5n),
      none: new Int32Array(0),
    });
  });

  test("gives every tensor's shape outermost first, its place and its bytes", async () => {
    const bytes = writeGguf(VALID);
    const { tensors } = await open(bytes);
    expect([...tensors.keys()]).toEqual(["f32", "f16", "bf16", "q4_0", "q8_0"]);
    const { shape, type, source, offset, bytes: size } = tensors.get("f32")!;
    expect([shape, type, size]).toEqual([[2, 3], "f32", 24]);
    const data = new Uint8Array(24);
    await source.read(offset, data);
    expect([...new Float32Array(data.buffer)]).toEqual([1, 2, 3, 4, 5, 6]);
    const last = tensors.get("q8_0")!;
    expect(last.shape).toEqual([2, 1, 64]);
    expect(last.offset + last.bytes).toBe(bytes.length);
  });

  test("may be of version 2, have another alignment and a first key in Cyrillic", async () => {
    const pairs = [textPair("ключ", "да"), pair("general.alignment", VALUE_TYPES.u32, u32(1024))];
    const { metadata, tensors } = await open(writeGguf({ ...VALID, version: 2, pairs, alignment: 1024 }));
    expect(metadata.get("ключ")).toBe("да");
    expect(tensors.get("f16")!.offset % 1024).toBe(0);
  });

  test("of Llama 4's vocabulary is read in half a second", async () => {
    const tokens = Array.from({ length: 202_048 }, (_, i) => text(`${i % 2 ? "Ġ" : ""}token${i}`));
    const merges = Array.from({ length: 439_802 }, (_, i) => text(`Ġab${i} cd${i}`));
    const bytes = writeGguf({
      pairs: [
        pair("tokens", ARRAY, array(string, tokens.length, concat(tokens))),
        pair("merges", ARRAY, array(string, merges.length, concat(merges))),
      ],
    });
    const start = performance.now();
    const { metadata } = await open(bytes);
    expect(performance.now() - start).toBeLessThan(500);
    expect((metadata.get("tokens") as string[])[202_047]).toBe("Ġtoken202047");
    expect((metadata.get("merges") as string[])[439_801]).toBe("Ġab439801 cd439801");
  });

  test("G36 of 100,000 tensors takes time linear in their number", async () => {
    const file = (count: number) =>
      writeGguf({
        tensors: Array.from({ length: count }, (_, i) => ({ name: `t${i}`, ne: [8], data: new Uint8Array(32) })),
      });
    const time = async (bytes: Uint8Array) => {
      const start = performance.now();
      await open(bytes);
      return performance.now() - start;
    };
    const [small, large] = [file(25_000), file(100_000)];
    await time(small);
    const base = await time(small);
    expect(await time(large)).toBeLessThan(12 * base + 100);
  });

  test("G33 may have a tail, which is warned of", async () => {
    const { warnings } = await open(writeGguf({ ...VALID, tail: new Uint8Array(33) }));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^GGUF_TRAILING: "bytes" has 33 unused bytes/);
  });

  test("may hold text that is not UTF-8, which is warned of", async () => {
    const pairs = [pair("t", ARRAY, array(string, 3, text("ok"), u64(2), Uint8Array.of(0xc4, 0x41), text("\ufffd")))];
    const { metadata, warnings } = await open(writeGguf({ pairs }));
    expect(metadata.get("t")).toEqual(["ok", "\ufffdA", "\ufffd"]);
    expect(warnings).toEqual(["GGUF_UTF8: kv[t] holds 1 strings that are not UTF-8"]);
  });

  test("text cut between two strings within a character is not joined", async () => {
    const pairs = [pair("t", ARRAY, array(string, 2, u64(1), Uint8Array.of(0xc4), u64(1), Uint8Array.of(0xa0)))];
    const { metadata } = await open(writeGguf({ pairs }));
    expect(metadata.get("t")).toEqual(["\ufffd", "\ufffd"]);
  });

  test("G13 keys named like Object's own are only names", async () => {
    const pairs = [textPair("__proto__", "x"), textPair("constructor.prototype.x", "y")];
    const { metadata } = await open(writeGguf({ pairs }));
    expect(metadata.get("__proto__")).toBe("x");
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  });
});

describe("a hostile file is refused:", () => {
  test.each(HOSTILE)("%s", async (_, bytes, code, field, offset) => {
    const error = await refusal(bytes);
    expect(error.code).toBe(code);
    expect(error.at?.source).toBe("gguf");
    if (field !== undefined) expect(error.at?.field).toBe(field);
    if (offset !== undefined) expect(error.at?.offset).toBe(offset);
  });

  test("G08 a pair that is not there, at the end of the file", async () => {
    const bytes = concat([writeGguf({ pairCount: 2 }).subarray(0, 24), textPair("key", "a value")]);
    const error = await refusal(bytes);
    expect([error.code, error.at?.field, error.at?.offset]).toEqual(["GGUF_TRUNCATED", "kv[1].key", bytes.length]);
  });

  test("G03 a git-LFS pointer gets its hint", async () => {
    const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    expect((await refusal(latin1(pointer))).message).toContain("git lfs pull");
  });

  test("G11 names come escaped", async () => {
    const { message } = await refusal(keyed(text("\x1b[31m")));
    expect(message).toContain("\\u001b[31m");
    expect(message).not.toContain("\x1b");
  });

  test("G12 a duplicate names both places", async () => {
    const { message } = await refusal(writeGguf({ pairs: [textPair("k", ""), textPair("k", "")] }));
    expect(message).toContain("bytes 24 and 45");
  });

  test("G30 an unknown type lists the supported ones", async () => {
    const { message } = await refusal(typed(4, 256));
    expect(message).toContain("F32 (0), F16 (1), Q4_0 (2), Q4_1 (3), Q5_0 (6), Q5_1 (7), Q8_0 (8), Q2_K (10)");
    expect(message).toContain("Q6_K (14), IQ4_NL (20), IQ4_XS (23), BF16 (30), TQ1_0 (34), TQ2_0 (35), MXFP4 (39)");
  });

  test("G32 cut anywhere", async () => {
    const bytes = writeGguf(VALID);
    for (let length = 0; length < bytes.length; length++) {
      const error = await open(bytes.subarray(0, length)).then(
        () => `${length} bytes were accepted`,
        (error) => error,
      );
      expect(error).toBeInstanceOf(EngineError);
    }
  });

  test("a header larger than any model's", async () => {
    const source: ByteSource = {
      name: "huge",
      size: 2 ** 40,
      close: async () => {},
      read: async (offset, into) => {
        into.fill(0);
        if (offset === 0) into.set(writeGguf({ pairCount: 100_000 }).subarray(0, 24));
        // Each pair: an own key and 4 MiB of zeros.
        for (let i = Math.floor(offset / PAIR); 24 + i * PAIR < offset + into.length; i++) {
          const head = concat([text(`key ${String(i).padStart(8, "0")}`), u32(ARRAY), u32(u8), u64(PAIR - 36)]);
          const at = 24 + i * PAIR - offset;
          for (let j = Math.max(0, -at); j < head.length && at + j < into.length; j++) into[at + j] = head[j];
        }
      },
    };
    const PAIR = 2 ** 22;
    await expect(openGguf(source)).rejects.toMatchObject({
      code: expect.stringMatching(/^GGUF_(HEADER_SIZE|ARRAY_LEN)$/),
    });
  });

  test("any bytes changed: an EngineError or a checkpoint, never anything else", async () => {
    const seed = Date.now() & 0x7fffffff;
    const bytes = writeGguf(VALID);
    const change = fc.record({ at: fc.nat(bytes.length - 300), value: fc.nat(255) });
    const property = fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), async (changes) => {
      const changed = bytes.slice();
      for (const { at, value } of changes) changed[at] = value;
      await open(changed).catch((error) => expect(error).toBeInstanceOf(EngineError));
    });
    console.log(`gguf mutations: seed ${seed}`);
    await fc.assert(property, { seed, numRuns: 3000 });
  });
});

describe("a split file", () => {
  interface Shard {
    no: number;
    tensor: string;
    count?: number;
    total?: number;
    architecture?: string;
  }
  const shard = ({ no, tensor, count = 3, total = 3, architecture }: Shard) =>
    writeGguf({
      pairs: [
        ...(architecture ? [textPair("general.architecture", architecture)] : []),
        pair("split.no", VALUE_TYPES.u16, u16(no)),
        pair("split.count", VALUE_TYPES.u16, u16(count)),
        pair("split.tensors.count", i32, u32(total)),
      ],
      tensors: [{ name: tensor, ne: [8], ...DATA_32 }],
    });

  let opened = 0;
  const named = async (name: string, bytes: Uint8Array): Promise<ByteSource> => {
    const source = await openSource(bytes);
    opened++;
    return {
      name,
      size: source.size,
      read: (offset, into) => source.read(offset, into),
      close: async () => void opened--,
    };
  };
  /** Opens shard 0 of those given; the others are found by name. */
  const openShards = async (shards: Record<string, Uint8Array>, first = "m-00001-of-00003.gguf") =>
    openGguf(await named(first, shards[first]), async (name) => {
      if (!shards[name]) throw new EngineError("FILE_MISSING", "no such file");
      return named(name, shards[name]);
    });
  const three = (changes: Partial<Shard>[] = []) =>
    Object.fromEntries(
      ["a", "b", "c"].map((tensor, no) => [`m-0000${no + 1}-of-00003.gguf`, shard({ no, tensor, ...changes[no] })]),
    );

  test("is read as one, and closed as one", async () => {
    const checkpoint = await openShards(three([{ architecture: "llama4" }]));
    expect([...checkpoint.tensors.keys()]).toEqual(["a", "b", "c"]);
    expect(checkpoint.tensors.get("c")!.source.name).toBe("m-00003-of-00003.gguf");
    expect(checkpoint.metadata.get("general.architecture")).toBe("llama4");
    expect(opened).toBe(3);
    await checkpoint.close();
    expect(opened).toBe(0);
  });

  const { "m-00002-of-00003.gguf": _, ...missing } = three();
  test.each<[string, Record<string, Uint8Array>, string?]>([
    ["a shard is missing", missing],
    ["a shard has another number", three([{}, { no: 2 }])],
    ["a shard has another count", three([{}, {}, { count: 4 }])],
    ["a shard has another total", three([{}, {}, { total: 4 }])],
    ["the total is wrong", three([{ total: 4 }, { total: 4 }, { total: 4 }])],
    ["two shards hold the same tensor", three([{}, {}, { tensor: "b" }])],
    ["a shard is of another architecture", three([{ architecture: "llama4" }, { architecture: "llama" }])],
    ["the name has no number", { "m.gguf": shard({ no: 0, tensor: "a" }) }, "m.gguf"],
  ])("G35 is refused where %s, and nothing stays open", async (_, shards, first) => {
    await expect(openShards(shards, first)).rejects.toMatchObject({ code: "GGUF_SPLIT" });
    expect(opened).toBe(0);
  });

  test("G35 opened by another shard than the first names the first", async () => {
    const error = await openShards(three(), "m-00002-of-00003.gguf").catch((error) => error);
    expect(error.code).toBe("GGUF_SPLIT");
    expect(error.message).toContain('open "m-00001-of-00003.gguf"');
    expect(opened).toBe(0);
  });
});
