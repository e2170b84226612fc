/** Small pictures in every kind of file and of most ways in which each stores them, by kind. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { deflateSync } from "node:zlib";
import encodeWebp, { init } from "@jsquash/webp/encode.js";
import { encode } from "fast-png";
import jpeg from "jpeg-js";
import { GifWriter } from "omggif";
import { writePng } from "./png-chunks.mjs";

const golden = (name) =>
  Uint8Array.from(readFileSync(fileURLToPath(new URL(`../../test/golden/pictures/${name}`, import.meta.url))));

const WIDTH = 40;
const HEIGHT = 28;
/** Smooth, with an edge and a clear corner. */
const RGBA = Uint8Array.from({ length: WIDTH * HEIGHT * 4 }, (_, at) => {
  const [x, y, channel] = [Math.floor(at / 4) % WIDTH, Math.floor(at / 4 / WIDTH), at % 4];
  if (channel === 3) return x + y < 20 ? 0 : x > 30 ? 128 : 255;
  return (x * (2 + channel) + y * (5 - channel) + (x > 12 && y > 9 ? 90 : 0)) & 255;
});
const without = (...channels) => RGBA.filter((_, at) => !channels.includes(at % 4));
const size = { width: WIDTH, height: HEIGHT };

export async function makeCorpus() {
  return {
    png: [
      ...["02-84x84.png", "03-84x84-rgba.png", "04-84x84-palette.png"].map(golden),
      ...[
        { ...size, data: without(3), channels: 3 },
        { ...size, data: without(0, 1, 3), channels: 1 },
        { ...size, data: without(0, 1), channels: 2 },
        { ...size, data: Uint16Array.from(RGBA, (value) => value * 257), channels: 4, depth: 16 },
      ].map((image) => Uint8Array.from(encode(image))),
      interlaced(),
      clear(),
    ],
    jpeg: [
      ...["13-84x84.jpg", "15-150x90.jpg", "cmyk.jpg", "rgb.jpg"].map(golden),
      Uint8Array.from(jpeg.encode({ ...size, data: Buffer.from(RGBA) }, 60).data),
      turned(),
    ],
    webp: await webps(),
    gif: [gif({}), gif({ interlaced: true }), gif({ transparent: 3 })],
  };
}

/** Grey, in Adam7's seven passes. */
function interlaced() {
  const passes = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2],
  ];
  const lines = [];
  for (const [left, top, across, down] of passes) {
    for (let y = top; y < HEIGHT; y += down) {
      const line = [0];
      for (let x = left; x < WIDTH; x += across) line.push(RGBA[(y * WIDTH + x) * 4]);
      lines.push(...line);
    }
  }
  return writePng({ ...size, depth: 8, colour: 0, interlaced: 1 }, [["IDAT", deflateSync(Uint8Array.from(lines))]]);
}

/** RGB with one colour that is transparent, its pixels in several chunks. */
function clear() {
  const rgb = without(3);
  const lines = Array.from({ length: HEIGHT }, (_, y) => [0, ...rgb.subarray(y * WIDTH * 3, (y + 1) * WIDTH * 3)]);
  const pixels = deflateSync(Uint8Array.from(lines.flat()));
  return writePng({ ...size, depth: 8, colour: 2, interlaced: 0 }, [
    ["tRNS", Uint8Array.of(0, rgb[0], 0, rgb[1], 0, rgb[2])],
    ["tEXt", Uint8Array.from("Comment\0made up", (letter) => letter.charCodeAt(0))],
    ["IDAT", pixels.subarray(0, 100)],
    ["IDAT", pixels.subarray(100)],
  ]);
}

/** EXIF says that it lies on its side. */
function turned() {
  const file = jpeg.encode({ ...size, data: Buffer.from(RGBA) }, 90).data;
  const exif = Buffer.from("Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0", "latin1");
  const head = Buffer.from([0xff, 0xe1, 0, exif.length + 2]);
  return Uint8Array.from(Buffer.concat([file.subarray(0, 2), head, exif, file.subarray(2)]));
}

async function webps() {
  const file = fileURLToPath(import.meta.resolve("@jsquash/webp/codec/enc/webp_enc_simd.wasm"));
  await init(await WebAssembly.compile(readFileSync(file)));
  const image = { ...size, data: Uint8ClampedArray.from(RGBA), colorSpace: "srgb" };
  const opaque = { ...image, data: image.data.map((value, at) => (at % 4 === 3 ? 255 : value)) };
  const files = [
    await encodeWebp(image, { lossless: 1 }),
    await encodeWebp(opaque, { quality: 50 }),
    await encodeWebp(image, { quality: 80, alpha_quality: 50 }),
  ];
  return files.map((bytes) => new Uint8Array(bytes));
}

function gif({ interlaced = false, transparent = null }) {
  const palette = Array.from({ length: 32 }, (_, at) => at * 0x060504);
  const out = Buffer.alloc(1 << 16);
  const writer = new GifWriter(out, WIDTH, HEIGHT, { palette });
  const indexes = without(1, 2, 3).map((value) => value >> 3);
  writer.addFrame(0, 0, WIDTH, HEIGHT, indexes, { interlaced, ...(transparent !== null && { transparent }) });
  return Uint8Array.from(out.subarray(0, writer.end()));
}
