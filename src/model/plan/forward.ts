import type { Tensor } from "../../runtime/memory.ts";
import type { AttendOp, MatrixOp, PanelOp } from "../../runtime/ops.ts";
import type { Packed } from "../../runtime/packed.ts";
import { Program } from "../../runtime/program.ts";
import { formOf, type PanelForm } from "../../weight-types.ts";
import type { LayerConfig, ModelConfig } from "../config/config.ts";
import { type InputRows, lower, type Placement, raise } from "./adapted.ts";
import { cachePlace } from "./cache-place.ts";
import type { Layout, PackedFeedForward, PackedLayer, Panels, Sizes } from "./layout.ts";
import type { Tap } from "./taps.ts";

/**
 * The forward pass of every architecture, top to bottom, emitted as the program of one memory (its layers, the embedding in front of the
 * first, the logits behind the last).
 *
 *   x = embed(ids)
 *   per layer:  x += attention(norm(x));  x += feedForward(norm(x))
 *   logits = W norm(x)
 *
 * What differs between layers and architectures is in `LayerConfig` and `ModelConfig`: rope, chunks, q/k norm and temperature in
 * `attention`, the router and the shared expert in `mixture`, biases in `matrix`.
 *
 * `trace` emits the unfused form: the same roundings in the same order, but norms and branches also exist in memory, and the
 * threads stop wherever a tap can be read.
 */

export interface Forward {
  readonly program: Program;
  /** By stop: what can be read there. Empty without `trace`. */
  readonly taps: readonly (readonly Tap[])[];
}

export interface Emit {
  readonly program: Program;
  readonly config: ModelConfig;
  readonly layout: Layout;
  readonly sizes: Sizes;
  readonly fused: boolean;
  readonly trace: boolean;
  readonly taps: Tap[][];
}

export function emitForward(
  config: ModelConfig,
  layout: Layout,
  sizes: Sizes,
  fused: boolean,
  trace: boolean,
): Forward {
  const emit: Emit = { program: new Program(sizes.wide), config, layout, sizes, fused, trace, taps: [] };
  const { program } = emit;
  const { tables, activations } = layout;
  program.part = "input";
  if (layout.embedding) program.embed(tables.rows, layout.embedding, activations.x, tables.embeddings);
  else program.meet();
  program.angles(
    tables.rows,
    layout.frequencies,
    activations.angles,
    activations.temperature,
    config.temperatureFloor,
    config.temperatureScale,
  );
  if (layout.embedding) tap(emit, rowsTap("embed", activations.x));
  for (const layer of layout.layers) {
    program.part = `layers.${layer.index}.attn`;
    attention(emit, layer);
    program.part = `layers.${layer.index}.ffn`;
    if (layer.experts) mixture(emit, layer);
    else feedForward(emit, layer);
    tap(emit, rowsTap(`layers.${layer.index}.out`, activations.x));
  }
  program.part = "output";
  if (layout.last) logits(emit);
  return { program, taps: emit.taps };
}

/** norm and logits of the flagged rows alone: further pieces after the first. */
export function emitLogits(config: ModelConfig, layout: Layout, sizes: Sizes, fused: boolean): Program {
  const emit: Emit = { program: new Program(sizes.wide), config, layout, sizes, fused, trace: false, taps: [] };
  logits(emit);
  return emit.program;
}

function attention(emit: Emit, layer: PackedLayer): void {
  const { program, config, layout, trace } = emit;
  const { tables, activations } = layout;
  const { heads, kvHeads, headSize } = config;
  const kind: LayerConfig = config.layers[layer.index];
  const name = `layers.${layer.index}`;
  const cache = cachePlace(config, layout, emit.sizes, layer);
  const pages = kind.chunked ? "chunked" : "full";

  normed(emit, activations.x, layer.attentionNorm, [layer.q, layer.k, layer.v], `${name}.attn_norm`); // [rows, hidden]
  adaptedMatmul(emit, normRows(emit, layer.attentionNorm), activations.normPanels, activations.qkv, [
    { weight: layer.q, column: 0 }, // [rows, heads * headSize]
    { weight: layer.k, column: heads * headSize }, // [rows, kvHeads * headSize]
    { weight: layer.v, column: (heads + kvHeads) * headSize }, // [rows, kvHeads * headSize]
  ]);
  program.rope({
    rows: tables.rows,
    qkv: activations.qkv,
    heads,
    kvHeads,
    headSize,
    rotate: kind.rope,
    norm: kind.qkNorm,
    eps: config.normEps,
    angles: activations.angles,
    temperature: kind.temperature ? activations.temperature : null,
    cache,
  });
  const qkvTap = (part: string, first: number, count: number): Tap => ({
    name: `${name}.attn.${part}`,
    tensor: activations.qkv,
    column: first * headSize,
    width: count * headSize,
    row: [count, headSize],
    kind: "rows",
  });
  tap(emit, qkvTap("q", 0, heads), qkvTap("k", heads, kvHeads), qkvTap("v", heads + kvHeads, kvHeads));
  const attend: AttendOp = {
    tasks: tables.tasks[pages],
    rows: tables.rows,
    qkv: activations.qkv,
    heads,
    kvHeads,
    headSize,
    chunk: kind.chunked ? config.chunk : 0,
    causal: true,
    keys: 0,
    cache,
    out: activations.attention,
    partials: activations.partials,
  };
  if (trace) {
    program.probabilities(attend, activations.probabilities, emit.sizes.traceKeys);
    tap(emit, {
      name: `${name}.attn.probs`,
      tensor: activations.probabilities,
      column: 0,
      width: 0,
      row: [],
      kind: "probabilities",
    });
  }
  program.attend(attend); // [rows, heads * headSize]
  program.merge(tables.merges[pages], heads, headSize, activations.partials, activations.attention);
  const rows = { source: activations.attention, cols: heads * headSize, transform: null };
  panels(emit, activations.attentionPanels, [layer.o], { segments: tables.segments, ...rows });
  branchMatmul(emit, layer.o, rows, activations.attentionPanels, `${name}.attn_out`); // x += W_o attention
}

/** x += down(silu(gate x) * up x): dense layers. */
function feedForward(emit: Emit, layer: PackedLayer): void {
  const { layout } = emit;
  const { activations, tables } = layout;
  const dense = layer.dense!;
  const name = `layers.${layer.index}`;
  normed(emit, activations.x, layer.feedForwardNorm, [dense.gate[0], dense.up[0]], `${name}.ffn_norm`);
  adaptedMatmul(emit, normRows(emit, layer.feedForwardNorm), activations.normPanels, activations.hidden, [
    { weight: dense.gate[0], column: 0 },
    { weight: dense.up[0], column: dense.gate[0].rows },
  ]); // [rows, 2 width]
  const rows = {
    source: activations.hidden,
    cols: dense.down[0].cols,
    transform: { swiglu: true, scores: null },
  } as const;
  panels(emit, activations.hiddenPanels, dense.down, { segments: tables.segments, ...rows }); // [rows, width]
  branchMatmul(emit, dense.down[0], rows, activations.hiddenPanels, `${name}.ffn_out`);
}

/** x += shared(x) + sum over the picked experts. Rows are bucketed by expert. */
function mixture(emit: Emit, layer: PackedLayer): void {
  const { program, config, layout, trace, fused } = emit;
  const { activations, tables } = layout;
  const experts = layer.experts!;
  const shared = layer.dense;
  const name = `layers.${layer.index}`;
  const buckets = activations.expertSegments;
  const softmax = config.router === "softmax";

  normed(
    emit,
    activations.x,
    layer.feedForwardNorm,
    [...experts.gate, ...(shared?.gate ?? [])],
    `${name}.ffn_norm`,
    true,
  );
  // The router reads f32 rows and rounds each product: near-ties must not depend on the build.
  program.matmul(
    [matrix(emit, layer.router!, activations.normPanels, activations.routerLogits, { form: "f32" })],
    false,
  ); // [rows, experts]
  tap(emit, rowsTap(`${name}.router`, activations.routerLogits));
  program.route({
    logits: activations.routerLogits,
    used: config.expertsUsed,
    softmax,
    picks: activations.picks,
    scores: activations.scores,
    gather: activations.gather,
    segments: buckets,
  });
  // Each entry's row is normed again rather than gathered from a panel: cheap beside its matmul, the same bits.
  panels(emit, activations.expertPanels, [experts.gate[0], experts.up[0]], {
    segments: buckets,
    gather: activations.gather,
    source: activations.x,
    cols: config.hidden,
    transform: { norm: layer.feedForwardNorm, eps: config.normEps },
  }); // [entries, hidden]
  program.matmul(
    [
      ...(shared ? gateUp(emit, shared, tables.segments, activations.normPanels, activations.hidden) : []),
      ...gateUp(emit, experts, buckets, activations.expertPanels, activations.expertHidden),
    ],
    fused,
  );
  if (shared) {
    panels(emit, activations.hiddenPanels, shared.down, {
      segments: tables.segments,
      source: activations.hidden,
      cols: config.expertWidth,
      transform: { swiglu: true, scores: null },
    });
  }
  panels(emit, activations.expertHiddenPanels, experts.down, {
    segments: buckets,
    source: activations.expertHidden,
    cols: config.expertWidth,
    transform: { swiglu: true, scores: softmax ? null : activations.scores },
  }); // [entries, expertWidth]
  program.matmul(
    [
      ...(shared ? [matrix(emit, shared.down[0], activations.hiddenPanels, activations.sharedOut, {})] : []), // [rows, hidden]
      matrix(emit, experts.down[0], activations.expertHiddenPanels, activations.expertOut, {
        segments: buckets,
        weights: experts.down,
      }), // [entries, hidden]
    ],
    fused,
  );
  const branch = trace ? activations.branch : null;
  program.combine({
    x: activations.x,
    shared: shared ? activations.sharedOut : null,
    experts: activations.expertOut,
    used: config.expertsUsed,
    picks: activations.picks,
    scores: softmax ? activations.scores : null,
    branch,
  });
  if (branch) {
    tap(emit, rowsTap(`${name}.ffn_out`, branch));
    program.add(activations.x, branch);
  }
}

/** logits = W norm(x) for the flagged rows of this piece. */
function logits(emit: Emit): void {
  const { program, config, layout, trace } = emit;
  const { activations, tables } = layout;
  const output = layout.output!;
  panels(
    emit,
    activations.outputPanels,
    [output],
    {
      segments: tables.logitSegments,
      gather: tables.logitGather,
      source: activations.x,
      cols: config.hidden,
      transform: { norm: layout.norm!, eps: config.normEps },
    },
    trace ? activations.normed : undefined,
  );
  program.matmul(
    [matrix(emit, output, activations.outputPanels, activations.logits, { segments: tables.logitSegments })],
    emit.fused,
  ); // [flagged, vocab]
  tap(emit, rowsTap("norm", activations.normed), rowsTap("logits", activations.logits));
}

// ---- pieces ----

/** Rows normed into every panel that `readers` need, and an f32 one for the router; a tap of the rows when tracing. */
function normed(
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
function panels(
  emit: Emit,
  set: Panels,
  readers: readonly Packed[],
  op: Omit<PanelOp, "panel" | "float" | "out">,
  out?: Tensor,
  float = false,
): void {
  const forms = new Set<PanelForm>(readers.map((weight) => formOf(weight.type, emit.sizes.activations)));
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

function matrix(emit: Emit, weight: Packed, set: Panels, out: Tensor, wish: MatrixWish): MatrixOp {
  const { layout, sizes } = emit;
  const form = wish.form ?? formOf(weight.type, sizes.activations);
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
function gateUp(emit: Emit, branch: PackedFeedForward, segments: Tensor, set: Panels, out: Tensor): MatrixOp[] {
  const width = branch.gate[0].rows;
  return [
    matrix(emit, branch.gate[0], set, out, { segments, weights: branch.gate, column: 0 }),
    matrix(emit, branch.up[0], set, out, { segments, weights: branch.up, column: width }),
  ];
}

/** Rows of x, normed. */
function normRows({ config, layout }: Emit, norm: Tensor): InputRows {
  return { source: layout.activations.x, cols: config.hidden, transform: { norm, eps: config.normEps } };
}

/** Matrices that read the same rows, each into its columns of `out`, and what adapters add to them. */
function adaptedMatmul(emit: Emit, rows: InputRows, set: Panels, out: Tensor, wishes: readonly Placement[]): void {
  const inner = lower(emit, wishes, rows);
  emit.program.matmul(
    [...wishes.map(({ weight, column }) => matrix(emit, weight, set, out, { column })), ...inner],
    emit.fused,
  );
  raise(emit, wishes, out);
}

/** x += W panel; when tracing, or where an adapter adds its part, the branch exists by itself first. */
function branchMatmul(emit: Emit, weight: Packed, rows: InputRows, set: Panels, name: string): void {
  const { program, layout, trace, fused } = emit;
  const { x, branch } = layout.activations;
  if (!trace && !layout.adapters.adapted.has(weight.name)) {
    program.matmul([matrix(emit, weight, set, x, { residual: x })], fused);
    return;
  }
  adaptedMatmul(emit, rows, set, branch, [{ weight, column: 0 }]);
  tap(emit, rowsTap(name, branch));
  program.add(x, branch);
}

function rowsTap(name: string, tensor: Tensor): Tap {
  return { name, tensor, column: 0, width: tensor.shape[1], row: [tensor.shape[1]], kind: "rows" };
}

function tap(emit: Emit, ...taps: Tap[]): void {
  if (!emit.trace) return;
  emit.program.stop(taps[0].name);
  emit.taps.push(taps);
}
