import { EngineError, quoteName } from "../error.ts";
import { type StoredType, WEIGHT_TYPE_NAMES, WEIGHT_TYPES, weightType } from "../weight-types.ts";
import type { StoredTensor } from "./checkpoint.ts";
import { UNREAD_TYPES, type UnreadType } from "./ggml-types.ts";
import { decodeName } from "./gguf-metadata.ts";
import type { HeaderWindow } from "./gguf-window.ts";

/** The tensor directory of a GGUF file: name, shape, type and place of every tensor. */

/** `GGML_MAX_NAME` is 64 with its terminating zero. */
const MAX_NAME_BYTES = 63;
const MAX_DIMENSIONS = 4;

/** Of one entry: name length, number of dimensions, type, offset. */
export const MIN_TENSOR_BYTES = 8 + 4 + 4 + 8;
const MAX_TENSOR_BYTES = 8 + MAX_NAME_BYTES + 4 + 8 * MAX_DIMENSIONS + 4 + 8;

/** ggml counts elements in an int64 and bytes in a uint64. */
const ELEMENTS_END = 2 ** 63;
const BYTES_END = 2n ** 64n;

/** Those that weights may have, by number. */
const TYPES = new Map<number, StoredType>();
for (const type of WEIGHT_TYPE_NAMES) {
  const { ggml } = weightType(type);
  if (ggml !== undefined) TYPES.set(ggml, type);
}
const SUPPORTED = [...TYPES]
  .sort(([a], [b]) => a - b)
  .map(([number, type]) => `${type.toUpperCase()} (${number})`)
  .join(", ");

/** The number that a GGUF file gives a type. */
export function ggmlType(type: StoredType): number {
  const { ggml } = weightType(type);
  if (ggml !== undefined) return ggml;
  throw new EngineError("GGUF_TENSOR_TYPE", `GGUF has no type ${type}`, { limit: SUPPORTED });
}

/** A tensor as its entry describes it; `offset` counts from the start of the data. */
interface Entry {
  name: string;
  type: StoredType | UnreadType;
  shape: number[];
  /** null: nobody here knows. */
  bytes: number | null;
  offset: number;
  /** Where the entry is in the header, for messages. */
  at: number;
}

export interface Directory {
  tensors: Map<string, StoredTensor>;
  /** Tensors of types that no weights have here, with the type. */
  unread: Map<string, string>;
  /** End of the last tensor in the file; the data's start where there is none. */
  end: number;
}

export async function readTensors(window: HeaderWindow, count: number, alignment: number): Promise<Directory> {
  const entries = new Map<string, Entry>();
  let offset = 0;
  let exact = true;
  for (let i = 0; i < count; i++) {
    if (window.ready < MAX_TENSOR_BYTES) await window.fill(MAX_TENSOR_BYTES);
    const entry = readEntry(window, i, offset, exact);
    const earlier = entries.get(entry.name);
    if (earlier) {
      const what = `the tensor ${quoteName(entry.name)} is listed at bytes ${earlier.at} and ${entry.at}`;
      throw window.error("GGUF_TENSOR_NAME", what, `tensors[${i}].name`, entry.at);
    }
    entries.set(entry.name, entry);
    offset = entry.offset + align(entry.bytes ?? 0, alignment);
    exact = entry.bytes !== null;
    if (offset > Number.MAX_SAFE_INTEGER) {
      const what = "the tensors together are larger than any file";
      throw window.error("GGUF_DATA_BYTES", what, `tensors[${i}]`, entry.at, Number.MAX_SAFE_INTEGER);
    }
  }
  return place(window, entries, align(window.offset, alignment));
}

/**
 * Data sections have neither gaps nor overlaps: a tensor begins where the one before it ends, padded. Where nobody here knows how long
 * that one is (`exact` false), it begins anywhere behind it.
 */
function readEntry(window: HeaderWindow, index: number, expectedOffset: number, exact: boolean): Entry {
  const at = window.offset;
  const name = readTensorName(window, `tensors[${index}].name`);
  const dimensions = readDimensions(window, index);
  const typeField = `tensors[${index}].type`;
  const typeAt = window.offset;
  const type = checkType(window, window.u32(typeField), typeField, typeAt);
  const block = typeof type === "object" ? type : WEIGHT_TYPES[type];
  const bytes = block.elements === 0 ? null : tensorBytes(window, dimensions, block, index, at);
  const offsetField = `tensors[${index}].offset`;
  const offsetAt = window.offset;
  const offset = window.u64(offsetField);
  if (typeof offset !== "number" || (exact ? offset !== expectedOffset : offset < expectedOffset)) {
    const what = `the tensor ${quoteName(name)} does not begin where the one before it ends`;
    throw window.error("GGUF_TENSOR_OFFSET", what, offsetField, offsetAt, expectedOffset, offset);
  }
  return { name, type, shape: dimensions.map(Number).reverse(), bytes, offset, at };
}

function readTensorName(window: HeaderWindow, field: string): string {
  const offset = window.offset;
  const length = window.u64(field);
  if (length < 1 || length > MAX_NAME_BYTES) {
    throw window.error(
      "GGUF_TENSOR_NAME",
      "bad length of a tensor name",
      field,
      offset,
      `1..${MAX_NAME_BYTES}`,
      length,
    );
  }
  const at = window.take(Number(length), field);
  const bytes = window.bytes.subarray(at, window.at);
  const name = decodeName(bytes);
  if (name !== null) return name;
  const what = "a tensor name is UTF-8 without control characters";
  throw window.error("GGUF_TENSOR_NAME", what, field, offset + 8, undefined, new TextDecoder().decode(bytes));
}

/** Innermost first, as stored; a bigint is too large for any file, which `tensorBytes` or the file's end tells. */
function readDimensions(window: HeaderWindow, index: number): (number | bigint)[] {
  const field = `tensors[${index}].n_dims`;
  const offset = window.offset;
  const count = window.u32(field);
  // None is a single number, as in ggml.
  if (count > MAX_DIMENSIONS) {
    throw window.error("GGUF_NDIMS", "bad number of dimensions", field, offset, `0..${MAX_DIMENSIONS}`, count);
  }
  const dimensions: (number | bigint)[] = [];
  let elements = 1;
  for (let j = 0; j < count; j++) {
    const dimensionField = `tensors[${index}].ne[${j}]`;
    const at = window.offset;
    const dimension = window.u64(dimensionField);
    elements *= Number(dimension);
    if (dimension < 1 || elements >= ELEMENTS_END) {
      throw window.error("GGUF_DIM", "bad dimension", dimensionField, at, "1.. with a product below 2^63", dimension);
    }
    dimensions.push(dimension);
  }
  return dimensions;
}

/** A type that weights may have, or one that they may not: of use only where the tensor is of none. */
function checkType(window: HeaderWindow, type: number, field: string, offset: number): StoredType | UnreadType {
  const known = TYPES.get(type) ?? UNREAD_TYPES[type];
  if (known) return known;
  throw window.error("GGUF_TENSOR_TYPE", "there is no such tensor type", field, offset, SUPPORTED, type);
}

function tensorBytes(
  window: HeaderWindow,
  shape: (number | bigint)[],
  block: { readonly elements: number; readonly bytes: number },
  index: number,
  at: number,
): number {
  const [row = 1] = shape;
  // A bigint has lost its low bits here, but rows of 2^53 fail anyway.
  if (Number(row) % block.elements !== 0) {
    const what = "rows are made of whole blocks of their type";
    throw window.error("GGUF_BLOCK", what, `tensors[${index}].ne[0]`, at, `a multiple of ${block.elements}`, row);
  }
  const elements = shape.reduce<number>((product, dimension) => product * Number(dimension), 1);
  if (elements <= 2 ** 50) return (elements / block.elements) * block.bytes;
  // Too large for numbers: counted exactly. What wraps in 64 bits is what other readers fell for.
  const exact = shape.reduce<bigint>((product, dimension) => product * BigInt(dimension), BigInt(block.bytes));
  const bytes = exact / BigInt(block.elements);
  if (bytes < BYTES_END) return Number(bytes);
  throw window.error(
    "GGUF_TENSOR_BYTES",
    "the tensor's bytes overflow 64 bits",
    `tensors[${index}]`,
    at,
    undefined,
    bytes,
  );
}

function place(window: HeaderWindow, entries: Map<string, Entry>, start: number): Directory {
  const { source } = window;
  const tensors = new Map<string, StoredTensor>();
  const unread = new Map<string, string>();
  let end = start;
  for (const { name, type, shape, bytes, offset, at } of entries.values()) {
    end = start + offset + (bytes ?? 0);
    if (end > source.size) {
      const what = `the file ends before the tensor ${quoteName(name)} does`;
      throw window.error("GGUF_TENSOR_RANGE", what, `tensors[${name}]`, at, `${end} bytes`, source.size);
    }
    if (typeof type === "object") unread.set(name, type.name);
    else tensors.set(name, { name, type, shape, source, offset: start + offset, bytes: bytes! });
  }
  return { tensors, unread, end };
}

function align(size: number, alignment: number): number {
  return Math.ceil(size / alignment) * alignment;
}
