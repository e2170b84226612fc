import { describe, expect, test } from "vitest";
import { encode } from "../src/checkpoint/encode.ts";
import { type StoredType, WEIGHT_TYPES } from "../src/weight-types.ts";

describe("encode", () => {
  const encoded = (type: StoredType, values: number[]) => {
    const block = WEIGHT_TYPES[type];
    const into = new Uint8Array((values.length / block.elements) * block.bytes);
    encode(type, Float32Array.from(values), into);
    return into;
  };
  const halves = (type: "f16" | "bf16", values: number[]) => [...new Uint16Array(encoded(type, values).buffer)];

  test("f16 rounds halves to even, to infinity from 65520, to zero at 2^-25", () => {
    const values = [
      1,
      -2,
      65504,
      65519,
      65520,
      2 ** -14,
      2 ** -24,
      2 ** -25,
      2 ** -25 * 1.001,
      -0,
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
    ];
    expect(halves("f16", values)).toEqual([
      0x3c00, 0xc000, 0x7bff, 0x7bff, 0x7c00, 0x0400, 0x0001, 0x0000, 0x0001, 0x8000, 0x3c00, 0x3c02,
    ]);
    expect(halves("f16", [2 ** -14 - 2 ** -26, 3 * 2 ** -25])).toEqual([0x0400, 0x0002]);
  });

  test("bf16 rounds halves to even", () => {
    expect(halves("bf16", [1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -3.14])).toEqual([0x3f80, 0x3f80, 0x3f82, 0xc049]);
  });

  test("q8_0 rounds halves away from zero", () => {
    const values = [127, 0.5, -0.5, 1.5, -1.5, -127, ...new Array(26).fill(0)];
    const bytes = encoded("q8_0", values);
    expect([...bytes.subarray(0, 2)]).toEqual([0x00, 0x3c]);
    expect([...new Int8Array(bytes.buffer, 2, 6)]).toEqual([127, 1, -1, 2, -2, -127]);
    expect(encoded("q8_0", new Array(32).fill(0))).toEqual(new Uint8Array(34));
  });

  test("q4_0 takes the signed value of largest size for -8", () => {
    const values = [8, -8, 1, ...new Array(13).fill(0), -1, ...new Array(15).fill(0)];
    const bytes = encoded("q4_0", values);
    expect([...bytes.subarray(0, 5)]).toEqual([0x00, 0xbc, 0x90, 0x8f, 0x87]);
    expect(encoded("q4_0", new Array(32).fill(0)).subarray(2)).toEqual(new Uint8Array(16).fill(0x88));
  });
});
