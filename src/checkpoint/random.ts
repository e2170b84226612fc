import { bytesOf, type StoredType } from "../weight-types.ts";
import type { ByteSource, Checkpoint, StoredTensor } from "./checkpoint.ts";
import { encode } from "./encode.ts";
import { fileChanged } from "./file-source.ts";
import { randomBlocks } from "./random-blocks.ts";

/**
 * A checkpoint of random weights that exist only when they are read. Every value is a function of (seed, tensor, element),
 * so any cut of the reads gives the same bytes, and only integer operations and exactly rounded ones make it: the same
 * bytes on every machine.
 */

export interface RandomTensor {
  name: string;
  type: StoredType;
  /** Outermost first; rows of quantised types are made of whole blocks. */
  shape: readonly number[];
  /** Standard deviation. */
  scale: number;
  /** Default 0. */
  mean?: number;
}

export function randomCheckpoint(
  tensors: readonly RandomTensor[],
  seed: number,
  json: Map<string, unknown> = new Map(),
): Checkpoint {
  const stored = new Map<string, StoredTensor>();
  for (const [index, tensor] of tensors.entries()) {
    const { name, type, shape } = tensor;
    const source = new RandomSource(tensor, seed, index);
    stored.set(name, { name, type, shape, source, offset: 0, bytes: source.size });
  }
  return {
    format: "random",
    name: `random-${seed}`,
    tensors: stored,
    metadata: new Map(),
    json,
    chatTemplate: undefined,
    warnings: [],
    close: async () => {},
  };
}

/** Elements made at a time: whole blocks of every type, and small enough for the first cache. */
const PIECE = 4096;

/** Standard deviation of the sum of four uniform integers of 16 bits is 2^16 / sqrt(3). */
const UNIT = 1.7320508075688772 / 65536;

class RandomSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #tensor: RandomTensor;
  readonly #keys: Uint32Array;
  readonly #values = new Float32Array(PIECE);
  readonly #pieceBytes: number;

  constructor(tensor: RandomTensor, seed: number, index: number) {
    const elements = tensor.shape.reduce((product, dimension) => product * dimension, 1);
    this.name = tensor.name;
    this.size = bytesOf(tensor.type, elements);
    this.#tensor = tensor;
    this.#keys = tensorKeys(seed, index);
    this.#pieceBytes = bytesOf(tensor.type, PIECE);
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    if (offset + into.length > this.size) {
      throw fileChanged(this.name, offset, into.length, Math.max(0, this.size - offset));
    }
    const bytes = new Uint8Array(this.#pieceBytes);
    for (let done = 0; done < into.length; ) {
      const piece = Math.floor((offset + done) / this.#pieceBytes);
      const skipped = offset + done - piece * this.#pieceBytes;
      const count = Math.min(this.#pieceBytes - skipped, into.length - done);
      this.#fill(piece);
      if (!encode(this.#tensor.type, this.#values, bytes)) randomBlocks(this.#tensor.type, this.#values, bytes);
      into.set(bytes.subarray(skipped, skipped + count), done);
      done += count;
    }
  }

  /**
   * Elements piece * PIECE ... The element's index passes two rounds of a 32-bit mixer with a key in each (constants:
   * "lowbias32", C. Wellons), a third one makes the other half of its 64 bits; their sum in 16-bit parts is near normal.
   */
  #fill(piece: number): void {
    const { scale, mean = 0 } = this.#tensor;
    const values = this.#values;
    const first = piece * PIECE;
    // Beyond 2^32 elements the upper half of the index is part of the key.
    const high = Math.floor(first / 2 ** 32);
    const key0 = this.#keys[0] ^ Math.imul(high, 0x9e3779b1);
    const key1 = this.#keys[1] + high;
    const key2 = this.#keys[2];
    const low = (first % 2 ** 32) | 0;
    const factor = scale * UNIT;
    for (let i = 0; i < PIECE; i++) {
      let a = ((low + i) ^ key0) | 0;
      a = Math.imul(a ^ (a >>> 16), 0x7feb352d);
      a = (a + key1) | 0;
      a = Math.imul(a ^ (a >>> 15), 0x846ca68b);
      a ^= a >>> 16;
      let b = Math.imul(a ^ key2, 0x9e3779b1);
      b = Math.imul(b ^ (b >>> 15), 0x7feb352d);
      b ^= b >>> 16;
      const sum = (a & 0xffff) + (a >>> 16) + (b & 0xffff) + (b >>> 16) - 131070;
      values[i] = mean + sum * factor;
    }
  }

  async close(): Promise<void> {}
}

/** Three keys of a tensor; the seed may be any safe integer. */
function tensorKeys(seed: number, index: number): Uint32Array {
  const low = seed >>> 0;
  const high = Math.floor(seed / 2 ** 32) >>> 0;
  return Uint32Array.from([1, 2, 3], (round) => mix(mix(mix(low + round) ^ high) + index));
}

function mix(value: number): number {
  let bits = value | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x7feb352d);
  bits = Math.imul(bits ^ (bits >>> 15), 0x846ca68b);
  return (bits ^ (bits >>> 16)) >>> 0;
}
