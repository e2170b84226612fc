import { EngineError } from "wasmaverick";

/**
 * A ByteSource over an object of an R2 bucket, read in ranges. The loader asks for a few hundred ranges, many of a kilobyte: whole
 * blocks are fetched and the last ones kept, so that a model of 13 MB takes 6 requests to the bucket and 12 MiB while it loads.
 */
const BLOCK = 4 * 2 ** 20;
const KEPT = 3;

export async function r2Source(bucket, key) {
  const object = await asked(key, undefined, () => bucket.head(key));
  if (object === null) throw new EngineError("FILE_MISSING", "no such object in the bucket", place(key));
  return new R2Source(bucket, key, object);
}

class R2Source {
  #bucket;
  #etag;
  /** Number of a block -> its bytes; the one used last is last. */
  #blocks = new Map();

  constructor(bucket, key, { size, etag }) {
    this.name = key;
    this.size = size;
    this.#bucket = bucket;
    this.#etag = etag;
  }

  async read(offset, into) {
    for (let done = 0; done < into.length; ) {
      const number = Math.floor((offset + done) / BLOCK);
      const block = await this.#block(number);
      const from = offset + done - number * BLOCK;
      const piece = block.subarray(from, from + into.length - done);
      if (piece.length === 0) throw this.#short(offset + done, into.length - done);
      into.set(piece, done);
      done += piece.length;
    }
  }

  async close() {
    this.#blocks.clear();
  }

  async #block(number) {
    const block = this.#blocks.get(number) ?? (await this.#fetch(number * BLOCK));
    this.#blocks.delete(number);
    this.#blocks.set(number, block);
    if (this.#blocks.size > KEPT) this.#blocks.delete(this.#blocks.keys().next().value);
    return block;
  }

  async #fetch(offset) {
    const block = new Uint8Array(Math.max(0, Math.min(BLOCK, this.size - offset)));
    if (block.length === 0) return block;
    const range = { offset, length: block.length };
    // Blocks of two versions of an object are no model: the bucket gives no body where the object is another one now.
    const options = { range, onlyIf: { etagMatches: this.#etag } };
    const object = await asked(this.name, offset, () => this.#bucket.get(this.name, options));
    if (!object?.body)
      throw new EngineError(
        "FILE_CHANGED",
        "the object was replaced or removed while it was read",
        place(this.name, offset),
      );
    const done = await asked(this.name, offset, () => drain(object.body, block));
    if (done !== block.length) throw this.#short(offset + done, block.length - done);
    return block;
  }

  #short(offset, missing) {
    return new EngineError("FILE_CHANGED", "the object ends early", {
      ...place(this.name, offset),
      limit: `${missing} more bytes`,
    });
  }
}

/** Bytes that arrived before the body ended. */
async function drain(body, into) {
  let done = 0;
  for await (const piece of body) {
    const fits = piece.subarray(0, into.length - done);
    into.set(fits, done);
    done += fits.length;
  }
  return done;
}

async function asked(key, offset, work) {
  try {
    return await work();
  } catch (cause) {
    throw new EngineError("FILE_IO", "the bucket does not answer", { ...place(key, offset), cause });
  }
}

function place(key, offset) {
  return { at: { source: "file", file: key, offset } };
}
