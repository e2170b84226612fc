// Register tiles, every height, and the kernels of one row, over weights that stay in the second cache.

import { SUPER_HALVES, SUPER_TIMES, SUPER_WORDS } from "../../dist/assembly/abi.js";
import { formOf } from "../../dist/src/runtime/forms.js";
import { weightType } from "../../dist/src/weight-types.js";
import { COLS, GROUP_BYTES, INTEGER_TYPES, matmulLoop } from "./weights.mjs";

const HEIGHTS = [1, 2, 3, 4, 5, 6];
/** All where the form is one of its kind; the others follow them. Integer tiles of two groups have 5 or 6 rows. */
const heightsOf = (kernel) =>
  isPair(kernel) ? [5, 6] : ["q8_0", "q4_0"].includes(CALLS[kernel][0]) ? HEIGHTS : [1, 3, 6];
const isPair = (kernel) => /^tile2_q/.test(kernel);
const TILE_ROWS = 6;
const BLOCKS = COLS / 32;
/** Groups of 8 outputs: 256 to 320 KiB, and whole visits. */
const groupsOf = (type) => (type === "f32" ? 4 : Math.floor((320 << 10) / GROUP_BYTES[type] / 8) * 8);

/** Activations of h rows in the form that the kernel reads. */
export function activations(kernel, h, arena) {
  const meets = meetsOf(kernel);
  if (meets === "i16 bytes")
    return [arena.weights(COLS * 2 * h), arena.floats(BLOCKS * h), arena.zeros(BLOCKS * 4 * h)];
  if (meets === "i16") return [arena.weights(COLS * 2 * h), arena.floats(BLOCKS * h)];
  if (formOf(CALLS[kernel][0], { activations: "q8", dot: "saturating" }) === "q8 supers")
    return [arena.weights(COLS * h), arena.put(records(h)), arena.zeros(32 * TILE_ROWS)];
  if (meets === "i8") {
    const sums = arena.zeros(BLOCKS * 4 * h);
    return [arena.weights(COLS * h), arena.floats(BLOCKS * h), sums];
  }
  return [arena.floats(COLS * h)];
}

/** Of super-blocks, where every block counts eight times: scales of 1, sums of nothing. */
function records(h) {
  const words = new Uint32Array((BLOCKS / 8) * SUPER_WORDS * h);
  const scales = new Float32Array(words.buffer);
  for (let at = 0; at < words.length; at += SUPER_WORDS * h) {
    scales.fill(1, at, at + h);
    words.fill(0x80008, at + SUPER_TIMES * h, at + SUPER_HALVES * h);
  }
  return words;
}

const PANEL_BYTES = { i16: 2 + 4 / 32, "i16 bytes": 2 + 8 / 32, i8: 1 + 8 / 32 };

/** The tile and the kernel of one row of types that meet integers. */
const integerCalls = INTEGER_TYPES.flatMap((type) => {
  // The groups of a visit are woven: one call for the four of them.
  const tile = (run, h, sums, at, x) => {
    for (let group = 0; group < 4; group++) run(h, sums + 32 * TILE_ROWS * group, at + 32 * group, 128, ...x, BLOCKS);
  };
  const pairs = (run, h, sums, at, x) => {
    for (let group = 0; group < 4; group += 2)
      run(h, sums + 32 * TILE_ROWS * group, at + 32 * group, 32, 128, ...x, BLOCKS);
  };
  const row =
    (id, meets, visits, apart) =>
    (_, _h, sums, at, [panel, scales, blockSums = 0], exports) =>
      exports.multiply_row(
        ...[id, sums, at, visits, GROUP_BYTES[type], panel, meets === "i8" ? 1 : 2, scales, blockSums, COLS, apart],
      );
  const calls = ({ tiles, rows }, meets, dot) => [
    ...Object.keys(tiles).map((kernel) => [kernel, [type, 4, isPair(kernel) ? pairs : tile, meets, dot]]),
    ...Object.entries(rows).flatMap(([kernel, id]) => [
      [kernel, [type, 4, row(id, meets, 1, 0), meets, dot]],
      // Eight groups that lie apart.
      ...(weightType(type).apart
        ? [[kernel.replace("gemv4", "gemv8"), [type, 8, row(id, meets, 2, 1), meets, dot]]]
        : []),
    ]),
  ];
  const { integers, signedBytes } = weightType(type);
  if (integers) return calls(integers, "i8");
  // Packed otherwise, of as many bytes.
  return [
    ...calls(signedBytes.pairs, "i16"),
    ...calls(signedBytes.unsigned, "i8", "unsigned"),
    ...calls(signedBytes.signed, "i8", "signed"),
    ...Object.entries(signedBytes.sixteens ?? {}).flatMap(([dot, kernels]) => calls(kernels, "i16 bytes", dot)),
  ];
});

/** How each kernel is called: groups at a time, and its operands. Rows of integers go by the walk over their turns. */
export const CALLS = {
  tile_f32: ["f32", 1, (run, h, sums, at, [x]) => run(h, sums, at, x, COLS)],
  tile_f32_fused: ["f32", 1, (run, h, sums, at, [x]) => run(h, sums, at, x, COLS)],
  tile2_f32: ["f32", 2, (run, h, sums, at, [x]) => run(h, sums, at, at + GROUP_BYTES.f32, x, COLS)],
  tile2_f32_fused: ["f32", 2, (run, h, sums, at, [x]) => run(h, sums, at, at + GROUP_BYTES.f32, x, COLS)],
  gemv4_f32_f32: ["f32", 4, (run, _, sums, at, [x]) => run(sums, at, x, COLS)],
  gemv4_f32_f32_fused: ["f32", 4, (run, _, sums, at, [x]) => run(sums, at, x, COLS)],
  gemv4_f16_f32: ["f16", 4, (run, _, sums, at, [x]) => run(sums, at, x, COLS)],
  gemv4_f16_f32_fused: ["f16", 4, (run, _, sums, at, [x]) => run(sums, at, x, COLS)],
  gemv4_bf16_f32: ["bf16", 4, (run, _, sums, at, [x]) => run(sums, at, x, COLS)],
  gemv4_bf16_f32_fused: ["bf16", 4, (run, _, sums, at, [x]) => run(sums, at, x, COLS)],
  ...Object.fromEntries(integerCalls),
};

/** The integers that it meets, where it does. */
const meetsOf = (kernel) => CALLS[kernel][3];
/** Which dot of bytes it is right with, where it hangs on that. */
export const dotOf = (kernel) => CALLS[kernel][4];
/** Of 16 bits in bytes each product takes two of the dot's: half its roof is all there is. */
export const arithmeticOf = (kernel) =>
  meetsOf(kernel)?.replace("i16 bytes", "i8") ?? (kernel.endsWith("_fused") ? "fused" : "f32");
/** Sums of one call: a second group's stand TILE_ROWS rows behind the first's. */
export const sumBytes = (kernel) =>
  kernel.startsWith("gemv") ? 32 * CALLS[kernel][1] : 32 * TILE_ROWS * CALLS[kernel][1];

/** What a call needs of a module. */
export const exportsOf = (kernel) => [kernel, ...(/^gemv[48]_i?q/.test(kernel) ? ["multiply_row"] : [])];

function tile(kernel, h) {
  const [type, width, run] = CALLS[kernel];
  const groups = groupsOf(type);
  return {
    kernel,
    shape: `${h} row${h > 1 ? "s" : ""} x ${groups * 8} outputs`,
    group: `${type} in cache`,
    exports: exportsOf(kernel),
    arithmetic: arithmeticOf(kernel),
    dot: dotOf(kernel),
    ...(isPair(kernel) ? { rungs: ["javascript", "scalar", "relaxed", "wide", "threads"] } : {}),
    work: 2 * h * groups * 8 * COLS,
    bytes: groups * (GROUP_BYTES[type] + 32 * h) + h * COLS * (PANEL_BYTES[meetsOf(kernel)] ?? 4),
    loop: matmulLoop(type, h, groups * 8),
    prepare(exports, arena) {
      const weights = arena.weights(GROUP_BYTES[type] * groups);
      const operands = activations(kernel, h, arena);
      const bytes = sumBytes(kernel);
      const sums = arena.zeros((bytes * groups) / width);
      const step = GROUP_BYTES[type] * width;
      const calls = groups / width;
      return {
        call() {
          for (let i = 0; i < calls; i++)
            run(exports[kernel], h, sums + i * bytes, weights + i * step, operands, exports);
        },
        outputs: [[sums, bytes * calls]],
      };
    },
  };
}

export const tiles = [
  ...["tile_f32_fused", "tile2_f32_fused"].flatMap((kernel) => HEIGHTS.map((h) => tile(kernel, h))),
  ...["tile_f32", "tile2_f32"].flatMap((kernel) => [1, 6].map((h) => tile(kernel, h))),
  ...integerCalls
    .map(([kernel]) => kernel)
    .filter((kernel) => kernel.startsWith("tile"))
    .flatMap((kernel) => heightsOf(kernel).map((h) => tile(kernel, h))),
  ...Object.keys(CALLS)
    .filter((kernel) => kernel.startsWith("gemv"))
    .map((kernel) => tile(kernel, 1)),
];
