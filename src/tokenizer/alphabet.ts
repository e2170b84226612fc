/**
 * What the texts of a vocabulary's tokens mean, and the symbols that a piece of text starts as. There are two ways:
 * byte level (here: GPT-2, Llama 3, Llama 4), in which every byte is a character of its own, and SentencePiece
 * (`sentencepiece.ts`: Llama 2).
 */
import { EngineError } from "../error.ts";

export interface Alphabet {
  /** Writes the bytes that a normal token's text stands for; returns where they end, -1 for text outside the alphabet. */
  decode(text: string, into: Uint8Array, at: number): number;
  /** The text of the token that would be this piece. */
  spell(piece: string): string;
  symbolWriter(tokens: SymbolTokens): SymbolWriter;
}

/** Writes the first symbols of `text[start, end)`, at most three for each UTF-16 unit; returns how many. */
export type SymbolWriter = (text: string, start: number, end: number, into: Int32Array) => number;

/** What symbols are made of. */
export interface SymbolTokens {
  readonly file: string;
  /** Normal tokens by text. */
  readonly ids: ReadonlyMap<string, number>;
  readonly byteIds: Int32Array; // [256] token of each single byte, -1 = none
  /** Stands for characters that have no token, nor tokens for their bytes. */
  readonly unknown: number | null;
  /** Several unknown characters in a row are one token. */
  readonly fuseUnknown: boolean;
}

/** Byte -> character: printable Latin-1 stands for itself, the other 68 bytes follow from U+0100 in byte order. */
export const BYTE_ALPHABET: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  isPrintable(byte) ? String.fromCharCode(byte) : "",
);
const ALPHABET_BYTES = new Int16Array(0x144).fill(-1);
let shifted = 0x100;
for (let byte = 0; byte < 256; byte++) {
  const code = isPrintable(byte) ? byte : shifted++;
  (BYTE_ALPHABET as string[])[byte] = String.fromCharCode(code);
  ALPHABET_BYTES[code] = byte;
}

function isPrintable(byte: number): boolean {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

export const BYTE_LEVEL: Alphabet = {
  decode(text, into, at) {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      const byte = code < ALPHABET_BYTES.length ? ALPHABET_BYTES[code] : -1;
      if (byte < 0) return -1;
      into[at + i] = byte;
    }
    return at + text.length;
  },

  spell(piece) {
    let text = "";
    for (const byte of new TextEncoder().encode(piece)) text += BYTE_ALPHABET[byte];
    return text;
  },

  symbolWriter({ file, byteIds }) {
    return (text, start, end, into) => {
      let count = 0;
      for (let at = start; at < end; at++) {
        let code = text.charCodeAt(at);
        if (code >= 0xd800 && code < 0xdc00) code = text.codePointAt(at++)!;
        if (code < 0x80) into[count++] = byteIds[code];
        else count = writeBytes(code, byteIds, into, count);
      }
      for (let i = 0; i < count; i++) if (into[i] < 0) missingByte(file);
      return count;
    };
  },
};

/** UTF-8 of a character as one token for each byte; returns where they end. */
export function writeBytes(code: number, byteIds: Int32Array, into: Int32Array, at: number): number {
  let end = at;
  if (code < 0x80) {
    into[end++] = byteIds[code];
    return end;
  }
  if (code < 0x800) into[end++] = byteIds[0xc0 | (code >> 6)];
  else {
    if (code < 0x10000) into[end++] = byteIds[0xe0 | (code >> 12)];
    else {
      into[end++] = byteIds[0xf0 | (code >> 18)];
      into[end++] = byteIds[0x80 | ((code >> 12) & 63)];
    }
    into[end++] = byteIds[0x80 | ((code >> 6) & 63)];
  }
  into[end++] = byteIds[0x80 | (code & 63)];
  return end;
}

export function missingByte(file: string): never {
  throw new EngineError("TOK_BYTE", "the text needs a byte for which the vocabulary has no token", {
    at: { source: "tokenizer", file },
  });
}
