import type { Tensor } from "../../runtime/memory.ts";

/** Taps: intermediate tensors that exist in memory where the trace program stops. */

export interface Tap {
  readonly name: string;
  readonly tensor: Tensor;
  /** Columns [column, column + width) of each row, or whole [heads, rows, keys] probabilities. */
  readonly column: number;
  readonly width: number;
  /** Shape of one row as the taps are documented: [width], or [heads, headSize]. */
  readonly row: readonly number[];
  readonly kind: "rows" | "probabilities";
}
