import { quoteName } from "../error.ts";
import type { MetadataArray, MetadataValue } from "./checkpoint.ts";
import { readStrings } from "./gguf-strings.ts";
import type { HeaderWindow } from "./gguf-window.ts";

/** The key-value pairs of a GGUF header. */

/** `GGUF_MAX_KEY_LENGTH` of the format's own text. */
const MAX_KEY_BYTES = 65_535;

/** Llama 4 has 439,802 merges, the longest array in use. */
const MAX_ARRAY_ELEMENTS = 4_194_304;

/** Data starts at a multiple of the alignment; a huge one would hide a gap of unread bytes. */
const MAX_ALIGNMENT = 2 ** 20;
const DEFAULT_ALIGNMENT = 32;

/** Enough to see what is wrong with a file; 100,000 of them would help nobody. */
const MAX_WARNINGS = 20;

/** Of one pair: length, one byte of key, value type, one byte of value. */
export const MIN_PAIR_BYTES = 8 + 1 + 4 + 1;

const U32 = 4;
const BOOL = 7;
const STRING = 8;
const ARRAY = 9;

interface NumberType {
  bytes: number;
  read(view: DataView, at: number): number | bigint;
  array: new (count: number) => Exclude<MetadataArray, readonly unknown[]>;
}

const NUMBERS: Record<number, NumberType> = {
  0: { bytes: 1, read: (view, at) => view.getUint8(at), array: Uint8Array },
  1: { bytes: 1, read: (view, at) => view.getInt8(at), array: Int8Array },
  2: { bytes: 2, read: (view, at) => view.getUint16(at, true), array: Uint16Array },
  3: { bytes: 2, read: (view, at) => view.getInt16(at, true), array: Int16Array },
  [U32]: { bytes: 4, read: (view, at) => view.getUint32(at, true), array: Uint32Array },
  5: { bytes: 4, read: (view, at) => view.getInt32(at, true), array: Int32Array },
  6: { bytes: 4, read: (view, at) => view.getFloat32(at, true), array: Float32Array },
  10: { bytes: 8, read: (view, at) => safeNumber(view.getBigUint64(at, true)), array: BigUint64Array },
  11: { bytes: 8, read: (view, at) => safeNumber(view.getBigInt64(at, true)), array: BigInt64Array },
  12: { bytes: 8, read: (view, at) => view.getFloat64(at, true), array: Float64Array },
};

export interface Metadata {
  values: Map<string, MetadataValue>;
  /** Where each pair lies in the file, key included: [first byte, byte behind it]. */
  spans: Map<string, readonly [number, number]>;
  alignment: number;
  warnings: string[];
}

export async function readMetadata(window: HeaderWindow, count: number): Promise<Metadata> {
  const metadata: Metadata = { values: new Map(), spans: new Map(), alignment: DEFAULT_ALIGNMENT, warnings: [] };
  for (let i = 0; i < count; i++) {
    const keyOffset = window.offset;
    const key = await readKey(window, `kv[${i}].key`);
    const earlier = metadata.spans.get(key);
    if (earlier !== undefined) {
      const what = `the key ${quoteName(key)} occurs at bytes ${earlier[0]} and ${keyOffset}`;
      throw window.error("GGUF_KEY_DUPLICATE", what, `kv[${key}]`, keyOffset);
    }
    await readValue(window, key, metadata);
    metadata.spans.set(key, [keyOffset, window.offset]);
  }
  return metadata;
}

async function readKey(window: HeaderWindow, field: string): Promise<string> {
  await window.fill(8);
  const offset = window.offset;
  const length = window.u64(field);
  if (length === 0) throw window.error("GGUF_KEY_EMPTY", "a key has no characters", field, offset);
  const limit = Math.min(MAX_KEY_BYTES, window.left);
  if (length > limit) {
    throw window.error(
      "GGUF_STRING_LEN",
      "the key is longer than allowed or than the file",
      field,
      offset,
      limit,
      length,
    );
  }
  await window.fill(Number(length));
  const at = window.take(Number(length), field);
  const name = decodeName(window.bytes.subarray(at, window.at));
  if (name !== null) return name;
  const shown = new TextDecoder().decode(window.bytes.subarray(at, window.at));
  throw window.error(
    "GGUF_KEY_CHARS",
    "a key is UTF-8 without control characters",
    field,
    offset + 8,
    undefined,
    shown,
  );
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Name of a key or tensor: UTF-8 without control characters, else null. */
export function decodeName(bytes: Uint8Array): string | null {
  try {
    const name = strictUtf8.decode(bytes);
    return /[\u0000-\u001f\u007f-\u009f]/.test(name) ? null : name;
  } catch {
    return null;
  }
}

async function readValue(window: HeaderWindow, key: string, metadata: Metadata): Promise<void> {
  const field = `kv[${key}]`;
  await window.fill(4);
  const offset = window.offset;
  const type = window.u32(field);
  let value: MetadataValue;
  if (type === STRING) value = await readText(window, field, metadata.warnings);
  else if (type === ARRAY) value = await readArray(window, field, metadata.warnings);
  else if (type === BOOL) value = (await readBooleans(window, 1, field))[0];
  else value = await readNumber(window, type, offset, field);
  if (key === "general.alignment") metadata.alignment = checkAlignment(window, type, value, offset);
  metadata.values.set(key, value);
}

async function readNumber(window: HeaderWindow, type: number, offset: number, field: string): Promise<number | bigint> {
  const number = NUMBERS[type];
  if (!number) throw window.error("GGUF_TYPE", "there is no such value type", field, offset, "0..12", type);
  await window.fill(number.bytes);
  return number.read(window.view, window.take(number.bytes, field));
}

async function readArray(window: HeaderWindow, field: string, warnings: string[]): Promise<MetadataArray> {
  await window.fill(12);
  const typeOffset = window.offset;
  const type = window.u32(field);
  if (type === ARRAY) throw window.error("GGUF_ARRAY_NESTED", "arrays of arrays are not read", field, typeOffset);
  const elementBytes = type === STRING ? 8 : type === BOOL ? 1 : NUMBERS[type]?.bytes;
  if (elementBytes === undefined) {
    throw window.error("GGUF_TYPE", "there is no such element type", field, typeOffset, "0..12", type);
  }
  const countOffset = window.offset;
  const count = window.u64(field);
  const limit = Math.min(MAX_ARRAY_ELEMENTS, Math.floor(window.left / elementBytes));
  if (count > limit) {
    const what = "the array has more elements than are allowed or fit in the file";
    throw window.error("GGUF_ARRAY_LEN", what, field, countOffset, limit, count);
  }
  if (type === STRING) return readTexts(window, Number(count), field, warnings);
  if (type === BOOL) return readBooleans(window, Number(count), field);
  return readNumbers(window, NUMBERS[type], Number(count));
}

/** Files are little-endian, and so is every host with WebAssembly threads: the bytes are copied as they are. */
async function readNumbers(window: HeaderWindow, type: NumberType, count: number): Promise<MetadataArray> {
  const values = new type.array(count);
  await window.copyTo(new Uint8Array(values.buffer, 0, count * type.bytes));
  return values;
}

async function readBooleans(window: HeaderWindow, count: number, field: string): Promise<boolean[]> {
  const offset = window.offset;
  if (window.left < count) {
    await window.fill(count);
    window.take(count, field);
  }
  const bytes = new Uint8Array(count);
  await window.copyTo(bytes);
  const wrong = bytes.findIndex((byte) => byte > 1);
  if (wrong >= 0) {
    throw window.error("GGUF_BOOL", "a truth value is one byte", field, offset + wrong, "0 or 1", bytes[wrong]);
  }
  // Filled by hand: `Array.from` takes ten times as long and three times the memory.
  const values = new Array<boolean>(count);
  for (let i = 0; i < count; i++) values[i] = bytes[i] === 1;
  return values;
}

async function readText(window: HeaderWindow, field: string, warnings: string[]): Promise<string> {
  const { strings, malformed } = await readStrings(window, 1, () => field);
  if (malformed > 0) warnMalformed(field, malformed, warnings);
  return strings[0];
}

async function readTexts(window: HeaderWindow, count: number, field: string, warnings: string[]): Promise<string[]> {
  const { strings, malformed } = await readStrings(window, count, (index) => `${field}[${index}]`);
  if (malformed > 0) warnMalformed(field, malformed, warnings);
  return strings;
}

/** Text that is not UTF-8 is odd, not unsafe: it is read with U+FFFD and a warning, as many as there is room for. */
function warnMalformed(field: string, count: number, warnings: string[]): void {
  if (warnings.length === MAX_WARNINGS) return;
  warnings.push(`GGUF_UTF8: ${quoteName(field, false)} holds ${count} strings that are not UTF-8`);
}

function checkAlignment(window: HeaderWindow, type: number, value: MetadataValue, offset: number): number {
  const field = "general.alignment";
  if (type !== U32)
    throw window.error("GGUF_KV_TYPE", "the alignment has another type", field, offset, "u32", `type ${type}`);
  const alignment = Number(value);
  // A power of two has one bit set.
  if (alignment > 0 && alignment <= MAX_ALIGNMENT && (alignment & (alignment - 1)) === 0) return alignment;
  const limit = `a power of two, at most ${MAX_ALIGNMENT}`;
  throw window.error("GGUF_ALIGNMENT", "bad alignment", field, offset + 4, limit, alignment);
}

function safeNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
