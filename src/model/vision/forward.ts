import { formOf } from "../../runtime/forms.ts";
import type { Tensor } from "../../runtime/memory.ts";
import type { MatrixOp, PanelOp, Transform } from "../../runtime/ops.ts";
import type { Packed } from "../../runtime/packed.ts";
import { Program } from "../../runtime/program.ts";
import type { Panels } from "../plan/layout.ts";
import type { VisionConfig } from "./config.ts";
import type { PackedNorm, PackedVisionLayer, TowerLayout } from "./layout.ts";

/**
 * The tower, top to bottom: tiles of pixels -> rows that take the places of patches in a text.
 *
 *   x = norm(W patches + positions), a class row behind the patches of each tile
 *   per layer:  x += attention(norm(x));  x += down(gelu(up(norm(x))))
 *   rows = projector(gelu(W gelu(W shuffle(norm(x)))))
 *
 * Every tile is a sequence of its own: attention sees all of it and nothing else. Norms have biases, and so have the matrices of layers.
 * `trace` emits the same roundings in the same order with stops where a tap can be read.
 */

/** A tensor that can be read where the trace stops: the first `kept` of each tile's `rows`. */
export interface TowerTap {
  readonly name: string;
  readonly tensor: Tensor; // [tiles x rows, cols]
  readonly rows: number;
  readonly kept: number;
}

export interface TowerForward {
  readonly program: Program;
  /** By stop. Empty without `trace`. */
  readonly taps: readonly TowerTap[];
}

interface Emit {
  readonly program: Program;
  readonly config: VisionConfig;
  readonly layout: TowerLayout;
  readonly trace: boolean;
  readonly taps: TowerTap[];
}

export function emitTower(config: VisionConfig, layout: TowerLayout, trace: boolean): TowerForward {
  const emit: Emit = { program: new Program(layout.sizes), config, layout, trace, taps: [] };
  const { program } = emit;
  program.part = "vision.input";
  patches(emit);
  for (const [index, layer] of layout.layers.entries()) {
    program.part = `vision.layers.${index}.attn`;
    attention(emit, layer, `vision.layers.${index}`);
    program.part = `vision.layers.${index}.mlp`;
    feedForward(emit, layer, `vision.layers.${index}`);
    tap(emit, `vision.layers.${index}.out`, layout.x);
  }
  program.part = "vision.output";
  output(emit);
  return { program, taps: emit.taps };
}

function patches(emit: Emit): void {
  const { program, config, layout } = emit;
  const { tables, x } = layout;
  panel(emit, layout.patchPanels, [layout.patch], layout.patches, null);
  program.matmul([matrix(emit, layout.patch, layout.patchPanels, x)], layout.sizes.fused); // [T, hidden]
  tap(emit, "vision.patch_embedding", x, config.tokens, config.side ** 2);
  program.place(x, layout.positions);
  program.gridAngles(config.side, layout.frequencies, layout.angles);
  program.panel({
    segments: tables.segments,
    source: x,
    cols: config.hidden,
    transform: norm(emit, layout.normPre),
    out: x,
  });
  tap(emit, "vision.layernorm_pre", x);
}

/** x += W_o attention(norm(x)): 2-D rope, every row of the tile, no mask. */
function attention(emit: Emit, layer: PackedVisionLayer, name: string): void {
  const { program, config, layout } = emit;
  const { tables, x, qkv, cache } = layout;
  const { heads, headSize, hidden, tokens } = config;
  panel(emit, layout.rowPanels, [layer.q, layer.k, layer.v], x, norm(emit, layer.attentionNorm));
  program.matmul(
    [layer.q, layer.k, layer.v].map((weight, index) => ({
      ...matrix(emit, weight, layout.rowPanels, qkv),
      column: index * hidden,
    })),
    layout.sizes.fused,
  ); // [T, 3 hidden]
  program.rope({
    ...{ rows: tables.rows, qkv, heads, kvHeads: heads, headSize, cache },
    ...{ rotate: true, norm: false, eps: 0, angles: layout.angles, temperature: null },
  });
  program.attend({
    ...{ tasks: tables.tasks, rows: tables.rows, qkv, heads, kvHeads: heads, headSize, cache },
    ...{ chunk: 0, causal: false, keys: tokens, out: layout.attention, partials: layout.attention },
  }); // [T, hidden]; no task is computed apart, so nothing goes to partials
  panel(emit, layout.rowPanels, [layer.o], layout.attention, null);
  branch(emit, layer.o, layout.rowPanels, `${name}.attn_out`);
}

/** x += W_down gelu(W_up norm(x)). */
function feedForward(emit: Emit, layer: PackedVisionLayer, name: string): void {
  const { program, layout } = emit;
  panel(emit, layout.rowPanels, [layer.up], layout.x, norm(emit, layer.feedForwardNorm));
  program.matmul([matrix(emit, layer.up, layout.rowPanels, layout.up)], layout.sizes.fused); // [T, width]
  panel(emit, layout.upPanels, [layer.down], layout.up, { gelu: true });
  branch(emit, layer.down, layout.upPanels, `${name}.mlp_out`);
}

/** norm -> four patches to one -> adapter -> projector. */
function output(emit: Emit): void {
  const { program, config, layout, trace } = emit;
  const { tables, x, shuffled, adapted, projected } = layout;
  const { fused } = layout.sizes;
  const segments = tables.textSegments;
  const [first, second] = layout.adapterWeights;
  const gelu = { gelu: true } as const;
  program.panel({
    segments: tables.segments,
    source: x,
    cols: config.hidden,
    transform: norm(emit, layout.normPost),
    out: x,
  });
  tap(emit, "vision.layernorm_post", x);
  program.shuffle(x, config.side, shuffled); // [R, 4 hidden]
  tap(emit, "vision.pixel_shuffle", shuffled, config.rows);
  panel(emit, layout.shuffledPanels, [first], shuffled, null, { segments });
  program.matmul([{ ...matrix(emit, first, layout.shuffledPanels, adapted[0]), segments }], fused); // [R, adapterWidth]
  panel(emit, layout.adaptedPanels, [second], adapted[0], gelu, { segments });
  program.matmul([{ ...matrix(emit, second, layout.adaptedPanels, adapted[1]), segments }], fused); // [R, adapterWidth]
  panel(emit, layout.adaptedPanels, [layout.projector], adapted[1], gelu, {
    segments,
    out: trace ? layout.adapter : undefined,
  });
  tap(emit, "vision.adapter", layout.adapter, config.rows);
  program.matmul([{ ...matrix(emit, layout.projector, layout.adaptedPanels, projected), segments }], fused);
  tap(emit, "projected", projected, config.rows);
}

// ---- pieces ----

const norm = ({ config }: Emit, { norm, bias }: PackedNorm): Transform => ({ norm, bias, eps: config.eps });

/** Rows, transformed, into every panel that `readers` need. */
function panel(
  { program, layout }: Emit,
  set: Panels,
  readers: readonly Packed[],
  source: Tensor,
  transform: Transform,
  more: Partial<Pick<PanelOp, "segments" | "out">> = {},
): void {
  const forms = new Set(readers.map(({ type }) => formOf(type, layout.sizes)));
  const op = { segments: layout.tables.segments, source, cols: source.shape[1], transform };
  [...forms].forEach((form, index) => {
    program.panel({ ...op, ...more, out: index === 0 ? more.out : undefined, panel: set.get(form) });
  });
}

function matrix({ layout }: Emit, weight: Packed, set: Panels, out: Tensor): MatrixOp {
  return {
    segments: layout.tables.segments,
    weights: [weight],
    table: layout.tablesOf.get(weight)!,
    panel: set.get(formOf(weight.type, layout.sizes))!,
    out,
    bias: layout.biasOf.get(weight),
  };
}

/** x += W panel; when tracing the branch exists by itself first. */
function branch(emit: Emit, weight: Packed, set: Panels, name: string): void {
  const { program, layout, trace } = emit;
  const { x, branch: alone } = layout;
  const { fused } = layout.sizes;
  if (!trace) {
    program.matmul([{ ...matrix(emit, weight, set, x), residual: x }], fused);
    return;
  }
  program.matmul([matrix(emit, weight, set, alone)], fused);
  tap(emit, name, alone);
  program.add(x, alone, x);
}

function tap(emit: Emit, name: string, tensor: Tensor, rows = emit.config.tokens, kept = rows): void {
  if (!emit.trace) return;
  emit.program.stop(name);
  emit.taps.push({ name, tensor, rows, kept });
}
