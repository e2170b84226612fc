import { isDetached } from "../given.ts";
import type { ByteSource } from "./checkpoint.ts";
import { fileChanged } from "./file-source.ts";

/** Bytes that are in memory already. Out of range is the same error as a file that has shrunk. */
export class BytesSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, name = "bytes") {
    this.name = name;
    this.#bytes = bytes;
    this.size = bytes.length;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    if (isDetached(this.#bytes)) throw fileChanged(this.name, offset, into.length, 0);
    checkRange(this, offset, into.length);
    into.set(this.#bytes.subarray(offset, offset + into.length));
  }

  async close(): Promise<void> {}
}

export function checkRange(source: ByteSource, offset: number, length: number): void {
  if (offset + length > source.size) throw fileChanged(source.name, offset, length, Math.max(0, source.size - offset));
}
