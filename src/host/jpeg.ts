import type { DecodedPicture } from "./picture.ts";

/**
 * JPEG by jpeg-js, which is told what it does not look for: the planes of a file that has no word on them are what libjpeg takes them for.
 * Three are YCbCr unless Adobe's marker or their names say RGB, four are CMYK, stored inverted as Adobe does.
 */
export function decodeJpeg({ decode }: typeof import("jpeg-js"), bytes: Uint8Array): DecodedPicture {
  const { jfif, adobe, names } = planesOf(bytes);
  const rgb = names.length === 3 && !jfif && (adobe === undefined ? names === "RGB" : adobe === 0);
  const { width, height, data } = decode(names.length === 4 && adobe === undefined ? withAdobe(bytes) : bytes, {
    useTArray: true,
    formatAsRGBA: true,
    tolerantDecoding: false,
    maxResolutionInMP: 100,
    maxMemoryUsageInMB: 1024,
    ...(rgb && { colorTransform: false }),
  });
  return { width, height, data, turned: false };
}

interface Planes {
  readonly jfif: boolean;
  /** The transform that Adobe's marker names: 0 none, 1 YCbCr, 2 YCCK. */
  readonly adobe: number | undefined;
  /** A character each. */
  readonly names: string;
}

/** What stands before the first scan; a decoder says what is wrong with it. */
function planesOf(bytes: Uint8Array): Planes {
  let [jfif, adobe, names]: [boolean, number | undefined, string] = [false, undefined, ""];
  const text = (at: number, count: number) => String.fromCharCode(...bytes.subarray(at, at + count));
  for (let at = 2; at + 4 <= bytes.length && bytes[at + 1] !== 0xda; ) {
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at++;
      continue;
    }
    const begin = at + 4;
    if (marker === 0xe0 && text(begin, 5) === "JFIF\0") jfif = true;
    if (marker === 0xee && text(begin, 5) === "Adobe") adobe = bytes[begin + 11];
    if (marker >= 0xc0 && marker <= 0xc2) {
      names = "";
      for (let plane = 0; plane < bytes[begin + 5]; plane++) names += text(begin + 6 + 3 * plane, 1);
    }
    at += 2 + 256 * bytes[at + 2] + bytes[at + 3];
  }
  return { jfif, adobe, names };
}

/** The same file with a marker of no transform. */
function withAdobe(bytes: Uint8Array): Uint8Array {
  const marker = [0xff, 0xee, 0, 14, ...Array.from("Adobe", (letter) => letter.charCodeAt(0)), 0, 100, 0, 0, 0, 0, 0];
  const all = new Uint8Array(bytes.length + marker.length);
  all.set(bytes.subarray(0, 2));
  all.set(marker, 2);
  all.set(bytes.subarray(2), 2 + marker.length);
  return all;
}
