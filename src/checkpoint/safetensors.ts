import { EngineError, quoteName } from "../error.ts";
import type { ErrorCode } from "../error-codes.ts";
import type { StoredType } from "../weight-types.ts";
import type { ByteSource, StoredTensor } from "./checkpoint.ts";
import { JsonScanner, pointer } from "./json-scanner.ts";
import { leftOut } from "./unread.ts";

/**
 * One safetensors file: u64 header length N | N bytes of JSON | data.
 * Tensors tile the data area exactly, in any order of names; the checks are those of the reference reader.
 */

/** The reference's own bound. */
const MAX_HEADER_BYTES = 100_000_000;
const MAX_TENSORS = 1_000_000;
const MAX_METADATA_ENTRIES = 100_000;
const MAX_DIMENSIONS = 8;

/** The format knows three; unknown ones are passed over. */
const MAX_FIELDS = 16;

/** The one name that is not a tensor's. */
const METADATA = "__metadata__";

const RULES = { syntax: "ST_JSON", utf8: "ST_UTF8", depth: "ST_DEPTH", integer: "ST_INTEGER", maxDepth: 8 } as const;

const SUPPORTED: Record<string, StoredType> = { F32: "f32", F16: "f16", BF16: "bf16", F8_E4M3: "f8_e4m3" };

/** Bits an element of every dtype of the format. */
const BITS = new Map<string, number>([
  ["BOOL", 8],
  ["U8", 8],
  ["I8", 8],
  ["U16", 16],
  ["I16", 16],
  ["U32", 32],
  ["I32", 32],
  ["U64", 64],
  ["I64", 64],
  ["F4", 4],
  ["F6_E2M3", 6],
  ["F6_E3M2", 6],
  ["F8_E4M3", 8],
  ["F8_E4M3FNUZ", 8],
  ["F8_E5M2", 8],
  ["F8_E5M2FNUZ", 8],
  ["F8_E8M0", 8],
  ["F16", 16],
  ["BF16", 16],
  ["F32", 32],
  ["F64", 64],
  ["C64", 64],
]);

interface Entry {
  name: string;
  dtype: string;
  shape: number[];
  begin: number;
  end: number;
}

export interface SafetensorsFile {
  tensors: Map<string, StoredTensor>;
  /** Tensors of a dtype that weights cannot have here, with it: checked and left out. Integers are buffers (position ids, masks). */
  unread: Map<string, string>;
  /** Of the data area. */
  dataBytes: number;
  warnings: string[];
}

export async function readSafetensors(source: ByteSource): Promise<SafetensorsFile> {
  const header = await readHeader(source);
  const place = { source: "safetensors", file: source.name } as const;
  const scanner = new JsonScanner(header, RULES, place, 8);
  const entries = readEntries(scanner);
  const dataStart = 8 + header.length;
  checkTiling(entries, source, dataStart);
  const tensors = new Map<string, StoredTensor>();
  const unread = new Map<string, string>();
  for (const { name, dtype, shape, begin, end } of entries) {
    const type = SUPPORTED[dtype];
    if (!type) unread.set(name, dtype);
    else tensors.set(name, { name, type, shape, source, offset: dataStart + begin, bytes: end - begin });
  }
  const warnings = leftOut("ST_DTYPE", source.name, unread);
  return { tensors, unread, dataBytes: source.size - dataStart, warnings };
}

/** White space of JSON. */
export const isBlank = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

async function readHeader(source: ByteSource): Promise<Uint8Array> {
  const at = { source: "safetensors", file: source.name, offset: 0 } as const;
  if (source.size < 8) {
    throw new EngineError("ST_TRUNCATED", "the file ends within the header's length", {
      at,
      limit: 8,
      actual: source.size,
    });
  }
  const prefix = new Uint8Array(8);
  await source.read(0, prefix);
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  const limit = Math.min(MAX_HEADER_BYTES, source.size - 8);
  if (length < 2n || length > BigInt(limit)) {
    throw new EngineError("ST_HEADER_LEN", "bad length of the header", { at, limit: `2..${limit}`, actual: length });
  }
  const header = new Uint8Array(Number(length));
  await source.read(8, header);
  const first = header.findIndex((byte) => !isBlank(byte));
  if (header[first] === 0x7b) return header;
  throw new EngineError("ST_HEADER_START", "the header does not begin with {", {
    at: { ...at, offset: 8 },
    actual: first < 0 ? "blanks alone" : `byte ${header[first]}`,
  });
}

function readEntries(scanner: JsonScanner): Entry[] {
  const entries = new Map<string, Entry>();
  let metadata = false;
  scanner.object((name, at) => {
    if (entries.has(name) || (metadata && name === METADATA)) {
      throw scanner.error("ST_DUPLICATE_KEY", "a name occurs twice", at);
    }
    if (name === METADATA) {
      metadata = true;
      return checkMetadata(scanner);
    }
    if (entries.size === MAX_TENSORS) {
      throw scanner.error("ST_COUNT", "too many tensors", at, { limit: `at most ${MAX_TENSORS}` });
    }
    const entry = readEntry(scanner, name, at);
    checkBytes(scanner, entry, at);
    entries.set(name, entry);
  });
  // The format pads with spaces; the reference reader takes JSON's other blanks too, before and behind.
  scanner.end(isBlank);
  return [...entries.values()];
}

/** The reference's map from string to string; its content says nothing about the weights. */
function checkMetadata(scanner: JsonScanner): void {
  const seen = new Set<string>();
  if (scanner.isNull()) {
    scanner.skip();
    return;
  }
  if (!scanner.isObject()) throw scanner.error("ST_METADATA", "the metadata is not an object");
  scanner.object((key, at) => {
    if (seen.has(key)) throw scanner.error("ST_DUPLICATE_KEY", "a key occurs twice", at);
    if (seen.add(key).size > MAX_METADATA_ENTRIES) {
      throw scanner.error("ST_METADATA", "too much metadata", at, { limit: `at most ${MAX_METADATA_ENTRIES} entries` });
    }
    if (!scanner.isString()) throw scanner.error("ST_METADATA", "a metadata value is not a string");
    scanner.string();
  });
}

function readEntry(scanner: JsonScanner, name: string, at: number): Entry {
  if (!scanner.isObject()) throw scanner.error("ST_FIELD", "a tensor's entry is not an object");
  const seen: string[] = [];
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  scanner.object((key, keyAt) => {
    if (seen.includes(key)) throw scanner.error("ST_DUPLICATE_KEY", "a field occurs twice", keyAt);
    if (seen.push(key) > MAX_FIELDS) throw scanner.error("ST_FIELD", "a tensor's entry has too many fields", keyAt);
    if (key === "dtype") dtype = readDtype(scanner);
    else if (key === "shape") shape = readIntegers(scanner, "ST_NDIMS", MAX_DIMENSIONS);
    else if (key === "data_offsets") offsets = readOffsets(scanner);
    else scanner.skip();
  });
  if (dtype && shape && offsets) return { name, dtype, shape, begin: offsets[0], end: offsets[1] };
  const missing = !dtype ? "dtype" : !shape ? "shape" : "data_offsets";
  throw scanner.error("ST_FIELD", `a tensor's entry lacks ${missing}`, at);
}

function readDtype(scanner: JsonScanner): string {
  if (!scanner.isString()) throw scanner.error("ST_DTYPE", "a dtype is a string");
  const at = scanner.at;
  const dtype = scanner.string();
  if (BITS.has(dtype)) return dtype;
  const detail = { limit: Object.keys(SUPPORTED).join(", "), actual: dtype };
  throw scanner.error("ST_DTYPE", "there is no such dtype", at, detail);
}

function readOffsets(scanner: JsonScanner): number[] {
  const at = scanner.at;
  const offsets = readIntegers(scanner, "ST_OFFSETS", 2);
  if (offsets.length === 2 && offsets[0] <= offsets[1]) return offsets;
  const detail = { limit: "[begin, end]", actual: `[${offsets.join(", ")}]` };
  throw scanner.error("ST_OFFSETS", "bad byte range", at, detail);
}

function readIntegers(scanner: JsonScanner, code: ErrorCode, limit: number): number[] {
  const values: number[] = [];
  if (!scanner.isArray()) throw scanner.error(code, "not an array of integers");
  scanner.array((index) => {
    if (index === limit) throw scanner.error(code, "too many integers", undefined, { limit: `at most ${limit}` });
    values.push(scanner.integer());
  });
  return values;
}

/** Called while the scanner is at the entry, so that errors name the tensor. */
function checkBytes(scanner: JsonScanner, { dtype, shape, begin, end }: Entry, at: number): void {
  const bits = BITS.get(dtype)!;
  // Zeros are left out of the overflow check, or [2^52, 2^52, 0] would pass and be multiplied elsewhere.
  const largest = shape.reduce((product, dimension) => product * Math.max(1, dimension), bits);
  if (largest > Number.MAX_SAFE_INTEGER) {
    throw scanner.error("ST_TENSOR_BYTES", "the tensor is larger than any file", at);
  }
  const size = shape.includes(0) ? 0 : largest;
  if (size % 8 !== 0) throw scanner.error("ST_MISALIGNED", `${dtype} elements that end within a byte`, at);
  if (size / 8 === end - begin) return;
  const detail = { limit: `${size / 8} bytes`, actual: end - begin };
  throw scanner.error("ST_TENSOR_BYTES", "shape and byte range disagree", at, detail);
}

/** By offset, every tensor begins where the one before it ends, and the last one ends with the file. */
function checkTiling(entries: Entry[], source: ByteSource, dataStart: number): void {
  const sorted = isSorted(entries) ? entries : entries.toSorted(byRange);
  const place = { source: "safetensors", file: source.name } as const;
  let reached = 0;
  let before = "the start of the data";
  for (const { name, begin, end } of sorted) {
    if (begin !== reached) {
      const overlaps = begin < reached;
      const what = overlaps ? "overlaps" : "leaves a hole after";
      throw new EngineError(overlaps ? "ST_OVERLAP" : "ST_HOLE", `the tensor ${quoteName(name)} ${what} ${before}`, {
        at: { ...place, field: `${pointer(name)}/data_offsets`, offset: dataStart + begin },
        limit: reached,
        actual: begin,
      });
    }
    reached = end;
    before = quoteName(name);
  }
  const size = source.size - dataStart;
  if (reached === size) return;
  const what = reached < size ? "bytes after the last tensor" : "the file ends before the last tensor does";
  throw new EngineError("ST_COVER", what, {
    at: { ...place, offset: dataStart + reached },
    limit: reached,
    actual: size,
  });
}

function byRange(a: Entry, b: Entry): number {
  return a.begin - b.begin || a.end - b.end;
}

function isSorted(entries: Entry[]): boolean {
  for (let i = 1; i < entries.length; i++) if (byRange(entries[i - 1], entries[i]) > 0) return false;
  return true;
}
