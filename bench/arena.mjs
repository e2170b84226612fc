// The one memory that every module of the bench shares, and how a part of it is filled. All of it is written before anything is
// measured: pages that nobody wrote are one page of zeros, which any cache holds.

const PAGE_BYTES = 65536;
/** Below lie the constants of the modules. */
const FIRST = 1 << 20;
/** What one thread works in. */
const PART_BYTES = 8 << 20;
/** The matrix that comes from memory: beyond what a core calls its own, and beyond most shared caches. */
export const STREAM_BYTES = 320 << 20;

export function createMemory(parts) {
  const bytes = FIRST + parts * PART_BYTES + STREAM_BYTES;
  const memory = new WebAssembly.Memory({ initial: bytes / PAGE_BYTES, maximum: bytes / PAGE_BYTES, shared: true });
  fill(new Uint32Array(memory.buffer, FIRST));
  return memory;
}

/** Bytes that are finite and not denormal as f32, f16 and bf16, and of both signs: good as weights and scales of every type. */
function fill(words) {
  let state = 1;
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    words[i] = ((state ^ (state >>> 13)) & 0x9f9f9f9f) | 0x20202020;
  }
}

export const noise = (count, amplitude = 0.7) =>
  Float32Array.from({ length: count }, (_, index) => Math.sin(index * 12.9898) * amplitude);

export const pattern = (Type, count) => {
  const bytes = new Uint8Array(Math.ceil((count * Type.BYTES_PER_ELEMENT) / 4) * 4);
  fill(new Uint32Array(bytes.buffer));
  return new Type(bytes.buffer, 0, count);
};

/** Thread `part` of `parts`: places of its own, and its share of the stream. Addresses are multiples of 64. */
export class Arena {
  #end;
  #limit;
  constructor(memory, part, parts, memoryParts) {
    this.memory = memory;
    this.#end = FIRST + part * PART_BYTES;
    this.#limit = this.#end + PART_BYTES;
    const share = Math.floor(STREAM_BYTES / parts / 64) * 64;
    this.stream = { at: FIRST + memoryParts * PART_BYTES + part * share, bytes: share, offset: 0 };
  }

  /** The same free places once more: for one of several that are not needed at the same time. */
  fork() {
    return Object.assign(new Arena(this.memory, 0, 1, 1), { stream: this.stream }).#from(this.#end, this.#limit);
  }

  #from(end, limit) {
    this.#end = end;
    this.#limit = limit;
    return this;
  }

  take(bytes) {
    const at = this.#end;
    this.#end = Math.ceil((at + bytes) / 64) * 64;
    if (this.#end > this.#limit) throw new RangeError(`a case needs more than ${PART_BYTES} bytes`);
    return at;
  }

  /** Copies a typed array in; one that lies in this memory stays where it is. */
  put(values) {
    if (values.buffer === this.memory.buffer) return values.byteOffset;
    const at = this.take(values.byteLength);
    new Uint8Array(this.memory.buffer, at, values.byteLength).set(
      new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    );
    return at;
  }

  zeros(bytes) {
    const at = this.take(bytes);
    new Uint8Array(this.memory.buffer, at, bytes).fill(0);
    return at;
  }

  floats(count) {
    return this.put(noise(count));
  }

  /** Weights of any type, scales among them. */
  weights(bytes) {
    return this.put(pattern(Uint8Array, bytes));
  }

  view(Type, at, count) {
    return new Type(this.memory.buffer, at, count);
  }

  /** Of the bytes of `outputs` ([address, bytes] each). */
  hash(outputs) {
    let hash = 0x811c9dc5;
    for (const [at, bytes] of outputs) {
      for (const byte of this.view(Uint8Array, at, bytes)) hash = Math.imul(hash ^ byte, 0x01000193);
    }
    return (hash >>> 0).toString(16).padStart(8, "0");
  }
}
