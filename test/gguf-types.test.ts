/**
 * Tensors of types that no weights have here: left out with a warning, an error only where they are weights.
 */
import { describe, expect, test } from "vitest";
import { openCheckpoint } from "../src/checkpoint/open.ts";
import { EngineError } from "../src/error.ts";
import { type GgufTensor, writeGguf } from "./write-gguf.ts";

const f32 = { name: "a", ne: [8], data: new Uint8Array(32).fill(7) };
const open = (...tensors: GgufTensor[]) => openCheckpoint(writeGguf({ tensors }));

describe("a GGUF file with a tensor that cannot be read", () => {
  test.each([
    ["F64", 28, 4, 32],
    ["I8", 24, 40, 40],
    ["I32", 26, 3, 12],
    ["IQ2_XXS", 16, 256, 66],
    ["NVFP4", 40, 64, 36],
    ["Q8_1", 9, 32, 40],
    ["Q2_0", 42, 128, 999],
  ])("%s: is read without it, what stands behind it is where it should be", async (name, type, ne, bytes) => {
    const odd = { name: "odd", ne: [ne], type, data: new Uint8Array(bytes).fill(9) };
    const checkpoint = await open(odd, f32);
    expect([...checkpoint.unread!]).toEqual([["odd", name]]);
    expect(checkpoint.warnings).toEqual([expect.stringContaining(`left out, "odd" (${name}) first`)]);
    const { source, offset } = checkpoint.tensors.get("a")!;
    const read = new Uint8Array(32);
    await source.read(offset, read);
    expect(read).toEqual(f32.data);
  });

  test("a size that is known is held against the next offset, an unknown one is not", async () => {
    const short = { name: "odd", ne: [4], type: 28, data: new Uint8Array(64) };
    const error = await open(short, f32).catch((error) => error);
    expect(error).toBeInstanceOf(EngineError);
    expect(error.code).toBe("GGUF_TENSOR_OFFSET");
  });

  test("a tensor of no dimension is a single number", async () => {
    const checkpoint = await open({ name: "one", ne: [], data: new Uint8Array(4) }, f32);
    expect(checkpoint.tensors.get("one")?.shape).toEqual([]);
  });
});
