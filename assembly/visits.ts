/**
 * Where the groups of a packed matrix lie.
 *
 * Forms that meet integers are woven: of the four groups of a visit the first 32 bytes each, then the next 32 bytes each. One row then
 * reads a visit as one stream of memory, line after line, and sums 32 outputs at once; a processor that likes more streams gets more
 * visits together. Groups whole cost as many streams as sums: EPYC Zen 4, q4_k, one row, two threads: 16 GB/s of eight streams and 22
 * of one, though in cache 30 and 24; woven blocks of 160 to 1216 bytes instead of 32 came out of memory at 5 to 20. The last visit may
 * have fewer groups. A step is the distance between 32 bytes of a group and its next 32.
 */

import { VISIT_GROUPS } from "./abi";

const UNIT: usize = 32;

export class Visits {
  /** Where group `group` begins. */
  @inline static at(weightAt: usize, group: i32, groupBytes: usize, woven: bool): usize {
    if (!woven) return weightAt + <usize>group * groupBytes;
    const lane = group % VISIT_GROUPS;
    return weightAt + <usize>(group - lane) * groupBytes + <usize>lane * UNIT;
  }

  @inline static groups(group: i32, groups: i32): i32 {
    return min(VISIT_GROUPS, groups - group + group % VISIT_GROUPS);
  }

  @inline static step(group: i32, groups: i32): usize {
    return <usize>Visits.groups(group, groups) * UNIT;
  }
}
