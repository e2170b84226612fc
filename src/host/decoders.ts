import { decodeGif } from "./gif.ts";
import { decodeJpeg } from "./jpeg.ts";
import { type Decode, type DecodedPicture, DecoderMissing } from "./picture.ts";

/** Decoders for runtimes that have none of their own, each loaded when a picture of its kind comes first. */

type Decoder = (bytes: Uint8Array<ArrayBuffer>) => Promise<DecodedPicture>;

/** How the packages of decoders are loaded: whether a bundle holds them is the runtime's affair. */
export interface Packages {
  png(): Promise<typeof import("fast-png")>;
  jpeg(): Promise<typeof import("jpeg-js")>;
  webp(): Promise<Pick<typeof import("@jsquash/webp/decode.js"), "default">>;
}

export function decodeWith(packages: Packages): Decode {
  const decoders: Readonly<Record<Parameters<Decode>[1], Decoder>> = {
    png: async (bytes) => decodePng(await loaded("fast-png", packages.png), bytes),
    jpeg: async (bytes) => decodeJpeg(await loaded("jpeg-js", packages.jpeg), bytes),
    gif: async (bytes) => decodeGif(bytes),
    webp: async (bytes) => {
      const { default: decode } = await loaded("@jsquash/webp", packages.webp);
      const { width, height, data } = await decode(bytes.buffer);
      return { width, height, data, turned: false };
    },
  };
  return async (bytes, kind) => await decoders[kind](bytes);
}

async function loaded<Package>(name: string, load: () => Promise<Package>): Promise<Package> {
  try {
    return await load();
  } catch (cause) {
    throw new DecoderMissing(`the package ${name} cannot be loaded`, { cause });
  }
}

function decodePng({ convertIndexedToRgb, decode }: typeof import("fast-png"), bytes: Uint8Array): DecodedPicture {
  const png = decode(bytes);
  const { width, height, depth, palette, transparency } = png;
  const indexed = palette !== undefined;
  const channels = indexed ? palette[0].length : png.channels;
  const values = indexed ? convertIndexedToRgb(png) : png.data;
  const grey = channels < 3;
  const opaque = channels % 2 === 1;
  const most = 2 ** depth - 1;
  const byte = (value: number) => (indexed || depth === 8 ? value : depth === 16 ? value >> 8 : (value * 255) / most);
  const data = new Uint8Array(width * height * 4);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const from = pixel * channels;
    let clear = transparency !== undefined && !indexed && opaque;
    for (let channel = 0; channel < 3; channel++) {
      const value = values[from + (grey ? 0 : channel)];
      data[pixel * 4 + channel] = byte(value);
      if (clear && value !== transparency![grey ? 0 : channel]) clear = false;
    }
    data[pixel * 4 + 3] = opaque ? (clear ? 0 : 255) : byte(values[from + channels - 1]);
  }
  return { width, height, data, turned: false };
}
