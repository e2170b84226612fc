import { EngineError, quoteName } from "../error.ts";
import { type StoredType, WEIGHT_TYPE_NAMES, WEIGHT_TYPES, weightType } from "../weight-types.ts";
import type { StoredTensor } from "./checkpoint.ts";
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

/** ggml's types that weights cannot have here, by number. The other numbers below 43 were removed. */
const OTHERS: Readonly<Record<number, string>> = {
  9: "Q8_1",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  21: "IQ3_S",
  22: "IQ2_S",
  24: "I8",
  25: "I16",
  26: "I32",
  27: "I64",
  28: "F64",
  29: "IQ1_M",
  40: "NVFP4",
  41: "Q1_0",
  42: "Q2_0",
};

/** Those that they can. */
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
  type: StoredType;
  shape: number[];
  bytes: number;
  offset: number;
  /** Where the entry is in the header, for messages. */
  at: number;
}

export interface Directory {
  tensors: Map<string, StoredTensor>;
  /** End of the last tensor in the file; the data's start where there is none. */
  end: number;
}

export async function readTensors(window: HeaderWindow, count: number, alignment: number): Promise<Directory> {
  const entries = new Map<string, Entry>();
  let offset = 0;
  for (let i = 0; i < count; i++) {
    if (window.ready < MAX_TENSOR_BYTES) await window.fill(MAX_TENSOR_BYTES);
    const entry = readEntry(window, i, offset);
    const earlier = entries.get(entry.name);
    if (earlier) {
      const what = `the tensor ${quoteName(entry.name)} is listed at bytes ${earlier.at} and ${entry.at}`;
      throw window.error("GGUF_TENSOR_NAME", what, `tensors[${i}].name`, entry.at);
    }
    entries.set(entry.name, entry);
    offset += align(entry.bytes, alignment);
    if (offset > Number.MAX_SAFE_INTEGER) {
      const what = "the tensors together are larger than any file";
      throw window.error("GGUF_DATA_BYTES", what, `tensors[${i}]`, entry.at, Number.MAX_SAFE_INTEGER);
    }
  }
  return place(window, entries, align(window.offset, alignment));
}

/** Data sections have neither gaps nor overlaps: a tensor begins where the one before it ends, padded. */
function readEntry(window: HeaderWindow, index: number, expectedOffset: number): Entry {
  const at = window.offset;
  const name = readTensorName(window, `tensors[${index}].name`);
  const dimensions = readDimensions(window, index);
  const typeField = `tensors[${index}].type`;
  const typeAt = window.offset;
  const type = checkType(window, window.u32(typeField), typeField, typeAt);
  const bytes = tensorBytes(window, dimensions, type, index, at);
  const offsetField = `tensors[${index}].offset`;
  const offsetAt = window.offset;
  const offset = window.u64(offsetField);
  if (offset !== expectedOffset) {
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
  if (count < 1 || count > MAX_DIMENSIONS) {
    throw window.error("GGUF_NDIMS", "bad number of dimensions", field, offset, `1..${MAX_DIMENSIONS}`, count);
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

function checkType(window: HeaderWindow, type: number, field: string, offset: number): StoredType {
  const stored = TYPES.get(type);
  if (stored) return stored;
  const known = OTHERS[type];
  const what = known ? `weights of type ${known} are not supported` : "there is no such tensor type";
  throw window.error("GGUF_TENSOR_TYPE", what, field, offset, SUPPORTED, type);
}

function tensorBytes(
  window: HeaderWindow,
  shape: (number | bigint)[],
  type: StoredType,
  index: number,
  at: number,
): number {
  const block = WEIGHT_TYPES[type];
  // A bigint has lost its low bits here, but rows of 2^53 fail anyway.
  if (Number(shape[0]) % block.elements !== 0) {
    const what = `rows of ${type} are made of whole blocks`;
    throw window.error("GGUF_BLOCK", what, `tensors[${index}].ne[0]`, at, `a multiple of ${block.elements}`, shape[0]);
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
  let end = start;
  for (const { name, type, shape, bytes, offset, at } of entries.values()) {
    end = start + offset + bytes;
    if (end > source.size) {
      const what = `the file ends before the tensor ${quoteName(name)} does`;
      throw window.error("GGUF_TENSOR_RANGE", what, `tensors[${name}]`, at, `${end} bytes`, source.size);
    }
    tensors.set(name, { name, type, shape, source, offset: start + offset, bytes });
  }
  return { tensors, end };
}

function align(size: number, alignment: number): number {
  return Math.ceil(size / alignment) * alignment;
}
