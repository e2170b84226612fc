/** What attention keeps in a thread's scratch between the kernels of a block. */

import { PAGE } from "../abi";
import { Pages } from "./cache";
import { X_ROW } from "./sums";

/** Places in the thread's scratch for one unit; sizes for 6 queries and head size d (padded to 8 as p). */
export class Scratch {
  @inline static queries(at: usize): usize { return at; } // [pieces of 64 features][6][64]
  @inline static scores(at: usize, d: i32): usize { return at + <usize>Pieces.of(d) * 6 * X_ROW; } // [h][64]
  @inline static weights(at: usize, d: i32): usize { return Scratch.scores(at, d) + 6 * X_ROW; } // [h][64]: those of an 8-bit cache
  @inline static block(at: usize, d: i32): usize { return Scratch.weights(at, d) + 6 * X_ROW; } // [h][2 + p]
  @inline static state(at: usize, d: i32): usize { return Scratch.block(at, d) + (<usize>(2 + Pages.padded(d)) * 6 << 2); }
  @inline static spans(at: usize, d: i32): usize { return Scratch.state(at, d) + (<usize>(2 + Pages.padded(d)) * 6 << 2); } // [h][begin, end] i32
  // Beside an 8-bit cache: what an integer counts, f32, and the sum of all integers.
  @inline static queryScales(at: usize, d: i32): usize { return Scratch.spans(at, d) + 6 * 8; } // [h][scale, sum]
  @inline static weightScales(at: usize, d: i32): usize { return Scratch.queryScales(at, d) + 6 * 8; } // [h][scale, sum]
  @inline static places(at: usize, d: i32): usize { return Scratch.weightScales(at, d) + 6 * 8; } // [8] u32: pages that are read ahead
}

/** Queries stand in pieces of as many features as a page has positions: so their rows are as far apart as those of weights. */
class Pieces {
  @inline static of(d: i32): i32 { return (d + PAGE - 1) / PAGE; }
}

/** Bytes that attention of head size d wants in a thread's scratch. */
export function attention_bytes(d: i32): usize {
  return Scratch.places(0, d) + 8 * 4;
}
