import type { HeaderWindow } from "./gguf-window.ts";

/**
 * Strings of a GGUF value, many at once. A decoder call costs more than a token's handful of bytes, so the strings that
 * lie in the window are joined, decoded in one go and cut by their lengths in UTF-16 (640,000 strings of Llama 4:
 * three times faster than one call each, measured).
 */

/** Templates are the longest strings in use, some 20 KiB. */
const MAX_STRING_BYTES = 16 * 2 ** 20;

/** A batch of so few bytes is decoded by hand as fast as by a decoder, which throws at a mistake: 3 us each. */
const SHORT = 64;

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

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
  const text = batch.aligned && batch.bytes > SHORT ? decodeStrictly(batch.joined.subarray(0, batch.bytes)) : null;
  if (text === null) return decodeEach(batch, strings);
  let start = 0;
  for (const cut of batch.cuts) {
    strings.push(text.slice(start, cut));
    start = cut;
  }
  return 0;
}

/**
 * The slow way, for a batch that is short or holds text that is not UTF-8: string by string as the Encoding standard replaces what is wrong with
 * U+FFFD. A call of a decoder for each costs 700 ns, and a file may hold four million of a byte each.
 */
function decodeEach({ joined, bytes, ends }: Batch, strings: string[]): number {
  const units = new Uint16Array(bytes);
  const cuts: number[] = [];
  let malformed = 0;
  let start = 0;
  let at = 0;
  for (const end of ends) {
    const decoded = decodeLossily(joined, start, end, units, at);
    if (decoded.wrong) malformed++;
    at = decoded.at;
    cuts.push(at);
    start = end;
  }
  let text = "";
  for (let i = 0; i < at; i += 8192)
    text += String.fromCharCode.apply(null, units.subarray(i, Math.min(at, i + 8192)) as unknown as number[]);
  start = 0;
  for (const cut of cuts) {
    strings.push(text.slice(start, cut));
    start = cut;
  }
  return malformed;
}

/** Bytes start..end as UTF-16 from `units[at]` on, at most one unit a byte; where the units end, and whether any bytes were wrong. */
function decodeLossily(bytes: Uint8Array, start: number, end: number, units: Uint16Array, at: number) {
  let wrong = false;
  for (let i = start; i < end; ) {
    const first = bytes[i++];
    if (first < 0x80) {
      units[at++] = first;
      continue;
    }
    let left =
      first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : -1;
    // What the second byte may be: no overlong forms, no surrogates, nothing above U+10FFFF.
    let lower = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
    let upper = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
    let point = first & (0x3f >> left);
    for (; left > 0 && i < end && bytes[i] >= lower && bytes[i] <= upper; left--) {
      point = (point << 6) | (bytes[i++] & 0x3f);
      lower = 0x80;
      upper = 0xbf;
    }
    if (left !== 0) {
      wrong = true;
      units[at++] = 0xfffd;
    } else if (point < 0x10000) {
      units[at++] = point;
    } else {
      units[at++] = 0xd7c0 + (point >> 10);
      units[at++] = 0xdc00 + (point & 0x3ff);
    }
  }
  return { at, wrong };
}

function decodeStrictly(bytes: Uint8Array): string | null {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return null;
  }
}

function isContinuation(byte: number): boolean {
  return byte >= 0x80 && byte < 0xc0;
}
