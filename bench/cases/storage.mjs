// Weights on their way: decoded as files hold them, packed when a model loads, embedded for a token, dequantised for a tile.

import { WEIGHT_TYPE_NAMES, weightType } from "../../dist/src/weight-types.js";
import { pattern } from "../arena.mjs";
import {
  COLS,
  F16_TABLE,
  GROUP_BYTES,
  INTEGER_TYPES,
  loopName,
  ROW_BYTES,
  tableFor,
  WORD,
  weightsFrom,
} from "./weights.mjs";

const ROWS = 16;
const GROUPS = ROWS / 8;
const BLOCKS = COLS / 32;
const PIECE = 256;
/** Room for eight rows of a piece. */
const ROWS_BYTES = 8 * PIECE * 4;

const FLOATS = ["f32", "f16", "bf16"];
/** Kept as they are stored. */
const STORED_ONLY = ["iq4_xs", "f8_e4m3"];
const GENERIC = WEIGHT_TYPE_NAMES.filter((type) => weightType(type).group === undefined && !STORED_ONLY.includes(type));
const ENCODED = ["f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_k", "q5_k", "q6_k"];
const hasLoop = (type) => FLOATS.includes(type) || INTEGER_TYPES.includes(type);

/** What stored rows mean, without packing: the plain side of decode, embed and dequantise. */
function widenLoop(type, count) {
  if (!hasLoop(type)) return undefined;
  return {
    name: type === "f32" ? "copy" : loopName("dequantize", type),
    operands: () => [new Float32Array(count), ...weightsFrom(pattern, type, count), ...tableFor(type)],
    sizes: [count],
  };
}

/** One call over 8 stored rows, or from f32 to them. */
function blocks(kernel, type, outBytes, operands) {
  return {
    kernel,
    shape: `8 rows of ${COLS}${kernel.endsWith("row") ? `, ${type}` : ""}`,
    group: "storage",
    exports: [kernel],
    bytes: 8 * ROW_BYTES[type] + (kernel === "finite_row" ? 0 : 8 * COLS * 4),
    loop: kernel.startsWith("decode") ? widenLoop(type, 8 * COLS) : undefined,
    prepare(exports, arena) {
      const out = arena.zeros(outBytes);
      const given = operands(arena, out);
      const call = () => exports[kernel](...given);
      return { call, outputs: [[out, outBytes]] };
    },
  };
}

const decode = (type) =>
  blocks(`decode_${type}`, type, 8 * COLS * 4, (arena, out) => [out, arena.weights(8 * ROW_BYTES[type]), 8 * COLS]);
const encode = (type) =>
  blocks(`encode_${type}`, type, 8 * ROW_BYTES[type], (arena, out) => [out, arena.floats(8 * COLS), 8 * COLS]);
const finite = (type) =>
  blocks("finite_row", type, 4, (arena) => [WORD[type], arena.weights(8 * ROW_BYTES[type]), 8 * COLS]);

function embed(type) {
  const kernel = FLOATS.includes(type) ? "embed_float" : "embed_packed";
  return {
    kernel,
    shape: `${ROWS} rows of ${COLS}, ${type}`,
    group: "storage",
    exports: [kernel],
    bytes: ROWS * COLS * (4 + GROUP_BYTES[type] / 8 / COLS),
    loop: widenLoop(type, ROWS * COLS),
    prepare(exports, arena) {
      const weights = arena.weights(GROUP_BYTES[type] * GROUPS);
      const out = arena.zeros(ROWS * COLS * 4);
      const scratch = arena.zeros(2 * ROWS_BYTES);
      const one =
        kernel === "embed_float"
          ? (to, row) => exports[kernel](to, weights, WORD[type], row, COLS)
          : (to, row) => exports[kernel](WORD[type], to, weights, row, ROWS, COLS, scratch);
      const call = () => {
        for (let row = 0; row < ROWS; row++) one(out + row * COLS * 4, row);
      };
      return { call, outputs: [[out, ROWS * COLS * 4]] };
    },
  };
}

/** From 32 bytes of a group to its next 32 where it has its visit for itself. */
const ALONE = 32;

/** A group of 8 outputs, a piece of inputs at a time, as the matmul with f32 activations does. */
function dequantize(type) {
  const generic = GENERIC.includes(type);
  const kernel = generic ? "dequantize" : `dequantize_${type}`;
  return {
    kernel,
    shape: `8 rows of ${COLS}${generic ? `, ${type}` : ""}`,
    group: "storage",
    exports: [kernel],
    bytes: GROUP_BYTES[type] + 8 * COLS * 4,
    footprint: GROUP_BYTES[type] + PIECE * 32,
    loop: widenLoop(type, 8 * COLS),
    prepare(exports, arena) {
      const weights = arena.weights(GROUP_BYTES[type]);
      const out = arena.zeros(PIECE * 32);
      const scratch = arena.zeros(ROWS_BYTES);
      const one = generic
        ? (col) => exports[kernel](WORD[type], out, weights, ALONE, COLS, col, col + PIECE, scratch)
        : FLOATS.includes(type)
          ? (col) => exports[kernel](out, weights, col, col + PIECE)
          : (col) => exports[kernel](out, weights, ALONE, col, col + PIECE);
      const call = () => {
        for (let col = 0; col < COLS; col += PIECE) one(col);
      };
      return { call, outputs: [[out, PIECE * 32]] };
    },
  };
}

function pack(type) {
  const float = FLOATS.includes(type);
  const kernel = float ? "pack_float" : `pack_${type}`;
  return {
    kernel,
    shape: `${ROWS} rows of ${COLS}${float ? `, ${type}` : ""}`,
    group: "storage",
    exports: [kernel],
    bytes: ROWS * ROW_BYTES[type] + GROUP_BYTES[type] * GROUPS,
    loop: float ? packFloatLoop(type) : packBlocksLoop(type),
    prepare(exports, arena) {
      const stored = arena.weights(ROWS * ROW_BYTES[type]);
      const packed = arena.zeros(GROUP_BYTES[type] * GROUPS);
      const word = WORD[type];
      const one = float
        ? (group) =>
            exports[kernel](
              packed + group * GROUP_BYTES[type],
              stored + group * 8 * ROW_BYTES[type],
              word,
              word,
              8,
              COLS,
              COLS,
              1,
            )
        : (group) => {
            const from = stored + group * 8 * ROW_BYTES[type];
            exports[kernel](packed + group * GROUP_BYTES[type], ALONE, from, ROW_BYTES[type], 8, COLS);
            return 1;
          };
      let fine = 1;
      const call = () => {
        for (let group = 0; group < GROUPS; group++) fine &= one(group);
        if (!fine) throw new Error(`${kernel} refused the weights of its bench`);
      };
      return { call, outputs: [[packed, GROUP_BYTES[type] * GROUPS]] };
    },
  };
}

function packFloatLoop(type) {
  const [Type, name] = type === "f32" ? [Float32Array, "packF32"] : [Uint16Array, "pack16"];
  const exponent = { f32: [], f16: [0x7c00], bf16: [0x7f80] }[type];
  return {
    name,
    operands: () => [new Type(ROWS * COLS), pattern(Type, ROWS * COLS)],
    sizes: [...exponent, ROWS, COLS],
  };
}

/** Of blocks that are a scale and codes in the order of the packed form: [bytes of codes, bytes of a piece]. */
const CUT = { q8_0: [32, 2], q4_0: [16, 4], iq4_nl: [16, 2] };

function packBlocksLoop(type) {
  if (!(type in CUT)) return undefined;
  const [size, piece] = CUT[type];
  return {
    name: "packBlocks",
    operands: () => [
      ...[new Uint8Array(ROWS * BLOCKS * size), new Float32Array(ROWS * BLOCKS)],
      ...[pattern(Uint8Array, ROWS * BLOCKS * (size + 2)), F16_TABLE],
    ],
    sizes: [size, piece, ROWS, BLOCKS],
  };
}

export const storage = [
  ...[...FLOATS, ...INTEGER_TYPES, ...GENERIC, ...STORED_ONLY].map(decode),
  ...ENCODED.map(encode),
  ...["f32", "q4_k", "mxfp4"].map(finite),
  ...[...FLOATS, ...INTEGER_TYPES, ...GENERIC].map(embed),
  ...["f16", "bf16", ...INTEGER_TYPES, ...GENERIC].map(dequantize),
  ...[...FLOATS, ...INTEGER_TYPES, "iq4_xs"].map(pack),
];
