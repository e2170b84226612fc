import { EngineError } from "../error.ts";
import { isList, isPlain, readOptions, tell, wrong } from "../given.ts";
import type { Tower } from "../model/vision/tower.ts";
import type { Scheduler } from "./scheduler.ts";
import { checkPlaces, countOf, type Seen, type SeenTile, splice } from "./seen.ts";
import { TileRows } from "./tile-rows.ts";

/** Tiles as a processor of pictures makes them: what a text's patches stand for, in order. */
export interface PixelValues {
  /** [tiles, 3, size, size] */
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/** A tile that waits for the tower, for as many as ask. */
interface Waiting {
  readonly hash: string;
  readonly tile: Float32Array;
  readonly asking: Set<Asking>;
}
interface Asking {
  readonly signal: AbortSignal | undefined;
  readonly resolve: (tile: SeenTile) => void;
  readonly reject: (error: unknown) => void;
}

/** Rows of tiles that are kept: hundreds of tiles of the largest models. */
const KEPT_BYTES = 256 * 2 ** 20;

/** How a model sees: tiles in, rows of its texts out. Tiles of all who wait go through the tower together; a tile seen before does not. */
export class Sight {
  readonly #tower: Tower;
  readonly #scheduler: Scheduler;
  readonly #kept = new TileRows(KEPT_BYTES);
  readonly #waiting = new Map<string, Waiting>();

  constructor(tower: Tower, scheduler: Scheduler) {
    this.#tower = tower;
    this.#scheduler = scheduler;
  }

  get patchId(): number {
    return this.#tower.config.patchId;
  }

  /** Positions that a tile takes. */
  get rows(): number {
    return this.#tower.config.rows;
  }

  get tapNames(): string[] {
    return [...this.#tower.tapNames, "merged"];
  }

  /** The tiles, checked against the ids that they are for. Throws REQ_PARAM, VISION_ROWS. */
  read(ids: readonly number[], given: unknown): Float32Array[] {
    const tiles = given === undefined ? [] : this.#readTiles(given);
    checkPlaces(ids, this.patchId, tiles.length, this.rows);
    return tiles;
  }

  #readTiles(given: unknown): Float32Array[] {
    const field = "pixelValues";
    if (!isPlain(given)) throw wrong(field, `${field}: no tiles`, "{ shape, data }", given);
    const { shape, data } = readOptions(given as unknown as PixelValues, ["shape", "data"], field);
    const { tileSize } = this.#tower.config;
    const wanted = `[tiles, 3, ${tileSize}, ${tileSize}]`;
    const fits =
      isList(shape) &&
      shape.length === 4 &&
      Number.isSafeInteger(shape[0]) &&
      [3, tileSize, tileSize].every((size, axis) => shape[axis + 1] === size);
    if (!fits)
      throw wrong(`${field}.shape`, "not the shape of tiles", wanted, isList(shape) ? `[${[...shape]}]` : shape);
    const [tiles] = shape;
    const { tileValues } = this.#tower;
    if (!isList(data) || tiles < 0 || data.length !== tiles * tileValues) {
      const length = isList(data) ? `${data.length} numbers` : tell(data);
      throw wrong(`${field}.data`, "not as many numbers as the shape says", `${tiles * tileValues} numbers`, length);
    }
    const values = Float32Array.from(data);
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0)
      throw wrong(`${field}.data[${bad}]`, "a value of a picture is no number", "finite numbers", data[bad]);
    return Array.from({ length: tiles }, (_, tile) => values.subarray(tile * tileValues, (tile + 1) * tileValues));
  }

  /** The ids with what the tower makes of the tiles in the places of patches. Rejects with the signal's reason. */
  async see(ids: readonly number[], tiles: readonly Float32Array[], signal?: AbortSignal): Promise<Seen> {
    const seen = await Promise.all(tiles.map((tile) => this.#seeTile(tile, signal)));
    return splice(ids, this.patchId, seen, this.rows);
  }

  /** Every wanted tap of the tower, and the rows. Between two steps, by itself: whoever calls sees to it. */
  async trace(tiles: readonly Float32Array[], wanted: (name: string) => boolean, signal: AbortSignal | undefined) {
    const taps = await this.#tower.trace(tiles, (name) => name === "projected" || wanted(name), signal);
    const rows = taps.get("projected")?.data ?? new Float32Array(0);
    return { taps: [...taps].filter(([name]) => wanted(name)), rows };
  }

  /** Ids, and rows of the text in the places of patches. */
  place(ids: readonly number[], rows: Float32Array): (number | Float32Array)[] {
    const hidden = rows.length / countOf(ids, this.patchId);
    let next = 0;
    return ids.map((id) => (id === this.patchId ? rows.subarray(next * hidden, ++next * hidden) : id));
  }

  async #seeTile(tile: Float32Array, signal: AbortSignal | undefined): Promise<SeenTile> {
    const hash = await hashOf(tile);
    signal?.throwIfAborted();
    const kept = this.#kept.get(hash);
    if (kept) return kept;
    return new Promise((resolve, reject) => {
      const asking = { signal, resolve, reject };
      const known = this.#waiting.get(hash);
      if (known) {
        known.asking.add(asking);
        return;
      }
      this.#waiting.set(hash, { hash, tile, asking: new Set([asking]) });
      this.#scheduler.alone(() => this.#encode()).catch(reject);
    });
  }

  /** As many of those who wait as go through together; the call of a tile that went with others finds nothing to do. */
  async #encode(): Promise<void> {
    for (const waiting of this.#waiting.values()) {
      dropAborted(waiting);
      if (waiting.asking.size === 0) this.#waiting.delete(waiting.hash);
    }
    const some = [...this.#waiting.values()].slice(0, this.#tower.together);
    if (some.length === 0) return;
    const stop = new AbortController();
    const onAbort = () => {
      some.forEach(dropAborted);
      if (some.every(({ asking }) => asking.size === 0)) stop.abort();
    };
    const signals = new Set(some.flatMap(({ asking }) => [...asking].map(({ signal }) => signal)));
    for (const signal of signals) signal?.addEventListener("abort", onAbort);
    try {
      const encoded = await this.#tower.encode(
        some.map(({ tile }) => tile),
        stop.signal,
      );
      for (const [index, { hash, asking }] of some.entries()) {
        const tile = this.#kept.put(hash, encoded[index], this.rows);
        for (const { resolve } of asking) resolve(tile);
      }
    } catch (error) {
      for (const { asking } of some) for (const { reject } of asking) reject(error);
    } finally {
      for (const signal of signals) signal?.removeEventListener("abort", onAbort);
      for (const { hash } of some) this.#waiting.delete(hash);
    }
  }
}

function dropAborted({ asking }: Waiting): void {
  for (const one of asking) {
    if (!one.signal?.aborted) continue;
    asking.delete(one);
    one.reject(one.signal.reason);
  }
}

/** SHA-256: tiles that differ must not be taken for one another, whoever made them. */
async function hashOf(tile: Float32Array): Promise<string> {
  const subtle = globalThis.crypto?.subtle;
  if (subtle === undefined) {
    throw new EngineError("HOST_CRYPTO", "no SHA-256 here: browsers offer it on secure pages only", {
      at: { source: "prompt", field: "pixelValues" },
    });
  }
  const digest = new Uint8Array(await subtle.digest("SHA-256", tile as Float32Array<ArrayBuffer>));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Pictures for a model that has no tower. */
export function sightless(field: string): EngineError {
  return new EngineError("VISION_MISSING", "this model reads text only: it was loaded without a vision tower", {
    at: { source: "option", field },
    limit: "a multimodal folder, or a GGUF file with its mmproj file beside it or in the option vision",
  });
}
