import { EngineError } from "../error.ts";
import { countOf, type SeenPrompt } from "../generate/seen.ts";
import { type Sight, sightless } from "../generate/sight.ts";
import type { PictureConfig, PictureTokens } from "../model/vision/processor.ts";
import { type Canvas, chooseCanvas } from "../picture/canvas.ts";
import { readPicture, sizeOf } from "../picture/given.ts";
import { tilePicture } from "../picture/tiles.ts";
import type { ChatPicture } from "../tokenizer/chat-input.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** Pictures of a chat: their places in its ids, and what stands there. */

type TokenIds = Readonly<Record<keyof PictureTokens, number>>;

/** Counts the positions of a prompt whose pictures are not read yet. */
export class Pictures {
  readonly #sight: Sight | null;
  readonly #config: PictureConfig | null;
  readonly #ids: TokenIds | null;

  constructor(sight: Sight | null, config: PictureConfig | null, tokenizer: Tokenizer | null) {
    this.#sight = sight;
    this.#config = config;
    this.#ids = config && tokenizer && idsOf(config.tokens, tokenizer);
  }

  /**
   * The ids with the places of each picture as large as the picture wants them, by sizes alone. Throws REQ_UNSUPPORTED_CONTENT for a Blob,
   * whose size is not known before it is read.
   */
  measure(ids: readonly number[], pictures: readonly ChatPicture[]): readonly number[] {
    if (pictures.length === 0) return ids;
    const { config } = this.#ready(pictures);
    const canvases = pictures.map(({ image, field }) => {
      const size = sizeOf(image, field);
      if (size) return chooseCanvas(size.height, size.width, config.processor);
      throw new EngineError("REQ_UNSUPPORTED_CONTENT", "how many positions a Blob takes is known when it is read", {
        at: { source: "prompt", field },
        limit: "its bytes",
      });
    });
    return this.#expand(ids, pictures, canvases);
  }

  /** Positions of a picture at most. */
  get most(): number {
    const { maxTiles = 0 } = this.#config?.processor ?? {};
    return (maxTiles + 1) * ((this.#sight?.rows ?? 0) + 1) + 4;
  }

  /** Throws what can be said of the pictures before they are read. */
  check(pictures: readonly ChatPicture[]): void {
    if (pictures.length === 0) return;
    this.#ready(pictures);
    for (const { image, field } of pictures) sizeOf(image, field);
  }

  /** Reads the pictures, one after the other, and sees them. `fits` throws where the ids are too many. */
  async see(
    ids: readonly number[],
    pictures: readonly ChatPicture[],
    fits: (ids: readonly number[]) => void,
    signal: AbortSignal | undefined,
  ): Promise<SeenPrompt> {
    const { sight, config } = this.#ready(pictures);
    const canvases: Canvas[] = [];
    const tiles: Float32Array[] = [];
    for (const { image, field } of pictures) {
      signal?.throwIfAborted();
      const tiled = tilePicture(await readPicture(image, field), config.processor);
      canvases.push(tiled.canvas);
      tiles.push(...tiled.tiles);
    }
    const prompt = this.#expand(ids, pictures, canvases);
    fits(prompt);
    return { prompt, ...(await sight.see(prompt, tiles, signal)) };
  }

  #ready(pictures: readonly ChatPicture[]) {
    const [{ field }] = pictures;
    if (!this.#sight) throw sightless(field);
    if (this.#config && this.#ids) return { sight: this.#sight, config: this.#config, ids: this.#ids };
    const what = this.#config ? "the tokenizer lacks tokens of pictures" : "the folder has no preprocessor_config.json";
    throw new EngineError("VISION_MISSING", `pictures cannot be read: ${what}`, {
      at: { source: "option", field },
      limit: "prepared tiles (pixelValues of trace and session.sync)",
    });
  }

  /** Every place that the template made for a picture becomes the picture's own. */
  #expand(ids: readonly number[], pictures: readonly ChatPicture[], canvases: readonly Canvas[]): readonly number[] {
    const { ids: tokens } = this.#ready(pictures);
    const places = countOf(ids, tokens.image);
    if (places !== pictures.length) {
      throw new EngineError("REQ_UNSUPPORTED_CONTENT", "the chat template has no place for each picture", {
        at: { source: "template", field: pictures[0].field },
        actual: `${places} places`,
        limit: `${pictures.length}`,
      });
    }
    let next = 0;
    return ids.flatMap((id) => (id === tokens.image ? this.#layout(canvases[next++], tokens) : id));
  }

  #layout({ rows, columns }: Canvas, { start, image, end, column, row }: TokenIds): number[] {
    const tile = new Array<number>(this.#sight!.rows).fill(this.#sight!.patchId);
    if (rows * columns === 1) return [start, image, ...tile, end];
    const laid = [start];
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) laid.push(...(x > 0 ? [column] : []), ...tile);
      laid.push(row);
    }
    return [...laid, image, ...tile, end];
  }
}

function idsOf({ start, image, end, column, row }: PictureTokens, tokenizer: Tokenizer): TokenIds | null {
  const [a, b, c, d, e] = [start, image, end, column, row].map((name) => tokenizer.specialId(name));
  if (a === null || b === null || c === null || d === null || e === null) return null;
  return { start: a, image: b, end: c, column: d, row: e };
}
