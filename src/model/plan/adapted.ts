import type { Tensor } from "../../runtime/memory.ts";
import type { MatrixOp } from "../../runtime/ops.ts";
import type { Packed } from "../../runtime/packed.ts";
import type { Adapted } from "./adapter-layout.ts";
import { type Emit, type InputRows, matrix, rowsTap, tap } from "./emit.ts";
import type { Panels } from "./layout.ts";

/**
 * y += s B (A x) beside y = W x, in f32, for rows whose sequence chose an adapter. Rows of others are in no segment: nothing is added to
 * them, not even zero, so that they keep the bits they have without adapters. The order is fixed: (W x + bias) + s B (A x).
 */

/** A matrix and its first column in the output. */
interface Placement {
  readonly weight: Packed;
  readonly column: number;
}

/** Matrices that read the same rows, each into its columns of `out`, and what adapters add to them. */
export function adaptedMatmul(
  emit: Emit,
  rows: InputRows,
  set: Panels,
  out: Tensor,
  wishes: readonly Placement[],
): void {
  const inner = lower(emit, wishes, rows);
  emit.program.matmul(
    [...wishes.map(({ weight, column }) => matrix(emit, weight, set, out, { column })), ...inner],
    emit.fused,
  );
  raise(emit, wishes, out);
}

/** out = x + W panel; when tracing, or where an adapter adds its part, the branch exists by itself first. */
export function branchMatmul(
  emit: Emit,
  weight: Packed,
  rows: InputRows,
  set: Panels,
  x: Tensor,
  out: Tensor,
  name: string,
): void {
  const { program, layout, trace, fused } = emit;
  const { branch } = layout.activations;
  if (!trace && !layout.adapters.adapted.has(weight.name)) {
    program.matmul([matrix(emit, weight, set, out, { residual: x })], fused);
    return;
  }
  adaptedMatmul(emit, rows, set, branch, [{ weight, column: 0 }]);
  tap(emit, rowsTap(name, branch));
  program.add(x, branch, out);
}

/** The rows again, cut as the adapters' segments are; returns A of each matrix, for the op that computes W. */
function lower(emit: Emit, matrices: readonly Placement[], rows: InputRows): MatrixOp[] {
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
function raise(emit: Emit, matrices: readonly Placement[], out: Tensor): void {
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
