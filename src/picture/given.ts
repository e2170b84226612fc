import { host } from "#host";
import { EngineError } from "../error.ts";
import { isList, tell } from "../given.ts";
import { DecoderMissing, type Pixels } from "../host/picture.ts";
import { isBlob, isBytes } from "../realm.ts";
import { checkBytes, checkSize, damaged, type PictureHeader, readHeader } from "./header.ts";
import { checkInflated } from "./inflated.ts";
import { turn } from "./turn.ts";

/** Pictures as callers hand them over: files in bytes, pixels, or what a page draws on. */

/** `{ width, height, data }` of RGBA bytes, as ImageData has them. */
interface PixelsLike {
  readonly width: number;
  readonly height: number;
  readonly data: ArrayLike<number>;
}

interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** How large it is when it is upright; null where that is not known before it is read: of a Blob. */
export function sizeOf(given: unknown, field: string): PictureSize | null {
  if (isBlob(given)) return null;
  const bytes = bytesOf(given, field);
  if (bytes) return upright(readHeader(bytes, field));
  const { width, height } = sized(given, field);
  return { width, height };
}

/** Its pixels, upright. Rejects with PICTURE_KIND, PICTURE_LIMIT, PICTURE_DATA. */
export async function readPicture(given: unknown, field: string): Promise<Pixels> {
  const bytes = isBlob(given) ? await blobBytes(given, field) : bytesOf(given, field);
  if (bytes) return await decode(bytes, field);
  const { width, height } = sized(given, field);
  const { data } = given as PixelsLike;
  if (isList(data)) {
    if (data.length !== width * height * 4)
      throw damaged(field, `${data.length} numbers for ${width} x ${height} pixels of RGBA`);
    return { width, height, data: data instanceof Uint8ClampedArray ? data : Uint8ClampedArray.from(data) };
  }
  return drawn(given, { width, height }, field);
}

async function decode(bytes: Uint8Array<ArrayBuffer>, field: string): Promise<Pixels> {
  const header = readHeader(bytes, field);
  if (header.kind === "png") await checkInflated(bytes, field);
  try {
    const { turned, ...pixels } = await host.decode(bytes, header.kind);
    const picture = turned ? pixels : turn(pixels, header.orientation);
    const { width, height } = upright(header);
    if (picture.width === width && picture.height === height) return picture;
    throw new Error(`it is ${picture.width} x ${picture.height} pixels, its header says ${width} x ${height}`);
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    if (cause instanceof DecoderMissing) {
      const at = { source: "prompt", field } as const;
      throw new EngineError("PICTURE_DECODER", `a picture of kind ${header.kind}: ${cause.message}`, { at, cause });
    }
    throw damaged(field, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

const upright = ({ width, height, orientation }: PictureHeader): PictureSize =>
  orientation >= 5 ? { width: height, height: width } : { width, height };

/** Of bytes and data URLs; null: it is something else. */
function bytesOf(given: unknown, field: string): Uint8Array<ArrayBuffer> | null {
  if (typeof given === "string") return dataUrl(given, field);
  if (isBytes(given)) return new Uint8Array(given);
  if (Object.prototype.toString.call(given) === "[object ArrayBuffer]") return new Uint8Array(given as ArrayBuffer);
  return null;
}

const DATA_URL = /^data:[\w.+-]*\/?[\w.+-]*(?:;[\w=-]+)*;base64,/i;

function dataUrl(text: string, field: string): Uint8Array<ArrayBuffer> {
  const head = DATA_URL.exec(text.slice(0, 256))?.[0];
  if (head === undefined) throw noPicture(text, field);
  checkBytes(text.length / 2, field, `${text.length} characters`);
  try {
    return Uint8Array.from(atob(text.slice(head.length)), (char) => char.charCodeAt(0));
  } catch (cause) {
    throw damaged(field, "its data URL is no base64", cause);
  }
}

async function blobBytes(blob: Blob, field: string): Promise<Uint8Array<ArrayBuffer>> {
  checkBytes(blob.size, field);
  return new Uint8Array(await blob.arrayBuffer());
}

function sized(given: unknown, field: string): PictureSize {
  if (typeof given !== "object" || given === null) throw noPicture(given, field);
  const { width, height } = given as Partial<PictureSize>;
  if (!Number.isInteger(width) || !Number.isInteger(height)) throw noPicture(given, field);
  checkSize({ width: width!, height: height! }, field);
  return { width: width!, height: height! };
}

function noPicture(given: unknown, field: string): EngineError {
  const text = typeof given === "string";
  return new EngineError("PICTURE_KIND", text ? "text that is no data URL of base64" : "this is no picture", {
    at: { source: "prompt", field },
    actual: text ? "text; addresses are not fetched" : tell(given),
    limit: "bytes, a Blob, a data URL, { width, height, data }, an ImageBitmap or a canvas",
  });
}

/** What a page draws on (ImageBitmap, OffscreenCanvas, HTMLCanvasElement), drawn once more, to be read. */
function drawn(given: unknown, { width, height }: PictureSize, field: string): Pixels {
  try {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true })!;
    context.drawImage(given as never, 0, 0);
    return { width, height, data: context.getImageData(0, 0, width, height).data };
  } catch {
    throw noPicture(given, field);
  }
}
