/** Rows of the catalogue of hostile files that need more than a few bytes, a folder or the model behind them. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { Checkpoint } from "../src/checkpoint/checkpoint.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { openGguf } from "../src/checkpoint/gguf.ts";
import { readSafetensors } from "../src/checkpoint/safetensors.ts";
import { openSource } from "../src/checkpoint/source.ts";
import { EngineError } from "../src/error.ts";
import { readConfig } from "../src/model/config/config.ts";
import { mapWeights } from "../src/model/plan/weights.ts";
import { goldenCase } from "./golden.ts";
import { array, concat, pair, text, u32, u64, VALUE_TYPES, writeGguf } from "./write-gguf.ts";
import { entry, rawSafetensors, writeSafetensors } from "./write-safetensors.ts";

const refusal = async (work: Promise<unknown>): Promise<EngineError> => {
  const error = await work.then(
    () => "accepted",
    (error) => error,
  );
  expect(error).toBeInstanceOf(EngineError);
  return error;
};
const isUtf8 = (bytes: Uint8Array) => {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes) !== undefined;
  } catch {
    return false;
  }
};
/** A file of one array of equal elements. */
const repeated = (type: number, count: number, element: number[]) =>
  writeGguf({
    pairs: [
      pair(
        "k",
        VALUE_TYPES.array,
        array(type, count, new Uint8Array(Buffer.alloc(count * element.length, Uint8Array.from(element)))),
      ),
    ],
  });
const gguf = async (bytes: Uint8Array) => openGguf(await openSource(bytes));
const safetensors = async (file: Uint8Array) => readSafetensors(await openSource(file));

describe("GGUF", () => {
  test("G06, G07 counts are bounded by the bytes that remain: 24 for a tensor, 14 for a pair", async () => {
    const head = (tensorCount: number, pairCount: number) =>
      concat([writeGguf({ tensorCount, pairCount }).subarray(0, 24), new Uint8Array(1000)]);
    expect(await refusal(gguf(head(1 + 1008 / 24, 0)))).toMatchObject({ code: "GGUF_COUNT", limit: 42, actual: 43 });
    expect(await refusal(gguf(head(0, 72)))).toMatchObject({ code: "GGUF_COUNT", limit: 71, actual: 72 });
  });

  test("G15 20,000 nested arrays end at the first inner one", async () => {
    const level = array(VALUE_TYPES.array, 1);
    const nested = pair("k", VALUE_TYPES.array, concat(Array.from({ length: 20_000 }, () => level)));
    expect(await refusal(gguf(writeGguf({ pairs: [nested] })))).toMatchObject({
      code: "GGUF_ARRAY_NESTED",
      at: { field: "kv[k]", offset: 37 },
    });
  });

  test("G25 2^32 - 1 dimensions", async () => {
    const tensor = concat([text("t"), u32(2 ** 32 - 1), new Uint8Array(64)]);
    const file = concat([writeGguf({ tensorCount: 1 }).subarray(0, 24), tensor]);
    expect(await refusal(gguf(file))).toMatchObject({ code: "GGUF_NDIMS", actual: 2 ** 32 - 1 });
  });

  test("G28 sizes that fit each, and not together", async () => {
    const tensors = [0, 1, 2].map((i) => ({ name: `t${i}`, ne: [2n ** 50n], offset: BigInt(i) * 2n ** 52n }));
    const error = await refusal(gguf(writeGguf({ tensors })));
    expect([error.code, error.at?.field]).toEqual(["GGUF_DATA_BYTES", "tensors[1]"]);
  });

  test("text that is not UTF-8 is read as a decoder reads it, whatever stands around it", async () => {
    const seed = Date.now() & 0x7fffffff;
    console.log(`malformed text: seed ${seed}`);
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc.string({ unit: "binary", maxLength: 40 }).map((one) => new TextEncoder().encode(one)),
      fc.constantFrom(
        [0xed, 0xa0, 0x80],
        [0xe0, 0x80, 0x80],
        [0xf0, 0x9f, 0x98],
        [0xf4, 0x90, 0x80, 0x80],
        [0xc0, 0xaf],
      ),
    );
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const property = fc.asyncProperty(fc.array(bytes, { maxLength: 20 }), async (given) => {
      const strings = given.map((one) => Uint8Array.from(one));
      const items = strings.map((one) => concat([u64(one.length), one]));
      const value = array(VALUE_TYPES.string, items.length, ...items);
      const { metadata, warnings } = await gguf(writeGguf({ pairs: [pair("k", VALUE_TYPES.array, value)] }));
      expect(metadata.get("k")).toEqual(strings.map((one) => decoder.decode(one)));
      const wrong = strings.filter((one) => !isUtf8(one)).length;
      expect(warnings).toEqual(wrong > 0 ? [`GGUF_UTF8: kv[k] holds ${wrong} strings that are not UTF-8`] : []);
    });
    await fc.assert(property, { seed, numRuns: 1000 });
  });

  test.each<[string, Uint8Array, number]>([
    // 2.9 s when every string cost a decoder's call and another one's exception.
    [
      "half a million strings of one wrong byte",
      repeated(VALUE_TYPES.string, 2 ** 19, [1, 0, 0, 0, 0, 0, 0, 0, 0xff]),
      8,
    ],
    // 200 MiB as an array of bigints, 120 MiB as one made by `Array.from`.
    ["two million u64", repeated(VALUE_TYPES.u64, 2 ** 21, [5, 0, 0, 0, 0, 0, 0, 0]), 2],
    ["two million truth values", repeated(VALUE_TYPES.bool, 2 ** 21, [1]), 10],
  ])("%s are read at once, into a few times their bytes", async (_, bytes, times) => {
    const source = await openSource(bytes);
    const before = process.memoryUsage();
    const start = process.cpuUsage();
    const { metadata } = await openGguf(source);
    const { user, system } = process.cpuUsage(start);
    const after = process.memoryUsage();
    expect((user + system) / 1000).toBeLessThan(400);
    const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
    expect(grown).toBeLessThan(times * bytes.length + 16 * 2 ** 20);
    expect(metadata.size).toBe(1);
  });

  test("G36 100,000 pairs take time linear in their number", async () => {
    const file = (count: number) =>
      writeGguf({ pairs: Array.from({ length: count }, (_, i) => pair(`key.${i}`, VALUE_TYPES.u64, u64(i))) });
    const time = async (bytes: Uint8Array) => {
      const start = performance.now();
      await gguf(bytes);
      return performance.now() - start;
    };
    const [small, large] = [file(25_000), file(100_000)];
    await time(small);
    const base = await time(small);
    expect(await time(large)).toBeLessThan(12 * base + 100);
  });
});

describe("safetensors", () => {
  test("S07 a tensor called __proto__ is unknown to the model, and changes nothing", async () => {
    const checkpoint = await openFolder(goldenCase("text-d-guard").hfPath());
    const { config } = readConfig(checkpoint);
    const [first] = checkpoint.tensors.values();
    const tensors = new Map(checkpoint.tensors).set("__proto__", { ...first, name: "__proto__" });
    const changed: Checkpoint = { ...checkpoint, tensors };
    expect(() => mapWeights(changed, config)).toThrow(/MODEL_TENSOR: unknown tensors: 1 \("__proto__"\)/);
    expect(({} as Record<string, unknown>)["shape"]).toBeUndefined();
    await checkpoint.close();
  });

  test("S10 a hole names both its sides", async () => {
    const { code, message } = await refusal(
      safetensors(rawSafetensors(`{${entry("a", 0, 4)},${entry("b", 8, 12)}}`, new Uint8Array(12))),
    );
    expect(code).toBe("ST_HOLE");
    expect(message).toContain('"b" leaves a hole after "a"');
  });

  test("S16 metadata of objects", async () => {
    const error = await refusal(safetensors(rawSafetensors('{"__metadata__":{"a":{}}}')));
    expect([error.code, error.at?.field]).toEqual(["ST_METADATA", "/__metadata__/a"]);
  });
});

describe("a folder of shards", () => {
  const root = mkdtempSync(join(tmpdir(), "hostile-"));
  afterAll(() => rmSync(root, { recursive: true }));
  writeFileSync(
    join(root, "a.safetensors"),
    writeSafetensors({ a: { dtype: "U8", shape: [0], data: new Uint8Array(0) } }),
  );
  const mapped = (shard: string) =>
    writeFileSync(
      join(root, "model.safetensors.index.json"),
      JSON.stringify({ weight_map: { a: "a.safetensors", b: shard } }),
    );

  test("JSON of more values than any file has is refused before it is parsed", async () => {
    // 60 MB of these took 18 s and 1.8 GiB.
    writeFileSync(join(root, "config.json"), `[${"{},".repeat(2 ** 18)}0]`);
    const start = process.cpuUsage();
    const error = await refusal(openFolder(root));
    expect([error.code, error.at?.field]).toEqual(["JSON_SIZE", `/${2 ** 18 - 1}`]);
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(300);
    rmSync(join(root, "config.json"));
  });

  test("I03 with a FIFO or a device among them is refused without waiting for either", async () => {
    execFileSync("mkfifo", [join(root, "fifo.safetensors")]);
    mapped("fifo.safetensors");
    expect(await refusal(openFolder(root))).toMatchObject({ code: "SHARD_NOT_FILE", actual: undefined });
    symlinkSync("/dev/zero", join(root, "zero.safetensors"));
    mapped("zero.safetensors");
    expect((await refusal(openFolder(root))).code).toBe("SHARD_NOT_FILE");
  });
});
