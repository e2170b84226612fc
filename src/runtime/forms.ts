import * as abi from "../../assembly/abi.ts";
import {
  type ActivationType,
  type ByteDot,
  type Candidates,
  type StoredType,
  WEIGHT_TYPES,
  weightType,
} from "../weight-types.ts";

/** What form of activations weights meet on a host, how they are packed for it, and the kernels that multiply the two. */

/** Which integers weights meet is a matter of these. */
export interface Met {
  readonly activations: ActivationType;
  readonly dot: ByteDot;
  /** Types that are packed with the groups of a visit apart, where they have `apart`; absent: none. */
  readonly apart?: readonly StoredType[] | undefined;
}

/**
 * What weights meet: f32, or integers of 16 bits or 8, pairs of them as i16 or quads as i8; "q16 bytes": quads of high and of low bytes; "q8
 * supers": quads with one scale for 256.
 */
export type PanelForm = "f32" | "q16 pairs" | "q16 bytes" | "q8 pairs" | "q8 quads" | "q8 supers";

/** What weights meet whose codes fit every dot of bytes. */
const integerForm = (type: StoredType): PanelForm =>
  WEIGHT_TYPES[type].elements === abi.SUPER_COLS ? "q8 supers" : "q8 quads";

/** Quads that a dot of bytes meets, with sums of their blocks beside them. */
export const areQuads = (form: PanelForm): boolean => form === "q8 quads" || form === "q16 bytes";

/** The form of activations that weights of a type are multiplied with. */
export function formOf(type: StoredType, { activations, dot }: Met): PanelForm {
  const { integers, signedBytes } = weightType(type);
  if (activations === "f32" || !(integers || signedBytes)) return "f32";
  if (integers) return integerForm(type);
  const exact = dot !== "saturating";
  if (activations === "q16") return exact && signedBytes?.sixteens ? "q16 bytes" : "q16 pairs";
  return exact ? "q8 quads" : "q8 pairs";
}

/** How weights are packed, as programs say it. */
export function packedWord(type: StoredType, met: Met): number {
  const { word, signedBytes, apart } = weightType(type);
  const form = formOf(type, met);
  const packed = signedBytes && areQuads(form) ? signedBytes.word : word;
  return apart && form !== "f32" && met.apart?.includes(type) ? packed | abi.TYPE_APART : packed;
}

const FLOAT_TILES = { tile_f32: abi.KERNEL_TILE_F32, tile2_f32: abi.KERNEL_TILE2_F32 };
const FUSED_TILES = { tile_f32_fused: abi.KERNEL_TILE_F32_FUSED, tile2_f32_fused: abi.KERNEL_TILE2_F32_FUSED };

/** All kernels that may multiply weights of a type with activations of a form; `fused`: float ones round a multiply-add once. */
export function candidatesOf(
  type: StoredType,
  form: PanelForm,
  { fused, dot }: { readonly fused: boolean; readonly dot: ByteDot },
): Candidates | undefined {
  const { integers, signedBytes, rows = {}, fusedRows = {} } = weightType(type);
  if (integers && form !== "f32") return form === integerForm(type) ? integers : undefined;
  if (areQuads(form)) {
    const exact = form === "q8 quads" ? signedBytes : signedBytes?.sixteens;
    return dot === "saturating" ? undefined : exact?.[dot];
  }
  if (form !== "f32") return form === "q8 supers" ? undefined : signedBytes?.pairs;
  return fused
    ? { tiles: FUSED_TILES, rows: fusedRows, wide: "tile2_f32_fused" }
    : { tiles: FLOAT_TILES, rows, wide: "tile2_f32" };
}
