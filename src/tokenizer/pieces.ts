/** Encodes runs of ordinary text: split into pieces, each piece into tokens. */
import { EngineError } from "../error.ts";
import { mergeSymbols } from "./bpe.ts";
import { BYTE_ALPHABET, type Vocabulary } from "./vocabulary.ts";

/** Pieces up to this length are remembered. Longer substrings share memory with the prompt they were cut from (V8). */
const CACHED_UNITS = 12;
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
    const { pieceEnd } = this.#vocabulary.rule;
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
    const { whole, merges } = this.#vocabulary;
    if (whole) {
      const id = whole.get(byteLevel(text.slice(start, end)));
      if (id !== undefined) {
        ids.push(id);
        return;
      }
    }
    const count = this.#byteTokens(text, start, end);
    const length = mergeSymbols(merges, this.#symbols, count);
    for (let i = 0; i < length; i++) ids.push(this.#symbols[i]);
    if (this.#symbols.length > 1 << 16) this.#symbols = new Int32Array(256); // let a giant piece's memory go
  }

  /** UTF-8 of the piece as one token for each byte, into `#symbols`. */
  #byteTokens(text: string, start: number, end: number): number {
    if (this.#symbols.length < (end - start) * 3) this.#symbols = new Int32Array((end - start) * 3);
    const symbols = this.#symbols;
    const { byteIds } = this.#vocabulary;
    let count = 0;
    for (let at = start; at < end; at++) {
      let code = text.charCodeAt(at);
      if (code >= 0xd800 && code < 0xdc00) code = text.codePointAt(at++)!;
      if (code < 0x80) symbols[count++] = byteIds[code];
      else {
        if (code < 0x800) symbols[count++] = byteIds[0xc0 | (code >> 6)];
        else {
          if (code < 0x10000) symbols[count++] = byteIds[0xe0 | (code >> 12)];
          else {
            symbols[count++] = byteIds[0xf0 | (code >> 18)];
            symbols[count++] = byteIds[0x80 | ((code >> 12) & 63)];
          }
          symbols[count++] = byteIds[0x80 | ((code >> 6) & 63)];
        }
        symbols[count++] = byteIds[0x80 | (code & 63)];
      }
    }
    for (let i = 0; i < count; i++) if (symbols[i] < 0) this.#missingByte();
    return count;
  }

  #missingByte(): never {
    throw new EngineError("TOK_BYTE", "the text needs a byte for which the vocabulary has no token", {
      at: { source: "tokenizer", file: this.#vocabulary.file },
    });
  }
}

function byteLevel(piece: string): string {
  let text = "";
  for (const byte of new TextEncoder().encode(piece)) text += BYTE_ALPHABET[byte];
  return text;
}
