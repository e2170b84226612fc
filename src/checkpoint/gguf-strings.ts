import type { HeaderWindow } from "./gguf-window.ts";

/**
 * Strings of a GGUF value, many at once. A decoder call costs more than a token's handful of bytes, so the strings that
 * lie in the window are joined, decoded in one go and cut by their lengths in UTF-16 (640,000 strings of Llama 4:
 * three times faster than one call each, measured).
 */

/** Templates are the longest strings in use, some 20 KiB. */
const MAX_STRING_BYTES = 16 * 2 ** 20;

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
const lossyUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Whole strings of a window, one after the other; `ends` in bytes, `cuts` in UTF-16 units. */
interface Batch {
  joined: Uint8Array;
  bytes: number;
  ends: number[];
  cuts: number[];
  /** Every string begins on a character: then the join is UTF-8 exactly when each part is. */
  aligned: boolean;
}

/** The caller has checked that `count` lengths fit in the file. */
export async function readStrings(window: HeaderWindow, count: number, fieldOf: (index: number) => string) {
  const strings: string[] = [];
  let malformed = 0;
  while (strings.length < count) {
    await window.fill(8);
    const length = checkLength(window, fieldOf(strings.length));
    await window.fill(8 + length);
    malformed += decode(gather(window, count - strings.length), strings);
  }
  return { strings, malformed };
}

/** Length of the string at the read position, which is not moved. */
function checkLength(window: HeaderWindow, field: string): number {
  const offset = window.offset;
  const length = window.u64(field);
  const limit = Math.min(MAX_STRING_BYTES, window.left);
  if (length > limit) {
    const what = "the string is longer than allowed or than the file";
    throw window.error("GGUF_STRING_LEN", what, field, offset, limit, length);
  }
  window.at -= 8;
  return Number(length);
}

/** Takes as many whole strings as the window holds, at least the one that `readStrings` has made sure of. */
function gather(window: HeaderWindow, count: number): Batch {
  const { bytes, view, end } = window;
  const joined = window.scratch();
  const batch: Batch = { joined, bytes: 0, ends: [], cuts: [], aligned: true };
  let at = window.at;
  let into = 0;
  let units = 0;
  while (batch.ends.length < count && end - at >= 8) {
    const length = view.getUint32(at, true);
    if (view.getUint32(at + 4, true) !== 0 || length > end - at - 8) break;
    at += 8;
    if (length > 0 && isContinuation(bytes[at])) batch.aligned = false;
    for (const stop = at + length; at < stop; at++) {
      const byte = bytes[at];
      joined[into++] = byte;
      // One unit a character, two where it is written in four bytes.
      if (byte < 0x80 || byte >= 0xc0) units += byte >= 0xf0 ? 2 : 1;
    }
    batch.ends.push(into);
    batch.cuts.push(units);
  }
  batch.bytes = into;
  window.at = at;
  return batch;
}

/** Appends the batch's strings; returns how many of them are not UTF-8. */
function decode(batch: Batch, strings: string[]): number {
  const text = batch.aligned ? decodeStrictly(batch.joined.subarray(0, batch.bytes)) : null;
  if (text === null) return decodeEach(batch, strings);
  let start = 0;
  for (const cut of batch.cuts) {
    strings.push(text.slice(start, cut));
    start = cut;
  }
  return 0;
}

/** The slow way, for a batch that holds text that is not UTF-8. No decoder that throws: each throw costs 3 us, measured. */
function decodeEach(batch: Batch, strings: string[]): number {
  let malformed = 0;
  let start = 0;
  for (const end of batch.ends) {
    const bytes = batch.joined.subarray(start, end);
    const text = lossyUtf8.decode(bytes);
    // U+FFFD stands for a mistake unless the file itself spells it.
    if (text.includes("\ufffd") && !isEncoded(text, bytes)) malformed++;
    strings.push(text);
    start = end;
  }
  return malformed;
}

function decodeStrictly(bytes: Uint8Array): string | null {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return null;
  }
}

function isEncoded(text: string, bytes: Uint8Array): boolean {
  const encoded = encoder.encode(text);
  return encoded.length === bytes.length && encoded.every((byte, i) => byte === bytes[i]);
}

function isContinuation(byte: number): boolean {
  return byte >= 0x80 && byte < 0xc0;
}
