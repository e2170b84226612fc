/**
 * Folders of 8-bit floats (F8_E4M3) with scales, in both published layouts: the model is that of the products as f32, bit for bit.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadModel, quantize } from "../dist/src/index.js";
import { codeOf } from "./error-code.ts";
import { goldenCase } from "./golden.ts";
import { hash } from "./resident.ts";

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "f8-"));
});
afterAll(() => rmSync(root, { recursive: true }));

/** OCP 8-bit floating point: 1 sign, 4 exponent (bias 7), 3 mantissa bits; no infinity, 127 and 255 are NaN. */
const VALUES = Array.from({ length: 256 }, (_, code) => {
  const [sign, exponent, mantissa] = [code & 128 ? -1 : 1, (code >> 3) & 15, code & 7];
  if ((code & 127) === 127) return Number.NaN;
  return sign * (exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7));
});
const POSITIVE = VALUES.slice(0, 127);

function nearest(value: number): number {
  const size = Math.abs(value);
  let low = 0;
  let high = POSITIVE.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (POSITIVE[middle] <= size) low = middle;
    else high = middle;
  }
  const code = size - POSITIVE[low] <= POSITIVE[high] - size ? low : high;
  return value < 0 ? code | 128 : code;
}

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

function readFile(path: string): Map<string, { shape: number[]; data: Float32Array }> {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString("utf8", 8, 8 + length)) as Record<
    string,
    { shape: number[]; data_offsets: number[] }
  >;
  const tensors = new Map<string, { shape: number[]; data: Float32Array }>();
  for (const [name, { shape, data_offsets: offsets }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [from, to] = offsets.map((offset) => 8 + length + offset);
    tensors.set(name, {
      shape,
      data: new Float32Array(file.buffer.slice(file.byteOffset + from, file.byteOffset + to)),
    });
  }
  return tensors;
}

function writeFile(path: string, entries: ReadonlyMap<string, Entry>): void {
  const header: Record<string, unknown> = {};
  let at = 0;
  for (const [name, { dtype, shape, bytes }] of entries) {
    header[name] = { dtype, shape, data_offsets: [at, at + bytes.length] };
    at += bytes.length;
  }
  const text = JSON.stringify(header);
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(padded.length));
  writeFileSync(path, Buffer.concat([size, padded, ...[...entries.values()].map(({ bytes }) => bytes)]));
}

const f32 = (shape: readonly number[], data: Float32Array): Entry => ({
  dtype: "F32",
  shape,
  bytes: new Uint8Array(data.buffer),
});

type Strategy = "channel" | "tensor";

/** Every projection in 8 bits in one folder, its products as f32 in the other. */
function folders(
  source: string,
  name: string,
  strategy: Strategy,
  method: object,
  break8?: (eight: Map<string, Entry>) => void,
) {
  const [eight, plain] = [new Map<string, Entry>(), new Map<string, Entry>()];
  for (const [tensor, { shape, data }] of readFile(join(source, "model.safetensors"))) {
    if (!/_proj(?:\.weight)?$/.test(tensor)) {
      eight.set(tensor, f32(shape, data));
      plain.set(tensor, f32(shape, data));
      continue;
    }
    // Ordinary matrices are [out, in]; fused experts [experts, in, out].
    const fused = shape.length === 3;
    const inputs = shape.at(fused ? -2 : -1)!;
    const outputs = data.length / inputs;
    const outputOf = (index: number) =>
      fused ? Math.floor(index / (inputs * shape[2])) * shape[2] + (index % shape[2]) : Math.floor(index / inputs);
    const scales = new Float32Array(strategy === "tensor" ? 1 : outputs);
    data.forEach((value, index) => {
      const place = strategy === "tensor" ? 0 : outputOf(index);
      scales[place] = Math.max(scales[place], Math.abs(value) / 448);
    });
    const scaleOf = (index: number) => scales[strategy === "tensor" ? 0 : outputOf(index)];
    const codes = Uint8Array.from(data, (value, index) => nearest(value / scaleOf(index)));
    const shapeOfScales =
      strategy === "tensor"
        ? [1]
        : fused
          ? tensor.includes("down")
            ? [shape[0], shape[2], 1]
            : [shape[0], 1, shape[2]]
          : [outputs, 1];
    eight.set(tensor, { dtype: "F8_E4M3", shape, bytes: codes });
    eight.set(`${tensor}_scale`, f32(shapeOfScales, scales));
    plain.set(
      tensor,
      f32(
        shape,
        Float32Array.from(codes, (code, index) => Math.fround(VALUES[code] * scaleOf(index))),
      ),
    );
  }
  break8?.(eight);
  return (
    [
      ["8", eight],
      ["32", plain],
    ] as const
  ).map(([bits, entries]) => {
    const folder = join(root, `${name}-${bits}`);
    cpSync(source, folder, { recursive: true });
    writeFile(join(folder, "model.safetensors"), entries);
    const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
    if (bits === "8") config.quantization_config = method;
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
    return folder;
  });
}

async function logitsOf(folder: string, ids: readonly number[], options = {}): Promise<string> {
  const model = await loadModel(folder, { threads: 0, ...options });
  try {
    const session = model.session();
    await session.sync(ids);
    return hash(await session.logits());
  } finally {
    await model.dispose();
  }
}

const FBGEMM = { quant_method: "fbgemm_fp8" };
const compressed = (strategy: Strategy, bits = 8) => ({
  quant_method: "compressed-tensors",
  config_groups: { group_0: { weights: { num_bits: bits, type: "float", strategy } } },
});

it.each([
  ["fused experts, a scale an output (fbgemm_fp8)", "text-a-scout", "hfPath", "channel", FBGEMM],
  [
    "one tensor an expert, a scale a tensor (compressed-tensors)",
    "text-a-scout",
    "linearisedPath",
    "tensor",
    compressed("tensor"),
  ],
  [
    "dense Llama, whose q and k are re-ordered with their scales",
    "dense-llama3",
    "hfPath",
    "channel",
    compressed("channel"),
  ],
] as const)(
  "%s: the bits of the products as f32, also quantised while loading or into a file",
  async (name, golden, path, strategy, method) => {
    const { inputIds, [path]: source } = goldenCase(golden) as unknown as {
      inputIds: number[];
      [path: string]: unknown;
    };
    const from = (source as (this: unknown) => string).call(goldenCase(golden));
    const [eight, plain] = folders(from, name.slice(0, 5), strategy, method);
    const ids = inputIds.slice(0, 12);
    expect(await logitsOf(eight, ids)).toBe(await logitsOf(plain, ids));
    const quantized = await logitsOf(plain, ids, { quantize: "q8_0" });
    expect(await logitsOf(eight, ids, { quantize: "q8_0" })).toBe(quantized);
    const written = `${eight}.gguf`;
    await quantize(eight, written, { type: "q8_0", threads: 0 });
    expect(await logitsOf(written, ids)).toBe(quantized);
  },
);

it("scales that are missing, too few or no floats, other methods and other widths are refused by name", async () => {
  const source = goldenCase("text-a-scout").hfPath();
  const scale = "model.layers.0.self_attn.q_proj.weight_scale";
  const load = (name: string, method: object, change?: (eight: Map<string, Entry>) => void) =>
    codeOf(() => loadModel(folders(source, name, "channel", method, change)[0], { threads: 0 }));
  const name = [...readFile(join(source, "model.safetensors")).keys()].find((one) =>
    one.endsWith("layers.0.self_attn.q_proj.weight"),
  )!;
  expect(`${name}_scale`).toContain(scale);
  expect(await load("missing", FBGEMM, (eight) => void eight.delete(`${name}_scale`))).toBe("MODEL_TENSOR");
  expect(await load("few", FBGEMM, (eight) => void eight.set(`${name}_scale`, f32([2], new Float32Array(2))))).toBe(
    "MODEL_TENSOR",
  );
  const eightBits = { dtype: "F8_E4M3", shape: [1], bytes: new Uint8Array(1) };
  expect(await load("f8", FBGEMM, (eight) => void eight.set(`${name}_scale`, eightBits))).toBe("MODEL_TENSOR");
  const nan = (eight: Map<string, Entry>) => void eight.get(name)!.bytes.fill(127, 5, 6);
  expect(await load("nan", FBGEMM, nan)).toBe("WEIGHT_NONFINITE");
  for (const method of [
    { quant_method: "gptq" },
    { quant_method: "modelopt" },
    compressed("channel", 4),
    { quant_method: "compressed-tensors" },
  ])
    expect([method, await load("other", method)]).toEqual([method, "CONFIG_QUANT"]);
});
