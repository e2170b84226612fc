import type { Pixels } from "../host/picture.ts";

/** Turns and mirrors a picture as its EXIF orientation says; from 5 on width and height change places. */
export function turn({ width, height, data }: Pixels, orientation: number): Pixels {
  if (orientation === 1) return { width, height, data };
  const across = orientation >= 5;
  const [wide, high] = across ? [height, width] : [width, height];
  const [from, out] = [wordsOf(data), new Uint32Array(width * height)];
  // Where the pixel (x, y) of the turned picture was.
  const flipX = [2, 3, 7, 8].includes(orientation);
  const flipY = [3, 4, 6, 7].includes(orientation);
  for (let y = 0; y < high; y++) {
    for (let x = 0; x < wide; x++) {
      const [column, row] = across ? [y, x] : [x, y];
      const at = (flipY ? height - 1 - row : row) * width + (flipX ? width - 1 - column : column);
      out[y * wide + x] = from[at];
    }
  }
  return { width: wide, height: high, data: new Uint8Array(out.buffer) };
}

function wordsOf(data: Pixels["data"]): Uint32Array {
  const aligned = data.byteOffset % 4 === 0 ? data : data.slice();
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
}
