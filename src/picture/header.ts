import { EngineError } from "../error.ts";
import type { PictureKind } from "../host/picture.ts";

/** What the first bytes of a picture say: its kind, its size, how it is turned. What is too large is refused before it is decoded. */

export interface PictureHeader {
  readonly kind: PictureKind;
  /** As stored: a turned picture has them the other way round. */
  readonly width: number;
  readonly height: number;
  /** EXIF, 1 to 8; 1: as it is. */
  readonly orientation: number;
}

/** Photographs of 60 million pixels are read. */
const MOST_PIXELS = 2 ** 26;
const MOST_SIDE = 2 ** 16 - 1;
const MOST_BYTES = 64 * 2 ** 20;
/** Of a progressive JPEG: each goes over all of it. Those in use have about ten. */
const MOST_SCANS = 64;

export function readHeader(bytes: Uint8Array<ArrayBuffer>, field: string): PictureHeader {
  checkBytes(bytes.length, field);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  try {
    const header = readPng(view) ?? readGif(view) ?? readWebp(view) ?? readJpeg(view, field);
    if (!header) {
      throw new EngineError("PICTURE_KIND", "these bytes are no picture that is read", {
        at: { source: "prompt", field },
        limit: "PNG, JPEG, WebP or GIF",
      });
    }
    checkSize(header, field);
    return header;
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw damaged(field, "it ends within its header", error);
  }
}

/** `actual`: what was counted, where it is not the bytes themselves. */
export function checkBytes(bytes: number, field: string, actual = `${bytes} bytes`): void {
  if (bytes > MOST_BYTES) throw tooLarge(field, actual, `at most ${MOST_BYTES} bytes of a picture`);
}

/** Sides of 1 pixel at least, and not too many of them. */
export function checkSize({ width, height }: { width: number; height: number }, field: string): void {
  if (width < 1 || height < 1) throw damaged(field, `it is ${width} x ${height} pixels`);
  if (width <= MOST_SIDE && height <= MOST_SIDE && width * height <= MOST_PIXELS) return;
  throw tooLarge(field, `${width} x ${height}`, `sides of at most ${MOST_SIDE} pixels, ${MOST_PIXELS} in all`);
}

export function damaged(field: string, what: string, cause?: unknown): EngineError {
  return new EngineError("PICTURE_DATA", `the picture is damaged: ${what}`, { at: { source: "prompt", field }, cause });
}

function tooLarge(field: string, actual: string, limit: string): EngineError {
  return new EngineError("PICTURE_LIMIT", "the picture is too large", {
    at: { source: "prompt", field },
    actual,
    limit,
  });
}

function readPng(view: DataView): PictureHeader | null {
  if (!begins(view, 0, "\x89PNG\r\n\x1a\n")) return null;
  return { kind: "png", width: view.getUint32(16), height: view.getUint32(20), orientation: 1 };
}

function readGif(view: DataView): PictureHeader | null {
  if (!begins(view, 0, "GIF87a") && !begins(view, 0, "GIF89a")) return null;
  return { kind: "gif", width: view.getUint16(6, true), height: view.getUint16(8, true), orientation: 1 };
}

function readWebp(view: DataView): PictureHeader | null {
  if (!begins(view, 0, "RIFF") || !begins(view, 8, "WEBP")) return null;
  const size = (width: number, height: number): PictureHeader => ({ kind: "webp", width, height, orientation: 1 });
  const three = (at: number) => view.getUint16(at, true) + 65536 * view.getUint8(at + 2);
  if (begins(view, 12, "VP8X")) return size(three(24) + 1, three(27) + 1);
  if (begins(view, 12, "VP8L")) {
    const bits = view.getUint32(21, true);
    return size((bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1);
  }
  return size(view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff);
}

/** Segments up to the first scan; what follows is looked through for further ones. */
function readJpeg(view: DataView, field: string): PictureHeader | null {
  if (view.byteLength < 4 || view.getUint16(0) !== 0xffd8) return null;
  let size: { width: number; height: number } | null = null;
  let orientation = 1;
  for (let at = 2; ; ) {
    while (view.getUint8(at) === 0xff && view.getUint8(at + 1) === 0xff) at++;
    if (view.getUint8(at) !== 0xff) throw damaged(field, `no segment at byte ${at}`);
    const marker = view.getUint8(at + 1);
    const length = view.getUint16(at + 2);
    if (length < 2) throw damaged(field, `a segment of ${length} bytes at byte ${at}`);
    // Frames of all kinds; C4, C8 and CC are tables.
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
      size ??= { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    if (marker === 0xe1 && begins(view, at + 4, "Exif\0\0")) orientation = readOrientation(view, at + 10);
    if (marker === 0xda) {
      if (!size) throw damaged(field, "a scan before its frame");
      checkScans(view, at, field);
      return { kind: "jpeg", ...size, orientation };
    }
    at += 2 + length;
  }
}

function checkScans(view: DataView, from: number, field: string): void {
  let scans = 0;
  for (let at = from; at + 1 < view.byteLength; at++)
    if (view.getUint8(at) === 0xff && view.getUint8(at + 1) === 0xda) scans++;
  if (scans > MOST_SCANS) throw tooLarge(field, `${scans} scans`, `at most ${MOST_SCANS} scans of a JPEG`);
}

/** Tag 0x0112 of the first directory; what cannot be read turns nothing. */
function readOrientation(view: DataView, at: number): number {
  const little = begins(view, at, "II");
  if (!little && !begins(view, at, "MM")) return 1;
  const directory = at + view.getUint32(at + 4, little);
  if (directory + 2 > view.byteLength) return 1;
  const count = view.getUint16(directory, little);
  for (let entry = 0; entry < count; entry++) {
    const place = directory + 2 + entry * 12;
    if (place + 10 > view.byteLength) return 1;
    if (view.getUint16(place, little) !== 0x0112) continue;
    const value = view.getUint16(place + 8, little);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

function begins(view: DataView, at: number, text: string): boolean {
  if (at + text.length > view.byteLength) return false;
  for (let index = 0; index < text.length; index++)
    if (view.getUint8(at + index) !== text.charCodeAt(index)) return false;
  return true;
}
