/**
 * f32 rows -> stored rows: byte for byte what ggml's reference quantisers write, and what cannot be stored.
 */
import { describe, expect, it } from "vitest";
import * as abi from "../assembly/abi.ts";
import { BLOCKS, COLS, ENCODED, type Encoded, encoded, halves, rows, values } from "./blocks-golden.ts";
import { bytesOf, expectSameBits, type KernelName, on, onBoth, Random, SEED } from "./kernels.ts";

const random = new Random(SEED);
const ENCODERS = {
  ...{ f16: "encode_f16", bf16: "encode_bf16", q8_0: "encode_q8_0", q4_0: "encode_q4_0", q4_1: "encode_q4_1" },
  ...{ q5_0: "encode_q5_0", q5_1: "encode_q5_1", q4_k: "encode_q4_k", q5_k: "encode_q5_k", q6_k: "encode_q6_k" },
} as const satisfies Record<Encoded, KernelName>;

const storedBytes = (name: Encoded, count: number) => (count / BLOCKS[name].values) * BLOCKS[name].bytes;

/** By the type's own kernel and by dispatch. */
function encode(name: Encoded, x: Float32Array, shift: number): Uint8Array {
  const [direct, dispatched] = onBoth((kernels, arena) => {
    const from = arena.in(x);
    const outs = [0, 1].map(() => arena.out(storedBytes(name, x.length)));
    kernels[ENCODERS[name]](outs[0].at, from, x.length);
    kernels.encode_row(BLOCKS[name].type, outs[1].at, from, x.length);
    return outs.map((out) => arena.u8(out));
  }, shift);
  expectSameBits(dispatched, direct, "by dispatch");
  return direct;
}

const accepts = (type: number, x: Float32Array) =>
  onBoth((kernels, arena) => kernels.encode_row(type, arena.out(x.byteLength).at, arena.in(x), x.length));

describe.each(ENCODED)("encode_%s", (name) => {
  it("rows of every kind, each alone and all at once: the bytes of ggml's quantiser", () => {
    const expected = encoded(name);
    const each = storedBytes(name, COLS);
    for (let row = 0; row < rows.length / COLS; row++)
      expectSameBits(
        encode(name, rows.slice(row * COLS, (row + 1) * COLS), row % 16),
        expected.slice(row * each, (row + 1) * each),
        `row ${row}`,
      );
    expectSameBits(encode(name, rows, 5), expected);
  });

  it("any bits at all: ends, stays in its bytes; NaN, infinity and scales beyond f16 are refused", () => {
    const count = 256 * 8;
    for (let i = 0; i < 8; i++) {
      const wild = new Float32Array(random.bytes(4 * count).buffer);
      on("simd", (kernels, arena) => {
        kernels[ENCODERS[name]](arena.out(storedBytes(name, count)).at, arena.in(wild), count);
      });
    }
    const { type } = BLOCKS[name];
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (const at of [0, 31, 200, 255]) {
        expect(accepts(type, random.floats(256))).toBe(1);
        expect(accepts(type, random.floats(256).fill(bad, at, at + 1)), `${bad} at ${at}`).toBe(0);
      }
    }
    if (name === "bf16") return;
    for (const large of [1e9, 1e13, 1e18, 1e25, -3e38]) {
      for (const next of [0, 1, large / 100])
        expect(accepts(type, random.floats(256).fill(large, 77, 78).fill(next, 78, 79)), `${large} ${next}`).toBe(0);
    }
  });
});

it.each(["f16", "bf16"] as const)("encode_%s: values on, beside and between its own, and rows of 0..9", (name) => {
  expectSameBits(encode(name, values, 1), halves(name));
  for (let count = 0; count < 10; count++)
    expectSameBits(encode(name, values.slice(0, count), count), halves(name).slice(0, 2 * count));
});

it("f32 is copied; types that nothing is written in are refused", () => {
  const x = random.floats(256);
  const copy = onBoth((kernels, arena) => {
    const out = arena.out(1024);
    expect(kernels.encode_row(abi.TYPE_F32, out.at, arena.in(x), 256)).toBe(1);
    return arena.u8(out);
  });
  expectSameBits(copy, bytesOf(x));
  const unwritten = [abi.TYPE_Q2_K, abi.TYPE_Q3_K, abi.TYPE_IQ4_NL, abi.TYPE_MXFP4, abi.TYPE_TQ1_0, abi.TYPE_F8_E4M3];
  for (const type of unwritten) expect(accepts(type, x)).toBe(0);
});
