import type { Memory } from "../../runtime/memory.ts";
import { portableBytes } from "../../runtime/packed.ts";
import type { ModelConfig } from "../config/config.ts";
import type { Layout, Sizes } from "../plan/layout.ts";

/** Four sums of the words of `bytes`, for mistakes, not against malice. */
export function hashOf(bytes: Uint8Array, hash: Uint32Array = Uint32Array.of(1, 2, 3, 4)): Uint32Array {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2);
  let [a, b, c, d] = hash;
  let at = 0;
  for (; at + 4 <= words.length; at += 4) {
    a = Math.imul(a ^ words[at], 0x9e3779b1);
    b = Math.imul(b ^ words[at + 1], 0x85ebca77);
    c = Math.imul(c ^ words[at + 2], 0xc2b2ae3d);
    d = Math.imul(d ^ words[at + 3], 0x27d4eb2f);
    // A product sends nothing down.
    a ^= a >>> 15;
    b ^= b >>> 15;
    c ^= c >>> 15;
    d ^= d >>> 15;
  }
  for (; at < words.length; at++) a = Math.imul(a ^ words[at], 0x9e3779b1) ^ at;
  return Uint32Array.of(a, b, c, d);
}

/**
 * What the keys and values of a model hang on, in 128 bits: configuration, types, and samples of every matrix, whatever memory it lies
 * in, also of the adapter that they are computed with. Another fine-tuning of the same model differs in some sample of some matrix.
 */

const SAMPLES = 16;
const SAMPLE_BYTES = 256;

export function fingerprintOf(
  config: ModelConfig,
  { cache, activations }: Sizes,
  fused: boolean,
  placed: readonly { readonly layout: Layout; readonly memory: Memory }[],
  adapter: number | null,
): Uint32Array {
  const matrices = new Map<string, Uint32Array>();
  for (const { layout, memory } of placed) {
    const mine = layout.adapters.matrices.filter(({ adapter: whose }) => whose === adapter);
    for (const { matrix, to } of [...layout.own, ...mine]) {
      const { bytes } = to.at;
      let sum: Uint32Array | undefined;
      for (let sample = 0; sample < SAMPLES; sample++) {
        const begin = 4 * Math.floor((sample * Math.max(0, bytes - SAMPLE_BYTES)) / (4 * (SAMPLES - 1)));
        sum = hashOf(portableBytes(memory.bytes, to, begin, Math.min(bytes, SAMPLE_BYTES)), sum);
      }
      matrices.set(`${matrix.name} ${to.type}`, sum!);
    }
    for (const { vector, to } of layout.vectors)
      matrices.set(vector.name, hashOf(memory.bytes.subarray(to.at, to.at + to.bytes)));
  }
  const names = [...matrices.keys()].sort();
  const text = JSON.stringify([{ ...config, context: 0 }, cache, activations, fused, names]);
  let sum = hashOf(padded(new TextEncoder().encode(text)));
  for (const name of names) sum = hashOf(new Uint8Array(matrices.get(name)!.buffer), sum);
  return sum;
}

/** Whole words. */
function padded(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.ceil(bytes.length / 16) * 16);
  whole.set(bytes);
  return whole;
}
