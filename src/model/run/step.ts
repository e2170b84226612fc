import {
  NO_PARTIAL,
  PAGE,
  ROW_CHUNKED_PAGES,
  ROW_FLAG_EMBEDDING,
  ROW_FLAGS,
  ROW_FULL_PAGES,
  ROW_INPUT,
  ROW_POSITION,
  ROW_WORDS,
  SEGMENT_WORDS,
  TASK_WORDS,
  WORD_ROWS,
} from "../../../assembly/abi.ts";
import { EngineError } from "../../error.ts";
import { queriesTogether } from "../../runtime/kernels.ts";
import type { Memory } from "../../runtime/memory.ts";
import type { ModelConfig } from "../config/config.ts";
import type { Layout, Sizes } from "../plan/layout.ts";
import { blocksOf, chunkStart, type PageKind } from "../plan/pages.ts";
import type { Timeline } from "./cache.ts";

/** The tables of one step: which rows, at which positions, on which pages, and what attention computes for them. */

/** Consecutive rows of one sequence. */
export interface StepPart {
  readonly timeline: Timeline;
  /** Position of the first row. */
  readonly position: number;
  /** A token id, or an embedding row [hidden], per row. */
  readonly inputs: readonly (number | Float32Array)[];
  /** How many of the rows want logits: the last ones. */
  readonly logits: number;
  /** What has to be known of their spans (draw/spans.ts). Default: null. */
  readonly spanScale?: number | null;
  /** Which of the model's adapters they are computed with. Default: none. */
  readonly adapter?: number | null;
}

const KINDS: readonly PageKind[] = ["full", "chunked"];

export function writeStep(
  config: ModelConfig,
  sizes: Sizes,
  layout: Layout,
  memory: Memory,
  parts: readonly StepPart[],
): void {
  const { tables } = layout;
  const rows = parts.reduce((sum, { inputs }) => sum + inputs.length, 0);
  memory.control[WORD_ROWS] = rows;
  memory.u32(tables.segments).set([1, 0, 0, rows]);
  const table = memory.u32(tables.rows);
  let row = 0;
  let embeddings = 0;
  for (const [part, { timeline, position, inputs }] of parts.entries()) {
    const first = part * sizes.blocks;
    for (const kind of KINDS) memory.u32(tables.pageTables[kind], first, sizes.blocks).set(timeline[kind]);
    for (const [index, input] of inputs.entries()) {
      const at = row++ * ROW_WORDS;
      if (typeof input === "number") {
        table[at + ROW_INPUT] = input;
        table[at + ROW_FLAGS] = 0;
      } else {
        if (embeddings === sizes.embeddingRows || input.length !== config.hidden) {
          throw new EngineError("STEP_EMBEDDINGS", "too many embedding rows in one step, or one of another length", {
            actual: input.length,
            limit: `${sizes.embeddingRows} rows of ${config.hidden}`,
          });
        }
        memory.f32(tables.embeddings, embeddings * config.hidden, config.hidden).set(input);
        table[at + ROW_INPUT] = embeddings++;
        table[at + ROW_FLAGS] = ROW_FLAG_EMBEDDING;
      }
      table[at + ROW_POSITION] = position + index;
      table[at + ROW_FULL_PAGES] = tables.pageTables.full.at + first * 4;
      table[at + ROW_CHUNKED_PAGES] = tables.pageTables.chunked.at + first * 4;
    }
  }
  for (const kind of KINDS) writeTasks(config, sizes, layout, memory, parts, kind);
  for (const { members, segments } of layout.adapters.rows) memory.u32(segments).set(adapterSegments(members, parts));
}

/** [count, segments...]: rows of neighbours that chose one adapter are one segment; others are in none. */
function adapterSegments(members: readonly number[], parts: readonly StepPart[]): number[] {
  const segments: number[] = [];
  let row = 0;
  let last = -1;
  for (const { inputs, adapter = null } of parts) {
    const weight = adapter === null ? -1 : members.indexOf(adapter);
    if (weight >= 0 && weight === last) segments[segments.length - 1] += inputs.length;
    else if (weight >= 0) segments.push(weight, row, inputs.length);
    last = weight;
    row += inputs.length;
  }
  return [segments.length / SEGMENT_WORDS, ...segments];
}

/**
 * What attention computes: tiles of rows (their queries share a pass over the keys) over all their blocks; or, where that
 * gives the threads too few tasks, single rows over spans of blocks that MERGE joins. Both give the same bits.
 */
function writeTasks(
  config: ModelConfig,
  sizes: Sizes,
  layout: Layout,
  memory: Memory,
  parts: readonly StepPart[],
  kind: PageKind,
): void {
  const tileRows = Math.max(1, Math.floor((queriesTogether(sizes.wide) * config.kvHeads) / config.heads));
  const tiles = parts.reduce((sum, { inputs }) => sum + Math.ceil(inputs.length / tileRows), 0);
  const wanted = 4 * Math.max(1, sizes.threads);
  const apart = tiles * config.kvHeads < wanted;
  const chunk = kind === "chunked" ? config.chunk : 0;
  const tasks: number[] = [];
  const merges: number[] = [];
  let partial = 0;
  let row = 0;
  for (const { position, inputs } of parts) {
    for (let index = 0; index < inputs.length; ) {
      const at = position + index;
      const begin = Math.floor(chunkStart(at, chunk) / PAGE);
      const blocks = blocksOf(at + 1) - begin;
      if (apart && blocks > 2 && partial + blocks <= sizes.partials) {
        const span = Math.max(1, Math.ceil((blocks * tiles * config.kvHeads) / (2 * wanted)));
        for (let from = 0; from < blocks; from += span) {
          tasks.push(row, 1, begin + from, begin + Math.min(blocks, from + span), partial + from);
        }
        merges.push(row++, blocks, partial);
        partial += blocks;
        index++;
        continue;
      }
      const count = Math.min(tileRows, inputs.length - index);
      tasks.push(row, count, begin, blocksOf(at + count), NO_PARTIAL);
      index += count;
      row += count;
    }
  }
  memory.u32(layout.tables.tasks[kind]).set([tasks.length / TASK_WORDS, ...tasks]);
  memory.u32(layout.tables.merges[kind]).set([merges.length / 3, ...merges]);
}

/** Steps of one row each that can follow this one without other pages or other tasks. */
export function roomBehind(parts: readonly StepPart[], { chunk }: ModelConfig, { context }: Sizes): number {
  const rooms = parts.map(({ position }) => {
    const page = PAGE - 1 - (position % PAGE);
    return Math.min(page, chunk === 0 ? page : chunk - 1 - (position % chunk), context - 1 - position);
  });
  return Math.min(...rooms);
}

/** A row of the step whose logits are wanted. */
export interface LogitRow {
  readonly row: number;
  readonly part: number;
  readonly spanScale: number | null;
}

/** The rows of the step whose logits the next run computes. */
export function writeLogitRows({ tables }: Layout, memory: Memory, rows: readonly LogitRow[]): void {
  memory.u32(tables.logitSegments).set([rows.length === 0 ? 0 : 1, 0, 0, rows.length]);
  memory.u32(tables.logitGather).set(rows.map(({ row }) => row));
  memory.f32(tables.logitScales).set(rows.map(({ spanScale }) => spanScale ?? 0));
}

/** Which rows of the step want logits, and whose they are. */
export function flaggedRows(parts: readonly StepPart[]): LogitRow[] {
  const flagged: LogitRow[] = [];
  let row = 0;
  for (const [part, { inputs, logits, spanScale = null }] of parts.entries()) {
    row += inputs.length;
    for (let last = row - logits; last < row; last++) flagged.push({ row: last, part, spanScale });
  }
  return flagged;
}
