/** Small GGUF files for tests, valid or wrong in one place: every part is a plain piece of bytes. */

export const VALUE_TYPES = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
};

export const TENSOR_TYPES = { f32: 0, f16: 1, q4_0: 2, q8_0: 8, bf16: 30 };

export interface GgufTensor {
  name: string;
  type?: number;
  /** Innermost first. */
  ne: (number | bigint)[];
  offset?: number | bigint;
  data?: Uint8Array;
}

export interface GgufParts {
  magic?: string;
  version?: number;
  tensorCount?: number | bigint;
  pairCount?: number | bigint;
  pairs?: Uint8Array[];
  tensors?: GgufTensor[];
  alignment?: number;
  /** After the last tensor's data. */
  tail?: Uint8Array;
}

export function writeGguf(parts: GgufParts): Uint8Array {
  const { magic = "GGUF", version = 3, pairs = [], tensors = [], alignment = 32 } = parts;
  const head = [
    latin1(magic),
    u32(version),
    u64(parts.tensorCount ?? tensors.length),
    u64(parts.pairCount ?? pairs.length),
  ];
  let offset = 0;
  const directory: Uint8Array[] = [];
  const data: Uint8Array[] = [];
  for (const tensor of tensors) {
    directory.push(tensorEntry({ offset, ...tensor }));
    const bytes = tensor.data ?? new Uint8Array(0);
    data.push(bytes, new Uint8Array(padding(bytes.length, alignment)));
    offset += bytes.length + padding(bytes.length, alignment);
  }
  const header = concat([...head, ...pairs, ...directory]);
  if (tensors.length > 0) data.pop(); // the last tensor ends the file
  return concat([header, new Uint8Array(padding(header.length, alignment)), ...data, parts.tail ?? new Uint8Array(0)]);
}

export function tensorEntry({ name, type = 0, ne, offset = 0 }: GgufTensor): Uint8Array {
  return concat([text(name), u32(ne.length), ...ne.map(u64), u32(type), u64(offset)]);
}

/** A pair of a key, a value type and the value's bytes. */
export function pair(key: string, type: number, value: Uint8Array): Uint8Array {
  return concat([text(key), u32(type), value]);
}

export function textPair(key: string, value: string): Uint8Array {
  return pair(key, VALUE_TYPES.string, text(value));
}

export function array(type: number, count: number | bigint, ...elements: Uint8Array[]): Uint8Array {
  return concat([u32(type), u64(count), ...elements]);
}

export function text(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(value);
  return concat([u64(bytes.length), bytes]);
}

export function u16(value: number): Uint8Array {
  return new Uint8Array(Uint16Array.of(value).buffer);
}

export function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

export function u64(value: number | bigint): Uint8Array {
  return new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
}

export function f32(...values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

export function latin1(value: string): Uint8Array {
  return Uint8Array.from(value, (char) => char.charCodeAt(0));
}

export function concat(parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function padding(size: number, alignment: number): number {
  return (alignment - (size % alignment)) % alignment;
}
