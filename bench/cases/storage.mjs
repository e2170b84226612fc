// Weights on their way: packed when a model loads, embedded for a token, dequantised for a tile.

import { pattern } from "../arena.mjs";
import { COLS, F16_TABLE, GROUP_BYTES, weightsFrom } from "./weights.mjs";

const ROWS = 16;
const GROUPS = ROWS / 8;
const BLOCKS = COLS / 32;
const TYPE = { f32: 0, f16: 1, bf16: 2 };
/** Bytes of one stored element. */
const STORED = { f32: 4, f16: 2, bf16: 2, q8_0: 34 / 32, q4_0: 18 / 32 };
const PIECE = 256;

/** What stored rows mean, without packing: the plain side of embed and dequantise. */
function widenLoop(type, count) {
  const table = type === "f16" ? [F16_TABLE] : [];
  const name = {
    f32: "copy",
    f16: "dequantizeF16",
    bf16: "dequantizeBf16",
    q8_0: "dequantizeQ8",
    q4_0: "dequantizeQ4",
  }[type];
  return {
    name,
    operands: () => [new Float32Array(count), ...weightsFrom(pattern, type, count), ...table],
    sizes: [count],
  };
}

function embed(type) {
  const float = type in TYPE;
  const kernel = float ? "embed_float" : `embed_${type}`;
  const operands = float ? [TYPE[type]] : [];
  return {
    kernel,
    shape: `${ROWS} rows of ${COLS}${float ? `, ${type}` : ""}`,
    group: "storage",
    exports: [kernel],
    bytes: ROWS * COLS * (4 + GROUP_BYTES[type] / 8 / COLS),
    loop: widenLoop(type, ROWS * COLS),
    prepare(exports, arena) {
      const weights = arena.weights(GROUP_BYTES[type] * GROUPS);
      const out = arena.zeros(ROWS * COLS * 4);
      const call = () => {
        for (let row = 0; row < ROWS; row++) exports[kernel](out + row * COLS * 4, weights, ...operands, row, COLS);
      };
      return { call, outputs: [[out, ROWS * COLS * 4]] };
    },
  };
}

/** A group of 8 outputs, a piece of inputs at a time, as the matmul with f32 activations does. */
function dequantize(type) {
  const kernel = `dequantize_${type}`;
  return {
    kernel,
    shape: `8 rows of ${COLS}`,
    group: "storage",
    exports: [kernel],
    bytes: GROUP_BYTES[type] + 8 * COLS * 4,
    footprint: GROUP_BYTES[type] + PIECE * 32,
    loop: widenLoop(type, 8 * COLS),
    prepare(exports, arena) {
      const weights = arena.weights(GROUP_BYTES[type]);
      const out = arena.zeros(PIECE * 32);
      const call = () => {
        for (let col = 0; col < COLS; col += PIECE) exports[kernel](out, weights, col, col + PIECE);
      };
      return { call, outputs: [[out, PIECE * 32]] };
    },
  };
}

function pack(type) {
  const float = type in TYPE;
  const kernel = float ? "pack_float" : `pack_${type}`;
  const storedBytes = ROWS * COLS * STORED[type];
  return {
    kernel,
    shape: `${ROWS} rows of ${COLS}${float ? `, ${type}` : ""}`,
    group: "storage",
    exports: [kernel],
    bytes: storedBytes + GROUP_BYTES[type] * GROUPS,
    loop: float ? packFloatLoop(type) : packBlocksLoop(type),
    prepare(exports, arena) {
      const stored = arena.weights(storedBytes);
      const packed = arena.zeros(GROUP_BYTES[type] * GROUPS);
      const one = float
        ? (group) => exports[kernel](packed, stored, TYPE[type], TYPE[type], ROWS, COLS, 0, COLS, 1, 0, COLS, group)
        : (group) => exports[kernel](packed, stored, ROWS, COLS, 0, group);
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

function packBlocksLoop(type) {
  const [size, piece] = type === "q8_0" ? [32, 2] : [16, 4];
  return {
    name: "packBlocks",
    operands: () => [
      ...[new Uint8Array(ROWS * BLOCKS * size), new Float32Array(ROWS * BLOCKS)],
      ...[pattern(Uint8Array, ROWS * BLOCKS * (size + 2)), F16_TABLE],
    ],
    sizes: [size, piece, ROWS, BLOCKS],
  };
}

const ALL = ["f32", "f16", "bf16", "q8_0", "q4_0"];
export const storage = [...ALL.map(embed), ...ALL.filter((type) => type !== "f32").map(dequantize), ...ALL.map(pack)];
