/**
 * Where the groups of a packed matrix lie.
 *
 * Forms that meet integers are woven, or where memory is read faster as several streams (src/runtime/streams.ts) lie group after group,
 * as those of floats do. Woven: of the four groups of a visit the first 32 bytes each, then the next 32 bytes each. One row then
 * reads a visit as one stream of memory, line after line, and sums 32 outputs at once; a processor that likes more streams gets more
 * visits together. Groups whole cost as many streams as sums: EPYC Zen 4, q4_k, one row, two threads: 16 GB/s of eight streams and 22
 * of one, though in cache 30 and 24; woven blocks of 160 to 1216 bytes instead of 32 came out of memory at 5 to 20. The last visit may
 * have fewer groups. A step is the distance between 32 bytes of a group and its next 32.
 */

import { GROUP, TILE_ROWS, VISIT_GROUPS, VISIT_STEP } from "./abi";

/** Bytes of a group before those of the next one: from its 32 to its next 32 where groups lie apart. */
export const VISIT_UNIT: usize = VISIT_STEP / VISIT_GROUPS;
/** Bytes of the sums of one row over a visit. */
export const VISIT_SUMS: usize = VISIT_GROUPS * GROUP * 4;
/** Bytes of the sums of a tile over one group. */
export const SUM_BYTES: usize = TILE_ROWS * GROUP * 4;

export class Visits {
  /** Groups of `rows` outputs. */
  @inline static groups(rows: i32): i32 {
    return (rows + GROUP - 1) / GROUP;
  }

  /** Where group `lane` of a visit begins. */
  @inline static lane(visitAt: usize, lane: i32, groupBytes: usize, woven: bool): usize {
    return visitAt + <usize>lane * (woven ? VISIT_UNIT : groupBytes);
  }

  /** Where group `group` of a matrix begins. */
  @inline static at(weightAt: usize, group: i32, groupBytes: usize, woven: bool): usize {
    const lane = group % VISIT_GROUPS;
    return Visits.lane(weightAt + <usize>(group - lane) * groupBytes, lane, groupBytes, woven);
  }

  /** Groups of the visit that group `group` of `groups` stands in. */
  @inline static beside(group: i32, groups: i32): i32 {
    return min(VISIT_GROUPS, groups - group + group % VISIT_GROUPS);
  }

  /** The step of a visit of so many groups. */
  @inline static step(count: i32, woven: bool): usize {
    return woven ? <usize>count * VISIT_UNIT : VISIT_UNIT;
  }
}
