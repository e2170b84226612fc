import {
  CONVERT_COLS,
  DEQUANTIZE_COLS,
  GROUP,
  JOIN_WORDS,
  PAGE,
  PEAK,
  ROW_WORDS,
  SEGMENT_WORDS,
  TASK_WORDS,
  TILE_ROWS,
  VISIT_GROUPS,
} from "../../../assembly/abi.ts";
import { formOf, type Met, type PanelForm } from "../../runtime/forms.ts";
import { MemoryPlan, type Tensor } from "../../runtime/memory.ts";
import { DRAWINGS_WORDS, DRAWN_WORDS, ENDS_WORDS } from "../../runtime/onward.ts";
import { MOST_TILES } from "../../runtime/ops.ts";
import { type Packed, type Panel, packedBytes, reservePacked, reservePanel } from "../../runtime/packed.ts";
import type { ActivationType, ByteDot, StoredType } from "../../weight-types.ts";
import type { ModelConfig } from "../config/config.ts";
import { type AdapterLayout, adapterBytes, adapterMatrices, needsBranch, reserveAdapters } from "./adapter-layout.ts";
import { type LoaderPlace, reserveLoader } from "./loader-place.ts";
import { type CacheType, type PageKind, pageLayerBytes } from "./pages.ts";
import type { LayerRange } from "./placement.ts";
import type { FeedForward, LayerWeights, Matrix, ModelWeights, Vector } from "./weights.ts";

/**
 * What lies in one memory: [control | tables of the step | activations | cache pages | weights], every tensor named.
 */

/** Sizes that are chosen at load, the same for all memories. */
export interface Sizes {
  /** Rows of one step at most. */
  readonly rows: number;
  /** Rows of logits computed at a time. */
  readonly logitRows: number;
  /** Rows that may enter as embeddings in one step. */
  readonly embeddingRows: number;
  /** Sequences of one step at most. */
  readonly sequences: number;
  readonly blocks: number;
  /** Positions of one sequence at most; the last block may be wider. */
  readonly context: number;
  readonly pages: Record<PageKind, number>;
  /** Blocks of attention that one step may compute apart. */
  readonly partials: number;
  readonly threads: number;
  /** Rows of activations in a register tile at most. */
  readonly tileRows: number;
  readonly wide: boolean;
  readonly cache: CacheType;
  readonly activations: ActivationType;
  readonly dot: ByteDot;
  readonly apart?: readonly StoredType[] | undefined;
  readonly ahead: boolean;
  /** Rows and keys of one `trace` step. */
  readonly traceRows: number;
  readonly traceKeys: number;
}

export interface PackedFeedForward {
  readonly gate: readonly Packed[];
  readonly up: readonly Packed[];
  readonly down: readonly Packed[];
}

export interface PackedLayer {
  readonly index: number;
  readonly attentionNorm: Tensor;
  readonly q: Packed;
  readonly k: Packed;
  readonly v: Packed;
  readonly o: Packed;
  readonly feedForwardNorm: Tensor;
  readonly router: Packed | null;
  /** The dense feed-forward, or the shared expert of a mixture. */
  readonly dense: PackedFeedForward | null;
  readonly experts: PackedFeedForward | null;
}

/** Tables that TypeScript writes before every step. */
export interface StepTables {
  readonly rows: Tensor; // [rows, ROW_WORDS]
  readonly segments: Tensor; // one segment: all rows
  readonly logitSegments: Tensor; // one segment: the flagged rows of a piece
  readonly logitGather: Tensor; // [logitRows]
  readonly logitScales: Tensor; // [logitRows]: of the masses of spans; 0: none
  readonly tasks: Record<PageKind, Tensor>;
  readonly merges: Record<PageKind, Tensor>;
  readonly pageTables: Record<PageKind, Tensor>; // [sequences, blocks]
  readonly embeddings: Tensor; // [embeddingRows, hidden]
}

export type Panels = ReadonlyMap<PanelForm, Panel>;

export interface Activations {
  readonly x: Tensor; // [rows, hidden]: the residual stream between layers
  readonly between: Tensor; // [rows, hidden]: the same between attention and feed-forward, so that none adds in place
  readonly angles: Tensor; // [rows, headSize]
  readonly temperature: Tensor; // [rows]
  readonly qkv: Tensor; // [rows, (heads + 2 kvHeads) * headSize]
  readonly attention: Tensor; // [rows, heads * headSize]
  readonly partials: Tensor; // [partials, heads, headSize + 2]
  readonly hidden: Tensor; // [rows, 2 * width]: gate and up, dense or shared
  readonly routerLogits: Tensor; // [rows, experts]
  readonly picks: Tensor; // [rows, used]
  readonly scores: Tensor; // [rows * used]
  readonly gather: Tensor; // [rows * used]
  readonly expertSegments: Tensor;
  readonly expertHidden: Tensor; // [rows * used, 2 * expertWidth]
  readonly sharedOut: Tensor; // [rows, hidden]
  readonly expertOut: Tensor; // [rows * used, hidden]
  readonly logits: Tensor; // [logitRows, vocab], last memory only
  readonly peaks: Tensor; // [logitRows, ceil(vocab / PEAK)]: the largest logit of each span, where a step wants them
  readonly masses: Tensor; // the same: what the logits of each span weigh together
  readonly ends: Tensor; // [count, ids] behind which no step follows by itself
  readonly drawings: Tensor; // [rows] f64: how such steps draw
  readonly drawn: Tensor; // [steps, rows]: ids that they drew
  readonly normPanels: Panels; // of normed rows
  readonly attentionPanels: Panels;
  readonly hiddenPanels: Panels;
  readonly expertPanels: Panels; // gathered rows
  readonly expertHiddenPanels: Panels;
  readonly outputPanels: Panels;
  // trace only
  readonly normed: Tensor; // [traceRows, hidden]
  readonly branch: Tensor; // [traceRows, hidden]; [rows, hidden] where a step needs it too
  readonly probabilities: Tensor; // [heads, traceRows, traceKeys]
}

export interface Layout {
  readonly plan: MemoryPlan;
  readonly range: LayerRange;
  readonly first: boolean;
  readonly last: boolean;
  readonly tables: StepTables;
  readonly activations: Activations;
  readonly cacheAt: Record<PageKind, Tensor>;
  readonly frequencies: Tensor; // [headSize / 2]
  readonly embedding: Packed | null;
  readonly layers: readonly PackedLayer[];
  readonly norm: Tensor | null;
  readonly output: Packed | null;
  /** Weight tables: where the addresses of a matrix's weights are written. */
  readonly tablesOf: Map<Packed, Tensor>;
  readonly biasOf: Map<Packed, Tensor>;
  readonly scratch: Tensor; // [threads, bytes]
  readonly loader: LoaderPlace;
  readonly adapters: AdapterLayout;
  /** Of the model itself. */
  readonly own: readonly { matrix: Matrix; to: Packed }[];
  /** What the loader fills, in order: these, and those of adapters. */
  readonly matrices: readonly { matrix: Matrix; to: Packed }[];
  readonly vectors: readonly { vector: Vector; to: Tensor }[];
}

/** Every panel form that some weight of the model reads. */
function formsOf(weights: ModelWeights, met: Met): Set<PanelForm> {
  const forms = new Set<PanelForm>(["f32"]);
  const add = (matrix: Matrix) => forms.add(formOf(matrix.type, met));
  for (const layer of weights.layers) for (const matrix of matricesOf(layer)) add(matrix);
  add(weights.output ?? weights.embedding);
  return forms;
}

function feedForwards(layer: LayerWeights): FeedForward[] {
  return [layer.dense, layer.shared, ...layer.experts].filter((branch) => branch !== null);
}

export function matricesOf(layer: LayerWeights): Matrix[] {
  const all = [layer.q, layer.k, layer.v, layer.o, ...(layer.router ? [layer.router] : [])];
  for (const { gate, up, down } of feedForwards(layer)) all.push(gate, up, down);
  return all;
}

export function matricesOfModel(weights: ModelWeights): Matrix[] {
  return [weights.embedding, ...(weights.output ? [weights.output] : []), ...weights.layers.flatMap(matricesOf)];
}

/** Bytes of a layer: weights and, for the pages of its kind, its share of each. */
export function layerBytes(config: ModelConfig, weights: ModelWeights, sizes: Sizes, index: number): number {
  const matrices = matricesOf(weights.layers[index]).reduce(
    (sum, { type, rows, cols, bias }) => sum + packedBytes(type, rows, cols) + 64 + (bias ? 4 * rows + 64 : 0),
    0,
  );
  const pages = sizes.pages[config.layers[index].chunked ? "chunked" : "full"];
  const adapters = adapterBytes(weights, index);
  return matrices + adapters + 8 * config.hidden + pages * pageLayerBytes(config, sizes.cache);
}

export function layoutMemory(config: ModelConfig, weights: ModelWeights, sizes: Sizes, range: LayerRange): Layout {
  const plan = new MemoryPlan();
  const first = range.from === 0;
  const last = range.to === config.layers.length;
  const forms = formsOf(weights, sizes);
  const tables = reserveTables(plan, config, sizes);
  const begin = plan.bytes;
  const activations = reserveActivations(plan, config, sizes, forms, last, needsBranch(weights));
  const free = { at: begin, end: plan.bytes };
  const scratch = plan.reserve("scratch", "bytes", [Math.max(1, sizes.threads), scratchBytes(config, sizes)]);
  const cacheAt = {} as Record<PageKind, Tensor>;
  for (const kind of ["full", "chunked"] as const) {
    const layers = config.layers
      .slice(range.from, range.to)
      .filter((layer) => layer.chunked === (kind === "chunked")).length;
    const pageBytes = pageLayerBytes(config, sizes.cache);
    cacheAt[kind] = plan.reserve(`${kind} cache`, "bytes", [layers, sizes.pages[kind], pageBytes]);
  }
  const loader = reserveLoader(plan, [...matricesOfModel(weights), ...adapterMatrices(weights)], free);
  const packed = reserveWeights(plan, weights, sizes, range, first, last);
  const frequencies = plan.reserve("rope frequencies", "f32", [config.headSize / 2]);
  const adapters = reserveAdapters(plan, config, weights, sizes, range);
  return {
    plan,
    range,
    first,
    last,
    tables,
    activations,
    cacheAt,
    frequencies,
    scratch,
    loader,
    adapters,
    ...packed,
    own: packed.matrices,
    matrices: [...packed.matrices, ...adapters.matrices],
    tablesOf: new Map([...packed.tablesOf, ...adapters.tablesOf]),
  };
}

function reserveTables(plan: MemoryPlan, config: ModelConfig, sizes: Sizes): StepTables {
  const table = (name: string, records: number, words: number) => plan.reserve(name, "u32", [1 + records * words]);
  const taskCount = sizes.rows + sizes.partials;
  return {
    rows: plan.reserve("rows", "u32", [sizes.rows, ROW_WORDS]),
    segments: table("segments", 1, SEGMENT_WORDS),
    logitSegments: table("logit segments", 1, SEGMENT_WORDS),
    logitGather: plan.reserve("logit rows", "u32", [sizes.logitRows]),
    logitScales: plan.reserve("logit scales", "f32", [sizes.logitRows]),
    tasks: { full: table("full tasks", taskCount, TASK_WORDS), chunked: table("chunked tasks", taskCount, TASK_WORDS) },
    merges: {
      full: table("full merges", sizes.rows, JOIN_WORDS),
      chunked: table("chunked merges", sizes.rows, JOIN_WORDS),
    },
    pageTables: {
      full: plan.reserve("full page tables", "u32", [sizes.sequences, sizes.blocks]),
      chunked: plan.reserve("chunked page tables", "u32", [sizes.sequences, sizes.blocks]),
    },
    embeddings: plan.reserve("embeddings", "f32", [sizes.embeddingRows, config.hidden]),
  };
}

function reserveActivations(
  plan: MemoryPlan,
  config: ModelConfig,
  sizes: Sizes,
  forms: Set<PanelForm>,
  last: boolean,
  branch: boolean,
): Activations {
  const { rows } = sizes;
  const { hidden, heads, kvHeads, headSize } = config;
  const moe = config.layers.some((layer) => layer.moe);
  const dense = config.layers.some((layer) => !layer.moe);
  const width = Math.max(dense ? config.denseWidth : 0, moe && config.sharedExpert ? config.expertWidth : 0);
  const entries = moe ? rows * config.expertsUsed : 0;
  const f32 = (name: string, ...shape: number[]) => plan.reserve(name, "f32", shape);
  const u32 = (name: string, ...shape: number[]) => plan.reserve(name, "u32", shape);
  const panels = (name: string, count: number, cols: number, entries = 1): Panels =>
    new Map(
      [...forms]
        .filter((form) => form === "f32" || cols % 32 === 0)
        .map((form) => [form, reservePanel(plan, `${name} panel`, form, { ...sizes, entries }, count, cols)]),
    );
  return {
    x: f32("x", rows, hidden),
    between: f32("x behind attention", rows, hidden),
    angles: f32("angles", rows, headSize),
    temperature: f32("temperature", rows),
    qkv: f32("qkv", rows, (heads + 2 * kvHeads) * headSize),
    attention: f32("attention", rows, heads * headSize),
    partials: f32("partials", sizes.partials, heads, headSize + 2),
    hidden: f32("gate and up", rows, 2 * width),
    routerLogits: f32("router logits", rows, config.experts),
    picks: u32("picks", rows, config.expertsUsed),
    scores: f32("scores", entries),
    gather: u32("gather", entries),
    expertSegments: u32("expert segments", 1 + config.experts * SEGMENT_WORDS),
    expertHidden: f32("expert gate and up", entries, 2 * config.expertWidth),
    sharedOut: f32("shared out", moe ? rows : 0, hidden),
    expertOut: f32("expert out", entries, hidden),
    logits: f32("logits", last ? sizes.logitRows : 0, config.vocab),
    peaks: f32("peaks", last ? sizes.logitRows : 0, Math.ceil(config.vocab / PEAK)),
    masses: f32("masses", last ? sizes.logitRows : 0, Math.ceil(config.vocab / PEAK)),
    ends: u32("ends", last ? ENDS_WORDS : 0),
    drawings: u32("drawings", last ? DRAWINGS_WORDS : 0),
    drawn: u32("drawn", last ? DRAWN_WORDS : 0),
    normPanels: panels("norm", rows, hidden),
    attentionPanels: panels("attention", rows, heads * headSize),
    hiddenPanels: panels("hidden", rows, width),
    expertPanels: panels("expert", entries, hidden, config.expertsUsed),
    expertHiddenPanels: panels("expert hidden", entries, config.expertWidth, config.expertsUsed),
    outputPanels: panels("output", last ? sizes.logitRows : 0, hidden),
    normed: f32("normed", sizes.traceRows, hidden),
    branch: f32("branch", branch ? rows : sizes.traceRows, hidden),
    probabilities: f32("probabilities", heads, sizes.traceRows, sizes.traceKeys),
  };
}

/** Scratch of PACK and CONVERT: eight rows of f32, and as many stored ones. */
export const CONVERT_BYTES = 2 * GROUP * CONVERT_COLS * 4;

/** Scratch of MATMUL: pieces of dequantised groups, rows they are decoded to, sums of the tiles of a visit. */
export const MATMUL_BYTES = ((VISIT_GROUPS + 1) * DEQUANTIZE_COLS + VISIT_GROUPS * MOST_TILES * TILE_ROWS) * GROUP * 4;

/** Scratch of ATTEND: queries in pieces of 64 features, scores, weights, a block and a state for each query, their spans, scales and sums, eight places. */
export function attentionBytes(d: number): number {
  const padded = Math.ceil(d / 8) * 8;
  return 4 * (6 * PAGE * Math.ceil(d / PAGE) + 12 * PAGE + 12 * (2 + padded) + 44);
}

/** The largest need of any op. */
function scratchBytes(config: ModelConfig, sizes: Sizes): number {
  const d = config.headSize;
  const row = 4 * Math.max(config.hidden, config.denseWidth, config.expertWidth, config.heads * d);
  const route = 8 * sizes.rows * config.expertsUsed + 4 * config.experts;
  return Math.ceil(Math.max(row, MATMUL_BYTES, CONVERT_BYTES, attentionBytes(d), route) / 64) * 64 + 64;
}

function reserveWeights(
  plan: MemoryPlan,
  weights: ModelWeights,
  met: Met,
  range: LayerRange,
  first: boolean,
  last: boolean,
) {
  const matrices: { matrix: Matrix; to: Packed }[] = [];
  const vectors: { vector: Vector; to: Tensor }[] = [];
  const tablesOf = new Map<Packed, Tensor>();
  const biasOf = new Map<Packed, Tensor>();
  const vector = (one: Vector): Tensor => {
    const to = plan.reserve(one.name, "f32", [one.length]);
    vectors.push({ vector: one, to });
    return to;
  };
  const matrix = (one: Matrix): Packed => {
    const to = reservePacked(plan, one, one.rows, one.cols, met);
    matrices.push({ matrix: one, to });
    if (one.bias) biasOf.set(to, vector(one.bias));
    return to;
  };
  /** Weights that one op reaches by index share a table of addresses, kept under the first of them. */
  const together = (list: readonly Matrix[]): Packed[] => {
    const all = list.map(matrix);
    tablesOf.set(all[0], plan.reserve(`${all[0].name} table`, "u32", [all.length]));
    return all;
  };
  const single = (one: Matrix): Packed => together([one])[0];
  const branch = (list: readonly FeedForward[]): PackedFeedForward | null =>
    list.length === 0
      ? null
      : {
          gate: together(list.map((one) => one.gate)),
          up: together(list.map((one) => one.up)),
          down: together(list.map((one) => one.down)),
        };

  const embedding = first ? single(weights.embedding) : null;
  const layers = weights.layers.slice(range.from, range.to).map((layer, index): PackedLayer => {
    const dense = layer.dense ?? layer.shared;
    return {
      index: range.from + index,
      attentionNorm: vector(layer.attentionNorm),
      q: single(layer.q),
      k: single(layer.k),
      v: single(layer.v),
      o: single(layer.o),
      feedForwardNorm: vector(layer.feedForwardNorm),
      router: layer.router && single(layer.router),
      dense: branch(dense ? [dense] : []),
      experts: branch(layer.experts),
    };
  });
  const norm = last ? vector(weights.norm) : null;
  // A tied output is the embedding itself where both live in one memory.
  const output = !last ? null : weights.output ? single(weights.output) : (embedding ?? single(weights.embedding));
  return { matrices, vectors, tablesOf, biasOf, embedding, layers, norm, output };
}
