import type { Tensor } from "../../runtime/memory.ts";
import type { MatrixOp, PanelOp } from "../../runtime/ops.ts";
import type { Packed } from "../../runtime/packed.ts";
import type { Adapted } from "./adapter-layout.ts";
import type { Emit } from "./forward.ts";

/**
 * y += s B (A x) beside y = W x, in f32, for rows whose sequence chose an adapter. Rows of others are in no segment: nothing is added to
 * them, not even zero, so that they keep the bits they have without adapters. The order is fixed: (W x + bias) + s B (A x).
 */

export type InputRows = Pick<PanelOp, "source" | "cols" | "transform">;

/** A matrix and its first column in the output. */
export interface Placement {
  readonly weight: Packed;
  readonly column: number;
}

/** The rows again, cut as the adapters' segments are; returns A of each matrix, for the op that computes W. */
export function lower(emit: Emit, matrices: readonly Placement[], rows: InputRows): MatrixOp[] {
  const { adapters } = emit.layout;
  const all = adaptedOf(emit, matrices);
  if (all.length === 0) return [];
  const panel = adapters.panel!;
  emit.program.panel({ ...rows, segments: all[0].adapted.inputRows.segments, panel });
  return all.map(({ adapted: { rows, a } }, index) => ({
    segments: rows.segments,
    weights: a,
    table: adapters.tablesOf.get(a[0])!,
    panel,
    out: adapters.inner[index].rows,
  }));
}

/** Adds B of what `lower` left. */
export function raise(emit: Emit, matrices: readonly Placement[], out: Tensor): void {
  const { inner, tablesOf } = emit.layout.adapters;
  const all = adaptedOf(emit, matrices);
  if (all.length === 0) return;
  for (const [index, { adapted }] of all.entries()) {
    emit.program.panel({
      segments: adapted.rows.segments,
      source: inner[index].rows,
      cols: adapted.b[0].cols,
      transform: null,
      panel: inner[index].panel,
    });
  }
  emit.program.matmul(
    all.map(({ adapted: { rows, b }, column }, index) => ({
      segments: rows.segments,
      weights: b,
      table: tablesOf.get(b[0])!,
      panel: inner[index].panel,
      out,
      column,
      residual: out,
    })),
    emit.fused,
  );
}

function adaptedOf({ layout }: Emit, matrices: readonly Placement[]): { adapted: Adapted; column: number }[] {
  return matrices.flatMap(({ weight, column }) => {
    const adapted = layout.adapters.adapted.get(weight.name);
    return adapted ? [{ adapted, column }] : [];
  });
}
