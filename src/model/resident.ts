import {
  FAULT_OPCODE,
  FAULT_PAGE,
  FAULT_ROUTER,
  FAULT_TOKEN,
  NO_PARTIAL,
  PAGE,
  ROW_CHUNKED_PAGES,
  ROW_FLAG_EMBEDDING,
  ROW_FLAGS,
  ROW_FULL_PAGES,
  ROW_INPUT,
  ROW_POSITION,
  ROW_WORDS,
  TASK_WORDS,
  TILE_ROWS,
  WORD_ROWS,
  WORD_SCRATCH_AT,
  WORD_SCRATCH_BYTES,
} from "../../assembly/abi.ts";
import { EngineError } from "../error.ts";
import { Memory, type Tensor } from "../runtime/memory.ts";
import type { Kernels } from "../runtime/module.ts";
import type { Program } from "../runtime/program.ts";
import { type Fault, type RunResult, startAt, Threads } from "../runtime/threads.ts";
import type { Crossing } from "../runtime/worker.ts";
import { blocksOf, Cache, type PageKind, type Timeline } from "./cache.ts";
import type { ModelConfig } from "./config.ts";
import type { Layout, Sizes } from "./layout.ts";
import { emitForward, emitLogits, type Forward, type Tap } from "./llama4.ts";
import { type LoadOptions, loadWeights, readVector } from "./load.ts";
import { ropeDivisors, ropeFrequencies } from "./config.ts";
import type { ModelWeights } from "./weights.ts";

/**
 * A model in memory with its threads: takes steps. A step is one batch of rows of any number of sequences, prefill and decode
 * mixed, run through the programs of all memories by one wake of the threads.
 */

/** Consecutive rows of one sequence. */
export interface StepPart {
  readonly timeline: Timeline;
  /** Position of the first row. */
  readonly position: number;
  /** A token id, or an embedding row [hidden], per row. */
  readonly inputs: readonly (number | Float32Array)[];
  /** Which rows want logits. */
  readonly logits: "none" | "last" | "all";
}

/** Logits of one flagged row; `row` counts the step's rows. Valid during the call only. */
export type OnLogits = (logits: Float32Array, row: number, part: number) => void;

export type TapData = { shape: number[]; data: Float32Array };

interface Placed {
  readonly layout: Layout;
  readonly memory: Memory;
  readonly forward: Tensor;
  readonly logits: Tensor | null;
  readonly trace: Tensor;
  readonly traceForward: Forward;
}

export interface ResidentOptions extends LoadOptions {
  readonly kernels: Kernels;
  readonly config: ModelConfig;
  readonly weights: ModelWeights;
  readonly sizes: Sizes;
  readonly layouts: readonly Layout[];
  readonly threads: number;
}

export class ResidentModel {
  readonly config: ModelConfig;
  readonly sizes: Sizes;
  readonly cache: Cache;
  readonly threads: Threads;
  /** Ops between two barriers of one step, all memories. */
  readonly ops: number;
  readonly #placed: readonly Placed[];
  #steps: Promise<unknown> = Promise.resolve();

  private constructor(options: ResidentOptions, placed: readonly Placed[], threads: Threads, ops: number) {
    this.config = options.config;
    this.sizes = options.sizes;
    this.threads = threads;
    this.#placed = placed;
    this.ops = ops;
    this.cache = new Cache(options.config, options.sizes.blocks * PAGE, options.sizes.sequences, options.sizes.pages);
  }

  static async load(options: ResidentOptions): Promise<ResidentModel> {
    const { config, weights, sizes, layouts, kernels } = options;
    const matrices = layouts.flatMap((layout) => layout.matrices.filter(({ matrix }) => matrix !== null));
    const fused = matrices.every(({ to }) => to.type === "f32" || to.type === "f16" || to.type === "bf16");
    let ops = 0;
    const placed = layouts.map((layout): Placed => {
      const forward = emitForward(config, layout, sizes, fused, false);
      const traceForward = emitForward(config, layout, sizes, fused, true);
      const logits = layout.last ? emitLogits(config, layout, sizes, fused) : null;
      ops += forward.program.ops;
      const reserve = (name: string, program: Program) => layout.plan.reserve(name, "u32", [program.bytes / 4]);
      const tensors = { forward: reserve("program", forward.program), trace: reserve("trace program", traceForward.program), logits: logits && reserve("logits program", logits) };
      const memory = new Memory(layout.plan);
      memory.u32(tensors.forward).set(forward.program.words());
      memory.u32(tensors.trace).set(traceForward.program.words());
      if (tensors.logits) memory.u32(tensors.logits).set(logits!.words());
      memory.control[WORD_SCRATCH_AT] = layout.scratch.at;
      memory.control[WORD_SCRATCH_BYTES] = layout.scratch.shape[1];
      return { layout, memory, ...tensors, traceForward };
    });
    const crossings = placed.map(({ layout }, index): Crossing | null =>
      index === 0 ? null : { from: placed[index - 1].layout.activations.x.at, to: layout.activations.x.at, rowBytes: config.hidden * 4, rowsWord: WORD_ROWS },
    );
    const memories = placed.map(({ memory }) => memory);
    const threads = await Threads.start(options.threads, kernels.module, memories, crossings);
    try {
      const divisors = weights.ropeDivisors ? await readVector(weights.ropeDivisors) : ropeDivisors(config);
      const frequencies = ropeFrequencies(config, divisors);
      for (const { layout, memory } of placed) memory.f32(layout.frequencies).set(frequencies);
      // The trace program's place is used for packing while loading: it is written back afterwards.
      await loadWeights(layouts, memories, placed.map(({ trace }) => trace), threads, options);
      for (const { memory, trace, traceForward } of placed) memory.u32(trace).set(traceForward.program.words());
    } catch (error) {
      await threads.dispose();
      throw error;
    }
    return new ResidentModel(options, placed, threads, ops);
  }

  get #last(): Placed {
    return this.#placed[this.#placed.length - 1];
  }

  /** Names of all taps, in network order. */
  get tapNames(): string[] {
    return this.#placed.flatMap(({ traceForward }) => traceForward.taps.flatMap((taps) => taps.map(({ name }) => name)));
  }

  /** Bytes of every wasm memory. */
  get memoryBytes(): number[] {
    return this.#placed.map(({ memory }) => memory.wasm.buffer.byteLength);
  }

  /**
   * Runs one step. Pages for the rows are reserved first; `onLogits` sees the logits of every flagged row, in order. Steps of
   * several callers queue. Rejects with the signal's reason, CACHE_FULL, or the fault of a kernel.
   */
  step(parts: readonly StepPart[], onLogits: OnLogits, signal?: AbortSignal): Promise<void> {
    return this.#queue(() => this.#step(parts, onLogits, signal));
  }

  #queue<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#steps.then(work);
    this.#steps = result.catch(() => {});
    return result;
  }

  async #step(parts: readonly StepPart[], onLogits: OnLogits, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    this.#reserve(parts);
    const rows = parts.reduce((sum, part) => sum + part.inputs.length, 0);
    if (rows > this.sizes.rows) throw new EngineError("STEP_ROWS", "too many rows in one step", { actual: rows, limit: this.sizes.rows });
    for (const placed of this.#placed) this.#writeStep(placed, parts, rows);
    const flagged = flaggedRows(parts);
    for (let done = 0, first = true; first || done < flagged.length; first = false) {
      const piece = flagged.slice(done, done + this.sizes.logitRows);
      this.#writeLogitRows(piece.map(({ row }) => row));
      if (first) await this.#run(0, this.#placed.map(({ forward }) => forward), signal);
      else await this.#run(this.#placed.length - 1, [this.#last.logits!], signal);
      const { layout, memory } = this.#last;
      piece.forEach(({ row, part }, index) => onLogits(memory.f32(layout.activations.logits, index * this.config.vocab, this.config.vocab), row, part));
      done += piece.length;
    }
    for (const { timeline, position, inputs } of parts) this.cache.release(timeline, position + inputs.length);
  }

  /** Pages of all parts, or of none. */
  #reserve(parts: readonly StepPart[]): void {
    for (const { timeline, position, inputs } of parts) {
      if (position + inputs.length > this.sizes.blocks * PAGE) {
        throw new EngineError("CONTEXT_LENGTH", "the sequence is longer than the context", { at: { source: "prompt" }, actual: position + inputs.length, limit: this.sizes.blocks * PAGE });
      }
      this.cache.reserve(timeline, position, position + inputs.length);
    }
  }

  async #run(firstMemory: number, programs: readonly Tensor[], signal: AbortSignal | undefined): Promise<void> {
    programs.forEach((program, index) => startAt(this.#placed[firstMemory + index].memory, program.at));
    this.#check(await this.threads.run(firstMemory, firstMemory + programs.length - 1, signal));
  }

  #check(result: RunResult): void {
    if (result.status === "fault") throw this.#faultError(result.fault);
  }

  #faultError({ code, row, memory, pc }: Fault): EngineError {
    const at = { source: "kernel" as const, field: `memory ${memory}, op at ${pc}` };
    switch (code) {
      case FAULT_TOKEN:
        return new EngineError("KERNEL_INDEX", `row ${row} names a token or embedding row that does not exist`, { at });
      case FAULT_PAGE:
        return new EngineError("KV_PAGE", `row ${row} has no cache page`, { at });
      case FAULT_ROUTER:
        return new EngineError("MODEL_NONFINITE", `row ${row} reached a router with values that are no numbers`, { at });
      default:
        return new EngineError("KERNEL_FAULT", `a kernel stopped (${code === FAULT_OPCODE ? "unknown op" : `code ${code}`})`, { at });
    }
  }

  /** Row table, page tables, attention tasks of one memory. */
  #writeStep({ layout, memory }: Placed, parts: readonly StepPart[], rows: number): void {
    const { tables } = layout;
    memory.control[WORD_ROWS] = rows;
    memory.u32(tables.segments).set([1, 0, 0, rows]);
    const table = memory.u32(tables.rows);
    let row = 0;
    let embeddings = 0;
    for (const { timeline, position, inputs } of parts) {
      const pages = (kind: PageKind) => tables.pageTables[kind].at + timeline.place * this.sizes.blocks * 4;
      for (const kind of ["full", "chunked"] as const) memory.u32(tables.pageTables[kind], timeline.place * this.sizes.blocks, this.sizes.blocks).set(timeline[kind]);
      inputs.forEach((input, index) => {
        const at = row * ROW_WORDS;
        table[at + ROW_FLAGS] = 0;
        if (typeof input === "number") {
          table[at + ROW_INPUT] = input;
        } else {
          if (embeddings === this.sizes.embeddingRows) throw new EngineError("STEP_EMBEDDINGS", "too many embedding rows in one step", { limit: this.sizes.embeddingRows });
          memory.f32(tables.embeddings, embeddings * this.config.hidden, this.config.hidden).set(input);
          table[at + ROW_INPUT] = embeddings++;
          table[at + ROW_FLAGS] = ROW_FLAG_EMBEDDING;
        }
        table[at + ROW_POSITION] = position + index;
        table[at + ROW_FULL_PAGES] = pages("full");
        table[at + ROW_CHUNKED_PAGES] = pages("chunked");
        row++;
      });
    }
    this.#writeTasks(layout, memory, parts);
  }

  /**
   * What attention computes: tiles of rows (up to 6 queries share a pass over the keys) over all their blocks; or, where that
   * gives the threads too few tasks, single rows over spans of blocks that MERGE joins. Both give the same bits.
   */
  #writeTasks(layout: Layout, memory: Memory, parts: readonly StepPart[]): void {
    const group = this.config.heads / this.config.kvHeads;
    const tileRows = Math.max(1, Math.floor(TILE_ROWS / group));
    const tiles = parts.reduce((sum, { inputs }) => sum + Math.ceil(inputs.length / tileRows), 0);
    const apart = tiles * this.config.kvHeads < 4 * Math.max(1, this.threads.count);
    for (const kind of ["full", "chunked"] as const) {
      const chunk = kind === "chunked" ? this.config.chunk : 0;
      const firstBlock = (position: number) => (chunk === 0 ? 0 : Math.floor((Math.floor(position / chunk) * chunk) / PAGE));
      const tasks: number[] = [];
      const merges: number[] = [];
      let partial = 0;
      let row = 0;
      for (const { position, inputs } of parts) {
        for (let index = 0; index < inputs.length; ) {
          const at = position + index;
          const begin = firstBlock(at);
          const blocks = blocksOf(at + 1) - begin;
          if (apart && blocks > 2 && partial + blocks <= this.sizes.partials) {
            const span = Math.max(1, Math.ceil((blocks * tiles * this.config.kvHeads) / (8 * Math.max(1, this.threads.count))));
            for (let from = 0; from < blocks; from += span) tasks.push(row, 1, begin + from, begin + Math.min(blocks, from + span), partial + from);
            merges.push(row, blocks, partial);
            partial += blocks;
            index++;
            row++;
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
  }

  #writeLogitRows(rows: readonly number[]): void {
    const { layout, memory } = this.#last;
    memory.u32(layout.tables.logitSegments).set([rows.length === 0 ? 0 : 1, 0, 0, rows.length]);
    memory.u32(layout.tables.logitGather).set(rows);
  }

  /**
   * Runs `inputs` from position 0 through the unfused program and returns every row of the wanted taps; the same kernels, the
   * same bits. `attn.probs` is [heads, T, T] and limited to `sizes.traceKeys` positions.
   */
  trace(inputs: readonly (number | Float32Array)[], wanted: (name: string) => boolean, signal?: AbortSignal): Promise<Map<string, TapData>> {
    return this.#queue(() => this.#trace(inputs, wanted, signal));
  }

  async #trace(inputs: readonly (number | Float32Array)[], wanted: (name: string) => boolean, signal: AbortSignal | undefined): Promise<Map<string, TapData>> {
    const data = new Map<string, TapData>();
    const timeline = this.cache.open();
    const most = Math.min(this.sizes.traceRows, this.sizes.logitRows, this.sizes.rows);
    try {
      for (let position = 0; position < inputs.length; position += most) {
        const part: StepPart = { timeline, position, inputs: inputs.slice(position, position + most), logits: "all" };
        this.#reserve([part]);
        for (const placed of this.#placed) this.#writeStep(placed, [part], part.inputs.length);
        this.#writeLogitRows(part.inputs.map((_, row) => row));
        await this.#traceStep(part, inputs.length, wanted, data, signal);
        this.cache.release(timeline, position + part.inputs.length);
      }
    } finally {
      this.cache.close(timeline);
    }
    return data;
  }

  /** One step of the unfused program: stops at every tap, in every memory in turn. */
  async #traceStep(part: StepPart, total: number, wanted: (name: string) => boolean, data: Map<string, TapData>, signal: AbortSignal | undefined): Promise<void> {
    for (const { memory, trace } of this.#placed) startAt(memory, trace.at);
    for (let index = 0, stop = 0; ; ) {
      const result = await this.threads.run(index, this.#placed.length - 1, signal);
      this.#check(result);
      if (result.status !== "stopped") return;
      if (result.memory !== index) {
        index = result.memory;
        stop = 0;
      }
      const { memory, traceForward } = this.#placed[index];
      for (const tap of traceForward.taps[stop]) if (wanted(tap.name)) this.#readTap(memory, tap, part, total, data);
      stop++;
    }
  }

  #readTap(memory: Memory, tap: Tap, part: StepPart, total: number, data: Map<string, TapData>): void {
    const rows = part.inputs.length;
    if (tap.kind === "probabilities") {
      this.#readProbabilities(memory, tap, part, total, data);
      return;
    }
    let entry = data.get(tap.name);
    if (!entry) {
      entry = { shape: [total, ...tap.row], data: new Float32Array(total * tap.width) };
      data.set(tap.name, entry);
    }
    const stride = tap.tensor.shape[1];
    for (let row = 0; row < rows; row++) {
      entry.data.set(memory.f32(tap.tensor, row * stride + tap.column, tap.width), (part.position + row) * tap.width);
    }
  }

  #readProbabilities(memory: Memory, tap: Tap, part: StepPart, total: number, data: Map<string, TapData>): void {
    const keys = this.sizes.traceKeys;
    if (total > keys) throw new EngineError("TRACE_KEYS", `${tap.name} has ${total} keys`, { at: { source: "option", field: "taps" }, limit: `at most ${keys}` });
    const { heads } = this.config;
    const rows = part.inputs.length;
    let entry = data.get(tap.name);
    if (!entry) {
      entry = { shape: [heads, total, total], data: new Float32Array(heads * total * total) };
      data.set(tap.name, entry);
    }
    for (let head = 0; head < heads; head++) {
      for (let row = 0; row < rows; row++) {
        entry.data.set(memory.f32(tap.tensor, (head * rows + row) * keys, total), (head * total + part.position + row) * total);
      }
    }
  }

  async dispose(): Promise<void> {
    await this.threads.dispose();
  }
}

function flaggedRows(parts: readonly StepPart[]): { row: number; part: number }[] {
  const flagged: { row: number; part: number }[] = [];
  let row = 0;
  parts.forEach(({ inputs, logits }, part) => {
    for (let index = 0; index < inputs.length; index++, row++) {
      if (logits === "all" || (logits === "last" && index === inputs.length - 1)) flagged.push({ row, part });
    }
  });
  return flagged;
}

