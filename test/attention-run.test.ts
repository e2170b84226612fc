/**
 * ANGLES, ROPE, ATTEND, MERGE and PROBABILITIES through the interpreter, pages that are none included.
 */
import { describe, expect, it } from "vitest";
import * as abi from "../assembly/abi.ts";
import { STREAMS } from "../src/choice.ts";
import { CACHES, type Cache, headBytes, PAGE } from "./caches.ts";
import { type Arena, expectSameBits, onBoth, Random, SEED } from "./kernels.ts";
import * as oracle from "./oracle.ts";
import { bits, faultOf, op, probabilities, runThrough } from "./program.ts";

const random = new Random(SEED);

interface Case {
  readonly heads: number;
  readonly kvHeads: number;
  readonly d: number;
  readonly chunk: number;
  readonly causal?: boolean;
  /** Rows of each sequence, from position 0. */
  readonly lengths: readonly number[];
}
const CASES: readonly Case[] = [
  { heads: 4, kvHeads: 2, d: 12, chunk: 0, lengths: [150, 5] },
  { heads: 4, kvHeads: 2, d: 12, chunk: 16, lengths: [90] },
  { heads: 5, kvHeads: 1, d: 32, chunk: 100, lengths: [3, 210] },
  { heads: 10, kvHeads: 1, d: 8, chunk: 0, lengths: [70] },
  { heads: 2, kvHeads: 2, d: 64, chunk: 64, lengths: [130] },
  { heads: 3, kvHeads: 3, d: 16, chunk: 0, causal: false, lengths: [81] },
];
const FLOOR = 32;
const SCALE = Math.fround(0.1);
const EPS = Math.fround(1e-5);

interface Rows {
  /** Per row: sequence and position. */
  readonly rows: readonly { sequence: number; position: number }[];
  readonly qkv: Float32Array;
  readonly frequencies: Float32Array;
}

/** ROPE's and ATTEND's words of a step whose pages stand in falling order; the operands are placed in the arena. */
function step(
  arena: Arena,
  cache: Cache,
  { heads, kvHeads, d, chunk, causal = true, lengths }: Case,
  { rows, qkv, frequencies }: Rows,
) {
  const blocks = lengths.map((length) => Math.ceil(length / PAGE));
  const pages = blocks.reduce((sum, count) => sum + count, 0);
  const pageBytes = kvHeads * headBytes(cache, d) + 64;
  let next = pages;
  const tables = blocks.map((count) => arena.in(Uint32Array.from({ length: count }, () => --next)));
  const record = (sequence: number, position: number) =>
    [0, 0, position, abi.NO_PAGE, abi.NO_PAGE, 0, 0, 0].fill(tables[sequence], chunk ? 4 : 3, chunk ? 5 : 4);
  const rowsAt = arena.in(Uint32Array.from(rows.flatMap(({ sequence, position }) => record(sequence, position))));
  const [turns, temperatures, q] = [arena.out(rows.length * d * 4), arena.out(rows.length * 4), arena.inout(qkv)];
  const [out, cacheAt] = [arena.out(rows.length * heads * d * 4), arena.out(pages * pageBytes).at];
  const angles = { ROWS_AT: rowsAt, FREQUENCIES_AT: arena.in(frequencies), PAIRS: d / 2, OUT_AT: turns.at };
  const tuned = { TEMPERATURE_AT: temperatures.at, FLOOR: FLOOR, SCALE: bits(SCALE) };
  const ropeHeads = { ROWS_AT: rowsAt, QKV_AT: q.at, HEADS: heads, KV_HEADS: kvHeads, HEAD_SIZE: d };
  const ropeKind = {
    ROTATE: 1,
    NORM: chunk ? 1 : 0,
    EPS: bits(EPS),
    ANGLES_AT: turns.at,
    TEMPERATURE_AT: temperatures.at,
  };
  const ropeTable = { CHUNKED: chunk ? 1 : 0, TABLE_BLOCKS: Math.max(...blocks), CACHE_TYPE: cache.type };
  const ropePages = { CACHE_AT: cacheAt, PAGE_BYTES: pageBytes, HEAD_BYTES: headBytes(cache, d), PAGES: pages };
  const attendHeads = { ROWS_AT: rowsAt, QKV_AT: q.at, HEADS: heads, KV_HEADS: kvHeads, HEAD_SIZE: d };
  const attendMask = {
    SCALE: bits(1 / Math.sqrt(d)),
    CHUNK: chunk,
    CHUNKED: chunk ? 1 : 0,
    CAUSAL: causal ? 1 : 0,
    KEYS: lengths[0],
  };
  const attendPages = {
    CACHE_TYPE: cache.type,
    CACHE_AT: cacheAt,
    PAGE_BYTES: pageBytes,
    HEAD_BYTES: headBytes(cache, d),
    STREAMS: STREAMS[(lengths.length + heads) & 3],
    QUERIES: 3 + ((lengths.length + heads) & 3),
    PAGES: pages,
    OUT_AT: out.at,
  };
  return {
    angles: { ...angles, ...tuned },
    rope: { ...ropeHeads, ...ropeKind, ...ropeTable, ...ropePages },
    attend: { ...attendHeads, ...attendMask, ...attendPages },
    q,
    out,
  };
}

/** Blocks that a row may see. */
function blocksOf({ chunk, causal = true, lengths }: Case, position: number): [begin: number, end: number] {
  const start = chunk ? Math.floor(position / chunk) * chunk : 0;
  return [Math.floor(start / PAGE), causal ? Math.floor(position / PAGE) + 1 : Math.ceil(lengths[0] / PAGE)];
}

/** Tasks of as many rows as a tile holds, [count, (row, rows, block begin, end, no partial)...]; `alone`: of one row each. */
function tasksOf(shape: Case, rows: Rows["rows"], alone = false): Uint32Array {
  const most = alone ? 1 : Math.max(1, Math.floor(abi.TILE_ROWS / (shape.heads / shape.kvHeads)));
  const tasks: number[][] = [];
  for (let row = 0; row < rows.length; ) {
    let end = row + 1;
    while (end < rows.length && end - row < most && rows[end].sequence === rows[row].sequence) end++;
    const [begin] = blocksOf(shape, rows[row].position);
    tasks.push([row, end - row, begin, blocksOf(shape, rows[end - 1].position)[1], abi.NO_PARTIAL]);
    row = end;
  }
  return Uint32Array.from([tasks.length, ...tasks.flat()]);
}

describe.each(CACHES.flatMap((cache) => CASES.map((shape) => ({ ...shape, ...cache, of: cache, shape }))))(
  `run: $heads heads over $kvHeads of $d, chunk $chunk, rows $lengths, $cache cache, seed ${SEED}`,
  ({ of: cache, shape, heads, kvHeads, d, chunk, causal = true, lengths }) => {
    const rows = lengths.flatMap((length, sequence) =>
      Array.from({ length }, (_, position) => ({ sequence, position })),
    );
    const width = (heads + 2 * kvHeads) * d;
    const frequencies = Float32Array.from({ length: d / 2 }, (_, j) => 10000 ** ((-2 * j) / d));
    const input: Rows = { rows, qkv: random.floats(rows.length * width), frequencies };
    const vector = (qkv: Float32Array, row: number, index: number) =>
      qkv.slice(row * width + index * d, row * width + (index + 1) * d);
    const entered = (arena: Arena) => {
      const words = step(arena, cache, shape, input);
      return { ...words, ops: [op("ANGLES", words.angles), op("ROPE", words.rope)] };
    };
    const attended = (tasks: Uint32Array, cut: boolean) =>
      onBoth((kernels, arena) => {
        const { ops, attend, q, out } = entered(arena);
        runThrough(kernels, arena, [...ops, op("ATTEND", { ...attend, TASKS_AT: arena.in(tasks) })], rows.length, {
          cut,
        });
        return [arena.f32(q), arena.f32(out)] as const;
      });
    const [qkv, out] = attended(tasksOf(shape, rows), false);

    it("ROPE: q, k within 1e-6 of rope, norm, temperature in that order; v untouched", () => {
      for (let row = 0; row < rows.length; row += 7) {
        const { position } = rows[row];
        const turns = oracle.angles(frequencies, position);
        for (let index = 0; index < heads + 2 * kvHeads; index++) {
          const before = vector(input.qkv, row, index);
          if (index >= heads + kvHeads) {
            expectSameBits(vector(qkv, row, index), before);
            continue;
          }
          const turned = oracle.rope(before, turns);
          const normed = chunk ? oracle.rmsNorm(turned, null, EPS) : turned;
          const tuned =
            index < heads ? normed.map((value) => value * oracle.temperature(position, FLOOR, SCALE)) : normed;
          const length = Math.hypot(...tuned);
          expect(
            oracle.absoluteError(
              vector(qkv, row, index).map((value) => value / length),
              tuned.map((value) => value / length),
            ),
          ).toBeLessThan(1e-6);
        }
      }
    });

    const sees = (row: number) => (t: number) =>
      (causal ? t <= rows[row].position : t < lengths[0]) &&
      (!chunk || Math.floor(t / chunk) >= Math.floor(rows[row].position / chunk));
    const first = lengths.map((_, sequence) => rows.findIndex((row) => row.sequence === sequence));
    const entries = (kind: number) => (sequence: number) =>
      Array.from({ length: lengths[sequence] }, (_, t) => cache.kept(vector(qkv, first[sequence] + t, kind)));

    it(`ATTEND: |error| <= ${cache.error} of the largest value; tasks of one row and cuts at every claim give the same bits`, () => {
      for (let row = 0; row < rows.length; row += 5) {
        for (let i = 0; i < heads; i++) {
          const kvHead = Math.floor(i / (heads / kvHeads));
          const [keys, values] = [heads + kvHead, heads + kvHeads + kvHead].map((kind) =>
            entries(kind)(rows[row].sequence),
          );
          const expected = oracle.attention(
            vector(qkv, row, i),
            keys,
            values,
            Math.fround(1 / Math.sqrt(d)),
            sees(row),
          );
          const actual = out.slice((row * heads + i) * d, (row * heads + i + 1) * d);
          const largest = Math.max(...values.map((value) => Math.max(...value.map(Math.abs))));
          expect(
            oracle.absoluteError(
              actual.map((o) => o / largest),
              expected.map((o) => o / largest),
            ),
          ).toBeLessThanOrEqual(cache.error);
        }
      }
      expectSameBits(attended(tasksOf(shape, rows, true), true)[1], out);
    });

    it("ATTEND by blocks, then MERGE: the same bits", () => {
      const apart = onBoth((kernels, arena) => {
        const { ops, attend, out: to } = entered(arena);
        const spans = rows.map(({ position }) => blocksOf(shape, position));
        const blocksBefore = (row: number) => spans.slice(0, row).reduce((sum, [begin, end]) => sum + end - begin, 0);
        const merges = spans.map(([begin, end], row) => [row, end - begin, blocksBefore(row)]);
        // The last block of a row first: no task may rely on another.
        const tasks = spans.flatMap(([begin, end], row) =>
          Array.from({ length: end - begin }, (_, i) => [
            row,
            1,
            end - 1 - i,
            end - i,
            merges[row][2] + end - 1 - i - begin,
          ]),
        );
        const partials = arena.out(blocksBefore(rows.length) * heads * (d + 2) * 4).at;
        const list = arena.in(Uint32Array.from([merges.length, ...merges.flat()]));
        const merge = { LIST_AT: list, HEADS: heads, HEAD_SIZE: d, PARTIALS_AT: partials, OUT_AT: to.at };
        const taskWords = {
          TASKS_AT: arena.in(Uint32Array.from([tasks.length, ...tasks.flat()])),
          PARTIALS_AT: partials,
        };
        runThrough(
          kernels,
          arena,
          [...ops, op("ATTEND", { ...attend, ...taskWords }), op("MERGE", merge)],
          rows.length,
        );
        return arena.f32(to);
      });
      expectSameBits(apart, out);
    });

    if (!causal) return; // the tap is for causal layers
    it(`PROBABILITIES: |error| <= ${cache.error}, exactly 0 where masked`, () => {
      const keys = Math.max(...lengths) + 1;
      const table = onBoth((kernels, arena) => {
        const { ops, attend } = entered(arena);
        const to = arena.out(heads * rows.length * keys * 4);
        runThrough(kernels, arena, [...ops, probabilities(attend, to.at, keys)], rows.length);
        return arena.f32(to);
      });
      for (let row = 0; row < rows.length; row += 9) {
        for (let i = 0; i < heads; i++) {
          const all = entries(heads + Math.floor(i / (heads / kvHeads)))(rows[row].sequence);
          const seen = all.map((_, t) => t).filter(sees(row));
          const weights = oracle.softmax(
            seen.map((t) => oracle.matmul(all[t], vector(qkv, row, i), d)[0] / Math.sqrt(d)),
          );
          const expected = new Float64Array(keys);
          seen.forEach((t, n) => {
            expected[t] = weights[n];
          });
          const actual = table.slice((i * rows.length + row) * keys, (i * rows.length + row + 1) * keys);
          expect(oracle.absoluteError(actual, expected)).toBeLessThanOrEqual(cache.error);
          expect(actual.every((value, t) => expected[t] !== 0 || value === 0)).toBe(true);
        }
      }
    });
  },
);

describe("run: pages that are none", () => {
  const shape: Case = { heads: 2, kvHeads: 1, d: 8, chunk: 0, lengths: [130] };
  const rows = [0, 1, 70, 129].map((position) => ({ sequence: 0, position }));
  const input: Rows = { rows, qkv: random.floats(rows.length * 32), frequencies: random.floats(4) };
  const fault = (name: "ROPE" | "ATTEND" | "PROBABILITIES", blocks: number, table: number[]) =>
    onBoth((kernels, arena) => {
      const words = step(arena, CACHES[0], shape, input);
      const attend = { ...words.attend, TASKS_AT: arena.in(tasksOf(shape, rows, true)) };
      const record = new Uint32Array(arena.memory.buffer, words.rope.ROWS_AT, abi.ROW_WORDS);
      arena.rewrite(record[abi.ROW_FULL_PAGES], Uint32Array.from(table));
      const ops = {
        ROPE: op("ROPE", { ...words.rope, TABLE_BLOCKS: blocks }),
        ATTEND: op("ATTEND", attend),
        PROBABILITIES: probabilities(attend, arena.out(2 * 4 * 131 * 4).at, 131),
      };
      return faultOf(runThrough(kernels, arena, [ops[name]], rows.length, {}, abi.STATUS_FAULT));
    });

  it.each([
    ["ROPE, no page", "ROPE" as const, 3, [2, abi.NO_PAGE, 0], 2],
    ["ROPE, page number = pages", "ROPE" as const, 3, [2, 1, 3], 3],
    ["ROPE, position beyond the table", "ROPE" as const, 1, [2, 1, 0], 2],
    ["ATTEND, no page", "ATTEND" as const, 3, [2, abi.NO_PAGE, 0], 2],
    ["ATTEND, page number = pages", "ATTEND" as const, 3, [3, 1, 0], 0],
    ["PROBABILITIES, no page", "PROBABILITIES" as const, 3, [2, 1, abi.NO_PAGE], 3],
  ])("%s: FAULT_PAGE and the row", (_, name, blocks, table, row) => {
    expect([...fault(name, blocks, table)]).toEqual([abi.FAULT_PAGE, row, 1, 0]);
  });
});
