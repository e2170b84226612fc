import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { createModel, inspect, loadModel } from "../dist/src/index.js";
import { MODEL, PROJECT, runToEnd } from "./runtimes.ts";
import { projectFolder, STORY } from "./setups.ts";

/** Values whose classes are another global object's: of a vm context, and stand-ins with the tags that the platform gives. */

const foreign = (tag: string, members: object) => Object.assign(Object.create({ [Symbol.toStringTag]: tag }), members);
const SIZES = {
  vocab_size: 260,
  hidden_size: 64,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 32,
  intermediate_size: 64,
  intermediate_size_mlp: 64,
  num_local_experts: 1,
};

it("bytes, blobs and URLs of another realm are sources", async () => {
  const bytes = readFileSync(MODEL);
  const theirs = runInNewContext("new Uint8Array(size)", { size: bytes.length });
  theirs.set(bytes);
  expect(theirs instanceof Uint8Array).toBe(false);
  const blob = new Blob([bytes]);
  const href = pathToFileURL(MODEL).href;
  const sources = {
    bytes: theirs,
    blob: foreign("Blob", { size: blob.size, slice: blob.slice.bind(blob), arrayBuffer: blob.arrayBuffer.bind(blob) }),
    url: foreign("URL", { href, protocol: "file:", pathname: new URL(href).pathname }),
  };
  for (const [name, source] of Object.entries(sources))
    expect((await inspect(source)).config.vocab, name).toBe((await inspect(MODEL)).config.vocab);
});

it("what only bears the tag of a source is SOURCE_KIND", async () => {
  for (const tag of ["Uint8Array", "Blob", "URL"])
    await expect(inspect(foreign(tag, {})), tag).rejects.toMatchObject({ code: "SOURCE_KIND" });
  const unreadable = foreign("Blob", { size: 3, slice: () => {} });
  await expect(inspect(unreadable)).rejects.toMatchObject({ code: "SOURCE_SHAPE" });
});

it("a signal of another realm aborts a load and a generation with its reason, and holds one listener for any number of calls", async () => {
  const ours = new AbortController();
  let listeners = 0;
  const signal: AbortSignal = foreign("AbortSignal", {
    aborted: false,
    reason: undefined,
    addEventListener: (_: string, listener: () => void) => {
      listeners++;
      ours.signal.addEventListener("abort", listener);
    },
  });
  const model = await createModel(SIZES, { threads: 0, context: 64, signal });
  for (let call = 0; call < 20; call++) await model.generate([1, 2], { maxTokens: 2, signal }).result();
  const reason = new Error("enough");
  const later = model.generate([1, 2], { maxTokens: 60, signal });
  Object.assign(signal, { aborted: true, reason });
  ours.abort(reason);
  await expect(later.result()).rejects.toBe(reason);
  expect(listeners).toBe(1);
  await expect(loadModel(MODEL, { threads: 0, signal })).rejects.toBe(reason);
  await model.dispose();
});

/** Errors of node:fs are of the outer realm there: a missing file is a missing file, an optional one none. */
const IN_VM = `
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { inspect, loadModel } from "wasmaverick";
it("", async () => {
  const signal = new AbortController().signal;
  for (const source of [${JSON.stringify(MODEL)}, readFileSync(${JSON.stringify(MODEL)}), new URL(${JSON.stringify(pathToFileURL(MODEL).href)})]) {
    const model = await loadModel(source, { threads: 2, context: 256, signal });
    expect(await model.generate("Once upon a time", { maxTokens: 8, temperature: 0, signal }).text()).toBe(${JSON.stringify(STORY)});
    await model.dispose();
  }
  await expect(loadModel("none.gguf")).rejects.toMatchObject({ code: "FILE_MISSING" });
  await expect(inspect("model")).rejects.toMatchObject({ code: "CHECKPOINT_EMPTY" });
});
`;

it("vitest's vmThreads: sources, signals and missing files", async () => {
  const folder = projectFolder("vm", { "package.json": '{ "type": "module" }', "vm.test.js": IN_VM });
  mkdirSync(join(folder, "model"));
  writeFileSync(join(folder, "model/config.json"), "{}");
  const vitest = join(PROJECT, "node_modules/vitest/vitest.mjs");
  const { code, out, err } = await runToEnd(process.execPath, [vitest, "run", "--pool=vmThreads"], folder);
  expect(code, out + err).toBe(0);
  expect(out).toMatch(/1 passed/);
});
