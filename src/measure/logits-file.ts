import { EngineError } from "../error.ts";
import type { ErrorCode } from "../error-codes.ts";
import type { Reference } from "./divergence.ts";
import type { Piece, WindowRule, Windows } from "./windows.ts";

/**
 * Distributions of a model over a text, kept in a file to be compared with later. Little endian:
 *
 *   header   "WMLOGITS", then u32: version 1, vocabulary, window, stride (0: none), ids, rows; SHA-256 of the ids as u32
 *   row      f64 nll of the id that follows, f64 scale, u16 [vocabulary]
 *
 * A logit lies scale * u^2 below the row's largest. Squares are finest near the top, where the probability is. What the
 * reader renormalises is within about 1e-9 nats (KL) of what was written, so a KL measured from it is within about
 * 2e-5 sqrt(2 KL) of that from the model itself, in half the bytes of f32.
 */

const MAGIC = "WMLOGITS";
const VERSION = 1;
const HEADER_BYTES = 64;
const HASH_AT = 32;
const ROW_HEADER_BYTES = 16;
const STEPS = 65535;

const rowBytes = (vocab: number): number => ROW_HEADER_BYTES + 2 * vocab;

export async function encodeHeader({ ids, window, stride, scored }: Windows, vocab: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(HEADER_BYTES);
  bytes.set(new TextEncoder().encode(MAGIC));
  const view = new DataView(bytes.buffer);
  [VERSION, vocab, window, stride ?? 0, ids.length, scored].forEach((word, index) => {
    view.setUint32(MAGIC.length + 4 * index, word, true);
  });
  bytes.set(await hashOf(ids), HASH_AT);
  return bytes;
}

async function hashOf(ids: readonly number[]): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", Uint32Array.from(ids)));
}

/** Rows of one piece, [rows, header and vocabulary]. */
export class RowEncoder {
  readonly bytes: Uint8Array;
  readonly #vocab: number;

  constructor(rows: number, vocab: number) {
    this.#vocab = vocab;
    this.bytes = new Uint8Array(rows * rowBytes(vocab));
  }

  set(row: number, logits: Float32Array, nll: number): void {
    const at = row * rowBytes(this.#vocab);
    let largest = Number.NEGATIVE_INFINITY;
    let smallest = Number.POSITIVE_INFINITY;
    for (const logit of logits) {
      if (logit > largest) largest = logit;
      if (logit < smallest) smallest = logit;
    }
    const scale = (largest - smallest) / STEPS ** 2;
    const view = new DataView(this.bytes.buffer, at, ROW_HEADER_BYTES);
    view.setFloat64(0, nll, true);
    view.setFloat64(8, scale, true);
    if (scale === 0) return;
    const steps = new Uint16Array(this.bytes.buffer, at + ROW_HEADER_BYTES, this.#vocab);
    for (let id = 0; id < steps.length; id++) steps[id] = Math.sqrt((largest - logits[id]) / scale) + 0.5;
  }
}

/** What is asked of where the bytes are; `ByteSource` of the checkpoint has it. */
interface Bytes {
  readonly name: string;
  readonly size: number;
  read(offset: number, into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** A file of logits, opened; a reference of `model.divergence`. */
export class StoredLogits implements WindowRule {
  readonly vocab: number;
  readonly window: number;
  readonly stride: number | null;
  /** Ids that are scored. */
  readonly rows: number;
  readonly #source: Bytes;
  readonly #ids: number;
  readonly #hash: Uint8Array;
  #closed = false;

  private constructor(source: Bytes, words: readonly number[], hash: Uint8Array) {
    this.#source = source;
    this.#hash = hash;
    const [, vocab, window, stride, ids, rows] = words;
    this.vocab = vocab;
    this.window = window;
    this.stride = stride || null;
    this.#ids = ids;
    this.rows = rows;
  }

  /** @internal Takes the source over, to `close`. Throws LOGITS_FORMAT, LOGITS_VERSION, LOGITS_SIZE. */
  static async open(source: Bytes): Promise<StoredLogits> {
    try {
      const at = { source: "file", file: source.name } as const;
      const bytes = new Uint8Array(HEADER_BYTES);
      if (source.size >= HEADER_BYTES) await source.read(0, bytes);
      if (new TextDecoder("latin1").decode(bytes.subarray(0, MAGIC.length)) !== MAGIC) {
        throw new EngineError("LOGITS_FORMAT", "not a file of logits", {
          at,
          limit: `a file that begins with ${MAGIC}`,
        });
      }
      const view = new DataView(bytes.buffer);
      const words = Array.from({ length: 6 }, (_, index) => view.getUint32(MAGIC.length + 4 * index, true));
      const [version, vocab, , , , rows] = words;
      if (version !== VERSION)
        throw new EngineError("LOGITS_VERSION", "unknown version", { at, actual: version, limit: VERSION });
      const size = HEADER_BYTES + rows * rowBytes(vocab);
      if (source.size !== size) {
        const what = `${rows} rows of ${vocab} logits have another number of bytes`;
        throw new EngineError("LOGITS_SIZE", what, { at, actual: source.size, limit: size });
      }
      return new StoredLogits(source, words, bytes.slice(HASH_AT));
    } catch (error) {
      await source.close();
      throw error;
    }
  }

  /** @internal Throws DISPOSED after `close`, LOGITS_VOCAB, LOGITS_WINDOWS and LOGITS_IDS where they are of another vocabulary, other windows or another text. */
  async check(windows: Windows, vocab: number): Promise<void> {
    this.#refuseClosed();
    const refuse = (code: ErrorCode, what: string, actual: string | number, limit: string | number): never => {
      throw new EngineError(code, what, { at: { source: "file", file: this.#source.name }, actual, limit });
    };
    if (this.vocab !== vocab) refuse("LOGITS_VOCAB", "the logits are of another vocabulary", this.vocab, vocab);
    const rule = ({ window, stride }: WindowRule) => `windows of ${window}, stride ${stride ?? "none"}`;
    if (rule(this) !== rule(windows))
      refuse("LOGITS_WINDOWS", "the logits are of other windows", rule(this), rule(windows));
    const hash = await hashOf(windows.ids);
    const same = this.#hash.every((byte, index) => byte === hash[index]);
    if (!same || this.#ids !== windows.ids.length || this.rows !== windows.scored)
      refuse(
        "LOGITS_IDS",
        "the logits are of another text",
        `${this.#ids} ids`,
        `the ${windows.ids.length} ids of this one`,
      );
  }

  /** @internal Decodes up to `rows` rows at a time. */
  reference(rows: number): Reference {
    this.#refuseClosed();
    return new StoredReference(this.#source, this.vocab, rows);
  }

  /** Twice is once. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#source.close();
  }

  #refuseClosed(): void {
    if (this.#closed) throw new EngineError("DISPOSED", "the file of logits was closed");
  }
}

class StoredReference implements Reference {
  readonly #source: Bytes;
  readonly #vocab: number;
  readonly #bytes: Uint8Array;
  readonly #row: Float32Array;

  constructor(source: Bytes, vocab: number, rows: number) {
    this.#source = source;
    this.#vocab = vocab;
    this.#bytes = new Uint8Array(rows * rowBytes(vocab));
    this.#row = new Float32Array(vocab);
  }

  async advance({ targets, done }: Piece): Promise<void> {
    const each = rowBytes(this.#vocab);
    if (targets.length === 0) return;
    const at = HEADER_BYTES + done * each;
    await this.#source.read(at, this.#bytes.subarray(0, targets.length * each));
    for (let row = 0; row < targets.length; row++) {
      const { nll, scale } = this.#head(row);
      if (nll >= 0 && scale >= 0 && Number.isFinite(nll) && Number.isFinite(scale * STEPS ** 2)) continue;
      throw new EngineError("LOGITS_VALUE", `row ${done + row} holds no distribution`, {
        at: { source: "file", file: this.#source.name, offset: at + row * each },
        actual: `nll ${nll}, scale ${scale}`,
        limit: "finite numbers, not below 0",
      });
    }
  }

  #head(row: number): { nll: number; scale: number } {
    const view = new DataView(this.#bytes.buffer, row * rowBytes(this.#vocab), ROW_HEADER_BYTES);
    return { nll: view.getFloat64(0, true), scale: view.getFloat64(8, true) };
  }

  logits(row: number): Float32Array {
    const { scale } = this.#head(row);
    const at = row * rowBytes(this.#vocab) + ROW_HEADER_BYTES;
    const steps = new Uint16Array(this.#bytes.buffer, at, this.#vocab);
    for (let id = 0; id < steps.length; id++) this.#row[id] = -(steps[id] * steps[id] * scale);
    return this.#row;
  }

  nll(row: number): number {
    return this.#head(row).nll;
  }

  close(): void {}
}
