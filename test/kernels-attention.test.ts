/**
 * Cache and attention: the kernels of one block of 64 positions. Positions that nothing may see hold NaN throughout.
 */
import { describe, expect, it } from "vitest";
import * as abi from "../assembly/abi.ts";
import { STREAMS } from "../src/choice.ts";
import { CACHES, type Cache, headBytes, PAGE, padded, quads } from "./caches.ts";
import { type Arena, expectSameBits, type Kernels, type Operand, onBoth, Random, SEED } from "./kernels.ts";
import * as oracle from "./oracle.ts";

const random = new Random(SEED);
const SIZES = [2, 12, 32, 64, 80, 128];

/** Where position and feature lie: K [8 groups of positions][d / each, rounded up][8][each], V [groups of 8 features][64 / each][8][each]. */
const keyIndex = (t: number, feature: number, d: number, each = 1) =>
  Math.floor(t / 8) * Math.ceil(d / each) * each * 8 + placeOf(feature, t % 8, each);
const valueIndex = (t: number, feature: number, each = 1) =>
  Math.floor(feature / 8) * PAGE * 8 + placeOf(t, feature % 8, each);
const placeOf = (k: number, lane: number, each: number) => Math.floor(k / each) * 8 * each + lane * each + (k % each);

interface Head {
  readonly keys: Float32Array[];
  readonly values: Float32Array[];
}

const head = (d: number, positions: number): Head => ({
  keys: Array.from({ length: positions }, () => random.floats(d)),
  values: Array.from({ length: positions }, () => random.floats(d)),
});

/** A page's head that holds positions [begin, end); the rest is NaN. */
function stored(
  kernels: Kernels,
  arena: Arena,
  cache: Cache,
  { keys, values }: Head,
  d: number,
  begin = 0,
  end = keys.length,
): Operand {
  const page = arena.out(headBytes(cache, d));
  const [key, value] = [arena.inout(new Float32Array(d)), arena.inout(new Float32Array(d))];
  for (let t = begin; t < end; t++) {
    arena.write(key, keys[t]);
    arena.write(value, values[t]);
    kernels[cache.type === abi.CACHE_F32 ? "store_cache_f32" : "store_cache_q8"](page.at, key.at, value.at, t, d);
  }
  return page;
}

describe(`cache, seed ${SEED}`, () => {
  it("store_cache_f32: every element at its place, nothing else written, any alignment", () => {
    for (const d of SIZES) {
      const content = head(d, PAGE);
      const page = onBoth((kernels, arena) => arena.f32(stored(kernels, arena, CACHES[0], content, d, 1, 63)), d % 16);
      const expected = onBoth((_, arena) => arena.f32(arena.out(page.byteLength)));
      for (let t = 1; t < 63; t++) {
        for (let feature = 0; feature < d; feature++) {
          expected[keyIndex(t, feature, d)] = content.keys[t][feature];
          expected[d * PAGE + valueIndex(t, feature)] = content.values[t][feature];
        }
      }
      expectSameBits(page, expected);
    }
  });

  it("store_cache_q8: q and scale exact, from 2^-149 to 2^100, zeros; nothing else written", () => {
    for (const d of SIZES) {
      const content = head(d, PAGE);
      content.keys.forEach((key, t) => {
        content.keys[t] = key.map((value) => value * (t === 5 ? 0 : 2 ** (t * 4 - 149)));
        content.values[t] = content.values[t].map((value) => value * (t === 7 ? 0 : 2 ** (100 - t)));
      });
      const page = onBoth((kernels, arena) => arena.u8(stored(kernels, arena, CACHES[1], content, d, 0, 63)), d % 16);
      const blank = onBoth((_, arena) => arena.u8(arena.out(page.length)));
      const expected = blank.slice();
      const valuesAt = CACHES[1].keyBytes(d);
      for (let t = 0; t < 63; t++) {
        const [key, value] = [oracle.quantizeHead(content.keys[t]), oracle.quantizeHead(content.values[t])];
        new DataView(expected.buffer).setFloat32(quads(d) * PAGE + t * 4, key.scale, true);
        new DataView(expected.buffer).setFloat32(valuesAt + padded(d) * PAGE + t * 4, value.scale, true);
        for (let feature = 0; feature < d; feature++) {
          expected[keyIndex(t, feature, d, 4)] = key.q[feature];
          expected[valuesAt + valueIndex(t, feature, 4)] = value.q[feature];
        }
      }
      expectSameBits(page, expected);
    }
  });
});

type Span = readonly [begin: number, end: number];

/** attend_block of staged queries and spans -> [h][max, sum, o[padded d]]. */
function block(
  kernels: Kernels,
  arena: Arena,
  cache: Cache,
  pageAt: number,
  queries: readonly Float32Array[],
  spans: readonly Span[],
  streams = 1,
  type: number = cache.type,
): Float32Array {
  const [h, d] = [queries.length, queries[0].length];
  const blockAt = (Math.ceil(d / PAGE) + 2) * 6 * PAGE * 4;
  const scratch = arena.out(kernels.attention_bytes(d));
  queries.forEach((query, i) => {
    // Behind a query lie others.
    kernels.stage_query(scratch.at, arena.in(Float32Array.of(...query, ...query, ...random.floats(8))), type, i, d);
    kernels.stage_span(scratch.at, i, spans[i][0], spans[i][1], d);
  });
  kernels.attend_block(scratch.at, pageAt, type, h, d, Math.fround(1 / Math.sqrt(d)), streams, scratch.at + blockAt);
  return arena.f32(scratch).slice(blockAt / 4, blockAt / 4 + h * (2 + padded(d)));
}

/** Spans that overlap or touch, so that all positions of their union are stored; some empty, most ragged. */
function someSpans(h: number): Span[] {
  const middle = random.integer(0, PAGE);
  return Array.from({ length: h }, (_, i) =>
    i % 4 === 3 ? [middle, middle] : [random.integer(0, middle + 1), random.integer(middle + 1, PAGE + 1)],
  );
}

describe.each(CACHES)(`attention, $cache cache, seed ${SEED}`, (cache) => {
  it(`one block: |error| <= ${cache.error} of the largest value, heights 1..6, ragged and empty spans; alone, in a tile and by any dot the same bits`, () => {
    for (const d of SIZES) {
      for (let round = 0; round < 12; round++) {
        const h = 1 + (round % 6);
        const content = head(d, PAGE);
        const queries = Array.from({ length: h }, () => random.floats(d));
        // Every third round all see a whole page.
        const spans = round % 3 === 2 ? queries.map((): Span => [0, PAGE]) : someSpans(h);
        const seen = spans.filter(([begin, end]) => begin < end);
        const [first, last] = [Math.min(...seen.map(([begin]) => begin)), Math.max(...seen.map(([, end]) => end))];
        const stride = 2 + padded(d);
        const [tile, ...others] = onBoth(
          (kernels, arena) => {
            const { at } = stored(kernels, arena, cache, content, d, first, last);
            return [
              block(kernels, arena, cache, at, queries, spans),
              ...STREAMS.slice(1).map((streams) => block(kernels, arena, cache, at, queries, spans, streams)),
              ...queries.map((query, i) =>
                block(kernels, arena, cache, at, [query], [spans[i]], STREAMS[(round + i) % STREAMS.length]),
              ),
            ];
          },
          (d + round) % 16,
        );
        for (const { type, dot } of cache.ways) {
          const way = onBoth(
            (kernels, arena) => {
              const { at } = stored(kernels, arena, cache, content, d, first, last);
              return block(kernels, arena, cache, at, queries, spans, 1, type);
            },
            (d + round) % 16,
            dot,
          );
          expectSameBits(way, tile, `the ${dot} dot`);
        }
        const alone = others.splice(STREAMS.length - 1);
        others.forEach((together, i) => {
          expectSameBits(together, tile, `${STREAMS[i + 1]} streams`);
        });
        const [keys, values] = [content.keys.map(cache.kept), content.values.map(cache.kept)];
        spans.forEach(([begin, end], i) => {
          const state = tile.slice(i * stride, i * stride + 2 + d);
          if (begin === end) {
            expect([...state.slice(0, 2)]).toEqual([-Infinity, 0]);
            return;
          }
          const expected = oracle.attention(queries[i], keys, values, 1 / Math.sqrt(d), (t) => t >= begin && t < end);
          const largest = Math.max(...values.slice(begin, end).map((value) => Math.max(...value.map(Math.abs))));
          expect(
            oracle.absoluteError(
              state.slice(2).map((o) => o / state[1] / largest),
              expected.map((o) => o / largest),
            ),
          ).toBeLessThanOrEqual(cache.error);
          expectSameBits(alone[i].slice(0, 2 + d), state, "alone");
        });
      }
    }
  });

  it(`blocks merged upwards: |error| <= ${cache.error} of the largest value; a block that saw nothing changes nothing`, () => {
    for (const d of SIZES) {
      const blocks = Array.from({ length: 5 }, () => head(d, PAGE));
      const query = random.floats(d);
      const ends = [64, 0, 64, 33, 0];
      const [merged, after, before, first, single] = onBoth((kernels, arena) => {
        const [state, once, out] = [arena.out((2 + d) * 4), arena.out((2 + d) * 4), arena.out(d * 4)];
        const parts = blocks.map((content, i) =>
          arena.inout(
            block(
              kernels,
              arena,
              cache,
              stored(kernels, arena, cache, content, d, 0, ends[i]).at,
              [query],
              [[0, ends[i]]],
            ).slice(0, 2 + d),
          ),
        );
        kernels.clear_state(state.at, d);
        kernels.clear_state(once.at, d);
        kernels.merge_state(once.at, parts[0].at, d);
        for (const part of parts.slice(0, 4)) kernels.merge_state(state.at, part.at, d);
        const kept = arena.f32(state);
        kernels.merge_state(state.at, parts[4].at, d);
        kernels.finish_state(out.at, state.at, d);
        return [arena.f32(out), arena.f32(state), kept, arena.f32(parts[0]), arena.f32(once)] as const;
      }, d % 16);
      expectSameBits(after, before, "an empty block");
      expectSameBits(single, first, "into a cleared state");
      const seen = blocks.map(({ keys, values }, i) => [
        keys.slice(0, ends[i]).map(cache.kept),
        values.slice(0, ends[i]).map(cache.kept),
      ]);
      const values = seen.flatMap(([, value]) => value);
      const expected = oracle.attention(
        query,
        seen.flatMap(([key]) => key),
        values,
        1 / Math.sqrt(d),
        () => true,
      );
      const largest = Math.max(...values.map((value) => Math.max(...value.map(Math.abs))));
      expect(
        oracle.absoluteError(
          merged.map((o) => o / largest),
          expected.map((o) => o / largest),
        ),
      ).toBeLessThanOrEqual(cache.error);
    }
  });

  it("scores of +-1000: the weight is on the largest, none is NaN", () => {
    const content = head(2, PAGE);
    content.keys.forEach((_, t) => {
      content.keys[t] = Float32Array.of(t === 40 ? 1000 : -1000, 0);
    });
    const query = Float32Array.of(Math.SQRT2, 0);
    const state = onBoth((kernels, arena) =>
      block(kernels, arena, cache, stored(kernels, arena, cache, content, 2).at, [query], [[0, PAGE]]),
    );
    const [sum, ...of] = state.slice(1, 4);
    expect(sum).toBe(1);
    expect(oracle.absoluteError(of, cache.kept(content.values[40]))).toBeLessThanOrEqual(1e-6);
  });
});

it("what a cache holds of positions that nothing sees changes no bit: largest numbers, infinity, what is no number", () => {
  for (const cache of CACHES) {
    const content = head(64, PAGE);
    const queries = Array.from({ length: 3 }, () => random.floats(64));
    const spans: Span[] = [
      [3, 21],
      [5, 5],
      [0, 20],
    ];
    const seen = (unseen: number) => {
      const of = (rows: readonly Float32Array[]) => rows.map((row, t) => (t < 21 ? row : row.map(() => unseen)));
      const other = { keys: of(content.keys), values: of(content.values) };
      return onBoth((kernels, arena) => {
        const page = arena.u8(stored(kernels, arena, cache, other, 64));
        // A NaN of either sign, whatever the processor makes: scales of keys and values from position 21 on.
        const signed = new Float32Array(page.buffer);
        const scales = cache.type === abi.CACHE_Q8 && Number.isNaN(unseen) ? [1024 + 21, 2112 + 21] : [];
        for (const at of scales) signed.set(new Float32Array(new Uint32Array(43).fill(0x7fc00000).buffer), at);
        return block(kernels, arena, cache, arena.inout(page).at, queries, spans);
      });
    };
    // Of what sees nothing, max and sum alone.
    const [first, , last] = spans.map((_, i) => [i * 66, i * 66 + 66]);
    const kept = (states: Float32Array) => [states.slice(...first), states.slice(66, 68), states.slice(...last)];
    for (const unseen of [0, 3e38, Number.POSITIVE_INFINITY, Number.NaN])
      expectSameBits(kept(seen(unseen)), kept(seen(1)), `${cache.cache}, ${unseen}`);
  }
});

it("the largest integers of an 8-bit cache: sums stay within 32 bits, whatever the size of a head, by any dot", () => {
  const [, cache] = CACHES;
  for (const d of [512, 516, 520, 640, 1024]) {
    const all = (value: number) => new Float32Array(d).fill(value);
    const content = { keys: Array(PAGE).fill(all(1)), values: Array(PAGE).fill(all(-1)) };
    for (const { type, dot } of [{ type: cache.type, dot: undefined }, ...cache.ways]) {
      const state = onBoth(
        (kernels, arena) => {
          const { at } = stored(kernels, arena, cache, content, d);
          return block(kernels, arena, cache, at, [all(1)], [[0, PAGE]], 1, type);
        },
        0,
        dot,
      );
      const unlike = [state[0] / Math.sqrt(d), state[1] / PAGE, ...state.slice(2, 2 + d).map((o) => o / -PAGE)];
      expect(
        oracle.absoluteError(
          unlike,
          unlike.map(() => 1),
        ),
        `${d} features, ${dot ?? "pairs"}`,
      ).toBeLessThan(1e-6);
    }
  }
});

describe.each(CACHES)(`attention of what is not a number, $cache cache, seed ${SEED}`, (cache) => {
  const row = 2 + padded(4);

  it("a key that is NaN, at any of the 64 positions, makes what sees it NaN in its block and where blocks merge, and no other", () => {
    const content = head(4, PAGE);
    const queries = [random.floats(4), random.floats(4)];
    for (let odd = 0; odd < PAGE; odd++) {
      const keys = content.keys.map((key, t) => (t === odd ? Float32Array.of(Number.NaN, 0, 0, 0) : key));
      const spans: Span[] = [[0, PAGE], odd < 32 ? [odd + 1, PAGE] : [0, odd]];
      const [states, merged] = onBoth((kernels, arena) => {
        const at = (of: Head) => stored(kernels, arena, cache, of, 4).at;
        const states = block(kernels, arena, cache, at({ ...content, keys }), queries, spans);
        const [state, out] = [arena.inout(block(kernels, arena, cache, at(content), queries, spans)), arena.out(4 * 4)];
        kernels.merge_state(state.at, arena.in(states), 4);
        kernels.finish_state(out.at, state.at, 4);
        return [states, arena.f32(out)] as const;
      });
      expect(states[0], `position ${odd}`).toBeNaN();
      expect([...merged], `position ${odd}`).toEqual(Array(4).fill(Number.NaN));
      expect(states.slice(row, row + 6).every(Number.isFinite), `position ${odd}`).toBe(true);
    }
  });

  it("a value or a query that is NaN or infinite makes what sees it NaN or infinite, and no other", () => {
    const content = head(4, PAGE);
    const queries = [random.floats(4), random.floats(4)];
    const spans: Span[] = [
      [0, PAGE],
      [0, 20],
    ];
    /** What each query makes of the block, as its merging and the division by the sum leave it. */
    const run = (values: Float32Array[], asked: readonly Float32Array[], keys = content.keys) =>
      onBoth((kernels, arena) => {
        const { at } = stored(kernels, arena, cache, { keys, values }, 4);
        const states = block(kernels, arena, cache, at, asked, spans);
        return asked.map((_, i) => {
          const [state, out] = [arena.out(6 * 4), arena.out(4 * 4)];
          kernels.clear_state(state.at, 4);
          kernels.merge_state(state.at, arena.in(states.slice(i * row, i * row + 6)), 4);
          kernels.finish_state(out.at, state.at, 4);
          return arena.f32(out);
        });
      });
    const far = content.keys.map((_, t) => Float32Array.of(t === 30 ? -1000 : 1, 0, 0, 0));
    const finite = (out: Float32Array) => [...out].filter(Number.isFinite).length;
    for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const values = content.values.map((value, t) => (t === 30 ? Float32Array.of(odd, odd, odd, odd) : value));
      const [sees, other] = run(values, queries).map(finite);
      expect(sees, `a value of ${odd}`).toBe(0);
      const [least] = run(values, [Float32Array.of(1000, 0, 0, 0), queries[1]], far).map(finite);
      expect(least, `a value of ${odd} whose weight is 0`).toBe(0);
      // Zeros of a tile's other queries times such a float are no number: their text holds it too.
      if (cache.type !== abi.CACHE_F32) expect(other, `a value of ${odd} that is not seen`).toBe(4);
      const asked = run(content.values, [Float32Array.of(odd, 1, 1, 1), queries[1]]).map(finite);
      expect(asked, `a query of ${odd}`).toEqual([0, 4]);
    }
  });
});
