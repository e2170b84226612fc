/**
 * Where the frames of an op's kernels stand on the stack.
 *
 * V8 keeps vectors for which it has no register on the stack, in slots of 16 bytes of a frame that stands on a multiple of 8. Where that is
 * none of 16, slots cross cache lines, and what was stored in one is long in coming back. JavaScript's frames above, other ones as soon as it is
 * optimised, decide it, and nothing in WebAssembly tells. So a clock does: claims of one op in pairs, one of them a word further down.
 *
 * Xeon (Emerald Rapids), Node 20, where loads stand before all that wants them: tiles of q4_0 and q4_k are 3.5 times as slow on the wrong footing.
 */

import { FOOTINGS, FOOTINGS_AT, MATMUL_WORDS, MATRIX_ROW, MATRIX_TILE, OP_ATTEND, OP_MATMUL } from "./abi";
import { word } from "./words";

/**
 * A trial ends when the other footing has won so many pairs more than it lost, or lost more than it won: where it is 5 % faster, and wins two of
 * three, it is taken nine times of ten, and where it is as much slower once in a hundred.
 */
const TAKEN = 8, KEPT = -4;
/** Ops of a kernel without a trial after one. */
const REST: u8 = 255;
/** Places of attention, behind those of kernels of MATMUL. */
const ATTEND = FOOTINGS - 2;

/** One of a thread and a kernel: [deep u8, ops to the next trial u8, pairs so far u8, of which the other one won more than it lost i8]. */
export class Footing {
  /** 0: ops that are not worth it. */
  @inline static of(control: usize, thread: i32, opcode: u32, at: usize, few: bool): usize {
    let place: u32;
    if (opcode === OP_MATMUL) place = word(at + (MATMUL_WORDS << 2), few ? MATRIX_ROW : MATRIX_TILE);
    else if (opcode === OP_ATTEND) place = ATTEND + <u32>few;
    else return 0;
    return control + FOOTINGS_AT + (<usize>(<u32>thread * FOOTINGS + place) << 2);
  }

  /** Whether an op begins or goes on with a trial. */
  @inline static due(footingAt: usize): bool {
    if (footingAt === 0) return false;
    const rest = load<u8>(footingAt, 1);
    if (rest !== 0) store<u8>(footingAt, rest - 1, 1);
    return rest === 0;
  }

  /** Whether the first or the second claim of a pair is on the other footing: the second in every other pair. */
  @inline static other(footingAt: usize, second: bool): bool {
    return second === ((load<u8>(footingAt, 2) & 1) === 0);
  }

  /** Whether a claim goes further down. */
  @inline static deep(footingAt: usize, tried: bool, second: bool): bool {
    if (footingAt === 0) return false;
    const deep = load<u8>(footingAt) !== 0;
    return tried && Footing.other(footingAt, second) ? !deep : deep;
  }

  /** Milliseconds of a pair. Returns whether the trial goes on. */
  static compare(footingAt: usize, first: f64, second: f64): bool {
    const pairs = load<u8>(footingAt, 2), other = Footing.other(footingAt, true) ? second - first : first - second;
    const lead = <i32>load<i8>(footingAt, 3) + <i32>(other < 0) - <i32>(other >= 0), over = lead === TAKEN || lead === KEPT;
    if (lead === TAKEN) store<u8>(footingAt, load<u8>(footingAt) ^ 1);
    store<u8>(footingAt, over ? REST : 0, 1);
    store<u8>(footingAt, over ? 0 : pairs + 1, 2);
    store<i8>(footingAt, over ? 0 : <i8>lead, 3);
    return !over;
  }
}
