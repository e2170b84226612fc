/** Encodes runs of ordinary text: split into pieces, each piece into tokens. */
import { mergeSymbols } from "./bpe.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** Pieces up to this length are remembered. Longer substrings share memory with the prompt they were cut from (V8). */
const CACHED_UNITS = 12;
/** UTF-16 units beyond which no piece can be one token. */
const LONGEST_TOKEN = 4096;
const CACHED_PIECES = 1 << 15;

export class PieceEncoder {
  readonly #vocabulary: Vocabulary;
  readonly #cache = new Map<string, number | readonly number[]>();
  #symbols = new Int32Array(256);

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
  }

  /** Appends the tokens of `text[start, end)`. */
  encode(text: string, start: number, end: number, ids: number[]): void {
    const { pieceEnd } = this.#vocabulary;
    for (let at = start; at < end; ) {
      const next = pieceEnd(text, at, end);
      if (next - at <= CACHED_UNITS) this.#short(text.slice(at, next), ids);
      else this.#piece(text, at, next, ids);
      at = next;
    }
  }

  #short(piece: string, ids: number[]): void {
    const known = this.#cache.get(piece);
    if (typeof known === "number") ids.push(known);
    else if (known) for (const id of known) ids.push(id);
    else {
      const first = ids.length;
      this.#piece(piece, 0, piece.length, ids);
      if (this.#cache.size >= CACHED_PIECES) this.#cache.clear();
      this.#cache.set(piece, ids.length === first + 1 ? ids[first] : ids.slice(first));
    }
  }

  #piece(text: string, start: number, end: number, ids: number[]): void {
    const { whole, merges, alphabet, symbols } = this.#vocabulary;
    if (whole && end - start <= LONGEST_TOKEN) {
      const id = whole.get(alphabet.spell(text.slice(start, end)));
      if (id !== undefined) {
        ids.push(id);
        return;
      }
    }
    if (this.#symbols.length < (end - start) * 3) this.#symbols = new Int32Array((end - start) * 3);
    const count = symbols(text, start, end, this.#symbols);
    const length = mergeSymbols(merges, this.#symbols, count);
    for (let i = 0; i < length; i++) ids.push(this.#symbols[i]);
    if (this.#symbols.length > 1 << 16) this.#symbols = new Int32Array(256); // let a giant piece's memory go
  }
}
