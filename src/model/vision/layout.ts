import { CACHE_F32, GROUP, PAGE, ROW_WORDS, SEGMENT_WORDS, TASK_WORDS } from "../../../assembly/abi.ts";
import { formOf, type Met } from "../../runtime/forms.ts";
import { queriesTogether } from "../../runtime/kernels.ts";
import { MemoryPlan, type Tensor } from "../../runtime/memory.ts";
import type { CachePlace } from "../../runtime/ops.ts";
import { type Packed, type Panel, reservePacked, reservePanel } from "../../runtime/packed.ts";
import { type ActivationType, type ByteDot, isFloat, type StoredType } from "../../weight-types.ts";
import type { ModelConfig } from "../config/config.ts";
import { attentionBytes, CONVERT_BYTES, MATMUL_BYTES, type Panels } from "../plan/layout.ts";
import { type LoaderPlace, reserveLoader } from "../plan/loader-place.ts";
import { blocksOf, cacheStreams } from "../plan/pages.ts";
import { tileRowsFor } from "../plan/sizes.ts";
import type { Matrix, Vector } from "../plan/weights.ts";
import { CHANNELS, type VisionConfig } from "./config.ts";
import { matricesOfVision, type Norm, type VisionWeights } from "./weights.ts";

/** What lies in the memory of a tower, every tensor named: it has one of its own, beside those of the text model. */

export interface TowerSizes {
  /** Tiles of one run at most. */
  readonly tiles: number;
  readonly threads: number;
  readonly tileRows: number;
  /** Rows whose queries of one head meet the keys together. */
  readonly attendedRows: number;
  /** 256-bit pairs. */
  readonly wide: boolean;
  readonly activations: ActivationType;
  readonly dot: ByteDot;
  readonly apart?: readonly StoredType[] | undefined;
  /** Float matrices round a multiply-add once where the build can. */
  readonly fused: boolean;
}

export interface PackedNorm {
  readonly norm: Tensor;
  readonly bias: Tensor;
}

export interface PackedVisionLayer {
  readonly attentionNorm: PackedNorm;
  readonly q: Packed;
  readonly k: Packed;
  readonly v: Packed;
  readonly o: Packed;
  readonly feedForwardNorm: PackedNorm;
  readonly up: Packed;
  readonly down: Packed;
}

/** T: tiles x tokens; R: tiles x rows of a tile in the text. */
export interface TowerLayout {
  readonly plan: MemoryPlan;
  readonly sizes: TowerSizes;
  readonly scratch: Tensor;
  readonly loader: LoaderPlace;
  readonly tables: {
    readonly rows: Tensor; // [T, ROW_WORDS]
    readonly segments: Tensor; // one: T rows
    readonly textSegments: Tensor; // one: R rows
    readonly tasks: Tensor;
    readonly pages: Tensor; // [tiles, blocks]
  };
  /** Keys and values of one layer at a time: no layer needs those of another. */
  readonly cache: CachePlace;
  readonly patches: Tensor; // [T, 3 patchSize^2]; class rows stay 0
  readonly x: Tensor; // [T, hidden]: the residual stream
  readonly angles: Tensor; // [T, headSize]
  readonly qkv: Tensor; // [T, 3 hidden]
  readonly attention: Tensor; // [T, hidden]
  readonly up: Tensor; // [T, width]
  readonly branch: Tensor; // [T, hidden], of traces
  readonly shuffled: Tensor; // [R, 4 hidden]
  readonly adapted: readonly [Tensor, Tensor]; // [R, adapterWidth]
  readonly adapter: Tensor; // [R, adapterWidth], of traces
  readonly projected: Tensor; // [R, hidden of the text]
  readonly patchPanels: Panels;
  readonly rowPanels: Panels; // of normed rows and of attention
  readonly upPanels: Panels;
  readonly shuffledPanels: Panels;
  readonly adaptedPanels: Panels;
  readonly frequencies: Tensor; // [headSize / 4]
  readonly classRow: Tensor; // [hidden]
  readonly positions: Tensor; // [tokens, hidden]
  readonly patch: Packed;
  readonly normPre: PackedNorm;
  readonly layers: readonly PackedVisionLayer[];
  readonly normPost: PackedNorm;
  readonly adapterWeights: readonly [Packed, Packed];
  readonly projector: Packed;
  readonly tablesOf: Map<Packed, Tensor>;
  readonly biasOf: Map<Packed, Tensor>;
  readonly matrices: readonly { matrix: Matrix; to: Packed }[];
  readonly vectors: readonly { vector: Vector; to: Tensor }[];
}

/** Rows that one run of several tiles may have: enough that weights are read for many of them, few enough for their memory. */
const RUN_ROWS = 1280;
const MOST_TILES = 16;

export function layoutTower(
  config: VisionConfig,
  weights: VisionWeights,
  text: ModelConfig,
  options: Pick<TowerSizes, "threads" | "wide" | "activations" | "dot" | "apart">,
): TowerLayout {
  const plan = new MemoryPlan();
  const matrices = matricesOfVision(weights);
  const sizes: TowerSizes = {
    ...options,
    tiles: Math.max(1, Math.min(MOST_TILES, Math.floor(RUN_ROWS / config.tokens))),
    tileRows: tileRowsFor(options.wide),
    attendedRows: queriesTogether(options.wide),
    fused: matrices.every(({ type }) => isFloat(type)),
  };
  const { tiles } = sizes;
  const [rows, textRows] = [tiles * config.tokens, tiles * config.rows];
  const { hidden, width, adapterWidth } = config;
  const f32 = (name: string, ...shape: number[]) => plan.reserve(name, "f32", shape);
  const panels = (name: string, count: number, cols: number, ...readers: Matrix[]): Panels => {
    const forms = new Set(readers.map(({ type }) => formOf(type, options)));
    const panel = (form: Panel["form"]) => reservePanel(plan, `${name} panel`, form, sizes, count, cols);
    return new Map([...forms].map((form) => [form, panel(form)]));
  };
  const patchCols = CHANNELS * config.patchSize ** 2;
  const { layers } = weights;
  return {
    plan,
    sizes,
    scratch: plan.reserve("scratch", "bytes", [Math.max(1, sizes.threads), scratchBytes(config, patchCols)]),
    loader: reserveLoader(plan, matrices),
    tables: reserveTables(plan, config, sizes),
    cache: reserveCache(plan, config, tiles),
    patches: f32("patches", rows, patchCols),
    x: f32("x", rows, hidden),
    angles: f32("angles", rows, config.headSize),
    qkv: f32("qkv", rows, 3 * hidden),
    attention: f32("attention", rows, hidden),
    up: f32("up", rows, width),
    branch: f32("branch", rows, hidden),
    shuffled: f32("shuffled", textRows, 4 * hidden),
    adapted: [f32("adapted 0", textRows, adapterWidth), f32("adapted 1", textRows, adapterWidth)],
    adapter: f32("adapter", textRows, adapterWidth),
    projected: f32("projected", textRows, text.hidden),
    patchPanels: panels("patch", rows, patchCols, weights.patch),
    rowPanels: panels("row", rows, hidden, ...layers.flatMap(({ q, k, v, o, up }) => [q, k, v, o, up])),
    upPanels: panels("up", rows, width, ...layers.map(({ down }) => down)),
    shuffledPanels: panels("shuffled", textRows, 4 * hidden, weights.adapter[0]),
    adaptedPanels: panels("adapted", textRows, adapterWidth, weights.adapter[1], weights.projector),
    ...reserveWeights(plan, config, weights, sizes),
  };
}

/** The largest need of any op. */
function scratchBytes({ hidden, width, adapterWidth, headSize }: VisionConfig, patchCols: number): number {
  const row = 4 * Math.max(patchCols, 4 * hidden, width, adapterWidth);
  return Math.ceil(Math.max(row, MATMUL_BYTES, CONVERT_BYTES, attentionBytes(headSize)) / 64) * 64 + 64;
}

function reserveTables(
  plan: MemoryPlan,
  { tokens }: VisionConfig,
  { tiles, attendedRows }: TowerSizes,
): TowerLayout["tables"] {
  const table = (name: string, records: number, words: number) => plan.reserve(name, "u32", [1 + records * words]);
  return {
    rows: plan.reserve("rows", "u32", [tiles * tokens, ROW_WORDS]),
    segments: table("segments", 1, SEGMENT_WORDS),
    textSegments: table("text segments", 1, SEGMENT_WORDS),
    tasks: table("tasks", tiles * Math.ceil(tokens / attendedRows), TASK_WORDS),
    pages: plan.reserve("pages", "u32", [tiles, blocksOf(tokens)]),
  };
}

function reserveCache(plan: MemoryPlan, { heads, headSize, tokens }: VisionConfig, tiles: number): CachePlace {
  const padded = Math.ceil(headSize / GROUP) * GROUP;
  const pageBytes = (headSize + padded) * PAGE * 4;
  const pages = tiles * blocksOf(tokens);
  const { at } = plan.reserve("keys and values", "bytes", [heads, pages, pageBytes]);
  const tableBlocks = blocksOf(tokens);
  const headBytes = pages * pageBytes;
  return {
    chunked: false,
    type: CACHE_F32,
    at,
    pageBytes,
    headBytes,
    pages,
    tableBlocks,
    streams: cacheStreams("f32", false),
  };
}

function reserveWeights(
  plan: MemoryPlan,
  { tokens, hidden, headSize }: VisionConfig,
  weights: VisionWeights,
  met: Met,
) {
  const matrices: { matrix: Matrix; to: Packed }[] = [];
  const vectors: { vector: Vector; to: Tensor }[] = [];
  const tablesOf = new Map<Packed, Tensor>();
  const biasOf = new Map<Packed, Tensor>();
  const vector = (one: Vector, shape: readonly number[] = [one.length]): Tensor => {
    const to = plan.reserve(one.name, "f32", shape);
    vectors.push({ vector: one, to });
    return to;
  };
  const norm = ({ weight, bias }: Norm): PackedNorm => ({ norm: vector(weight), bias: vector(bias) });
  const matrix = (one: Matrix): Packed => {
    const to = reservePacked(plan, one, one.rows, one.cols, met);
    matrices.push({ matrix: one, to });
    tablesOf.set(to, plan.reserve(`${one.name} table`, "u32", [1]));
    if (one.bias) biasOf.set(to, vector(one.bias));
    return to;
  };
  return {
    frequencies: plan.reserve("frequencies", "f32", [headSize / 4]),
    classRow: vector(weights.classRow),
    positions: vector(weights.positions, [tokens, hidden]),
    patch: matrix(weights.patch),
    normPre: norm(weights.normPre),
    layers: weights.layers.map((layer) => ({
      attentionNorm: norm(layer.attentionNorm),
      q: matrix(layer.q),
      k: matrix(layer.k),
      v: matrix(layer.v),
      o: matrix(layer.o),
      feedForwardNorm: norm(layer.feedForwardNorm),
      up: matrix(layer.up),
      down: matrix(layer.down),
    })),
    normPost: norm(weights.normPost),
    adapterWeights: [matrix(weights.adapter[0]), matrix(weights.adapter[1])] as const,
    projector: matrix(weights.projector),
    tablesOf,
    biasOf,
    matrices,
    vectors,
  };
}
