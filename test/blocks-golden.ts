/**
 * Stored blocks of every type, what ggml decodes them to, rows and what it encodes them to (test/golden/blocks.gz).
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import * as abi from "../assembly/abi.ts";

/** Values and bytes of a block, and where its f16 scales lie. */
export const BLOCKS = {
  f32: { type: abi.TYPE_F32, values: 1, bytes: 4, scales: [] },
  f16: { type: abi.TYPE_F16, values: 1, bytes: 2, scales: [0] },
  bf16: { type: abi.TYPE_BF16, values: 1, bytes: 2, scales: [] },
  q8_0: { type: abi.TYPE_Q8_0, values: 32, bytes: 34, scales: [0] },
  q4_0: { type: abi.TYPE_Q4_0, values: 32, bytes: 18, scales: [0] },
  q4_1: { type: abi.TYPE_Q4_1, values: 32, bytes: 20, scales: [0, 2] },
  q5_0: { type: abi.TYPE_Q5_0, values: 32, bytes: 22, scales: [0] },
  q5_1: { type: abi.TYPE_Q5_1, values: 32, bytes: 24, scales: [0, 2] },
  q2_k: { type: abi.TYPE_Q2_K, values: 256, bytes: 84, scales: [80, 82] },
  q3_k: { type: abi.TYPE_Q3_K, values: 256, bytes: 110, scales: [108] },
  q4_k: { type: abi.TYPE_Q4_K, values: 256, bytes: 144, scales: [0, 2] },
  q5_k: { type: abi.TYPE_Q5_K, values: 256, bytes: 176, scales: [0, 2] },
  q6_k: { type: abi.TYPE_Q6_K, values: 256, bytes: 210, scales: [208] },
  iq4_nl: { type: abi.TYPE_IQ4_NL, values: 32, bytes: 18, scales: [0] },
  iq4_xs: { type: abi.TYPE_IQ4_XS, values: 256, bytes: 136, scales: [0] },
  mxfp4: { type: abi.TYPE_MXFP4, values: 32, bytes: 17, scales: [] },
  tq1_0: { type: abi.TYPE_TQ1_0, values: 256, bytes: 54, scales: [52] },
  tq2_0: { type: abi.TYPE_TQ2_0, values: 256, bytes: 66, scales: [64] },
  f8_e4m3: { type: abi.TYPE_F8_E4M3, values: 1, bytes: 1, scales: [] },
} as const;
export type BlockName = keyof typeof BLOCKS;

interface Piece {
  readonly at: number;
  readonly bytes: number;
}
type Pieces<Names extends string> = Readonly<Record<Names, Piece>>;
export type Decoded = Exclude<BlockName, "f32" | "f8_e4m3">;
export type Encoded = "f16" | "bf16" | "q8_0" | "q4_0" | "q4_1" | "q5_0" | "q5_1" | "q4_k" | "q5_k" | "q6_k";

const file = gunzipSync(readFileSync(new URL("./golden/blocks.gz", import.meta.url)));
const dataAt = 4 + file.readUInt32LE(0);
const header = JSON.parse(file.toString("utf8", 4, dataAt)) as {
  readonly decode: Readonly<Record<Decoded, Pieces<"raw" | "values">>>;
  readonly encode: Pieces<Encoded>;
  readonly halves: Pieces<"f16" | "bf16">;
  readonly rows: Piece;
  readonly values: Piece;
  readonly cols: number;
};

const bytesOf = ({ at, bytes }: Piece) => Uint8Array.from(file.subarray(dataAt + at, dataAt + at + bytes));

/** Kept in planes: byte 0 of all elements, then byte 1, ... */
function floatsOf(piece: Piece): Float32Array {
  const planes = bytesOf(piece);
  const count = planes.length / 4;
  const bytes = planes.map((_, i) => planes[(i % 4) * count + (i >> 2)]);
  return new Float32Array(bytes.buffer);
}

export const DECODED = Object.keys(header.decode) as Decoded[];
export const ENCODED = Object.keys(header.encode) as Encoded[];
export const COLS = header.cols;

export const decoded = (name: Decoded) => ({
  raw: bytesOf(header.decode[name].raw),
  values: floatsOf(header.decode[name].values),
});

/** Rows of COLS values, and their bytes as each type. */
export const rows = floatsOf(header.rows);
export const encoded = (name: Encoded) => bytesOf(header.encode[name]);

/** Values on, beside and between those of f16 and bf16, and their bytes. */
export const values = floatsOf(header.values);
export const halves = (name: "f16" | "bf16") => bytesOf(header.halves[name]);
