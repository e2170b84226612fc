import { PAGE, TILE_ROWS } from "../../../assembly/abi.ts";
import { EngineError } from "../../error.ts";
import { LARGEST_MEMORY } from "../../runtime/memory.ts";
import { packedBytes } from "../../runtime/packed.ts";
import { type ActivationType, type ByteDot, isFloat, type StoredType } from "../../weight-types.ts";
import type { ModelConfig } from "../config/config.ts";
import { type Layout, layerBytes, layoutMemory, matricesOfModel, type Sizes } from "./layout.ts";
import { blocksOf, type CacheType } from "./pages.ts";
import { type LayerRange, placeLayers } from "./placement.ts";
import { type Programs, placePrograms } from "./programs.ts";
import type { Matrix, ModelWeights } from "./weights.ts";

/** Sizes of a model in memory, chosen before any tensor is read, and the budget check. */

export interface SizeOptions {
  readonly context: number | undefined;
  readonly cache: CacheType;
  readonly activations: ActivationType;
  readonly threads: number;
  /** V8 pairs vectors into 256 bits. */
  readonly wide: boolean;
  readonly dot: ByteDot;
  /** Types that are packed apart. */
  readonly apart?: readonly StoredType[] | undefined;
  /** Pages of an 8-bit cache are read several at a time, before they are computed with. */
  readonly ahead?: boolean;
  /** Whether float matrices fuse multiply and add. Default: where all matrices are float. */
  readonly fused?: boolean;
  /** Sequences in one step at most. */
  readonly sequences?: number;
  /** Positions of the cache, all sequences together. Default: the context, and a page for each sequence. */
  readonly cachePositions?: number;
  /** Bytes of all memories together at most. */
  readonly maxMemory: number | undefined;
  /** Bytes of one wasm memory at most: layers that do not fit go to a further one. */
  readonly memoryLimit: number | undefined;
  /** The memory of a vision tower, which counts with the others. */
  readonly tower?: BesideBytes | null;
}

/** Of a memory that no layer of the text lies in: all of it, and the packed weights in it. */
export interface BesideBytes {
  readonly total: number;
  readonly weights: number;
}

const DEFAULT_CONTEXT = 8192;
/** Rows of a step: long prompts are cut into so many. */
const STEP_ROWS = 512;
/** Logits are computed for so many bytes of rows at a time. */
const LOGIT_BYTES = 16 * 1024 * 1024;
export const SEQUENCES = 64;
const TRACE_ROWS = 64;
const TRACE_KEYS = 1024;

export interface ModelPlan {
  readonly sizes: Sizes;
  /** Memory by memory. */
  readonly placed: readonly PlannedMemory[];
  readonly warnings: readonly string[];
  readonly memory: PlannedBytes;
}

/** Bytes: of each memory and of all of them, to the byte; weights as packed; cache; whatever is neither. */
export interface PlannedBytes {
  readonly total: number;
  /** A vision tower has the last. */
  readonly memories: readonly number[];
  readonly weights: number;
  readonly cache: number;
  readonly activations: number;
}

export interface PlannedMemory {
  readonly layout: Layout;
  readonly programs: Programs;
}

export function planModel(config: ModelConfig, weights: ModelWeights, options: SizeOptions): ModelPlan {
  const warnings: string[] = [];
  const context = chooseContext(config, options.context);
  const sizes = chooseSizes(config, context, options);
  const limit = Math.min(options.memoryLimit ?? LARGEST_MEMORY, LARGEST_MEMORY);
  const placed = place(config, weights, sizes, limit).map((range): PlannedMemory => {
    const layout = layoutMemory(config, weights, sizes, range);
    return { layout, programs: placePrograms(config, layout, sizes, options.fused ?? allFloat(weights)) };
  });
  const memory = bytesOf(
    placed.map(({ layout }) => layout),
    options.tower ?? null,
  );
  if (options.maxMemory !== undefined && memory.total > options.maxMemory) {
    throw new EngineError("MODEL_TOO_LARGE", "the model, its cache and its activations need more than maxMemory", {
      at: { source: "option", field: "maxMemory" },
      actual: `${memory.total} bytes`,
      limit: `at most ${options.maxMemory} bytes (a smaller context or an 8-bit cache needs less)`,
    });
  }
  if (options.context === undefined && context < config.context) {
    warnings.push(`the file allows ${config.context} positions; the context is ${context} (option context)`);
  }
  return { sizes, placed, warnings, memory };
}

function bytesOf(layouts: readonly Layout[], tower: BesideBytes | null): PlannedBytes {
  const sum = (count: (layout: Layout) => number) => layouts.reduce((bytes, layout) => bytes + count(layout), 0);
  const memories = layouts.map(({ plan }) => plan.memoryBytes);
  if (tower) memories.push(tower.total);
  const total = memories.reduce((bytes, memory) => bytes + memory, 0);
  const packed = sum(({ matrices }) => matrices.reduce((bytes, { to }) => bytes + to.at.bytes, 0));
  const weights = packed + (tower?.weights ?? 0);
  const cache = sum(({ cacheAt }) => cacheAt.full.bytes + cacheAt.chunked.bytes);
  return { total, memories, weights, cache, activations: total - weights - cache };
}

/** A model of these alone may fuse multiply and add. */
export const allFloat = (weights: ModelWeights): boolean => matricesOfModel(weights).every(({ type }) => isFloat(type));

function chooseContext(config: ModelConfig, asked: number | undefined): number {
  if (asked === undefined) return Math.min(config.context, DEFAULT_CONTEXT);
  if (!Number.isSafeInteger(asked) || asked < 1 || asked > config.context) {
    throw new EngineError("OPTION_RANGE", "context", {
      at: { source: "option", field: "context" },
      actual: String(asked),
      limit: `an integer from 1 to ${config.context}, what the file allows`,
    });
  }
  return asked;
}

/**
 * In 128 bits the sums and codes of 4 rows fill the registers. A fifth spills within the loop, onto a stack that V8 aligns to 8 bytes: what
 * crosses cache lines there hangs on the frames above, and one parameter more of a caller made 610 tokens/s 232 (prompts of `small`, q4_0,
 * EPYC, Zen 4, Node 20, two threads; of 4 rows 590 with either, q4_k 515 with 5 and 4, q8_0 390 and 500; bf16 379 of 6, 393 of 4; f32 on
 * Zen 5, alone, 33 GFLOP/s of 6 and 61 of 5). In 256 bits there is room for 6.
 */
export const tileRowsFor = (wide: boolean): number => (wide ? TILE_ROWS : 4);

function chooseSizes(config: ModelConfig, context: number, options: SizeOptions): Sizes {
  const blocks = blocksOf(context);
  const rows = Math.min(STEP_ROWS, blocks * PAGE);
  const { sequences = SEQUENCES, cachePositions } = options;
  // Pages beyond one full context: the ends of sequences that run beside each other.
  const spare = cachePositions === undefined ? sequences : blocksOf(cachePositions) - blocks;
  if (spare < 0) {
    throw new EngineError("OPTION_RANGE", "cachePositions", {
      at: { source: "option", field: "cachePositions" },
      actual: String(cachePositions),
      limit: `at least ${context}, the context`,
    });
  }
  const chunked = config.layers.some((layer) => layer.chunked);
  // A chunk, and what one step may write beyond it before pages are given back.
  const window = chunked && config.chunk > 0 ? Math.min(blocks, blocksOf(config.chunk) + blocksOf(rows) + 1) : blocks;
  return {
    rows,
    logitRows: Math.min(rows, Math.max(16, Math.floor(LOGIT_BYTES / (4 * config.vocab)))),
    embeddingRows: rows,
    sequences,
    blocks,
    context,
    pages: { full: blocks + spare, chunked: Math.min(blocks + spare, window + spare) },
    partials: Math.max(2 * blocks, 256),
    threads: options.threads,
    tileRows: tileRowsFor(options.wide),
    wide: options.wide,
    cache: options.cache,
    activations: options.activations,
    dot: options.dot,
    apart: options.apart,
    ahead: options.ahead ?? false,
    traceRows: Math.min(TRACE_ROWS, rows),
    traceKeys: Math.min(TRACE_KEYS, blocks * PAGE),
  };
}

/** As few memories as hold the layers: what every memory needs is measured on a layout without layers. */
function place(config: ModelConfig, weights: ModelWeights, sizes: Sizes, limit: number): LayerRange[] {
  const layers = config.layers.map((_, index) => layerBytes(config, weights, sizes, index));
  const bytes = ({ type, rows, cols }: Matrix) => packedBytes(type, rows, cols) + 128;
  const fixed = layoutMemory(config, weights, sizes, { from: 1, to: 1 }).plan.bytes + programBytes(config);
  const head = sizes.logitRows * (config.vocab + 8 * config.hidden) * 4 + 4 * config.hidden;
  const output = weights.output ? bytes(weights.output) : bytes(weights.embedding);
  return placeLayers(layers, fixed, bytes(weights.embedding), head + output, limit);
}

/** For the choice of memories alone, generously: about 250 words a layer, three programs, and a profile of the first. */
function programBytes(config: ModelConfig): number {
  return config.layers.length * 8192 + 32768;
}
