import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openCheckpoint } from "../src/checkpoint/open.ts";
import { EngineError } from "../src/error.ts";
import { pair, u16, u32, VALUE_TYPES, writeGguf } from "./write-gguf.ts";
import { writeSafetensors } from "./write-safetensors.ts";

const GGUF = writeGguf({ tensors: [{ name: "t", ne: [8], data: new Uint8Array(32) }] });

let root: string;
let path: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "wasmaverick-open-"));
  path = join(root, "content.bin");
  await writeFile(
    path,
    Uint8Array.from({ length: 200_000 }, (_, i) => (i * 7919) >> 3),
  );
});

afterAll(() => rm(root, { recursive: true }));

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
