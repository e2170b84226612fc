import {
  array,
  concat,
  latin1,
  pair,
  tensorEntry,
  text,
  textPair,
  u16,
  u32,
  u64,
  VALUE_TYPES,
  writeGguf,
} from "./write-gguf.ts";

/** GGUF files that are wrong in one place each: the rows of the catalogue of hostile input that one file can show. */

const { u8, i32, bool, string } = VALUE_TYPES;
const ARRAY = VALUE_TYPES.array;
export const DATA_32 = { data: new Uint8Array(32) };
const one = (type: number, value: Uint8Array) => writeGguf({ pairs: [pair("k", type, value)] });
const dims = (...ne: (number | bigint)[]) => writeGguf({ tensors: [{ name: "t", ne, ...DATA_32 }] });
export const typed = (type: number, ...ne: number[]) => writeGguf({ tensors: [{ name: "t", type, ne, ...DATA_32 }] });
const named = (name: Uint8Array) =>
  concat([
    writeGguf({ tensorCount: 1 }).subarray(0, 24),
    name,
    tensorEntry({ name: "", ne: [8] }).subarray(8),
    new Uint8Array(64),
  ]);
export const keyed = (...key: Uint8Array[]) =>
  concat([writeGguf({ pairCount: 1 }).subarray(0, 24), ...key, new Uint8Array(16)]);
const placed = (offset: number | bigint) =>
  writeGguf({
    tensors: [
      { name: "a", ne: [8], ...DATA_32 },
      { name: "b", ne: [8], offset, ...DATA_32 },
    ],
  });
const alignment = (value: number) => writeGguf({ pairs: [pair("general.alignment", VALUE_TYPES.u32, u32(value))] });

/** Row of the catalogue, file, code, field, offset. */
export const HOSTILE: [string, Uint8Array, string, string?, number?][] = [
  ["G01 nothing", new Uint8Array(0), "GGUF_TRUNCATED", "magic", 0],
  ["G01 three bytes", latin1("GGU"), "GGUF_TRUNCATED", "magic", 0],
  ["G02 the magic alone", latin1("GGUF"), "GGUF_TRUNCATED", "version", 4],
  ["G03 magic FUGG", writeGguf({ magic: "FUGG" }), "GGUF_MAGIC", "magic", 0],
  ["G03 magic ggjt", writeGguf({ magic: "ggjt" }), "GGUF_MAGIC", "magic", 0],
  ["G03 a zip", latin1("PK\x03\x04 and so on"), "GGUF_MAGIC", "magic", 0],
  ...[0, 1, 4, 2 ** 31].map((version): [string, Uint8Array, string, string, number] => [
    `G04 version ${version}`,
    writeGguf({ version }),
    "GGUF_VERSION",
    "version",
    4,
  ]),
  ["G05 big-endian", writeGguf({ version: 0x03000000 }), "GGUF_ENDIAN", "version", 4],
  ...[2n ** 32n - 1n, 2n ** 63n, 2n ** 64n - 1n].flatMap((count): [string, Uint8Array, string, string, number][] => [
    [`G06 ${count} tensors`, writeGguf({ tensorCount: count }), "GGUF_COUNT", "n_tensors", 8],
    [`G07 ${count} pairs`, writeGguf({ pairCount: count }), "GGUF_COUNT", "n_kv", 16],
  ]),
  ["G09 key of 2^64 - 1", keyed(u64(2n ** 64n - 1n)), "GGUF_STRING_LEN", "kv[0].key", 24],
  ["G09 key of 2^63", keyed(u64(2n ** 63n)), "GGUF_STRING_LEN", "kv[0].key", 24],
  ["G09 key longer than the file", keyed(u64(1000)), "GGUF_STRING_LEN", "kv[0].key", 24],
  ["G09 key of 64 KiB", keyed(text("k".repeat(65_536))), "GGUF_STRING_LEN", "kv[0].key", 24],
  ["G10 empty key", keyed(text("")), "GGUF_KEY_EMPTY", "kv[0].key", 24],
  ["G11 key not UTF-8", keyed(u64(1), Uint8Array.of(0xff)), "GGUF_KEY_CHARS", "kv[0].key", 32],
  ["G11 key with NUL", keyed(text("a\0b")), "GGUF_KEY_CHARS", "kv[0].key", 32],
  ["G11 key with ESC", keyed(text("\x1b[31m")), "GGUF_KEY_CHARS", "kv[0].key", 32],
  [
    "G12 duplicate key",
    writeGguf({ pairs: [textPair("k", ""), textPair("k", "")] }),
    "GGUF_KEY_DUPLICATE",
    "kv[k]",
    45,
  ],
  ...[13, 99, -1].map((type): [string, Uint8Array, string, string, number] => [
    `G14 value type ${type}`,
    one(type, new Uint8Array(8)),
    "GGUF_TYPE",
    "kv[k]",
    33,
  ]),
  ["G14 element type 13", one(ARRAY, array(13, 0)), "GGUF_TYPE", "kv[k]", 37],
  ["G15 array of arrays", one(ARRAY, array(ARRAY, 1, array(u8, 0))), "GGUF_ARRAY_NESTED", "kv[k]", 37],
  ["G16 array of 2^40", one(ARRAY, array(u8, 2n ** 40n)), "GGUF_ARRAY_LEN", "kv[k]", 41],
  ["G16 array of 2^63 strings", one(ARRAY, array(string, 2n ** 63n)), "GGUF_ARRAY_LEN", "kv[k]", 41],
  ["G16 array of 5 M", one(ARRAY, array(u8, 5e6, new Uint8Array(5e6))), "GGUF_ARRAY_LEN", "kv[k]", 41],
  ["G17 last string past the end", one(ARRAY, array(string, 2, text("a"), u64(99))), "GGUF_STRING_LEN", "kv[k][1]", 58],
  ["G17 string value past the end", one(string, u64(2n ** 63n)), "GGUF_STRING_LEN", "kv[k]", 37],
  ["G18 bool 2", one(bool, Uint8Array.of(2)), "GGUF_BOOL", "kv[k]", 37],
  ["G18 bool 2 in an array", one(ARRAY, array(bool, 2, Uint8Array.of(1, 2))), "GGUF_BOOL", "kv[k]", 50],
  [
    "G22 alignment as i32",
    writeGguf({ pairs: [pair("general.alignment", i32, u32(32))] }),
    "GGUF_KV_TYPE",
    "general.alignment",
  ],
  [
    "G22 alignment as text",
    writeGguf({ pairs: [textPair("general.alignment", "32")] }),
    "GGUF_KV_TYPE",
    "general.alignment",
  ],
  ...[0, 3, 13, 2 ** 31, 2 ** 21].map((value): [string, Uint8Array, string, string] => [
    `G23 alignment ${value}`,
    alignment(value),
    "GGUF_ALIGNMENT",
    "general.alignment",
  ]),
  ["G24 name of 64 bytes", named(text("n".repeat(64))), "GGUF_TENSOR_NAME", "tensors[0].name", 24],
  ["G24 name of 2^64 - 1", named(u64(2n ** 64n - 1n)), "GGUF_TENSOR_NAME", "tensors[0].name", 24],
  ["G24 empty name", named(text("")), "GGUF_TENSOR_NAME", "tensors[0].name", 24],
  ["G24 name not UTF-8", named(concat([u64(1), Uint8Array.of(0xff)])), "GGUF_TENSOR_NAME", "tensors[0].name", 32],
  [
    "G24 duplicate name",
    writeGguf({
      tensors: [
        { name: "t", ne: [8], ...DATA_32 },
        { name: "t", ne: [8], ...DATA_32 },
      ],
    }),
    "GGUF_TENSOR_NAME",
    "tensors[1].name",
    57,
  ],
  ["G25 five dimensions", dims(1, 1, 1, 1, 8), "GGUF_NDIMS", "tensors[0].n_dims", 33],
  ["G26 dimension 0", dims(8, 0), "GGUF_DIM", "tensors[0].ne[1]", 45],
  ["G26 dimension -1", dims(2n ** 64n - 1n), "GGUF_DIM", "tensors[0].ne[0]", 37],
  ["G26 2^40 x 2^40", dims(2 ** 40, 2 ** 40), "GGUF_DIM", "tensors[0].ne[1]", 45],
  ["G27 bytes wrap to 4 MiB", dims(2n ** 62n + 2n ** 20n), "GGUF_TENSOR_BYTES", "tensors[0]"],
  ["G28 padded size wraps", dims(2n ** 62n - 1n), "GGUF_DATA_BYTES", "tensors[0]"],
  ["G29 row of 33 in q8_0", typed(8, 33), "GGUF_BLOCK", "tensors[0].ne[0]"],
  ["G29 row of 128 in q4_k", typed(12, 128, 2), "GGUF_BLOCK", "tensors[0].ne[0]"],
  ["G29 row of 16 in q4_0", typed(2, 16, 2), "GGUF_BLOCK", "tensors[0].ne[0]"],
  ...[4, 5, 43, 200].map((type): [string, Uint8Array, string, string, number] => [
    `G30 type ${type}`,
    typed(type, 256),
    "GGUF_TENSOR_TYPE",
    "tensors[0].type",
    45,
  ]),
  ...[33, 64, 0, 2n ** 60n].map((offset): [string, Uint8Array, string, string] => [
    `G31 offset ${offset}`,
    placed(offset),
    "GGUF_TENSOR_OFFSET",
    "tensors[1].offset",
  ]),
  ["G32 data past the end", dims(9), "GGUF_TENSOR_RANGE", "tensors[t]"],
  ["G35 shard without its siblings", writeGguf({ pairs: [pair("split.count", 2, u16(2))] }), "GGUF_SPLIT"],
];
