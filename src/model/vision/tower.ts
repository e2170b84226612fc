import {
  NO_PARTIAL,
  ROW_FULL_PAGES,
  ROW_POSITION,
  ROW_WORDS,
  TASK_WORDS,
  WORD_ROWS,
  WORD_SCRATCH_AT,
  WORD_SCRATCH_BYTES,
} from "../../../assembly/abi.ts";
import { exp, log } from "../../exact.ts";
import { Memory, type Tensor } from "../../runtime/memory.ts";
import { startAt, type Threads } from "../../runtime/threads.ts";
import type { ModelConfig } from "../config/config.ts";
import { blocksOf } from "../plan/pages.ts";
import { CHANNELS, type VisionConfig } from "./config.ts";
import { emitTower, type TowerForward } from "./forward.ts";
import { layoutTower, type TowerLayout, type TowerSizes } from "./layout.ts";
import type { VisionWeights } from "./weights.ts";

/** A vision tower in a memory of its own: tiles of pixels in, rows of the text model out. */

export interface TowerPlan {
  readonly config: VisionConfig;
  readonly layout: TowerLayout;
  readonly forward: TowerForward & { readonly at: Tensor };
  /** With stops for taps. */
  readonly trace: TowerForward & { readonly at: Tensor };
}

/** Complete before anything is made. */
export function planTower(
  config: VisionConfig,
  weights: VisionWeights,
  text: ModelConfig,
  options: Pick<TowerSizes, "threads" | "wide" | "activations" | "dot" | "apart">,
): TowerPlan {
  const layout = layoutTower(config, weights, text, options);
  const place = (name: string, forward: TowerForward) => ({
    ...forward,
    at: layout.plan.reserve(name, "u32", [forward.program.bytes / 4]),
  });
  return {
    config,
    layout,
    forward: place("program", emitTower(config, layout, false)),
    trace: place("trace program", emitTower(config, layout, true)),
  };
}

/** The memory of a tower with its programs and whatever does not change from run to run. */
export function makeTowerMemory({ config, layout, forward, trace }: TowerPlan): Memory {
  const memory = new Memory(layout.plan);
  for (const { program, at } of [forward, trace]) memory.u32(at).set(program.words());
  memory.control[WORD_SCRATCH_AT] = layout.scratch.at;
  memory.control[WORD_SCRATCH_BYTES] = layout.scratch.shape[1];
  const { tokens, headSize, ropeTheta } = config;
  const { tables, sizes, frequencies } = layout;
  const blocks = blocksOf(tokens);
  memory.u32(tables.pages).set(Uint32Array.from({ length: sizes.tiles * blocks }, (_, page) => page));
  const rows = memory.u32(tables.rows);
  for (let row = 0; row < sizes.tiles * tokens; row++) {
    rows[row * ROW_WORDS + ROW_POSITION] = row % tokens;
    rows[row * ROW_WORDS + ROW_FULL_PAGES] = tables.pages.at + Math.floor(row / tokens) * blocks * 4;
  }
  // theta^(-2j/n) of the n = headSize / 2 dimensions of an axis.
  const turns = memory.f32(frequencies);
  for (let pair = 0; pair < turns.length; pair++) turns[pair] = exp(-((4 * pair) / headSize) * log(ropeTheta));
  return memory;
}

/** A tap of all tiles: [tiles, rows, cols], or [tiles x rows, cols] of what enters the text. */
export interface TowerTapData {
  readonly shape: number[];
  readonly data: Float32Array;
}

export class Tower {
  readonly config: VisionConfig;
  readonly #plan: TowerPlan;
  readonly #memory: Memory;
  readonly #threads: Threads;
  readonly #index: number;

  /** Its weights are in its memory, which is number `index` of the threads'. */
  constructor(plan: TowerPlan, memory: Memory, threads: Threads, index: number) {
    this.config = plan.config;
    this.#plan = plan;
    this.#memory = memory;
    this.#threads = threads;
    this.#index = index;
    // The class row is a row of the table like the patches' places.
    const { layout, config } = plan;
    const table = memory.f32(layout.positions, config.side ** 2 * config.hidden);
    const classRow = memory.f32(layout.classRow);
    for (let col = 0; col < classRow.length; col++) table[col] += classRow[col];
  }

  /** Names of all taps, in network order. */
  get tapNames(): string[] {
    return this.#plan.trace.taps.map(({ name }) => name);
  }

  /** Numbers of a tile: [3, tileSize, tileSize]. */
  get tileValues(): number {
    return CHANNELS * this.config.tileSize ** 2;
  }

  /** Tiles that go through together. */
  get together(): number {
    return this.#plan.layout.sizes.tiles;
  }

  /**
   * The rows of each tile, [rows, hidden of the text], in order; each as if it were alone, to the bit. One call at a time, and none beside
   * a step. Rejects with the signal's reason.
   */
  async encode(tiles: readonly Float32Array[], signal?: AbortSignal): Promise<Float32Array[]> {
    const { layout, forward } = this.#plan;
    const encoded: Float32Array[] = [];
    for (let from = 0; from < tiles.length; from += this.together) {
      const some = tiles.slice(from, from + this.together);
      this.#write(some);
      startAt(this.#memory, forward.at.at);
      await this.#run(signal);
      const values = this.config.rows * layout.projected.shape[1];
      for (const tile of some.keys()) encoded.push(this.#memory.f32(layout.projected, tile * values, values).slice());
    }
    return encoded;
  }

  /** Every wanted tap of the tiles: the same kernels, the same bits. */
  async trace(
    tiles: readonly Float32Array[],
    wanted: (name: string) => boolean,
    signal?: AbortSignal,
  ): Promise<Map<string, TowerTapData>> {
    const { trace } = this.#plan;
    const read = new Map<string, TowerTapData>();
    for (let from = 0; from < tiles.length; from += this.together) {
      const some = tiles.slice(from, from + this.together);
      this.#write(some);
      startAt(this.#memory, trace.at.at);
      for (const { name, tensor, rows, kept } of trace.taps) {
        await this.#run(signal);
        if (!wanted(name)) continue;
        const cols = tensor.shape[1];
        const inText = name === "projected";
        const shape = inText ? [tiles.length * kept, cols] : [tiles.length, kept, cols];
        const data = read.get(name)?.data ?? new Float32Array(tiles.length * kept * cols);
        for (const tile of some.keys())
          data.set(this.#memory.f32(tensor, tile * rows * cols, kept * cols), (from + tile) * kept * cols);
        read.set(name, { shape, data });
      }
    }
    return read;
  }

  async #run(signal: AbortSignal | undefined): Promise<void> {
    const result = await this.#threads.run(this.#index, this.#index, signal);
    if (result.status === "fault") throw new Error(`the tower stopped with fault ${result.fault.code}`);
  }

  /** Pixels as rows of patches, and how many there are of everything. */
  #write(tiles: readonly Float32Array[]): void {
    const { config, layout } = this.#plan;
    const { tokens, side, patchSize, tileSize, rows } = config;
    const { tables, sizes } = layout;
    const { attendedRows } = sizes;
    this.#memory.control[WORD_ROWS] = tiles.length * tokens;
    this.#memory.u32(tables.segments).set([1, 0, 0, tiles.length * tokens]);
    this.#memory.u32(tables.textSegments).set([1, 0, 0, tiles.length * rows]);
    const tasks: number[] = [];
    for (let tile = 0; tile < tiles.length; tile++)
      for (let row = 0; row < tokens; row += attendedRows)
        tasks.push(tile * tokens + row, Math.min(attendedRows, tokens - row), 0, blocksOf(tokens), NO_PARTIAL);
    this.#memory.u32(tables.tasks).set([tasks.length / TASK_WORDS, ...tasks]);
    const patches = this.#memory.f32(layout.patches);
    const cols = layout.patches.shape[1];
    for (const [tile, values] of tiles.entries()) {
      for (let line = 0; line < CHANNELS * tileSize; line++) {
        const [channel, y] = [Math.floor(line / tileSize), line % tileSize];
        const row = tile * tokens + Math.floor(y / patchSize) * side;
        const to = row * cols + (channel * patchSize + (y % patchSize)) * patchSize;
        for (let patch = 0; patch < side; patch++) {
          const from = line * tileSize + patch * patchSize;
          patches.set(values.subarray(from, from + patchSize), to + patch * cols);
        }
      }
    }
  }
}
