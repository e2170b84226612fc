import type { StoredType } from "./weight-types.ts";

export const STREAMS: readonly Choice["streams"][] = [1, 2, 4, 8];
/** Where the groups of a visit lie apart: those of one visit, of two. */
export const STREAMS_APART: readonly Choice["streams"][] = [4, 8];
export const TOUCHES: readonly Choice["touch"][] = [0, 1, 8];

/** Which of a form's kernels a model takes, and how they read weights. All of them give the same bits: a choice is about time alone. */
export interface Choice {
  /** For several rows of activations, by its name in the table of types. */
  readonly tile: string;
  /** For one; null: the tile. */
  readonly row: string | null;
  /**
   * Streams of memory that a row of integers reads: visits together; where their groups lie apart, groups. When a model is loaded, 4 and 8
   * pack its weights apart if their type can be.
   */
  readonly streams: 1 | 2 | 4 | 8;
  /** Streams that read a visit into the cache before a few tiles do; 0: none. */
  readonly touch: 0 | 1 | 8;
}

/** By type of weights. */
export type Choices = Readonly<Partial<Record<StoredType, Choice>>>;
