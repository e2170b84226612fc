import type { Cache, Timeline } from "../model/run/cache.ts";

/** What sequences must have in common to begin with what others computed. */
export interface Kin {
  /** Default: none. */
  readonly salt?: string | undefined;
  /** Place among the model's; null, the default: none. */
  readonly adapter?: number | null;
}

/**
 * A text as the cache knows it: ids, and the pages of what was computed of them. Between two requests it keeps its pages until
 * somebody needs them; then it is computed again, to the same bits. Only the scheduler changes it.
 */
export class Sequence {
  /** What it holds, or is to hold. */
  ids: number[] = [];
  /** Embedding rows behind those of `ids` that are none of tokens: seen.ts. */
  rows: ReadonlyMap<number, Float32Array> | undefined;
  /** How many of them are in the cache. */
  computed = 0;
  /** Whole blocks of it that prefixes keep. */
  kept = 0;
  /** Whose prefixes it shares: those of one salt and one adapter. */
  readonly kin: string;
  /** Nobody asks for more of it: its pages go back as soon as no step reads them. */
  closed = false;
  readonly timeline: Timeline;
  /** What it is computed with, all of it: keys and values of another adapter are of no use. */
  readonly adapter: number | null;
  readonly #cache: Cache;

  constructor(cache: Cache, { salt = "", adapter = null }: Kin = {}) {
    this.adapter = adapter;
    this.kin = `${adapter ?? ""}:${salt}`;
    this.#cache = cache;
    this.timeline = cache.open();
  }

  /** Makes it stand for `ids`: what it has computed of them stays, of rows before `rowsFrom` alone. */
  take(ids: readonly number[], rowsFrom: number, rows?: ReadonlyMap<number, Float32Array>): void {
    this.forget(commonLength(ids, 0, this.ids, Math.min(this.computed, rowsFrom)));
    this.kept = 0;
    this.ids = ids.slice();
    this.rows = rows;
  }

  /** Gives back the chunked pages that no id to come can see. */
  release(): void {
    this.#cache.release(this.timeline, this.computed);
  }

  /** Gives back the pages of what lies behind the first `length` ids; of more, where chunks were given back before. */
  forget(length: number): void {
    this.computed = this.#cache.truncate(this.timeline, Math.min(length, this.computed));
  }
}

/** How many ids are the same, `most` at most: of `ids` from `from` on, of `others` from their first. */
export function commonLength(
  ids: readonly number[],
  from: number,
  others: readonly number[],
  most = Number.POSITIVE_INFINITY,
): number {
  const length = Math.min(most, ids.length - from, others.length);
  let same = 0;
  while (same < length && ids[from + same] === others[same]) same++;
  return same;
}
