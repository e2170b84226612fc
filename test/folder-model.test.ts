/**
 * What a path may lead to besides a file and a folder of safetensors.
 */
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openCheckpoint } from "../src/checkpoint/open.ts";
import { PROJECT, RUNTIMES, runToEnd, titleOf } from "./runtimes.ts";
import { pair, u16, VALUE_TYPES, writeGguf } from "./write-gguf.ts";
import { writeSafetensors } from "./write-safetensors.ts";

const GGUF = writeGguf({ tensors: [{ name: "t", ne: [8], data: new Uint8Array(32) }] });
const WEIGHTS = writeSafetensors({ t: { dtype: "F32", shape: [1], data: new Uint8Array(4) } });

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "wasmaverick-found-"));
});
afterAll(() => rm(root, { recursive: true }));

async function folder(name: string, files: Record<string, string | Uint8Array>): Promise<string> {
  for (const [file, content] of Object.entries(files)) {
    await mkdir(join(root, name, file, ".."), { recursive: true });
    await writeFile(join(root, name, file), content);
  }
  return join(root, name);
}

async function opened(place: string | URL) {
  const checkpoint = await openCheckpoint(place);
  await checkpoint.close();
  const { format, name, warnings } = checkpoint;
  return { format, name, warnings: warnings.join() };
}

test("the root of a hub's cache: the revision of refs/main, said in a warning", async () => {
  const path = await folder("models--owner--model", {
    "refs/main": "abc\n",
    "blobs/1": WEIGHTS,
    "snapshots/abc/config.json": "{}",
    "snapshots/old/config.json": "{}",
  });
  await symlink("../../blobs/1", join(path, "snapshots/abc/model.safetensors"));
  for (const place of [path, `${path}/`, pathToFileURL(path)]) {
    expect(await opened(place)).toEqual({
      format: "safetensors",
      name: "abc",
      warnings: expect.stringContaining('revision "abc" of the cache was opened, which refs/main names'),
    });
  }
  await rm(join(path, "refs"), { recursive: true });
  await expect(openCheckpoint(path)).rejects.toMatchObject({
    code: "CHECKPOINT_SEVERAL",
    message: expect.stringContaining('"abc", "old"'),
  });
});

test("the only revision of a cache, where refs/main names another, none, or is no file", async () => {
  const path = await folder("models--owner--one", { "refs/main": "def\n", "snapshots/abc/model.safetensors": WEIGHTS });
  const ref = join(path, "refs/main");
  const warnings = async () => (await opened(path)).warnings;
  expect(await warnings()).toMatch(/"abc" of the cache was opened, the only one; refs\/main names "def", which is not/);
  await writeFile(ref, "x".repeat(10_000));
  expect(await warnings()).toMatch(/the only one$/);
  await rm(ref);
  expect(await warnings()).toMatch(/the only one$/);
  // One that nobody writes to would be waited for.
  execFileSync("mkfifo", [ref]);
  expect(await warnings()).toMatch(/the only one$/);
});

test("a folder with one GGUF file, or one split set: that file, said in a warning; several are listed", async () => {
  const one = await folder("one", { "Model.GGUF": GGUF, "mmproj-model.gguf": GGUF, "README.md": "" });
  expect(await opened(one)).toMatchObject({
    format: "gguf",
    name: "Model.GGUF",
    warnings: expect.stringContaining("Model.GGUF"),
  });
  const split = await folder("split", { "m-00001-of-00002.gguf": GGUF, "m-00002-of-00002.gguf": GGUF });
  expect((await opened(split)).name).toBe("m-00001-of-00002.gguf");
  const two = await folder("two", { "a-q4.gguf": GGUF, "a-q8.gguf": GGUF });
  await expect(openCheckpoint(two)).rejects.toMatchObject({ code: "CHECKPOINT_SEVERAL", actual: 2 });
});

test("what lies around a model does not hide it: its repository's JSON, projectors, statistics, other folders", async () => {
  const around = { "config.json": "{}", "m-mmproj-f16.gguf": GGUF, "m.imatrix.gguf": GGUF, "snapshots/x": "" };
  expect((await opened(await folder("around", { "m.gguf": GGUF, ...around }))).name).toBe("m.gguf");
  expect((await opened(await folder("adapted", { "m.gguf": GGUF, "adapter_model.safetensors": "" }))).name).toBe(
    "m.gguf",
  );
  const both = { "config.json": "{}", "model.safetensors": WEIGHTS, "m.gguf": GGUF };
  expect((await opened(await folder("both", both))).format).toBe("safetensors");
  const cache = await folder("cache", { "snapshots/abc/m.gguf": GGUF, "snapshots/.DS_Store": "" });
  expect((await opened(cache)).name).toBe("m.gguf");
  await mkdir(join(root, "none/snapshots"), { recursive: true });
  await expect(openCheckpoint(join(root, "none"))).rejects.toMatchObject({ code: "CHECKPOINT_EMPTY" });
});

test("a split set in upper case", async () => {
  const shard = (no: number) =>
    writeGguf({
      pairs: [pair("split.no", VALUE_TYPES.u16, u16(no)), pair("split.count", VALUE_TYPES.u16, u16(2))],
      tensors: [{ name: `t${no}`, ne: [8], data: new Uint8Array(32) }],
    });
  const path = await folder("upper", { "M-00001-of-00002.GGUF": shard(0), "M-00002-of-00002.GGUF": shard(1) });
  expect((await opened(path)).name).toBe("M-00001-of-00002.GGUF");
});

test.each(["TinyLlama/TinyLlama-1.1B", "HuggingFaceTB/SmolLM2-1.7B", "meta-llama/Llama-3.2-1B"])(
  "%s is told how to get it",
  async (name) => {
    await expect(openCheckpoint(name)).rejects.toMatchObject({
      code: "FILE_MISSING",
      message: expect.stringContaining(`hf download ${name} --local-dir DIR`),
    });
  },
);

test.each([
  ["hf.co/owner/model", "hf download owner/model --"],
  ["huggingface.co/owner/model", "hf download owner/model --"],
  ["hf://owner/model", "hf download owner/model --"],
  ["owner/model-GGUF:Q4_K_M", "hf download owner/model-GGUF --"],
  ["s3://bucket/model.gguf", "file:, http: and https: are read"],
  ["~/models/model.gguf", "~ is known to shells alone"],
])("%s is no path: %s", async (given, hint) => {
  await expect(openCheckpoint(given)).rejects.toMatchObject({
    code: "FILE_MISSING",
    at: { file: given },
    message: expect.stringContaining(hint),
  });
});

test("a file with a slash behind it, and one that is something else, are told what they are", async () => {
  const path = await folder("others", {
    "m.gguf": GGUF,
    "pytorch_model.bin": "PK\x03\x04 and so on, for as many bytes as a header has",
    "config.json": '{ "architectures": ["LlamaForCausalLM"] }',
    "saved.gguf": "<!DOCTYPE html><html><title>Log in</title></html>",
  });
  await expect(openCheckpoint(`${path}/m.gguf/`)).rejects.toThrow(/FILE_MISSING: .*the slash behind it/);
  await expect(openCheckpoint(`${path}/none.gguf/`)).rejects.toThrow(/no such file or folder, expected/);
  await expect(openCheckpoint(`${path}/pytorch_model.bin`)).rejects.toThrow(/GGUF_MAGIC: .*can hold code/);
  await expect(openCheckpoint(`${path}/config.json`)).rejects.toThrow(/GGUF_MAGIC: .*by their folder/);
  await expect(openCheckpoint(`${path}/saved.gguf`)).rejects.toThrow(/GGUF_MAGIC: .*a web page/);
});

test.each([
  ["adapter_model.safetensors", "an adapter"],
  ["model-00001-of-00002.safetensors", "the index that lists them all is missing"],
  ["consolidated.safetensors", "laid out otherwise"],
])("a folder of %s: %s", async (file, hint) => {
  await expect(openCheckpoint(await folder(file, { [file]: WEIGHTS }))).rejects.toMatchObject({
    code: "CHECKPOINT_EMPTY",
    message: expect.stringContaining(hint),
  });
});

test("a long path keeps the file's name in a message", async () => {
  const path = `${join(root, "long")}/${"deep/".repeat(40)}model-00007-of-00050.safetensors`;
  await expect(openCheckpoint(path)).rejects.toThrow(/"\S*long\S*\.\.\.\S*model-00007-of-00050\.safetensors"/);
});

test("a folder of PyTorch files, an empty one, and a name of a repository: what to do", async () => {
  const pickled = await folder("pickled", { "pytorch_model-00001-of-00002.bin": "", "config.json": "{}" });
  await expect(openCheckpoint(pickled)).rejects.toMatchObject({
    code: "CHECKPOINT_EMPTY",
    message: expect.stringContaining("can hold code"),
  });
  await expect(openCheckpoint(await folder("empty", { "notes.txt": "" }))).rejects.toMatchObject({
    code: "CHECKPOINT_EMPTY",
    at: { file: join(root, "empty") },
  });
  await expect(openCheckpoint("owner/model")).rejects.toMatchObject({
    code: "FILE_MISSING",
    message: expect.stringMatching(/nothing is downloaded by name.*hf download owner\/model.*GGUF file/),
  });
  const missing = await openCheckpoint("models/none.gguf").catch((error) => error);
  expect(missing.message).not.toContain("downloaded");
  expect(missing.at.file).toBe("models/none.gguf");
});

const deno = RUNTIMES.find(({ name }) => name === "Deno")!;
test.skipIf(!deno.command)(`${titleOf(deno)} without leave to read the model: FILE_DENIED and the flag`, async () => {
  const model = join(root, "one/Model.GGUF");
  const { out, err } = await runToEnd(
    deno.command!,
    ["run", "--no-prompt", `--allow-read=${PROJECT}`, "test/hosts/denied.mjs", model],
    PROJECT,
  );
  expect(out, err).toMatch(/^FILE_DENIED .*--allow-read="[^"]*Model\.GGUF"/);
});

test("Node's --permission without leave to read the model: FILE_DENIED and the flag", async () => {
  const flag = Number(process.versions.node.split(".")[0]) >= 24 ? "--permission" : "--experimental-permission";
  const model = join(root, "one/Model.GGUF");
  const { out, err } = await runToEnd(
    process.execPath,
    [flag, `--allow-fs-read=${PROJECT}*`, "test/hosts/denied.mjs", model],
    PROJECT,
  );
  expect(out, err).toMatch(/^FILE_DENIED .*--allow-fs-read="[^"]*Model\.GGUF"/);
});
