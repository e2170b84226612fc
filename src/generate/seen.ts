import { EngineError } from "../error.ts";

/**
 * A text with pictures in it. In a place that a picture takes stands a number of its own, beyond every token id: the same number means the
 * same row of the same tile, and nothing else. So whatever compares ids (prefixes, sessions, guesses) tells pictures apart.
 */
export interface Seen {
  readonly ids: readonly number[];
  /** The embedding row behind each of those numbers. */
  readonly rows: ReadonlyMap<number, Float32Array>;
}

/** A prompt with pictures: its plain ids beside. */
export interface SeenPrompt extends Seen {
  readonly prompt: readonly number[];
}

/** The rows of a tile, and the number of the first. */
export interface SeenTile {
  readonly first: number;
  readonly rows: Float32Array; // [count, hidden]
}

/** Puts the rows of tiles in the places of patches, in order. Throws VISION_ROWS where there are more of one than of the other. */
export function splice(ids: readonly number[], patchId: number, tiles: readonly SeenTile[], count: number): Seen {
  checkPlaces(ids, patchId, tiles.length, count);
  const rows = new Map<number, Float32Array>();
  let next = 0;
  const placed = ids.map((id) => {
    if (id !== patchId) return id;
    const tile = tiles[Math.floor(next / count)];
    const row = next++ % count;
    const hidden = tile.rows.length / count;
    rows.set(tile.first + row, tile.rows.subarray(row * hidden, (row + 1) * hidden));
    return tile.first + row;
  });
  return { ids: placed, rows };
}

/** Throws VISION_ROWS unless `tiles` of `count` rows fill the places of patches. */
export function checkPlaces(ids: readonly number[], patchId: number, tiles: number, count: number): void {
  const places = countOf(ids, patchId);
  if (places === tiles * count) return;
  throw new EngineError("VISION_ROWS", "the ids have other places for pictures than there are rows", {
    at: { source: "prompt", field: "ids" },
    actual: `${places} patch ids`,
    limit: `${tiles * count}, ${count} for each of ${tiles} tiles`,
  });
}

export const countOf = (ids: readonly number[], id: number): number =>
  ids.reduce((count, one) => count + Number(one === id), 0);
