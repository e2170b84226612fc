import type { WrittenValue } from "../checkpoint/checkpoint.ts";
import { ggmlType } from "../checkpoint/gguf-tensors.ts";
import { bytesOf, type StoredType } from "../weight-types.ts";

/** The bytes of a GGUF file (version 3): key-value pairs, and the header that they and the tensors make. */

export interface WrittenTensor {
  readonly name: string;
  readonly type: StoredType;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
}

export const ALIGNMENT = 32;

export function tensorBytes({ type, shape }: WrittenTensor): number {
  return bytesOf(
    type,
    shape.reduce((product, size) => product * size, 1),
  );
}

/** Bytes up to the next tensor. */
export const padding = (bytes: number): number => (ALIGNMENT - (bytes % ALIGNMENT)) % ALIGNMENT;

export function writePair(key: string, value: WrittenValue): Uint8Array {
  const out = new Bytes();
  out.text(key);
  if ("u32" in value) out.u32(4).u32(value.u32);
  else if ("f32" in value) out.u32(6).f32(value.f32);
  else if ("bool" in value) out.u32(7).raw(Uint8Array.of(value.bool ? 1 : 0));
  else if ("text" in value) out.u32(8).text(value.text);
  else if ("texts" in value) {
    out.u32(9).u32(8).u64(value.texts.length);
    for (const text of value.texts) out.text(text);
  } else if ("bools" in value) out.u32(9).u32(7).u64(value.bools.length).raw(Uint8Array.from(value.bools, Number));
  else if ("i32s" in value) out.u32(9).u32(5).u64(value.i32s.length).raw(new Uint8Array(value.i32s.slice().buffer));
  else out.u32(9).u32(6).u64(value.f32s.length).raw(new Uint8Array(value.f32s.slice().buffer));
  return out.bytes();
}

/** Counts and sizes under names of one part of a model. */
export const u32Pairs = (part: string, values: Readonly<Record<string, number>>): [string, WrittenValue][] =>
  Object.entries(values).map(([name, value]) => [`${part}.${name}`, { u32: value }]);

/** Everything before the data of the first tensor; tensors follow in this order, each padded to ALIGNMENT. */
export function writeHeader(pairs: readonly Uint8Array[], tensors: readonly WrittenTensor[]): Uint8Array {
  const out = new Bytes();
  out.raw(new TextEncoder().encode("GGUF")).u32(3).u64(tensors.length).u64(pairs.length);
  for (const pair of pairs) out.raw(pair);
  let offset = 0;
  for (const tensor of tensors) {
    out.text(tensor.name).u32(tensor.shape.length);
    for (const size of [...tensor.shape].reverse()) out.u64(size);
    out.u32(ggmlType(tensor.type)).u64(offset);
    const bytes = tensorBytes(tensor);
    offset += bytes + padding(bytes);
  }
  out.raw(new Uint8Array(padding(out.length)));
  return out.bytes();
}

/** Grows at its end. */
class Bytes {
  #bytes = new Uint8Array(256);
  length = 0;

  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.length);
  }

  raw(bytes: Uint8Array): this {
    if (this.length + bytes.length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.length + bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  u32(value: number): this {
    return this.raw(new Uint8Array(Uint32Array.of(value).buffer));
  }

  f32(value: number): this {
    return this.raw(new Uint8Array(Float32Array.of(value).buffer));
  }

  u64(value: number): this {
    return this.raw(new Uint8Array(BigUint64Array.of(BigInt(value)).buffer));
  }

  text(text: string): this {
    const bytes = new TextEncoder().encode(text);
    return this.u64(bytes.length).raw(bytes);
  }
}
