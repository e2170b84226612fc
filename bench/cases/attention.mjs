// Attention over one page of keys (64 positions, head size 128), and what is around it.

import { STREAMS } from "../../dist/src/choice.js";
import { noise, pattern } from "../arena.mjs";
import { alongStream } from "../ceilings.mjs";
import { EXP } from "./rows.mjs";

const D = 128;
const PAGE = 64;
const HEADS = 40;
const CACHE = {
  f32: { code: 0, arithmetic: "f32", headBytes: PAGE * D * 8, values: (count) => noise(count), loop: "attendF32" },
  q8: {
    code: 1,
    arithmetic: "i16",
    headBytes: 2 * (PAGE * D + PAGE * 4),
    values: (count) => pattern(Int8Array, count),
    loop: "attendQ8",
  },
};
// Two dots of bytes for one of i16: 16 bits of queries and weights are two bytes.
for (const [code, dot] of [
  [2, "unsigned"],
  [3, "signed"],
])
  CACHE[`q8 ${dot}`] = { ...CACHE.q8, code, dot };
/** Where results stand behind the rest of the scratch. */
const BLOCK = 1 << 16;
const SCALE = 1 / Math.sqrt(D);

function block(cache, h) {
  const { code, arithmetic, dot, headBytes, values, loop } = CACHE[cache];
  const bytes = code !== CACHE.f32.code;
  return {
    kernel: "attend_block",
    dot,
    shape: `${h} quer${h > 1 ? "ies" : "y"}, ${cache} cache`,
    group: "attention",
    exports: ["attend_block", "stage_query", "stage_span"],
    arithmetic,
    work: h * (4 * PAGE * D + PAGE * (EXP + 3)),
    bytes: headBytes + 8 * h * D,
    loop: {
      name: loop,
      operands() {
        const scales = bytes ? noise(PAGE, 0.01) : new Float32Array(PAGE).fill(1);
        const scores = new Float32Array(PAGE);
        return [
          new Float32Array(h * D),
          noise(h * D),
          values(PAGE * D),
          values(PAGE * D),
          scales,
          scales.slice(),
          scores,
        ];
      },
      sizes: [h, PAGE, D],
    },
    prepare(exports, arena) {
      const head = arena.put(noise(headBytes / 4));
      if (bytes) {
        for (const at of [head, head + PAGE * D + PAGE * 4]) {
          arena.view(Int8Array, at, PAGE * D).set(pattern(Int8Array, PAGE * D));
          arena.view(Float32Array, at + PAGE * D, PAGE).set(noise(PAGE, 0.01));
        }
      }
      const scratch = arena.zeros(1 << 17);
      const queries = arena.floats(h * D);
      for (let i = 0; i < h; i++) {
        exports.stage_query(scratch, queries + i * D * 4, code, i, D);
        exports.stage_span(scratch, i, 0, PAGE, D);
      }
      return {
        call: () => exports.attend_block(scratch, head, code, h, D, SCALE, 1, scratch + BLOCK),
        outputs: [[scratch, 1 << 17]],
      };
    },
  };
}

/** Queries of one kv head over pages that come from memory, as when a long context is decoded. */
function fromMemory(cache, h, streams) {
  const inCache = block(cache, h);
  const { code, headBytes } = CACHE[cache];
  return {
    ...inCache,
    shape: `${inCache.shape} from memory, ${streams} stream${streams > 1 ? "s" : ""}`,
    level: "memory read",
    loop: h === 1 && cache === "f32" && streams === 1 ? { ...inCache.loop, operands: pagesOf(inCache) } : undefined,
    prepare(exports, arena) {
      const scratch = arena.zeros(1 << 17);
      for (let i = 0; i < h; i++) {
        exports.stage_query(scratch, arena.floats(D), code, i, D);
        exports.stage_span(scratch, i, 0, PAGE, D);
      }
      const call = alongStream(arena, headBytes, (head) =>
        exports.attend_block(scratch, head, code, h, D, SCALE, streams, scratch + BLOCK),
      );
      return { call, outputs: [[scratch, 1 << 17]] };
    },
  };
}

/** Keys and values of page after page of the stream. */
function pagesOf(inCache) {
  return ({ memory, stream: { at, bytes } }) => {
    const [out, q, , , ones, others, scores] = inCache.loop.operands();
    const { headBytes } = CACHE.f32;
    return Array.from({ length: Math.floor(bytes / headBytes) }, (_, page) => {
      const [k, v] = [0, headBytes / 2].map(
        (half) => new Float32Array(memory.buffer, at + page * headBytes + half, PAGE * D),
      );
      return [out, q, k, v, ones, others, scores];
    });
  };
}

const stateOf = (max) => noise(HEADS * (D + 2)).map((value, i) => [max, 1.5][i % (D + 2)] ?? value);
const STATE_BYTES = (D + 2) * 4;

const merge = {
  kernel: "merge_state",
  shape: `${HEADS} heads of ${D}`,
  group: "attention",
  exports: ["merge_state"],
  arithmetic: "f32",
  work: HEADS * (3 * (D + 1) + 2 * EXP),
  bytes: HEADS * STATE_BYTES * 3,
  footprint: HEADS * STATE_BYTES * 2,
  loop: { name: "mergeStates", operands: () => [stateOf(0.1), stateOf(0.2)], sizes: [HEADS, D] },
  prepare({ merge_state }, arena) {
    const [state, other] = [stateOf(0.1), stateOf(0.2)].map((values) => arena.put(values));
    const call = () => {
      for (let at = 0; at < HEADS * STATE_BYTES; at += STATE_BYTES) merge_state(state + at, other + at, D);
    };
    return { call, outputs: [[state, HEADS * STATE_BYTES]] };
  },
};

const finish = {
  kernel: "finish_state",
  shape: `${HEADS} heads of ${D}`,
  group: "attention",
  exports: ["finish_state"],
  arithmetic: "f32",
  work: HEADS * D,
  bytes: HEADS * D * 8,
  loop: { name: "finishStates", operands: () => [new Float32Array(HEADS * D), stateOf(0.1)], sizes: [HEADS, D] },
  prepare({ finish_state }, arena) {
    const state = arena.put(stateOf(0.1));
    const out = arena.zeros(HEADS * D * 4);
    const call = () => {
      for (let head = 0; head < HEADS; head++) finish_state(out + head * D * 4, state + head * STATE_BYTES, D);
    };
    return { call, outputs: [[out, HEADS * D * 4]] };
  },
};

const stage = (cache, loop) => ({
  kernel: "stage_query",
  shape: `6 queries of ${D}, ${cache} cache`,
  group: "attention",
  exports: ["stage_query"],
  bytes: 6 * D * 8,
  loop,
  prepare({ stage_query }, arena) {
    const queries = arena.floats(6 * D);
    const scratch = arena.zeros(6 * D * 4);
    const call = () => {
      for (let i = 0; i < 6; i++) stage_query(scratch, queries + i * D * 4, CACHE[cache].code, i, D);
    };
    return { call, outputs: [[scratch, 6 * D * 4]] };
  },
});

/** A page filled, position by position. */
function store(kernel, cache, loop) {
  const { headBytes } = CACHE[cache];
  return {
    kernel,
    shape: `${PAGE} positions of ${D}`,
    group: "attention",
    exports: [kernel],
    bytes: PAGE * D * 8 + headBytes,
    loop,
    prepare(exports, arena) {
      const head = arena.zeros(headBytes);
      const keys = arena.floats(PAGE * D);
      const values = arena.floats(PAGE * D);
      const call = () => {
        for (let i = 0; i < PAGE; i++) exports[kernel](head, keys + i * D * 4, values + i * D * 4, i, D);
      };
      return { call, outputs: [[head, headBytes]] };
    },
  };
}

const COUNT = 2 * PAGE * D;
export const attention = [
  ...[1, 2, 3, 4, 5, 6].map((h) => block("f32", h)),
  ...["q8", "q8 unsigned", "q8 signed"].flatMap((cache) => [1, 3, 6].map((h) => block(cache, h))),
  ...[1, 3].flatMap((h) => STREAMS.map((streams) => fromMemory("f32", h, streams))),
  fromMemory("q8", 3, 1),
  merge,
  finish,
  stage("f32", { name: "copy", operands: () => [new Float32Array(6 * D), noise(6 * D)], sizes: [6 * D] }),
  stage("q8", {
    name: "quantizePositions",
    operands: () => [new Int8Array(6 * D), new Float32Array(6), noise(6 * D)],
    sizes: [6, D],
  }),
  store("store_cache_f32", "f32", {
    name: "copy",
    operands: () => [new Float32Array(COUNT), noise(COUNT)],
    sizes: [COUNT],
  }),
  store("store_cache_q8", "q8", {
    name: "quantizePositions",
    operands: () => [new Int8Array(COUNT), new Float32Array(2 * PAGE), noise(COUNT)],
    sizes: [2 * PAGE, D],
  }),
];
