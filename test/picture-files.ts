/** Pictures written in each kind of file. */
import { readFile } from "node:fs/promises";
import encodeWebp, { init } from "@jsquash/webp/encode.js";
import { encode } from "fast-png";
import jpeg from "jpeg-js";
import { GifWriter } from "omggif";
import type { Pixels } from "../src/host/picture.ts";

const rgbOf = ({ data }: Pixels) => data.filter((_, i) => i % 4 !== 3);

export const asPng = ({ width, height, data }: Pixels, depth: 8 | 16 = 8) =>
  new Uint8Array(
    encode({
      width,
      height,
      data: depth === 8 ? data : Uint16Array.from(data, (value) => value * 257),
      channels: 4,
      depth,
    }),
  );

export const asOpaquePng = (pixels: Pixels) => new Uint8Array(encode({ ...pixels, data: rgbOf(pixels), channels: 3 }));

/** `orientation`: an EXIF segment says that it is turned. */
export function asJpeg({ width, height, data }: Pixels, orientation = 1): Uint8Array<ArrayBuffer> {
  const file = jpeg.encode({ width, height, data: Buffer.from(data) }, 95).data;
  const exif = Buffer.from("Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0", "latin1");
  exif[25] = orientation;
  const head = Buffer.from([0xff, 0xe1, 0, exif.length + 2]);
  return Uint8Array.from(Buffer.concat([file.subarray(0, 2), head, exif, file.subarray(2)]));
}

/** Of at most 256 colours. */
export function asGif({ width, height, data }: Pixels): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Uint8Array.from(data).buffer);
  const colours = [...new Set(words)];
  const palette = colours.map((word) => ((word & 255) << 16) | (word & 0xff00) | ((word >> 16) & 255));
  while (palette.length < 2 || (palette.length & (palette.length - 1)) !== 0) palette.push(0);
  const out = Buffer.alloc(1 << 20);
  const gif = new GifWriter(out, width, height, { palette });
  gif.addFrame(
    0,
    0,
    width,
    height,
    Array.from(words, (word) => colours.indexOf(word)),
  );
  return Uint8Array.from(out.subarray(0, gif.end()));
}

export async function asWebp({ width, height, data }: Pixels): Promise<Uint8Array<ArrayBuffer>> {
  const file = new URL(import.meta.resolve("@jsquash/webp/codec/enc/webp_enc_simd.wasm"));
  await init(await WebAssembly.compile(await readFile(file)));
  const pixels = { width, height, data: Uint8ClampedArray.from(data), colorSpace: "srgb" } as unknown as ImageData;
  return new Uint8Array(await encodeWebp(pixels, { lossless: 1 }));
}
