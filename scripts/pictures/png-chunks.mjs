/** The chunks of a PNG (ISO/IEC 15948): a length, a name, data and their checksum each. */

import { crc32 } from "./crc32.mjs";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** `[name, data]` each; as far as they go in a file that is cut. */
export function readChunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const chunks = [];
  for (let at = SIGNATURE.length; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    chunks.push([name, bytes.slice(at + 8, Math.min(bytes.length - 4, at + 8 + length))]);
    at += 12 + length;
  }
  return chunks;
}

export function writeChunks(chunks) {
  const parts = chunks.map(([name, data]) => {
    const chunk = new Uint8Array(12 + data.length);
    const view = new DataView(chunk.buffer);
    view.setUint32(0, data.length);
    chunk.set(
      Array.from(name, (letter) => letter.charCodeAt(0)),
      4,
    );
    chunk.set(data, 8);
    view.setUint32(8 + data.length, crc32(chunk.subarray(4, 8 + data.length)));
    return chunk;
  });
  return Uint8Array.from(Buffer.concat([Buffer.from(SIGNATURE), ...parts]));
}

/** `colour`, `interlaced`: as numbers of the header. `chunks`: what stands between it and the end. */
export function writePng({ width, height, depth, colour, interlaced }, chunks) {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([depth, colour, 0, 0, interlaced], 8);
  return writeChunks([["IHDR", header], ...chunks, ["IEND", new Uint8Array()]]);
}
