/** One picture of a kind, changed: bytes, numbers, pieces; of a PNG also what lies behind its checksums and its compression. */

import { deflateSync, inflateSync } from "node:zlib";
import { readChunks, writeChunks } from "./png-chunks.mjs";

const EDGES = [0, 1, 0x7f, 0x80, 0xff];
const WORDS = [0, 1, 0x7fff, 0x8000, 0xffff, 0x4000, 0x2710];

export function mutatePicture(kind, corpus, random) {
  const file = random.pick(corpus[kind]);
  if (kind !== "png" || random.chance(0.3)) return changed(file, corpus[kind], random);
  const chunks = readChunks(file).map(([name, data]) => [name, data]);
  if (random.chance(0.4)) return repaired(changed(file, corpus[kind], random));
  const chosen = random.pick(chunks);
  if (chosen[0] === "IDAT" && random.chance(0.7)) {
    const pixels = inflateSync(Buffer.concat(chunks.filter(([name]) => name === "IDAT").map(([, data]) => data)));
    chosen[1] = deflateSync(changed(Uint8Array.from(pixels), [], random));
    const first = chunks.findIndex(([name]) => name === "IDAT");
    const others = chunks.filter(([name]) => name !== "IDAT");
    others.splice(first, 0, ["IDAT", chosen[1]]);
    return writeChunks(others);
  }
  const way = random.below(5);
  if (way === 0) chunks.splice(random.below(chunks.length), 1);
  else if (way === 1) chunks.splice(random.below(chunks.length), 0, random.pick(chunks));
  else chosen[1] = changed(chosen[1], [], random);
  return writeChunks(chunks);
}

/** With checksums that fit, as far as its chunks go. */
const repaired = (bytes) => writeChunks(readChunks(bytes));

function changed(file, others, random) {
  let bytes = file.slice();
  if (bytes.length === 0) return Uint8Array.of(random.below(256));
  for (let left = random.length(6); left > 0 && bytes.length > 0; left--) {
    const at = random.below(bytes.length);
    switch (random.below(9)) {
      case 0:
        bytes = bytes.slice(0, at);
        break;
      case 1:
        bytes = joined(bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + random.length(64))));
        break;
      case 2:
        bytes = joined(bytes.subarray(0, at), bytes.subarray(at, at + random.length(64)), bytes.subarray(at));
        break;
      case 3: {
        const other = others.length > 0 ? random.pick(others) : bytes;
        bytes = joined(bytes.subarray(0, at), other.subarray(random.below(other.length)));
        break;
      }
      case 4:
        for (let to = at; to < Math.min(bytes.length, at + random.length(32)); to++) bytes[to] = random.below(256);
        break;
      case 5: {
        const word = random.pick(WORDS);
        const [high, low] = [word >> 8, word & 255];
        bytes.set(at + 1 < bytes.length ? (random.chance(0.5) ? [high, low] : [low, high]) : [low], at);
        break;
      }
      case 6:
        bytes[at] = random.pick(EDGES);
        break;
      case 7:
        bytes[at] ^= 1 << random.below(8);
        break;
      default:
        // Headers say the most.
        bytes[random.below(Math.min(bytes.length, 64))] = random.below(256);
    }
  }
  return bytes;
}

const joined = (...parts) => Uint8Array.from(Buffer.concat(parts));
