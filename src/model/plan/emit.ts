import { formOf, type PanelForm } from "../../runtime/forms.ts";
import type { Tensor } from "../../runtime/memory.ts";
import type { MatrixOp, PanelOp } from "../../runtime/ops.ts";
import type { Packed } from "../../runtime/packed.ts";
import type { Program } from "../../runtime/program.ts";
import type { ModelConfig } from "../config/config.ts";
import type { Layout, PackedFeedForward, Panels, Sizes } from "./layout.ts";
import type { Tap } from "./taps.ts";

/** What `forward.ts` is made of: panels of rows, matrices that read them, taps. */

export interface Emit {
  readonly program: Program;
  readonly config: ModelConfig;
  readonly layout: Layout;
  readonly sizes: Sizes;
  readonly fused: boolean;
  readonly trace: boolean;
  readonly taps: Tap[][];
}

/** Rows that enter matrices, before they become panels. */
export type InputRows = Pick<PanelOp, "source" | "cols" | "transform">;

/** Rows normed into every panel that `readers` need, and an f32 one for the router; a tap of the rows when tracing. */
export function normed(
  emit: Emit,
  source: Tensor,
  norm: Tensor,
  readers: readonly Packed[],
  name: string,
  float = false,
): void {
  const { layout, config, trace } = emit;
  const { tables, activations } = layout;
  panels(
    emit,
    activations.normPanels,
    readers,
    { segments: tables.segments, source, cols: config.hidden, transform: { norm, eps: config.normEps } },
    trace ? activations.normed : undefined,
    float,
  );
  tap(emit, rowsTap(name, activations.normed));
}

/** One PANEL op per form that a reader wants. */
export function panels(
  emit: Emit,
  set: Panels,
  readers: readonly Packed[],
  op: Omit<PanelOp, "panel" | "float" | "out">,
  out?: Tensor,
  float = false,
): void {
  const forms = new Set<PanelForm>(readers.map((weight) => formOf(weight.type, emit.sizes)));
  const also = float && !forms.has("f32") ? set.get("f32") : undefined;
  [...forms].forEach((form, index) => {
    emit.program.panel({
      ...op,
      out: index === 0 ? out : undefined,
      panel: set.get(form),
      float: index === 0 ? also : undefined,
    });
  });
}

interface MatrixWish {
  column?: number;
  form?: PanelForm;
  segments?: Tensor;
  weights?: readonly Packed[];
  residual?: Tensor;
}

export function matrix(emit: Emit, weight: Packed, set: Panels, out: Tensor, wish: MatrixWish): MatrixOp {
  const { layout, sizes } = emit;
  const form = wish.form ?? formOf(weight.type, sizes);
  return {
    segments: wish.segments ?? layout.tables.segments,
    weights: wish.weights ?? [weight],
    table: layout.tablesOf.get(weight)!,
    panel: set.get(form)!,
    out,
    column: wish.column ?? 0,
    residual: wish.residual,
    bias: layout.biasOf.get(weight),
  };
}

/** gate into columns [0, width), up into [width, 2 width). */
export function gateUp(emit: Emit, branch: PackedFeedForward, segments: Tensor, set: Panels, out: Tensor): MatrixOp[] {
  const width = branch.gate[0].rows;
  return [
    matrix(emit, branch.gate[0], set, out, { segments, weights: branch.gate, column: 0 }),
    matrix(emit, branch.up[0], set, out, { segments, weights: branch.up, column: width }),
  ];
}

/** Rows of `source`, normed. */
export function normRows({ config }: Emit, source: Tensor, norm: Tensor): InputRows {
  return { source, cols: config.hidden, transform: { norm, eps: config.normEps } };
}

export function rowsTap(name: string, tensor: Tensor): Tap {
  return { name, tensor, column: 0, width: tensor.shape[1], row: [tensor.shape[1]], kind: "rows" };
}

export function tap(emit: Emit, ...taps: Tap[]): void {
  if (!emit.trace) return;
  emit.program.stop(taps[0].name);
  emit.taps.push(taps);
}
