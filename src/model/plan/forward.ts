import type { AttendOp } from "../../runtime/ops.ts";
import { Program } from "../../runtime/program.ts";
import type { LayerConfig, ModelConfig } from "../config/config.ts";
import { adaptedMatmul, branchMatmul } from "./adapted.ts";
import { cachePlace } from "./cache-place.ts";
import { type Emit, gateUp, matrix, normed, normRows, panels, rowsTap, tap } from "./emit.ts";
import type { Layout, PackedLayer, Sizes } from "./layout.ts";
import type { Tap } from "./taps.ts";

/**
 * The forward pass of every architecture, top to bottom, emitted as the program of one memory (its layers, the embedding in front of the
 * first, the logits behind the last).
 *
 *   x = embed(ids)
 *   per layer:  between = x + attention(norm(x));  x = between + feedForward(norm(between))
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

export function emitForward(
  config: ModelConfig,
  layout: Layout,
  sizes: Sizes,
  fused: boolean,
  trace: boolean,
): Forward {
  const emit: Emit = { program: new Program(sizes), config, layout, sizes, fused, trace, taps: [] };
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
  const emit: Emit = { program: new Program(sizes), config, layout, sizes, fused, trace: false, taps: [] };
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
  adaptedMatmul(emit, normRows(emit, activations.x, layer.attentionNorm), activations.normPanels, activations.qkv, [
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
  // between = x + W_o attention
  branchMatmul(
    emit,
    layer.o,
    rows,
    activations.attentionPanels,
    activations.x,
    activations.between,
    `${name}.attn_out`,
  );
}

/** x = between + down(silu(gate n) * up n), n = norm(between): dense layers. */
function feedForward(emit: Emit, layer: PackedLayer): void {
  const { layout } = emit;
  const { activations, tables } = layout;
  const dense = layer.dense!;
  const name = `layers.${layer.index}`;
  normed(emit, activations.between, layer.feedForwardNorm, [dense.gate[0], dense.up[0]], `${name}.ffn_norm`);
  adaptedMatmul(
    emit,
    normRows(emit, activations.between, layer.feedForwardNorm),
    activations.normPanels,
    activations.hidden,
    [
      { weight: dense.gate[0], column: 0 },
      { weight: dense.up[0], column: dense.gate[0].rows },
    ],
  ); // [rows, 2 width]
  const rows = {
    source: activations.hidden,
    cols: dense.down[0].cols,
    transform: { swiglu: true, scores: null },
  } as const;
  panels(emit, activations.hiddenPanels, dense.down, { segments: tables.segments, ...rows }); // [rows, width]
  branchMatmul(
    emit,
    dense.down[0],
    rows,
    activations.hiddenPanels,
    activations.between,
    activations.x,
    `${name}.ffn_out`,
  );
}

/** x = between + (shared(n) + sum over the picked experts), n = norm(between). Rows are bucketed by expert. */
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
    activations.between,
    layer.feedForwardNorm,
    [...experts.gate, ...(shared?.gate ?? [])],
    `${name}.ffn_norm`,
    true,
  );
  // The router reads f32 rows and rounds each product: near-ties must not depend on the build.
  program.smallMatmul(
    matrix(emit, layer.router!, activations.normPanels, activations.routerLogits, { form: "f32" }),
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
    source: activations.between,
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
  program.combine({
    x: trace ? null : activations.between,
    shared: shared ? activations.sharedOut : null,
    experts: activations.expertOut,
    used: config.expertsUsed,
    picks: activations.picks,
    scores: softmax ? activations.scores : null,
    out: trace ? activations.branch : activations.x,
  });
  if (trace) {
    tap(emit, rowsTap(`${name}.ffn_out`, activations.branch));
    program.add(activations.between, activations.branch, activations.x);
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
  const { logits, peaks, masses } = activations;
  program.peaks({ segments: tables.logitSegments, logits, scales: tables.logitScales, peaks, masses });
  tap(emit, rowsTap("norm", activations.normed), rowsTap("logits", activations.logits));
}
