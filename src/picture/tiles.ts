import type { Pixels } from "../host/picture.ts";
import { type Canvas, chooseCanvas, type Processor } from "./canvas.ts";
import { type Rgb, resize } from "./resize.ts";

/** Pixels -> tiles of numbers, as Llama 4's processor makes them. */

export interface Tiled {
  readonly canvas: Canvas;
  /** [3, size, size] each: the grid row by row, then, of more than one, the whole picture squeezed into a tile. */
  readonly tiles: readonly Float32Array[];
}

export function tilePicture(pixels: Pixels, processor: Processor): Tiled {
  const { tileSize: size } = processor;
  const picture = onWhite(pixels);
  const canvas = chooseCanvas(picture.height, picture.width, processor);
  const laid = resize(picture, canvas.width, canvas.height);
  const values = valuesOf(processor);
  const tiles: Float32Array[] = [];
  for (let row = 0; row < canvas.rows; row++)
    for (let column = 0; column < canvas.columns; column++)
      tiles.push(cut(laid, column * size, row * size, size, values));
  if (tiles.length > 1) tiles.push(cut(resize(picture, size, size), 0, 0, size, values));
  return { canvas, tiles };
}

/** Transparency on white, in the integers of Pillow's compositing. */
function onWhite({ width, height, data }: Pixels): Rgb {
  const rgb = new Uint8Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const alpha = data[pixel * 4 + 3];
    for (let channel = 0; channel < 3; channel++) {
      const value = data[pixel * 4 + channel];
      const sum = (value * alpha + 255 * (255 - alpha)) * 128 + 16384;
      rgb[pixel * 3 + channel] = alpha === 255 ? value : (sum + (sum >> 8)) >> 15;
    }
  }
  return { width, height, data: rgb };
}

/** What each byte of each channel becomes: scaled, less the mean, over the deviation, each rounded to bf16 as the processor does. */
function valuesOf({ rescale, mean, deviation }: Processor): Float32Array[] {
  return mean.map((middle, channel) =>
    Float32Array.from({ length: 256 }, (_, byte) =>
      toBf16(toBf16(toBf16(Math.fround(byte * Math.fround(rescale))) - middle) / deviation[channel]),
    ),
  );
}

const bits = new Uint32Array(1);
const number = new Float32Array(bits.buffer);

/** To nearest, ties to even. */
function toBf16(value: number): number {
  number[0] = value;
  bits[0] = (bits[0] + 0x7fff + ((bits[0] >>> 16) & 1)) & 0xffff0000;
  return number[0];
}

/** What lies beyond the picture is black. */
function cut(
  { width, height, data }: Rgb,
  left: number,
  top: number,
  size: number,
  values: Float32Array[],
): Float32Array {
  const tile = new Float32Array(3 * size * size);
  for (let channel = 0; channel < 3; channel++) {
    const table = values[channel];
    for (let y = 0; y < size; y++) {
      const to = (channel * size + y) * size;
      const from = (top + y) * width;
      for (let x = 0; x < size; x++) {
        const inside = left + x < width && top + y < height;
        tile[to + x] = table[inside ? data[(from + left + x) * 3 + channel] : 0];
      }
    }
  }
  return tile;
}
