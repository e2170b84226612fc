/** Pictures as the runtime under the engine decodes them. */

export type PictureKind = "png" | "jpeg" | "gif" | "webp";

/** RGBA, four bytes a pixel, row by row; not multiplied by alpha. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

export interface DecodedPicture extends Pixels {
  /** The runtime has turned it as its EXIF says. */
  readonly turned: boolean;
}

/** Bytes of a picture whose size its header says, and that is not too large. Rejects with whatever the decoder throws. */
export type Decode = (bytes: Uint8Array<ArrayBuffer>, kind: PictureKind) => Promise<DecodedPicture>;

/** A decoder that is not there: no fault of the picture. */
export class DecoderMissing extends Error {}
