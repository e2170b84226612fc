// The roofs: what this machine reaches in each rung, measured like a kernel (ceilings.ts, ceilings-scalar.ts).

import { STREAM_BYTES } from "./arena.mjs";

const STEPS = 4000;
/** Eight streams 33 KiB apart were the fastest way through memory on a Xeon: 25 GB/s, 128 KiB apart 20, one stream 14. */
const READ_BLOCK = 264 << 10;
const READ_STEP = 31 * READ_BLOCK;
/** What lies in which cache: small enough for any processor since 2017. */
export const L1_BYTES = 24 << 10;
export const L2_BYTES = 448 << 10;
const READ_L1 = 16 << 10;
const READ_L2 = 256 << 10;

function chains(roof, unit, name, count, operations, constants, rungs) {
  return {
    id: `ceiling ${name}`,
    roof,
    unit,
    exports: [name],
    rungs,
    work: STEPS * count * operations,
    prepare(exports, arena) {
      const at = arena.zeros(512);
      arena.view(constants.constructor, at + 384, 2).set(constants);
      return { call: () => exports[name](at, STEPS) };
    },
  };
}

function reads(roof, name, bytes, passes) {
  return {
    id: `ceiling ${name} ${roof}`,
    roof,
    unit: "GB/s",
    exports: [name],
    bytes: bytes * passes,
    prepare(exports, arena) {
      const out = arena.zeros(128);
      if (passes === 1) {
        const blocks = (at) => {
          for (let from = at; from < at + bytes; from += READ_BLOCK) exports[name](out, from, READ_BLOCK, 1);
        };
        return { call: alongStream(arena, bytes, blocks) };
      }
      const from = arena.weights(bytes);
      return { call: () => exports[name](out, from, bytes, passes) };
    },
  };
}

/**
 * A call that takes the next `step` bytes of the thread's share of the stream each time. All that read it go on where another
 * stopped: who read the same bytes again at once would find them in the last cache.
 */
export function alongStream({ stream }, step, work) {
  return () => {
    if (stream.offset + step > stream.bytes) stream.offset = 0;
    work(stream.at + stream.offset);
    stream.offset += step;
  };
}

const HALF = Float32Array.of(0.5, 0.5);
const TINY = Float32Array.of(1e-15, 1e-15);
const WORDS = Uint32Array.of(0x01030102, 0x00010001);

/** 12 and 24 chains: the better one counts, see ceilings.ts. */
const both = (roof, unit, name, operations, constants, rungs) =>
  [12, 24].map((count) => chains(roof, unit, `${name}_${count}`, count, operations, constants, rungs));
const RELAXED = ["relaxed", "wide"];
const allReads = (name) => [
  reads("L1 read", name, READ_L1, 32),
  reads("L2 read", name, READ_L2, 4),
  reads("memory read", name, READ_STEP, 1),
];

export const ceilings = [
  chains("f32 scalar", "GFLOP/s", "scalar_multiply_add", 12, 2, HALF),
  ...allReads("scalar_read"),
  ...both("f32 mul+add", "GFLOP/s", "multiply_add", 8, HALF),
  ...both("f32 madd", "GFLOP/s", "fused", 8, TINY, RELAXED),
  ...both("i16 dot", "GOP/s", "dot_i16", 16, WORDS),
  ...both("i8 dot", "GOP/s", "dot_i8", 32, WORDS, RELAXED),
  ...allReads("read"),
  ...allReads("read_8_streams"),
];

export const STREAM_MIB = STREAM_BYTES >> 20;

/** The arithmetic of a kernel -> the roof that it has in a rung. */
const ROOFS = {
  scalar: { f32: "f32 scalar", fused: "f32 scalar", i16: "f32 scalar", i8: "f32 scalar" },
  simd: { f32: "f32 mul+add", fused: "f32 mul+add", i16: "i16 dot", i8: "i16 dot" },
  relaxed: { f32: "f32 mul+add", fused: "f32 madd", i16: "i16 dot", i8: "i8 dot" },
};
ROOFS.javascript = ROOFS.scalar;
ROOFS.wide = ROOFS.relaxed;

export const roofOf = (rung, arithmetic) => ROOFS[rung][arithmetic];

/** Where the bytes of a kernel lie. */
export function levelOf({ level, footprint, bytes }) {
  if (level) return level;
  const held = footprint ?? bytes;
  return held <= L1_BYTES ? "L1 read" : held <= L2_BYTES ? "L2 read" : "memory read";
}
