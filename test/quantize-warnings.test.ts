/** What quantize says of types that do not fit, and of weights that were quantised before. */
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModel, inspect, quantize } from "../dist/src/index.js";
import { randomModelCheckpoint } from "../src/model/config/random.ts";
import { codeOf } from "./error-code.ts";
import { MODEL } from "./runtimes.ts";

const folder = mkdtempSync(join(tmpdir(), "quantize-warnings-"));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

/** 576 is 18 blocks of 32 and no whole block of 256. */
const NARROW = {
  vocab_size: 320,
  hidden_size: 576,
  intermediate_size: 512,
  num_hidden_layers: 1,
  num_attention_heads: 9,
  head_dim: 64,
  num_local_experts: 2,
};

describe("rows that are no whole blocks", () => {
  it("beside q4_0 it is the output, whose q6_k has larger blocks", async () => {
    const { warnings, types } = await quantize(randomModelCheckpoint(NARROW, 1, "f32"), at("narrow.gguf"), {
      type: "q4_0",
      threads: 0,
    });
    const about = "quantize: 1 matrix is q8_0, since rows of 576 are no whole blocks of q6_k (256 values)";
    expect(warnings).toContain(about);
    expect(warnings.filter((warning) => /whole blocks/.test(warning))).toEqual([about]);
    expect(types["q8_0"].tensors).toBe(1);
    expect(types["q4_0"].tensors).toBeGreaterThan(5);
  });

  it("each type is named beside the one that was wanted; the same while loading", async () => {
    const model = await createModel(NARROW, { seed: 1, threads: 0, context: 32, quantize: "q4_k_m" });
    const said = model.info.warnings.filter((warning) => /whole blocks/.test(warning));
    await model.dispose();
    expect(said.map((warning) => warning.replace(/\d+ matri\w+ (is|are)/, "n")).sort()).toEqual([
      "quantize: n q5_0, since rows of 576 are no whole blocks of q4_k (256 values)",
      "quantize: n q8_0, since rows of 576 are no whole blocks of q6_k (256 values)",
    ]);
  });

  it("a row that fills no block of any type keeps its type, and that is said", async () => {
    const config = { ...NARROW, intermediate_size: 520 };
    const { warnings } = await quantize(randomModelCheckpoint(config, 1, "f32"), at("odd.gguf"), {
      type: "q8_0",
      threads: 0,
    });
    // One down matrix an expert, all in one tensor.
    expect(warnings).toContain("quantize: 1 matrix is f32, since rows of 520 are no whole blocks of q8_0 (32 values)");
  });
});

describe("weights that are quantised already", () => {
  const small = at("q4_0.gguf");
  beforeAll(async () => {
    const { warnings } = await quantize(MODEL, small, { type: "q4_0" });
    expect(warnings).toEqual([
      "quantize: 70 tensors are quantised already (q8_0): a second time loses more, the float weights would give a better file",
    ]);
  });

  it("where a second time saves nothing it is refused before anything is written, and done when asked for", async () => {
    const target = at("large.gguf");
    let written = 0;
    const onProgress = () => {
      written++;
    };
    const larger = () => quantize(small, target, { type: "q8_0", onProgress });
    await expect(larger()).rejects.toThrow(
      /^QUANTIZE_AGAIN: 70 tensors are quantised already \(q4_0, q6_k\): .*, got 12583936 bytes of tensors, expected less than the 6820864 there are, or the option requantize \[file "q4_0\.gguf"\]$/,
    );
    expect([existsSync(target), written]).toEqual([false, 0]);
    const { warnings } = await quantize(small, target, { type: "q8_0", requantize: true });
    expect(warnings).toEqual([
      "quantize: 70 tensors are quantised already (q4_0, q6_k): a second time loses more, and saves nothing",
    ]);
    expect(statSync(target).size).toBeGreaterThan(statSync(small).size);
    expect(Object.keys((await inspect(target)).types)).toContain("q8_0");
  });

  it("types that are there already are copied, and that is said", async () => {
    const { warnings } = await quantize(small, at("same.gguf"), { type: "q4_0" });
    expect(warnings).toEqual(["quantize: every matrix has its type already, the new file holds the same weights"]);
  });

  it("float weights have no such warning", async () => {
    const { warnings } = await quantize(randomModelCheckpoint(NARROW, 1, "f32"), at("float.gguf"), { type: "q8_0" });
    expect(warnings.filter((warning) => /already/.test(warning))).toEqual([]);
  });

  it("requantize is true or false", async () => {
    const wrong = { type: "q8_0", requantize: "yes" } as unknown as { type: "q8_0" };
    expect(await codeOf(() => quantize(small, at("x.gguf"), wrong))).toBe("REQ_PARAM");
  });
});
