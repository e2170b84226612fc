/**
 * Stored rows -> f32: every type equal to ggml's values to the bit, and what makes a row unusable.
 */
import { describe, expect, it } from "vitest";
import { BLOCKS, type BlockName, DECODED, decoded } from "./blocks-golden.ts";
import { bytesOf, expectSameBits, type KernelName, on, onBoth, Random, SEED } from "./kernels.ts";
import * as oracle from "./oracle.ts";

const random = new Random(SEED);
const NAMES = Object.keys(BLOCKS) as BlockName[];
const DECODERS = [
  ...["decode_f32", "decode_f16", "decode_bf16", "decode_q8_0", "decode_q4_0", "decode_q4_1", "decode_q5_0"],
  ...["decode_q5_1", "decode_q2_k", "decode_q3_k", "decode_q4_k", "decode_q5_k", "decode_q6_k", "decode_iq4_nl"],
  ...["decode_iq4_xs", "decode_mxfp4", "decode_tq1_0", "decode_tq2_0", "decode_f8_e4m3"],
] as const satisfies readonly KernelName[];

/** By the type's own kernel on one build, by dispatch on the other: both are compared. */
function decode(name: BlockName, raw: Uint8Array, shift: number): Float32Array {
  const { values, bytes } = BLOCKS[name];
  const count = (raw.length / bytes) * values;
  const own = DECODERS[NAMES.indexOf(name)];
  const [direct, dispatched] = onBoth((kernels, arena) => {
    const from = arena.in(raw);
    const outs = [arena.out(4 * count), arena.out(4 * count)];
    kernels[own](outs[0].at, from, count);
    expect(kernels.decode_row(BLOCKS[name].type, outs[1].at, from, count)).toBe(1);
    return outs.map((out) => arena.f32(out));
  }, shift);
  expectSameBits(dispatched, direct, "by dispatch");
  return direct;
}

const finite = (name: BlockName, raw: Uint8Array, shift = 0) => {
  const { type, values, bytes } = BLOCKS[name];
  return onBoth((kernels, arena) => kernels.finite_row(type, arena.in(raw), (raw.length / bytes) * values), shift);
};

describe.each(DECODED)("decode_%s", (name) => {
  const { raw, values } = decoded(name);

  it("golden blocks of ggml, scales of every kind among them: equal to the bit, at any alignment", () => {
    for (const shift of [0, 1, 2, 7]) expectSameBits(decode(name, raw, shift), values);
  });

  it("rows of one block each: the same bits", () => {
    const block = BLOCKS[name];
    for (let i = 0; i < Math.min(raw.length / block.bytes, 40); i++)
      expectSameBits(
        decode(name, raw.slice(i * block.bytes, (i + 1) * block.bytes), i % 16),
        values.slice(i * block.values, (i + 1) * block.values),
      );
  });
});

describe("elements", () => {
  const widen8 = (byte: number) => {
    const [exponent, mantissa] = [(byte >> 3) & 15, byte & 7];
    const size = exponent ? (1 + mantissa / 8) * 2 ** (exponent - 7) : (mantissa / 8) * 2 ** -6;
    return (byte & 0x7f) === 0x7f ? Number.NaN : byte & 0x80 ? -size : size;
  };
  const bits16 = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const cases = {
    f8_e4m3: { raw: Uint8Array.from({ length: 256 }, (_, i) => i), exact: (_: unknown, i: number) => widen8(i) },
    f16: { raw: bytesOf(bits16), exact: (_: unknown, i: number) => oracle.fromF16(i) },
    bf16: { raw: bytesOf(bits16), exact: (_: unknown, i: number) => oracle.fromBf16(i) },
  };

  it.each(Object.entries(cases))("every %s pattern: its value, NaN and infinity as such", (name, { raw, exact }) => {
    const values = decode(name as BlockName, raw, 3);
    // NaN stays NaN, whatever its bits.
    const wrong = [...values].findIndex((value, i) => !Object.is(value, Math.fround(exact(0, i))));
    expect(wrong).toBe(-1);
  });

  it.each(["f32", "f16", "bf16", "f8_e4m3"] as const)("rows of 0..40 of %s: nothing past the row", (name) => {
    const { bytes } = BLOCKS[name];
    const raw = random.bytes(40 * bytes).map((byte) => byte & 0x37);
    const all = decode(name, raw, 0);
    for (let count = 0; count <= 40; count++)
      expectSameBits(decode(name, raw.slice(0, count * bytes), count % 16), all.slice(0, count));
  });
});

describe("finite_row", () => {
  const ones = (raw: Uint8Array, at: number, patterns: readonly number[]) => {
    const pattern = patterns[random.integer(0, patterns.length)];
    const bad = raw.slice();
    bad[at] = pattern & 255;
    bad[at + 1] = pattern >> 8;
    return bad;
  };

  it.each(DECODED)("%s: accepts the golden rows, refuses infinity and NaN in any scale of any block", (name) => {
    const { bytes, scales } = BLOCKS[name];
    const raw = decoded(name).raw.slice(0, 35 * bytes);
    expect(finite(name, raw)).toBe(1);
    for (let block = 0; block < raw.length; block += bytes)
      for (const scale of scales) expect(finite(name, ones(raw, block + scale, [0x7c00, 0xfc00, 0x7e01]), 1)).toBe(0);
  });

  it("f32, bf16, f8_e4m3: any element of a row of 1..40", () => {
    for (let count = 1; count <= 40; count++) {
      for (let at = 0; at < count; at++) {
        const singles = random.floats(count);
        const brains = bytesOf(new Uint16Array(count).fill(0x7f7f));
        const eights = new Uint8Array(count).fill(0xfe);
        expect([finite("f32", bytesOf(singles)), finite("bf16", brains), finite("f8_e4m3", eights)]).toEqual([1, 1, 1]);
        singles[at] = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY][at % 3];
        eights[at] = at % 2 ? 0x7f : 0xff;
        expect(finite("f32", bytesOf(singles))).toBe(0);
        expect(finite("bf16", ones(brains, 2 * at, [0x7f80, 0xff80, 0x7fc1]))).toBe(0);
        expect(finite("f8_e4m3", eights)).toBe(0);
      }
    }
  });

  it("mxfp4: exactly the blocks whose 32 values are finite, exponents 251..255 with each nibble", () => {
    for (let exponent = 251; exponent < 256; exponent++) {
      for (let nibble = 0; nibble < 16; nibble++) {
        for (const place of [0, 31]) {
          const raw = new Uint8Array(34);
          raw[17] = exponent;
          raw[18 + (place % 16)] = place < 16 ? nibble : nibble << 4;
          const expected = exponent < 255 && decode("mxfp4", raw, 0).every(Number.isFinite);
          expect(finite("mxfp4", raw), `${exponent} ${nibble}`).toBe(Number(expected));
        }
      }
    }
  });
});

it("an unknown type: refused, nothing written", () => {
  for (const type of [19, 1000, 0xffffffff]) {
    const written = on("simd", (kernels, arena) => {
      const [from, out] = [arena.in(new Uint8Array(1024)), arena.out(4096)];
      const before = arena.u8(out);
      expect([kernels.decode_row(type, out.at, from, 256), kernels.finite_row(type, from, 256)]).toEqual([0, 0]);
      expect(kernels.encode_row(type, out.at, from, 256)).toBe(0);
      return Buffer.compare(arena.u8(out), before);
    });
    expect(written).toBe(0);
  }
});
