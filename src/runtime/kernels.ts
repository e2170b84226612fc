import { CACHE_F32 } from "../../assembly/abi.ts";
import { EngineError } from "../error.ts";
import { candidatesOf, type PanelForm, type StoredType } from "../weight-types.ts";

/** Which of a form's kernels a model takes. All of them give the same bits: a choice is about time alone. */

/** What is known of the host and its compiler. */
export interface Choices {
  /** V8 pairs vectors into 256 bits: float tiles take two groups. */
  readonly wide: boolean;
  /** 4-bit tiles sum in i32: dots.ts. */
  readonly dotAdd: boolean;
  /** Absent: defaultCacheStreams. */
  readonly cacheStreams?: (typeof CACHE_STREAMS)[number];
}

export const NARROW: Choices = { wide: false, dotAdd: false };

/** Ids of the kernels for several rows and for one, 0: none. `fused`: float kernels round a multiply-add once where the build can. */
export function chooseKernels(
  type: StoredType,
  form: PanelForm,
  fused: boolean,
  { wide, dotAdd }: Choices,
): { tile: number; row: number } {
  const candidates = candidatesOf(type, form, fused);
  if (!candidates) throw new EngineError("PROGRAM_SHAPE", `${type} weights do not read ${form} activations`);
  const tiles = Object.values(candidates.tiles);
  const second = form === "f32" ? wide : dotAdd;
  return { tile: (second ? tiles[1] : undefined) ?? tiles[0], row: Object.values(candidates.rows)[0] ?? 0 };
}

/** Groups of a page of keys or values that a row alone reads at once (ATTEND_STREAMS): the same bits, one prefetcher likes few, another many. */
export const CACHE_STREAMS = [1, 2, 4, 8] as const;

/**
 * Where nothing was measured: what costs least where it is wrong. Two threads out of memory, f32: a Xeon read 10 GB/s in one stream and 20
 * in four, Zen 4 20 in one and 16 in four. An 8-bit cache waits for arithmetic, which further streams interrupt.
 */
export const defaultCacheStreams = (cacheType: number): (typeof CACHE_STREAMS)[number] =>
  cacheType === CACHE_F32 ? 4 : 1;
