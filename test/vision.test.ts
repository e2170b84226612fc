/**
 * A model that sees against tensors that transformers made: every one of the tower and of the text, in both kinds of files; and what hangs
 * on pictures in sessions, prefixes and options.
 */
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { inspect, loadModel, type Model } from "../dist/src/index.js";
import { codeOf } from "./error-code.ts";
import { firstArgmaxDifference, firstDivergence } from "./golden.ts";
import { PROMPTS, visionFiles, visionFolder, visionPrompt } from "./vision-golden.ts";

const open: Model[] = [];
afterAll(async () => {
  for (const model of open) await model.dispose();
});

async function load(options = {}, source = visionFolder()): Promise<Model> {
  const model = await loadModel(source, { threads: 0, ...options });
  open.push(model);
  return model;
}

const CASES = (["simd", "relaxed"] as const).flatMap((build) =>
  [0, 1, 2, 3].flatMap((threads) => (["folder", "gguf"] as const).map((files) => ({ build, threads, files }))),
);
const KINDS = {
  folder: (options: object) => load(options),
  gguf: (options: object) => load({ ...options, vision: visionFiles().tower }, visionFiles().text),
};

describe.each(CASES)("$files, $build, $threads threads", ({ build, threads, files }) => {
  it("every tap within 1e-4 of its largest value, logits within 1e-4, argmax equal, for one tile, two pictures and a grid", async () => {
    const model = await KINDS[files]({ build, threads });
    for (const name of PROMPTS) {
      const { ids, pixelValues, taps: golden } = visionPrompt(name);
      const taps = await model.trace(ids, { pixelValues, taps: [...golden.keys()] });
      expect(firstDivergence(taps, golden)?.message ?? null, name).toBeNull();
      expect(firstArgmaxDifference(taps["logits"], golden.get("logits")!), name).toBeNull();
    }
  });
});

it.each(["folder", "gguf"] as const)("%s: greedy ids equal transformers', through a session", async (files) => {
  const model = await KINDS[files]({ threads: 2 });
  for (const name of PROMPTS) {
    const { ids: prompt, pixelValues, greedy } = visionPrompt(name);
    await using session = model.session();
    const ids = [...prompt];
    for (let step = 0; step < greedy.length; step++) {
      await session.sync(ids, { pixelValues });
      const logits = await session.logits();
      ids.push(logits.indexOf(Math.max(...logits)));
    }
    expect(ids.slice(prompt.length), name).toEqual(greedy);
    await session.sync(ids.slice(0, prompt.length + 3), { pixelValues });
    expect(session.ids).toEqual(ids.slice(0, prompt.length + 3));
  }
});

it("logits of a session are those of the trace to the bit: over threads, and whatever went through the tower beside", async () => {
  const first = await load({ threads: 1 });
  const second = await load({ threads: 2 });
  const last = async (model: Model, name: (typeof PROMPTS)[number]) => {
    const { ids, pixelValues } = visionPrompt(name);
    await using session = model.session();
    await session.sync(ids, { pixelValues });
    return await session.logits();
  };
  const together = await Promise.all(PROMPTS.map((name) => last(second, name)));
  for (const [index, name] of PROMPTS.entries()) {
    const { ids, pixelValues } = visionPrompt(name);
    const { logits } = await first.trace(ids, { pixelValues, taps: ["logits"] });
    expect(logits.data.slice(-first.config.vocab)).toEqual(together[index]);
  }
});

it("prefixes are shared with the same pictures, not with others in the same places", async () => {
  const model = await load();
  const { ids, pixelValues } = visionPrompt("grid");
  const long = [...ids, ...Array.from({ length: 90 }, (_, i) => (i * 7) % 480)];
  const sync = async (values: { shape: readonly number[]; data: Float32Array }) => {
    await using session = model.session();
    await session.sync(long, { pixelValues: values });
    return await session.logits();
  };
  const fresh = await sync(pixelValues);
  const before = model.cache.stats();
  expect(await sync(pixelValues)).toEqual(fresh);
  const shared = model.cache.stats();
  expect(shared.cachedTokens - before.cachedTokens).toBeGreaterThan(64);
  const other = { ...pixelValues, data: pixelValues.data.map((value, i) => (i < 9000 ? -value : value)) };
  expect(await sync(other)).not.toEqual(fresh);
  // Up to the first picture.
  expect(model.cache.stats().cachedTokens - shared.cachedTokens).toBeLessThan(10);
  expect(await sync(pixelValues)).toEqual(fresh);
});

describe("what cannot be", () => {
  const { ids, pixelValues } = visionPrompt("two");
  const { shape, data } = pixelValues;
  const tile = data.length / shape[0];

  it("places and rows of another number: VISION_ROWS; shapes and values that are no tiles: REQ_PARAM", async () => {
    const model = await load();
    await using session = model.session();
    for (const given of [undefined, { shape: [3, 3, 56, 56], data: data.slice(0, 3 * tile) }]) {
      expect(await codeOf(() => model.trace(ids, { pixelValues: given }))).toBe("VISION_ROWS");
      expect(await codeOf(() => session.sync(ids, { pixelValues: given }))).toBe("VISION_ROWS");
    }
    for (const wrong of [
      { shape: [4, 3, 56], data },
      { shape: [4, 3, 57, 56], data },
      { shape, data: data.slice(1) },
      { shape, data: data.map((value, i) => (i === 5 ? Number.NaN : value)) },
      { shape, data: "" },
      [shape, data],
    ])
      expect(await codeOf(() => model.trace(ids, { pixelValues: wrong as never }))).toBe("REQ_PARAM");
    await session.sync(ids, { pixelValues });
  });

  it("an abort in the tower: the signal's reason, and the model goes on", async () => {
    const model = await load({ threads: 2 });
    await using session = model.session();
    const stop = new AbortController();
    const syncing = session.sync(ids, { pixelValues, signal: stop.signal });
    stop.abort("enough");
    await expect(syncing).rejects.toBe("enough");
    await session.sync(ids, { pixelValues });
    expect(session.ids).toEqual(ids);
  });

  it("pictures for a model that reads text only: VISION_MISSING, whose message says what to load", async () => {
    for (const model of [await load({ vision: false }), await load({}, visionFiles().text)]) {
      expect(model.info.warnings.filter((warning) => warning.includes("vision"))).toEqual([]);
      const refused = model.trace(ids, { pixelValues });
      await expect(refused).rejects.toMatchObject({ code: "VISION_MISSING" });
      await expect(refused).rejects.toThrow("mmproj");
      // The places of pictures are ids like others.
      await model.trace(ids, { taps: ["logits"] });
    }
  });

  it("a tower of another model, and what is no tower: an error where it was named", async () => {
    const { text, tower } = visionFiles();
    expect(await codeOf(() => loadModel(text, { threads: 0, vision: text }))).toBe("VISION_FILE");
    expect(await codeOf(() => loadModel(text, { threads: 0, vision: 7 as never }))).toBe("SOURCE_KIND");
    expect(await codeOf(() => loadModel(tower, { threads: 0 }))).toBe("GGUF_ARCH");
  });
});

it("a mmproj file beside the model is found by its name, and said; of several none is taken", async () => {
  const { text, tower } = visionFiles();
  const folder = join(dirname(text), "beside");
  mkdirSync(folder);
  copyFileSync(text, join(folder, "model.gguf"));
  copyFileSync(tower, join(folder, "mmproj-other.gguf"));
  const { ids, pixelValues, taps } = visionPrompt("one");
  for (const source of [folder, join(folder, "model.gguf")]) {
    const model = await load({}, source);
    expect(model.info.warnings.join("\n")).toContain("mmproj-other.gguf");
    const { logits } = await model.trace(ids, { pixelValues });
    expect(firstArgmaxDifference(logits, taps.get("logits")!)).toBeNull();
  }
  // One of the model's own name is its tower, whatever else lies there.
  copyFileSync(tower, join(folder, "mmproj-model.gguf"));
  expect((await inspect(folder)).vision).toMatchObject({ name: "mmproj-model.gguf" });
  rmSync(join(folder, "mmproj-model.gguf"));
  copyFileSync(tower, join(folder, "mmproj-third.gguf"));
  const blind = await load({}, folder);
  expect(blind.info.warnings.join("\n")).toContain("several towers lie beside");
  expect(await codeOf(() => blind.trace(ids, { pixelValues }))).toBe("VISION_MISSING");
});

it("the memory of the tower is planned, counts with the others, and is bounded with them", async () => {
  const model = await load();
  const { memory } = model.info;
  expect(memory.memories.length).toBe(2);
  const blind = await load({ vision: false });
  expect(memory.total - blind.info.memory.total).toBe(memory.memories[1]);
  const maxMemory = memory.total - 1;
  expect(await codeOf(() => loadModel(visionFolder(), { threads: 0, maxMemory }))).toBe("MODEL_TOO_LARGE");
  const { vision, memory: inspected, warnings } = await inspect(visionFolder());
  expect(vision).toMatchObject({ positionsPerTile: 4, types: ["f32"], config: { tileSize: 56, patchId: 491 } });
  expect(inspected.total).toBeGreaterThan(vision!.memory.total);
  expect(warnings).toEqual(["no tokenizer: only ids can be given to the model"]);
  const pair = await inspect(visionFiles().text, { vision: visionFiles().tower });
  expect(pair.vision).toMatchObject({ name: "mmproj-model.gguf", parameters: vision!.parameters });
});
