/** However a host packs a matrix, its fingerprint is of the same bytes. */
import { expect, it } from "vitest";
import { TYPE_APART } from "../assembly/abi.ts";
import { type Packed, portableBytes } from "../src/runtime/packed.ts";
import { weightType } from "../src/weight-types.ts";
import { BLOCKS } from "./blocks-golden.ts";
import { expectSameBits, on, Random, SEED } from "./kernels.ts";
import { FORMATS, type Format, pack } from "./packed-forms.ts";
import { storedBlocks } from "./stored-weights.ts";

const random = new Random(SEED);

it.each(["q8_0", "iq4_nl", "q4_0", "q6_k"] as const)(
  `%s, seed ${SEED}: woven or apart, for pairs or for quads, any part of it, the last visit short`,
  (type) => {
    const [rows, cols] = [71, BLOCKS[type].values === 256 ? 512 : 96];
    const stored = storedBlocks(random, type, (rows * cols) / BLOCKS[type].values);
    const bytesOf = (format: Format, begin: number, count: number) =>
      on("simd", (kernels, arena) => {
        const { at, bytes } = pack(kernels, arena, format, stored, rows, cols);
        const place = { name: type, at, kind: "bytes", shape: [bytes], bytes };
        const packed = { name: type, type, word: format.word, rows, cols, at: place } as unknown as Packed;
        return portableBytes(new Uint8Array(arena.memory.buffer), packed, begin, count).slice();
      });
    const formats = FORMATS.filter(({ name, packed }) => name === type && packed === type);
    const [first] = formats;
    const size = on("simd", ({ group_bytes }) => 9 * group_bytes(first.word, cols));
    const apart = weightType(type).apart ? [0, TYPE_APART] : [0];
    for (const format of formats)
      for (const bit of apart)
        for (const [begin, count] of [
          [0, size],
          [size - 256, 256],
          ...Array.from({ length: 20 }, () => [4 * random.integer(0, (size - 256) / 4), 256]),
        ])
          expectSameBits(
            bytesOf({ ...format, word: format.word | bit }, begin, count),
            bytesOf(first, begin, count),
            `${format.met}, ${bit ? "apart" : "woven"}, from ${begin}`,
          );
    expect(formats.length).toBeGreaterThan(0);
  },
);
