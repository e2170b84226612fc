// What happens to rows of activations between the matmuls.

import { SUPER_WORDS } from "../../dist/assembly/abi.js";
import { noise, pattern } from "../arena.mjs";
import { COLS } from "./weights.mjs";

/** f32 operations of Lanes.exp: bounds, range reduction, degree 6, scaling. */
export const EXP = 23;
const H = 6;
const HEADS = 40;
const PAIRS = 64;
const TURN_BYTES = PAIRS * 8;
const unitCircle = (pairs) =>
  Float32Array.from({ length: pairs * 2 }, (_, i) => (i % 2 ? Math.sin(i - 1) : Math.cos(i)));
const frequencies = () => Float32Array.from({ length: PAIRS }, (_, pair) => 500000 ** (-pair / PAIRS));

/** A kernel that takes one row of COLS. */
const row = (kernel, fields, loop, prepare) => ({
  kernel,
  shape: `row of ${COLS}`,
  group: "rows",
  exports: [kernel],
  arithmetic: "f32",
  ...fields,
  loop,
  prepare,
});

const norm = row(
  "rmsnorm_f32",
  { work: 4 * COLS, bytes: 12 * COLS },
  { name: "rmsnorm", operands: () => [new Float32Array(COLS), noise(COLS), noise(COLS)], sizes: [COLS] },
  ({ rmsnorm_f32 }, arena) => {
    const [w, x, out] = [arena.floats(COLS), arena.floats(COLS), arena.zeros(COLS * 4)];
    return { call: () => rmsnorm_f32(out, w, x, 1e-5, COLS), outputs: [[out, COLS * 4]] };
  },
);

const swiglu = row(
  "swiglu_f32",
  { work: (EXP + 6) * COLS, bytes: 12 * COLS },
  { name: "swiglu", operands: () => [new Float32Array(COLS), noise(2 * COLS, 4)], sizes: [COLS] },
  ({ swiglu_f32 }, arena) => {
    const [source, out] = [arena.put(noise(2 * COLS, 4)), arena.zeros(COLS * 4)];
    return { call: () => swiglu_f32(out, source, 1, COLS), outputs: [[out, COLS * 4]] };
  },
);

const exp = row(
  "exp_f32",
  { work: EXP * COLS, bytes: 8 * COLS },
  { name: "exp", operands: () => [new Float32Array(COLS), noise(COLS, 4)], sizes: [COLS] },
  ({ exp_f32 }, arena) => {
    const [x, out] = [arena.put(noise(COLS, 4)), arena.zeros(COLS * 4)];
    return { call: () => exp_f32(out, x, COLS), outputs: [[out, COLS * 4]] };
  },
);

// Times -1, or a thousand calls would leave nothing.
const scale = row(
  "scale_f32",
  { work: COLS, bytes: 8 * COLS },
  { name: "scale", operands: () => [noise(COLS)], sizes: [-1, COLS] },
  ({ scale_f32 }, arena) => {
    const x = arena.floats(COLS);
    return { call: () => scale_f32(x, -1, COLS), outputs: [[x, COLS * 4]] };
  },
);

const fitsF16 = row("row_fits_f16", { work: 2 * COLS, bytes: 4 * COLS }, undefined, ({ row_fits_f16 }, arena) => {
  const x = arena.floats(COLS);
  return { call: () => row_fits_f16(x, COLS), outputs: [[x, COLS * 4]] };
});

const peaks = row("peaks_f32", { work: COLS, bytes: 4 * COLS }, undefined, ({ peaks_f32 }, arena) => {
  const [x, out] = [arena.floats(COLS), arena.zeros(COLS / 16)];
  return { call: () => peaks_f32(out, x, COLS, 0, COLS / 64), outputs: [[out, COLS / 16]] };
});

const masses = row("masses_f32", { work: COLS, bytes: 4 * COLS }, undefined, ({ masses_f32 }, arena) => {
  const [x, peaks, out] = [arena.floats(COLS), arena.zeros(COLS / 16), arena.zeros(COLS / 16)];
  return { call: () => masses_f32(out, peaks, x, COLS, 1, 0, COLS / 64), outputs: [[out, COLS / 16]] };
});

const combine = row(
  "combine_f32",
  { shape: `row of ${COLS}, shared + 1 expert`, work: 3 * COLS, bytes: 16 * COLS },
  {
    name: "combine",
    operands: () => [new Float32Array(COLS), noise(COLS), noise(COLS), noise(COLS)],
    sizes: [0.5, COLS],
  },
  ({ combine_f32 }, arena) => {
    const [x, shared, expert, out] = [
      arena.floats(COLS),
      arena.floats(COLS),
      arena.floats(COLS),
      arena.zeros(COLS * 4),
    ];
    const [picks, scores] = [arena.zeros(4), arena.put(Float32Array.of(0.5))];
    return {
      call: () => combine_f32(out, x, shared, expert, picks, scores, 1, COLS),
      outputs: [[out, COLS * 4]],
    };
  },
);

const add = row(
  "combine_f32",
  { shape: `row of ${COLS}, x + branch`, work: COLS, bytes: 12 * COLS },
  { name: "add", operands: () => [new Float32Array(COLS), noise(COLS), noise(COLS)], sizes: [COLS] },
  ({ combine_f32 }, arena) => {
    const [x, branch, out] = [arena.floats(COLS), arena.floats(COLS), arena.zeros(COLS * 4)];
    return { call: () => combine_f32(out, x, branch, 0, 0, 0, 0, COLS), outputs: [[out, COLS * 4]] };
  },
);

/** H rows into the lanes of a panel. */
function panel(kernel, fields, loop, lane) {
  return row(kernel, { shape: `${H} rows of ${COLS}`, ...fields }, loop, (exports, arena) => {
    const x = arena.floats(H * COLS);
    const places = [H * COLS * 4, (3 * H * COLS) / 8, (H * COLS) / 8].map((bytes) => arena.zeros(bytes));
    const call = () => {
      for (let i = 0; i < H; i++) lane(exports[kernel], places, x + i * COLS * 4, i);
    };
    return { call, outputs: [[places[0], H * COLS * 4 + (H * COLS) / 4]] };
  });
}

const panels = [
  panel(
    "quantize_f32_q16_pairs",
    { work: 5 * H * COLS, bytes: H * COLS * (6 + 4 / 32) },
    {
      name: "quantize16",
      operands: () => [new Int16Array(H * COLS), new Float32Array((H * COLS) / 32), noise(H * COLS)],
      sizes: [32767, H * COLS],
    },
    (run, [out, scales], x, i) => run(out, scales, x, COLS, H, i),
  ),
  panel(
    "quantize_f32_q16_bytes",
    { work: 6 * H * COLS, bytes: H * COLS * (6 + 8 / 32) },
    {
      name: "quantize16",
      operands: () => [new Int16Array(H * COLS), new Float32Array((H * COLS) / 32), noise(H * COLS)],
      sizes: [32767, H * COLS],
    },
    (run, [out, scales, starts], x, i) => run(out, scales, starts, x, COLS, H, i),
  ),
  panel(
    "quantize_f32_q8_quads",
    { work: 6 * H * COLS, bytes: H * COLS * (5 + 8 / 32) },
    {
      name: "quantize8",
      operands: () => [new Int8Array(H * COLS), new Float32Array((H * COLS) / 32), noise(H * COLS)],
      sizes: [127, H * COLS],
    },
    (run, [out, scales, sums], x, i) => run(out, scales, sums, x, COLS, H, i),
  ),
  panel(
    "quantize_f32_q8_supers",
    { work: 7 * H * COLS, bytes: H * COLS * (5 + (4 * SUPER_WORDS) / 256) },
    undefined,
    (run, [out, records], x, i) => run(out, records, x, COLS, H, i),
  ),
  panel(
    "panel_f32",
    { bytes: H * COLS * 8 },
    { name: "transpose", operands: () => [new Float32Array(H * COLS), noise(H * COLS)], sizes: [H, COLS] },
    (run, [out], x, i) => run(out, x, COLS, H, i),
  ),
];

const rope = {
  ...row("rope_f32", {
    shape: `${HEADS} heads of ${2 * PAIRS}`,
    work: 6 * HEADS * PAIRS,
    bytes: 2 * HEADS * TURN_BYTES,
  }),
  footprint: (HEADS + 1) * TURN_BYTES,
  loop: { name: "rope", operands: () => [noise(HEADS * PAIRS * 2), unitCircle(PAIRS)], sizes: [HEADS, PAIRS] },
  prepare({ rope_f32 }, arena) {
    const [x, turn] = [arena.floats(HEADS * PAIRS * 2), arena.put(unitCircle(PAIRS))];
    const call = () => {
      for (let at = x; at < x + HEADS * TURN_BYTES; at += TURN_BYTES) rope_f32(at, turn, PAIRS);
    };
    return { call, outputs: [[x, HEADS * TURN_BYTES]] };
  },
};

// Sines in f64: neither a roof of operations nor one of bytes.
const angles = {
  ...row("angles_f32", { shape: `${PAIRS} pairs, position 5000`, arithmetic: undefined }),
  loop: { name: "angles", operands: () => [new Float32Array(2 * PAIRS), frequencies()], sizes: [5000, PAIRS] },
  prepare({ angles_f32 }, arena) {
    const [of, out] = [arena.put(frequencies()), arena.zeros(PAIRS * 8)];
    return { call: () => angles_f32(out, of, 5000, PAIRS), outputs: [[out, PAIRS * 8]] };
  },
};

const temperature = {
  ...row("temperature_f32", { shape: "512 positions", arithmetic: undefined }),
  loop: { name: "temperatures", operands: () => [new Float32Array(512)], sizes: [64, 0.1, 512] },
  prepare({ temperature_f32 }, arena) {
    const out = arena.zeros(512 * 4);
    const values = arena.view(Float32Array, out, 512);
    const call = () => {
      for (let position = 0; position < 512; position++) values[position] = temperature_f32(position, 64, 0.1);
    };
    return { call, outputs: [[out, 512 * 4]] };
  },
};

function route(rows, experts) {
  const logits = () => pattern(Int16Array, rows * experts);
  return {
    ...row("route_f32", { shape: `${rows} rows, 1 of ${experts} experts` }),
    work: rows * (experts + EXP + 2),
    bytes: rows * (experts * 4 + 12),
    loop: {
      name: "route",
      operands: () => [
        ...[new Uint32Array(rows), new Float32Array(rows), new Uint32Array(rows), new Uint32Array(experts)],
        Float32Array.from(logits(), (value) => value / 8192),
      ],
      sizes: [rows, experts],
    },
    prepare({ route_f32 }, arena) {
      const from = arena.put(Float32Array.from(logits(), (value) => value / 8192));
      const places = [rows * 4, rows * 4, rows * 4, 4 + experts * 12, rows * 8 + experts * 4].map((bytes) =>
        arena.zeros(bytes),
      );
      const [picks, scores, gather, segments, scratch] = places;
      return {
        call: () => route_f32(picks, scores, gather, segments, from, scratch, rows, experts, 1, 0),
        outputs: [[picks, rows * 12]],
      };
    },
  };
}

export const rows = [
  norm,
  ...panels,
  rope,
  angles,
  temperature,
  scale,
  swiglu,
  exp,
  route(512, 16),
  route(64, 128),
].concat([combine, add, fitsF16, peaks, masses]);
