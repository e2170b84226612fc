/**
 * How rows are cut into tiles: whoever writes a panel and whoever reads it agree here.
 *
 * The rows of a segment are cut into ceil(rows / most) tiles whose heights differ by at most one (7 rows are 4 + 3,
 * not 6 + 1), so no tile is so low that it reads the weights for little work; or as few as `alone` into tiles of one row each. A tile's
 * first row times the bytes of a row is its place in the panel.
 */

import { SEGMENT_WORDS } from "./abi";

export class Tiles {
  @inline static count(rows: i32, most: i32, alone: i32): i32 {
    return rows <= alone ? rows : (rows + most - 1) / most;
  }

  /** First row of tile `tile`; `low` = rows / tiles, `higher` = rows % tiles (divided once, not per tile). */
  @inline static first(low: i32, higher: i32, tile: i32): i32 {
    return tile * low + min(tile, higher);
  }

  @inline static height(low: i32, higher: i32, tile: i32): i32 {
    return low + <i32>(tile < higher);
  }
}

export class Segments {
  @inline static count(segmentsAt: usize): i32 {
    return load<i32>(segmentsAt);
  }

  @inline static word(segmentsAt: usize, segment: i32, word: i32): i32 {
    return load<i32>(segmentsAt + ((<usize>(1 + segment * SEGMENT_WORDS + word)) << 2));
  }
}
