import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModel, type Model } from "../dist/src/index.js";
import { joinHalves, leastPieceBytes, pieces } from "../src/model/plan/pieces.ts";
import type { Matrix } from "../src/model/plan/weights.ts";
import { firstDivergence, goldenCase, LLAMA_CASES } from "./golden.ts";
import { expertsOf, llamaTensors } from "./hf-llama.ts";
import { type Tensors, writeGguf, writeSafetensors } from "./layouts.ts";
import { asLlama4, reference } from "./reference.ts";

/** What the goldens of engine-golden.test.ts do not reach: other ways of storing Llama and Mixtral, and biases. */

const root = mkdtempSync(join(tmpdir(), "wasmaverick-architectures-"));
const open: Model[] = [];
afterAll(async () => {
  for (const model of open) await model.dispose();
  rmSync(root, { recursive: true, force: true });
});

async function load(source: string, options = {}): Promise<Model> {
  const model = await loadModel(source, { threads: 2, ...options });
  open.push(model);
  return model;
}

async function logitsOf(source: string, ids: readonly number[], options = {}): Promise<Float32Array> {
  const model = await load(source, options);
  return (await model.trace(ids, { taps: ["logits"] }))["logits"].data;
}

const hash = (data: Uint8Array | Float32Array) =>
  createHash("sha256")
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest("hex");

/** The case's file with other tensors, in both formats. */
function write(name: string, from: (typeof LLAMA_CASES)[number], tensors: Tensors, config = {}) {
  const golden = goldenCase(from);
  const folder = join(root, name);
  mkdirSync(folder);
  const gguf = join(root, `${name}.gguf`);
  writeFileSync(gguf, writeGguf({ ...golden.gguf, tensors }));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...golden.config, ...config }));
  writeFileSync(join(folder, "model.safetensors"), writeSafetensors(llamaTensors(tensors, golden.config)));
  return { gguf, folder };
}

describe.each(LLAMA_CASES)("%s", (name) => {
  const golden = goldenCase(name);

  it.each(["simd", "relaxed"] as const)("%s: GGUF and safetensors give the same bits", async (build) => {
    const file = readFileSync(join(golden.hfPath(), "model.safetensors"));
    expect(hash(file), "the folder is the original").toBe(golden.sha256["model.safetensors"]);
    const options = { build };
    const gguf = await logitsOf(golden.ggufPath(), golden.inputIds, options);
    expect(hash(await logitsOf(golden.hfPath(), golden.inputIds, options))).toBe(hash(gguf));
  });
});

it("a folder quantised while it is loaded has its rows in order first: the bits of the quantised GGUF file", async () => {
  const golden = goldenCase("dense-llama3");
  const options = { quantize: "q8_0" } as const;
  const gguf = hash(await logitsOf(golden.ggufPath(), golden.inputIds, options));
  expect(hash(await logitsOf(golden.hfPath(), golden.inputIds, options))).toBe(gguf);
  expect(hash(await logitsOf(golden.hfPath(), golden.inputIds))).not.toBe(gguf);
});

it("Mixtral with a tensor an expert, as old GGUF files have it, gives the same bits", async () => {
  const { weights, inputIds, ggufPath } = goldenCase("mixtral");
  const single = [...weights].flatMap(([name, tensor]) => {
    if (!name.includes("_exps")) return [[name, tensor] as const];
    return expertsOf(tensor).map((one, expert) => [name.replace("_exps", `.${expert}`), one] as const);
  });
  const path = join(root, "single.gguf");
  writeFileSync(path, writeGguf({ ...goldenCase("mixtral").gguf, tensors: new Map(single) }));
  expect(hash(await logitsOf(path, inputIds))).toBe(hash(await logitsOf(ggufPath(), inputIds)));
});

describe("biases", () => {
  const golden = goldenCase("dense-llama3");
  const ids = golden.inputIds.slice(0, 40);
  const MATRICES = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"];
  /** Every element another number of the size of the products it is added to. */
  const biased = (parts: readonly string[]): Tensors => {
    const tensors = new Map(golden.weights);
    for (const [name, { shape }] of golden.weights) {
      if (!parts.some((part) => name.endsWith(`.${part}.weight`))) continue;
      const data = Float32Array.from({ length: shape[0] }, (_, row) => Math.sin(1 + row * 7.3 + 3 * tensors.size));
      tensors.set(name.replace(/weight$/, "bias"), { shape: [shape[0]], data });
    }
    return tensors;
  };
  const tensors = biased(MATRICES);
  let files: { gguf: string; folder: string };
  beforeAll(() => {
    files = write("biased", "dense-llama3", tensors, { attention_bias: true, mlp_bias: true });
  });
  /** The output is tied. */
  const expected = (tensors: Tensors) =>
    reference(
      asLlama4(golden.config),
      new Map(tensors).set("output.weight", tensors.get("token_embd.weight")!),
      ids,
    ).get("logits")!;
  const divergence = (data: Float32Array, right: ReturnType<typeof expected>) => {
    const taps = { logits: { shape: right.shape, data } };
    const float = { shape: right.shape, data: Float32Array.from(right.data) };
    return firstDivergence(taps, new Map([["logits", float]]))?.message ?? null;
  };

  it("of all matrices are added: logits within 1e-4 of the float64 reference, equal bits from both formats", async () => {
    const { gguf, folder } = files;
    const right = expected(tensors);
    for (const build of ["simd", "relaxed"]) {
      const logits = await logitsOf(gguf, ids, { build });
      expect(divergence(logits, right)).toBeNull();
      expect(hash(await logitsOf(folder, ids, { build }))).toBe(hash(logits));
    }
  });

  it("are added in the fused program too: a session's logits have the bits of the trace", async () => {
    const model = await load(files.gguf);
    const session = model.session();
    await session.sync(ids);
    const trace = await logitsOf(files.gguf, ids);
    expect(hash(await session.logits())).toBe(hash(trace.slice(-model.config.vocab)));
    await session.dispose();
  });

  const unbiased = expected(golden.weights);
  it.each(MATRICES)("of %s alone is enough in a GGUF file", async (part) => {
    const alone = biased([part]);
    const path = join(root, `${part}.gguf`);
    writeFileSync(path, writeGguf({ ...golden.gguf, tensors: alone }));
    const logits = await logitsOf(path, ids);
    expect(divergence(logits, expected(alone))).toBeNull();
    expect(divergence(logits, unbiased), "the bias matters").not.toBeNull();
  });

  it("that a folder's config denies, or promises in vain, are MODEL_TENSOR", async () => {
    const { folder } = write("denied", "dense-llama3", biased(["attn_q"]), { attention_bias: false });
    await expect(loadModel(folder)).rejects.toMatchObject({ code: "MODEL_TENSOR", message: /unknown.*q_proj\.bias/ });
    writeFileSync(join(folder, "config.json"), JSON.stringify({ ...golden.config, attention_bias: true }));
    await expect(loadModel(folder)).rejects.toMatchObject({ code: "MODEL_TENSOR", message: /missing.*k_proj\.bias/ });
  });
});

describe("heads stored as two halves", () => {
  const sizes = fc.record({
    heads: fc.integer({ min: 1, max: 9 }),
    half: fc.integer({ min: 1, max: 40 }),
    cols: fc.integer({ min: 1, max: 9 }),
    room: fc.integer({ min: 0, max: 4000 }),
  });

  it("are cut at whole heads and whole groups, and joined pair by pair in every piece", () => {
    fc.assert(
      fc.property(sizes, ({ heads, half, cols, room }) => {
        const [size, rows] = [2 * half, 2 * half * heads];
        const matrix = {
          ...{ rows, cols, start: 0, outputStride: cols, inputStride: 1, halvedHead: size, type: "f32" },
          stored: { type: "f32" },
        } as unknown as Matrix;
        const file = Float32Array.from({ length: rows * cols }, (_, at) => at);
        const joined: number[] = [];
        const least = leastPieceBytes(matrix);
        for (const piece of pieces(matrix, Math.max(room, least))) {
          expect([piece.rowBegin % 8, piece.rowBegin % size, piece.offset]).toEqual([0, 0, joined.length * 4]);
          expect(piece.bytes).toBeLessThanOrEqual(Math.max(room, least));
          const staged = file.slice(piece.offset / 4, (piece.offset + piece.bytes) / 4);
          joinHalves(new Uint8Array(staged.buffer), cols * 4, size);
          joined.push(...staged);
        }
        const row = (at: number) => at - (at % size) + (at % 2) * half + ((at % size) >> 1);
        expect(joined).toEqual(Array.from(file, (_, at) => row(Math.floor(at / cols)) * cols + (at % cols)));
      }),
      { numRuns: 300 },
    );
  });
});
