import type { SeenTile } from "./seen.ts";

/** What a tower made of tiles that it has seen, by the hash of their pixels; the least recently used go first. */
export class TileRows {
  readonly #maxBytes: number;
  readonly #tiles = new Map<string, SeenTile>();
  #bytes = 0;
  /** Beyond every token id. A tile that is seen again after it went gets new numbers: what was computed behind the old ones is not found. */
  #next = 2 ** 32;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(hash: string): SeenTile | undefined {
    const tile = this.#tiles.get(hash);
    if (!tile) return undefined;
    this.#tiles.delete(hash);
    this.#tiles.set(hash, tile);
    return tile;
  }

  /** `count`: rows of the tile. */
  put(hash: string, rows: Float32Array, count: number): SeenTile {
    const tile = { first: this.#next, rows };
    this.#next += count;
    this.#tiles.set(hash, tile);
    this.#bytes += rows.byteLength;
    for (const [oldest, { rows: old }] of this.#tiles) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#tiles.delete(oldest);
      this.#bytes -= old.byteLength;
    }
    return tile;
  }
}
