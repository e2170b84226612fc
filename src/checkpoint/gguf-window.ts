import { EngineError } from "../error.ts";
import type { ErrorCode } from "../error-codes.ts";
import type { ByteSource } from "./checkpoint.ts";

/**
 * The part of a GGUF header that is in memory: a window that slides over the file and grows only where one string
 * asks for it. A header is thus read piece by piece, and what has been parsed is not kept.
 */

/** Header, metadata and tensor directory together. Llama 4 needs 12 MiB; without a bound, one file could ask for all memory. */
export const MAX_HEADER_BYTES = 256 * 2 ** 20;

/** The first read: whole headers of tiny files, and no waste where the file is something else. */
const FIRST_READ = 64 * 2 ** 10;

/** Later reads double up to this: few enough calls for a header of megabytes, little enough memory. */
const LARGEST_READ = 2 ** 20;

export class HeaderWindow {
  readonly source: ByteSource;
  bytes = new Uint8Array(FIRST_READ);
  view = new DataView(this.bytes.buffer);
  /** Read position within `bytes`; `end` is where the valid bytes stop. */
  at = 0;
  end = 0;
  #start = 0;
  #scratch = new Uint8Array(0);
  #chunk = FIRST_READ;
  readonly #limit: number;

  constructor(source: ByteSource) {
    this.source = source;
    this.#limit = Math.min(source.size, MAX_HEADER_BYTES);
  }

  /** File offset of the read position. */
  get offset(): number {
    return this.#start + this.at;
  }

  /** Bytes from the read position to the end of what a header may occupy: the bound of every count. */
  get left(): number {
    return this.#limit - this.offset;
  }

  /** Bytes in memory after the read position. */
  get ready(): number {
    return this.end - this.at;
  }

  /** Brings `count` bytes into memory, or all that are left. */
  async fill(count: number): Promise<void> {
    if (this.ready >= count || this.ready === this.left) return;
    const keep = this.ready;
    const wanted = Math.min(Math.max(count, this.#chunk), this.left);
    this.#chunk = Math.min(this.#chunk * 2, LARGEST_READ);
    const bytes = wanted > this.bytes.length ? new Uint8Array(wanted) : this.bytes;
    bytes.set(this.bytes.subarray(this.at, this.end));
    if (bytes !== this.bytes) this.view = new DataView(bytes.buffer);
    this.bytes = bytes;
    this.#start += this.at;
    this.at = 0;
    this.end = wanted;
    await this.source.read(this.#start + keep, bytes.subarray(keep, wanted));
  }

  /** Copies the next bytes of the file, past the window if it is shorter. The caller has checked `left`. */
  async copyTo(into: Uint8Array): Promise<void> {
    const ready = Math.min(this.ready, into.length);
    into.set(this.bytes.subarray(this.at, this.at + ready));
    this.at += ready;
    if (ready === into.length) return;
    await this.source.read(this.offset, into.subarray(ready));
    this.#start = this.offset + into.length - ready;
    this.at = 0;
    this.end = 0;
  }

  /** Advances over `count` bytes that `fill` was asked for and returns where they begin in `bytes`. */
  take(count: number, field: string): number {
    if (this.ready < count) throw this.#tooShort(count, field);
    const at = this.at;
    this.at += count;
    return at;
  }

  /** Room for a copy of what is in memory; the next call hands out the same bytes. */
  scratch(): Uint8Array {
    if (this.#scratch.length < this.ready) this.#scratch = new Uint8Array(this.bytes.length);
    return this.#scratch;
  }

  u32(field: string): number {
    return this.view.getUint32(this.take(4, field), true);
  }

  /** A 64-bit count: a number where it is a safe integer, else a bigint, which no later step takes for a size. */
  u64(field: string): number | bigint {
    const at = this.take(8, field);
    const high = this.view.getUint32(at + 4, true);
    if (high >= 2 ** 21) return this.view.getBigUint64(at, true);
    return high * 2 ** 32 + this.view.getUint32(at, true);
  }

  error(
    code: ErrorCode,
    what: string,
    field: string,
    offset: number,
    limit?: number | string,
    actual?: number | bigint | string,
  ) {
    return new EngineError(code, what, {
      at: { source: "gguf", file: this.source.name, field, offset },
      limit,
      actual,
    });
  }

  #tooShort(count: number, field: string): EngineError {
    if (this.source.size > MAX_HEADER_BYTES) {
      const what = "the header is larger than any model's";
      return this.error("GGUF_HEADER_SIZE", what, field, this.offset, `at most ${MAX_HEADER_BYTES} bytes`);
    }
    const what = `the file ends where ${count} bytes are needed`;
    return this.error("GGUF_TRUNCATED", what, field, this.offset, count, this.ready);
  }
}
