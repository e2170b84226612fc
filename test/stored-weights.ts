/**
 * Weights as a file holds them, and what they mean: blocks of every stored type, elements of f32, f16 and bf16.
 */
import * as abi from "../assembly/abi.ts";
import { type StoredType, WEIGHT_TYPE_NAMES, weightType } from "../src/weight-types.ts";
import { BLOCKS, type BlockName } from "./blocks-golden.ts";
import { on, type Random } from "./kernels.ts";
import * as oracle from "./oracle.ts";
import { FORMATS, type Format } from "./packed-forms.ts";

export const FINITE_SCALES = Uint16Array.from({ length: 65536 }, (_, i) => i).filter(
  (half) => (half & 0x7c00) !== 0x7c00,
);

/** Kept in memory as they are stored. */
export const GENERIC = WEIGHT_TYPE_NAMES.filter(
  (type) => weightType(type).group === undefined && type !== "iq4_xs" && type !== "f8_e4m3",
);

/** Stored blocks of random bytes; scales are any finite f16: negative, subnormal, zero. `tame`: of magnitude 2^-7 .. 2^-5. */
export function storedBlocks(random: Random, name: BlockName, count: number, tame = false): Uint8Array {
  const { bytes, scales } = BLOCKS[name];
  const stored = random.bytes(count * bytes);
  for (let at = 0; at < stored.length; at += bytes) {
    if (name === "mxfp4") stored[at] = tame ? random.integer(118, 121) : random.integer(0, 250);
    for (const scaleAt of scales) {
      const scale = tame
        ? (random.integer(0, 2) << 15) | (random.integer(8, 10) << 10) | random.integer(0, 1024)
        : FINITE_SCALES[random.integer(0, FINITE_SCALES.length)];
      stored[at + scaleAt] = scale & 255;
      stored[at + scaleAt + 1] = scale >> 8;
    }
  }
  return stored;
}

/** The values that blocks.test.ts holds against ggml. */
export function decode(name: BlockName, stored: Uint8Array): Float32Array {
  const { type, values, bytes } = BLOCKS[name];
  const count = (stored.length / bytes) * values;
  return on("simd", (kernels, arena) => {
    const out = arena.out(4 * count);
    kernels.decode_row(type, out.at, arena.in(stored), count);
    return arena.f32(out);
  });
}

/** A kind of weight: its type in memory and in the file, the integers it meets where there are any, and blocks of `step` inputs. */
export interface Weight {
  /** Of its type in the file, and what it meets. */
  readonly name: string;
  /** The type in memory, by name. */
  readonly kept: StoredType;
  readonly type: number;
  readonly source: number;
  readonly form?: number;
  /** What the dot of bytes must be. */
  readonly dot?: "unsigned" | "signed" | undefined;
  readonly step: number;
  readonly make: (count: number) => { readonly bytes: Uint8Array; readonly values: ArrayLike<number> };
}

/** Weights of each type, drawn from `random`: what a file holds, and what it means. */
export function weightsFrom(random: Random): Weight[] {
  const float = (name: "f32" | "f16" | "bf16", make: Weight["make"]) => {
    const { type } = BLOCKS[name];
    return { name, kept: name, type, source: type, step: 1, make };
  };
  const blocks = (name: BlockName, kept: BlockName, { form, word, dot, met }: Partial<Format> = {}) => ({
    ...{
      name: met ? `${name} beside ${met}` : name,
      kept,
      type: word ?? BLOCKS[kept].type,
      source: BLOCKS[name].type,
      form,
      dot,
      step: BLOCKS[name].values,
    },
    make: (count: number) => {
      const bytes = storedBlocks(random, name, count / BLOCKS[name].values, true);
      return { bytes, values: decode(name, bytes) };
    },
  });
  return [
    float("f32", (count) => elements(random.floats(count), (value) => value)),
    float("f16", (count) => elements(halves(random, count, 0x2800), oracle.fromF16)),
    float("bf16", (count) => elements(halves(random, count, 0x3e80), oracle.fromBf16)),
    ...FORMATS.map((format) => blocks(format.name, format.packed, format)),
    ...GENERIC.map((name) => blocks(name, name)),
  ];
}

export const formsOf = ({ form }: Weight) => [abi.FORM_F32, ...(form === undefined ? [] : [form])];

function elements<T extends Float32Array | Uint16Array>(stored: T, widen: (element: number) => number) {
  return { bytes: new Uint8Array(stored.buffer), values: Float64Array.from(stored, widen) };
}

/** 16-bit patterns around an exponent, both signs. */
function halves(random: Random, count: number, exponent: number): Uint16Array {
  return Uint16Array.from({ length: count }, () => (random.integer(0, 2) << 15) | (exponent + random.integer(0, 1024)));
}
