/** How memory is read: one stream or eight, and what hangs on it. */
import { expect, it } from "vitest";
import { createModel } from "../dist/src/index.js";
import type { Choice } from "../src/choice.ts";
import { openKernels } from "../src/runtime/module.ts";
import { likesStreams, readsApart } from "../src/runtime/streams.ts";
import { on, Random, SEED } from "./kernels.ts";
import { byteModel } from "./small-models.ts";

it.each(["simd", "relaxed"] as const)(`%s: eight streams read the lines that one reads, seed ${SEED}`, (build) => {
  const random = new Random(SEED);
  const lines = Uint32Array.from({ length: 64 * 16 }, (_, word) =>
    word % 16 === 0 ? 1 << random.integer(0, 20) : 1 << 31,
  );
  const all = lines.reduce((seen, word, at) => (at % 16 === 0 ? seen | word : seen), 0);
  const seen = on(build, (kernels, arena) => {
    const at = arena.in(lines);
    return [1, 8].map((streams) => kernels.read_lines(at, lines.byteLength, streams));
  });
  expect(seen).toEqual([all, all]);
});

it.each([
  [true, "a tenth faster", [10, 12, 40], [9, 9.5, 12]],
  [false, "hardly faster", [10, 12, 40], [9.6, 9.6, 12]],
  [false, "slower", [6, 6, 7], [9, 9, 9]],
  [false, "as fast, in a round of which one stream waits", [99, 9, 99], [9, 9, 9]],
])("%s: eight streams are %s", (likes, _, one, eight) => {
  const times = { 1: [...one], 8: [...eight] };
  expect(likesStreams(3, (streams) => times[streams].shift()!)).toBe(likes);
  expect(times).toEqual({ 1: [], 8: [] });
});

it("a host is asked how it reads, and says the same ever after", async () => {
  const kernels = await openKernels("simd", false);
  const answer = readsApart(kernels.module);
  expect([true, false]).toContain(answer);
  expect(readsApart((await openKernels("simd", false)).module)).toBe(answer);
});

it("keys and values saved where groups are woven are loaded where they lie apart", async () => {
  const choice: Choice = { tile: "tile_q4_0_q8", row: "gemv4_q4_0_q8", streams: 1, touch: 0 };
  const open = (streams: Choice["streams"]) =>
    createModel(byteModel(256), { type: "q4_0", threads: 0, choices: { q4_0: { ...choice, streams } } });
  await using woven = await open(1);
  await using apart = await open(8);
  const ids = Array.from({ length: 70 }, (_, id) => id);
  const pieces: Uint8Array[] = [];
  expect(await woven.cache.save(ids, new WritableStream({ write: (piece) => void pieces.push(piece) }))).toEqual({
    positions: 64,
  });
  expect(await apart.cache.load(Buffer.concat(pieces))).toEqual({ positions: 64 });
});
