import { joined } from "./joined.ts";
import type { DecodedPicture } from "./picture.ts";

/**
 * The first frame of a GIF (CompuServe, GIF89a, 1990). By ourselves: the decoders in use loop for ever over files that are cut, and their
 * pictures are small. Every byte is read once; codes write into a frame of known size.
 */

/** Bytes in order; past the end is an error. */
class Reader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  byte(): number {
    if (this.#at >= this.#bytes.length) throw new Error("it ends before its first frame does");
    return this.#bytes[this.#at++];
  }

  word(): number {
    return this.byte() + 256 * this.byte();
  }

  bytes(count: number): Uint8Array {
    this.#at += count;
    if (this.#at > this.#bytes.length) throw new Error("it ends before its first frame does");
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  /** Blocks of up to 255 bytes, to the empty one; what a cut file lacks is left out. */
  blocks(): Uint8Array {
    const parts: Uint8Array[] = [];
    for (let count = this.byte(); count > 0; count = this.byte()) parts.push(this.bytes(count));
    return joined(parts);
  }
}

/** Red, green, blue of so many colours as the flags say; null: no table. */
const tableOf = (reader: Reader, flags: number) => (flags & 0x80 ? reader.bytes(3 * 2 ** ((flags & 7) + 1)) : null);

export function decodeGif(bytes: Uint8Array): DecodedPicture {
  const reader = new Reader(bytes, 6);
  const [width, height, flags] = [reader.word(), reader.word(), reader.byte()];
  reader.bytes(2);
  const common = tableOf(reader, flags);
  let clear = -1;
  for (;;) {
    const kind = reader.byte();
    if (kind === 0x21) {
      const label = reader.byte();
      const block = reader.blocks();
      if (label === 0xf9 && block.length >= 4) clear = block[0] & 1 ? block[3] : -1;
    } else if (kind === 0x2c) {
      const [left, top, across, down] = [reader.word(), reader.word(), reader.word(), reader.word()];
      const own = reader.byte();
      const colours = tableOf(reader, own) ?? common;
      if (!colours) throw new Error("its first frame has no colours");
      if (left + across > width || top + down > height) throw new Error("its first frame is larger than the picture");
      const bits = reader.byte();
      const indexes = unpack(reader.blocks(), bits, across * down);
      const data = new Uint8Array(width * height * 4);
      const lines = own & 0x40 ? interlaced(down) : null;
      for (let pixel = 0; pixel < indexes.length; pixel++) {
        const line = Math.floor(pixel / across);
        const [y, index] = [top + (lines ? lines[line] : line), indexes[pixel]];
        if (index === clear) continue;
        data.set(colours.subarray(index * 3, index * 3 + 3), (y * width + left + (pixel % across)) * 4);
        data[(y * width + left + (pixel % across)) * 4 + 3] = 255;
      }
      return { width, height, data, turned: false };
    } else throw new Error(kind === 0x3b ? "it has no frame" : "it has a block of an unknown kind");
  }
}

function interlaced(lines: number): number[] {
  const order: number[] = [];
  for (const [first, step] of [
    [0, 8],
    [4, 8],
    [2, 4],
    [1, 2],
  ])
    for (let line = first; line < lines; line += step) order.push(line);
  return order;
}

const MOST_CODES = 4096;

/** LZW: codes of a growing number of bits, each a known run of indexes and one more. Throws where there are fewer than `count`. */
function unpack(bytes: Uint8Array, bits: number, count: number): Uint8Array {
  if (bits < 1 || bits > 11) throw new Error(`codes of ${bits} bits`);
  const [clear, end] = [2 ** bits, 2 ** bits + 1];
  // Of each code: the one before its last index, that index, its first, and how many.
  const [before, last, first, length] = [Int32Array, Uint8Array, Uint8Array, Int32Array].map(
    (type) => new type(MOST_CODES),
  );
  for (let code = 0; code < clear; code++) {
    last[code] = first[code] = code;
    length[code] = 1;
  }
  const out = new Uint8Array(count);
  let [written, next, size, previous] = [0, end + 1, bits + 1, -1];
  let [held, buffer, at] = [0, 0, 0];
  while (written < count) {
    while (held < size) {
      if (at >= bytes.length) throw new Error(`its first frame has ${written} pixels of ${count}`);
      buffer |= bytes[at++] << held;
      held += 8;
    }
    const code = buffer & (2 ** size - 1);
    buffer >>= size;
    held -= size;
    if (code === end) throw new Error(`its first frame has ${written} pixels of ${count}`);
    if (code === clear) {
      [next, size, previous] = [end + 1, bits + 1, -1];
      continue;
    }
    if (code > next || (code === next && previous < 0)) throw new Error("a code that nothing stands for");
    if (previous >= 0 && next < MOST_CODES) {
      before[next] = previous;
      last[next] = first[code === next ? previous : code];
      first[next] = first[previous];
      length[next] = length[previous] + 1;
      next++;
      if (next === 2 ** size && size < 12) size++;
    }
    if (code >= next) throw new Error("a code that nothing stands for");
    for (let place = written + length[code] - 1, one = code; place >= written; place--, one = before[one])
      if (place < count) out[place] = last[one];
    written += length[code];
    previous = code;
  }
  return out;
}
