import { describe, expect, test } from "vitest";
import { randomCheckpoint } from "../src/checkpoint/random.ts";
import { type StoredType, WEIGHT_TYPES } from "../src/weight-types.ts";

const TYPES = Object.keys(WEIGHT_TYPES) as StoredType[];

describe("a random checkpoint", () => {
  const bytesOf = async (type: StoredType, seed: number, second = false) => {
    const shape = [3, 96, 256];
    const tensors = ["a", "b"].map((name) => ({ name, type, shape, scale: 0.5, mean: 1 }));
    const { source, bytes } = randomCheckpoint(tensors, seed).tensors.get(second ? "b" : "a")!;
    const into = new Uint8Array(bytes);
    await source.read(0, into);
    return { source, into };
  };

  test.each(TYPES)("of %s gives the same bytes however the reads are cut", async (type) => {
    const { source, into } = await bytesOf(type, 7);
    for (const [offset, length] of [
      [0, 1],
      [1, 5000],
      [4095, 3],
      [into.length - 7, 7],
      [into.length >> 1, 2],
      [333, 0],
    ]) {
      const part = new Uint8Array(length);
      await source.read(offset, part);
      expect(Buffer.compare(part, into.subarray(offset, offset + length))).toBe(0);
    }
  });

  test("differs by seed and by tensor, and not otherwise", async () => {
    const { into } = await bytesOf("f32", 7);
    expect(Buffer.compare(into, (await bytesOf("f32", 7)).into)).toBe(0);
    for (const other of [await bytesOf("f32", 8), await bytesOf("f32", 7 + 2 ** 32), await bytesOf("f32", 7, true)]) {
      expect(Buffer.compare(into, other.into)).not.toBe(0);
    }
  });

  test("is normal enough, and uncorrelated", async () => {
    const values = new Float32Array((await bytesOf("f32", 7)).into.buffer);
    const n = values.length;
    const centred = Array.from(values, (value) => (value - 1) / 0.5);
    const moment = (f: (x: number, i: number) => number) => centred.reduce((sum, x, i) => sum + f(x, i), 0) / n;
    expect(moment((x) => x)).toBeCloseTo(0, 1);
    expect(moment((x) => x * x)).toBeCloseTo(1, 1);
    expect(moment((x) => x ** 4)).toBeCloseTo(2.7, 0); // the sum of four uniforms has 2.7, a normal 3
    for (const lag of [1, 2, 32, 64, 4096])
      expect(Math.abs(moment((x, i) => x * (centred[i + lag] ?? 0)))).toBeLessThan(0.03);
  });

  test("has the same bytes on every machine", async () => {
    const { into } = await bytesOf("f32", 7);
    expect([...new Uint32Array(into.buffer, 0, 4)].map((bits) => bits.toString(16))).toMatchInlineSnapshot(`
      [
        "3f5aa714",
        "3faacba8",
        "3dd34ba2",
        "3f8a06e6",
      ]
    `);
  });

  test("has the address space of large tensors", async () => {
    const { tensors } = randomCheckpoint([{ name: "t", type: "f32", shape: [2 ** 20, 2 ** 14], scale: 1 }], 1);
    const { source, bytes } = tensors.get("t")!;
    expect(bytes).toBe(2 ** 36);
    const [low, high] = [new Uint8Array(16), new Uint8Array(16)];
    await source.read(0, low);
    await source.read(2 ** 34, high);
    expect(Buffer.compare(low, high)).not.toBe(0);
    await expect(source.read(2 ** 36, new Uint8Array(1))).rejects.toMatchObject({ code: "FILE_CHANGED" });
  });
});
