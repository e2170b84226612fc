import { PACK_WORDS } from "../../../assembly/abi.ts";
import { MemoryPlan, type Tensor } from "../../runtime/memory.ts";
import { leastPieceBytes, storedBytes } from "./pieces.ts";
import type { Matrix } from "./weights.ts";

/** What a loader works in. */
export interface LoaderPlace {
  /** Its program: the packing of one piece. */
  readonly words: Tensor;
  /**
   * Bytes of a file on their way: two halves, one read into while the other is packed. Over the activations where they give room, which
   * find zeros there behind it.
   */
  readonly staging: Tensor;
  /** Of the matrix that is being packed, [outputs]. */
  readonly scales: Tensor;
}

/** A half of the staging ring where no piece needs more; smaller for models whose matrices are. */
const STAGING_BYTES = 768 * 1024;
/**
 * The same where it costs no memory: between two pieces the threads sleep and wake, some 160 us. 254 MB in pieces of 0.75, 1.5, 2, 3 and
 * 4 MiB: 407, 378, 380, 365 and 375 ms to the first token (EPYC, Zen 4, 2 cores).
 */
const FREE_STAGING_BYTES = 3 * 1024 * 1024;

/** For all of these. `free`: what nobody reads while they are loaded. */
export function reserveLoader(
  plan: MemoryPlan,
  matrices: readonly Matrix[],
  free: { readonly at: number; readonly end: number } = { at: 0, end: 0 },
): LoaderPlace {
  const most = (values: readonly number[]) => values.reduce((largest, value) => Math.max(largest, value), 0);
  const least = most(matrices.map(leastPieceBytes));
  const whole = most(matrices.map(storedBytes));
  const half = (bytes: number) => Math.ceil(Math.max(least, Math.min(bytes, whole)) / 64) * 64;
  const own = half(STAGING_BYTES);
  const over = new MemoryPlan(Math.ceil(free.at / 64) * 64);
  const room = Math.floor((free.end - over.bytes) / 128) * 64;
  const scaled = matrices.filter((matrix) => matrix.scales !== null);
  return {
    words: plan.reserve("loader program", "u32", [PACK_WORDS + 1]),
    staging:
      own > room
        ? plan.reserve("staging", "bytes", [2, own])
        : over.reserve("staging", "bytes", [2, half(Math.min(FREE_STAGING_BYTES, room))]),
    scales: plan.reserve("scales", "f32", [most(scaled.map(({ rows }) => rows))]),
  };
}
