import {
  FEW_ROWS,
  WORD_PEAKS,
  WORD_PROBABILITIES,
  WORD_PROFILE_AT,
  WORD_PROFILE_FROM,
  WORD_PROFILE_WORDS,
  WORD_ROWS,
} from "../../../assembly/abi.ts";
import type { Spans } from "../../draw/spans.ts";
import { EngineError } from "../../error.ts";
import type { Crossing, OnwardTables } from "../../host/worker-start.ts";
import type { Memory, Tensor } from "../../runtime/memory.ts";
import type { Kernels } from "../../runtime/module.ts";
import { MOST_ENDS, MOST_ROWS, type Onward } from "../../runtime/onward.ts";
import type { Program } from "../../runtime/program.ts";
import { type RunResult, startAt, Threads } from "../../runtime/threads.ts";
import type { ModelConfig } from "../config/config.ts";
import { ropeDivisors, ropeFrequencies } from "../config/rope.ts";
import type { Sizes } from "../plan/layout.ts";
import type { PageKind } from "../plan/pages.ts";
import { allFloat, type ModelPlan, type PlannedMemory } from "../plan/sizes.ts";
import type { ModelWeights } from "../plan/weights.ts";
import { makeTowerMemory, Tower, type TowerPlan } from "../vision/tower.ts";
import { Cache } from "./cache.ts";
import { KernelChoices } from "./choices.ts";
import { faultError } from "./fault.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { Loader, type LoadOptions, loadWeights, readVector } from "./load.ts";
import { makeMemory } from "./make-memory.ts";
import { PageBytes } from "./page-bytes.ts";
import { flaggedRows, roomBehind, type StepPart, writeLogitRows, writeStep } from "./step.ts";
import { type TapData, TapReader } from "./tap-reader.ts";

/**
 * A model in memory with its threads: takes steps. A step is one batch of rows of any number of sequences, prefill and decode
 * mixed, run through the programs of all memories by one wake of the threads; others may follow it (runtime/onward.ts).
 */

/** Logits of one flagged row; `row` counts the step's rows. `spans`: null where its part does not want them. Both are valid during the call only. */
export type OnLogits = (logits: Float32Array, row: number, part: number, spans: Spans | null) => void;

/** Milliseconds of one op, all steps together; `waitMs` of them the first thread waited for the others. */
export interface OpTime {
  readonly op: string;
  readonly part: string;
  readonly ms: number;
  readonly waitMs: number;
}

interface Placed extends PlannedMemory {
  readonly memory: Memory;
  readonly loader: Loader;
}

export interface ResidentOptions extends LoadOptions {
  readonly kernels: Kernels;
  readonly config: ModelConfig;
  readonly weights: ModelWeights;
  readonly plan: ModelPlan;
  /** Absent: the model reads text only. */
  readonly tower?: TowerPlan | null;
  readonly threads: number;
}

export class ResidentModel {
  readonly config: ModelConfig;
  readonly sizes: Sizes;
  readonly cache: Cache;
  readonly pages: PageBytes;
  readonly threads: Threads;
  /** null: the model reads text only. Runs between two steps. */
  readonly tower: Tower | null;
  /** Ops of one step, and those of them behind which threads wait in one of few rows; all memories. */
  readonly ops: number;
  readonly barriers: number;
  readonly choices: KernelChoices;
  readonly #placed: readonly Placed[];
  readonly #fused: boolean;
  /** By adapter. */
  readonly #fingerprints = new Map<number | null, Uint32Array>();
  #stepping = false;

  private constructor(
    { config, plan, kernels, weights }: ResidentOptions,
    placed: readonly Placed[],
    threads: Threads,
    tower: { readonly plan: TowerPlan; readonly memory: Memory } | null,
  ) {
    this.tower = tower && new Tower(tower.plan, tower.memory, threads, placed.length);
    this.config = config;
    this.sizes = plan.sizes;
    this.threads = threads;
    this.#placed = placed;
    this.choices = new KernelChoices(placed, tower, plan.sizes);
    this.#fused = kernels.build === "relaxed" && allFloat(weights);
    const count = (of: (program: Program) => number) =>
      placed.reduce((sum, { programs }) => sum + of(programs.forward.program), 0);
    this.ops = count(({ places }) => places.length);
    this.barriers = count(({ barriers }) => barriers);
    const { context, pages } = plan.sizes;
    const pageBytes = (kind: PageKind) =>
      placed.reduce((sum, { layout }) => sum + layout.cacheAt[kind].bytes, 0) / pages[kind];
    this.pages = new PageBytes(placed, config.kvHeads);
    this.cache = new Cache(
      config,
      context,
      pages,
      { full: pageBytes("full"), chunked: pageBytes("chunked") },
      (kind, from, to) => this.pages.copy(kind, from, to),
    );
  }

  static async load(options: ResidentOptions): Promise<ResidentModel> {
    const { config, weights, plan, kernels, tower } = options;
    const memories = plan.placed.map(({ layout, programs }) => makeMemory(layout, programs));
    const crossings = plan.placed.map(({ layout }, index): Crossing | null =>
      index === 0
        ? null
        : {
            from: plan.placed[index - 1].layout.activations.x.at,
            to: layout.activations.x.at,
            rowBytes: config.hidden * 4,
            rowsWord: WORD_ROWS,
          },
    );
    // Behind all others: no step walks it.
    if (tower) crossings[memories.push(makeTowerMemory(tower)) - 1] = null;
    const onward = onwardTables(config, plan.placed);
    const threads = await Threads.start(options.threads, kernels.module, memories, crossings, onward, options.signal);
    try {
      const placed = plan.placed.map((planned, index): Placed => {
        const memory = memories[index];
        return { ...planned, memory, loader: new Loader(memory, planned.layout.loader, index, threads) };
      });
      const divisors = weights.ropeDivisors
        ? await readVector(weights.ropeDivisors, options.signal)
        : ropeDivisors(config);
      const frequencies = ropeFrequencies(config, divisors);
      for (const { layout, memory } of placed) memory.f32(layout.frequencies).set(frequencies);
      const index = placed.length;
      const loader = tower ? new Loader(memories[index], tower.layout.loader, index, threads) : null;
      await loadWeights(loader ? [...placed, { layout: tower!.layout, loader }] : placed, options);
      return new ResidentModel(options, placed, threads, loader && { plan: tower!, memory: loader.memory });
    } catch (error) {
      await threads.dispose();
      throw error;
    }
  }

  get #last(): Placed {
    return this.#placed[this.#placed.length - 1];
  }

  /** Names of all taps, in network order. */
  get tapNames(): string[] {
    return this.#placed.flatMap(({ programs }) => programs.trace.taps.flatMap((taps) => taps.map(({ name }) => name)));
  }

  /** Bytes of every wasm memory of the text model. */
  get memoryBytes(): number[] {
    return this.#placed.map(({ memory }) => memory.wasm.buffer.byteLength);
  }

  /**
   * Runs one step. Pages for the rows are reserved first, none is given back; `onLogits` sees the logits of every flagged row, in
   * order. Rejects with the signal's reason, CACHE_FULL, or the fault of a kernel. One step or trace at a time: the scheduler sees
   * to it. `onward`, where each part is one row with logits: workers draw, and as many steps follow as it allows, on the same pages;
   * `onLogits` sees what they could not draw from.
   */
  step(
    parts: readonly StepPart[],
    onLogits: OnLogits,
    signal?: AbortSignal,
    onward: Onward | null = null,
  ): Promise<void> {
    return this.#byItself(() => this.#step(parts, onLogits, signal, onward));
  }

  /** Two at once would write each other's tables. */
  async #byItself<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#stepping) throw new Error("a step is running");
    this.#stepping = true;
    try {
      return await work();
    } finally {
      this.#stepping = false;
    }
  }

  async #step(
    parts: readonly StepPart[],
    onLogits: OnLogits,
    signal: AbortSignal | undefined,
    onward: Onward | null,
  ): Promise<void> {
    signal?.throwIfAborted();
    if (parts.length > this.sizes.sequences) {
      throw new EngineError("CACHE_SEQUENCES", "too many sequences in one step", {
        at: { source: "memory", field: "page tables" },
        actual: parts.length,
        limit: this.sizes.sequences,
      });
    }
    this.#reserve(parts);
    const rows = parts.reduce((sum, part) => sum + part.inputs.length, 0);
    if (rows > this.sizes.rows) {
      throw new EngineError("STEP_ROWS", "too many rows in one step", { actual: rows, limit: this.sizes.rows });
    }
    this.#write(parts);
    const flagged = flaggedRows(parts);
    this.#last.memory.control[WORD_PEAKS] = flagged.some(({ spanScale }) => spanScale !== null) ? 1 : 0;
    for (let done = 0, first = true; first || done < flagged.length; first = false) {
      const piece = flagged.slice(done, done + this.sizes.logitRows);
      writeLogitRows(this.#last.layout, this.#last.memory, piece);
      const programs = first
        ? this.#placed.map(({ programs: { forward } }) => forward.at)
        : [this.#last.programs.logits!.at];
      const limited = first ? this.#limited(parts, onward) : null;
      const drawn = await this.#run(this.#placed.length - programs.length, programs, signal, limited);
      if (drawn) return;
      const { layout, memory } = this.#last;
      for (const [index, { row, part, spanScale }] of piece.entries()) {
        const { logits, peaks, masses } = layout.activations;
        const ofRow = { peaks: memory.row(peaks, index), masses: spanScale === 0 ? null : memory.row(masses, index) };
        onLogits(memory.row(logits, index), row, part, spanScale === null ? null : ofRow);
      }
      done += piece.length;
    }
  }

  /** What keys and values hang on: a prefix file is of models with the same. */
  fingerprint(adapter: number | null): Uint32Array {
    const known = this.#fingerprints.get(adapter);
    if (known) return known;
    const made = fingerprintOf(this.config, this.sizes, this.#fused, this.#placed, adapter);
    this.#fingerprints.set(adapter, made);
    return made;
  }

  /** Pages of all parts, or of none. */
  #reserve(parts: readonly StepPart[]): void {
    for (const { timeline, position, inputs } of parts) {
      if (position + inputs.length > this.sizes.context) {
        throw new EngineError("CONTEXT_LENGTH", "the sequence is longer than the context", {
          at: { source: "prompt" },
          actual: position + inputs.length,
          limit: this.sizes.context,
        });
      }
      this.cache.reserve(timeline, position, position + inputs.length);
    }
  }

  #write(parts: readonly StepPart[]): void {
    for (const { layout, memory } of this.#placed) writeStep(this.config, this.sizes, layout, memory, parts);
  }

  /** As far as the pages and the tables reach. null: there are more rows or ends. */
  #limited(parts: readonly StepPart[], onward: Onward | null): Onward | null {
    const rows = Math.min(MOST_ROWS, this.sizes.logitRows);
    if (!onward || parts.length > rows || onward.ends.length > MOST_ENDS) return null;
    const room = roomBehind(parts, this.config, this.sizes);
    return { ...onward, most: () => Math.min(room, onward.most()) };
  }

  async #run(
    firstMemory: number,
    programs: readonly Tensor[],
    signal: AbortSignal | undefined,
    onward: Onward | null,
  ): Promise<boolean> {
    for (const [index, program] of programs.entries()) startAt(this.#placed[firstMemory + index].memory, program.at);
    const alike = this.#last.memory.control[WORD_ROWS] <= FEW_ROWS;
    const last = firstMemory + programs.length - 1;
    const result = await this.threads.run(firstMemory, last, signal, { alike, onward });
    this.#check(result);
    return result.status === "done" && result.drawn;
  }

  #check(result: RunResult): void {
    if (result.status === "fault") throw faultError(result.fault);
  }

  /**
   * Runs `inputs` from position 0 through the unfused program and returns every row of the wanted taps; the same kernels, the
   * same bits. `attn.probs` is [heads, T, T] and limited to `sizes.traceKeys` positions.
   */
  async trace(
    inputs: StepPart["inputs"],
    wanted: (name: string) => boolean,
    signal?: AbortSignal,
    adapter: number | null = null,
  ): Promise<ReadonlyMap<string, TapData>> {
    const probabilities = this.tapNames.some((name) => name.endsWith(".attn.probs") && wanted(name));
    const { traceKeys } = this.sizes;
    if (probabilities && inputs.length > traceKeys) {
      const what = `attn.probs is [heads, ids, ids]: ${inputs.length} ids are too many`;
      throw new EngineError("TRACE_KEYS", what, {
        at: { source: "option", field: "taps" },
        limit: `at most ${traceKeys} ids`,
      });
    }
    const reader = new TapReader(inputs.length, wanted);
    for (const { memory } of this.#placed) memory.control[WORD_PROBABILITIES] = probabilities ? 1 : 0;
    await this.#byItself(() => this.#trace(inputs, adapter, reader, signal));
    return reader.taps;
  }

  async #trace(
    inputs: StepPart["inputs"],
    adapter: number | null,
    reader: TapReader,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const timeline = this.cache.open();
    const most = Math.min(this.sizes.traceRows, this.sizes.logitRows, this.sizes.rows);
    try {
      for (let position = 0; position < inputs.length; position += most) {
        const rows = inputs.slice(position, position + most);
        const part: StepPart = { timeline, position, inputs: rows, logits: 0, adapter };
        this.#reserve([part]);
        this.#write([part]);
        const flagged = flaggedRows([{ ...part, logits: rows.length }]);
        writeLogitRows(this.#last.layout, this.#last.memory, flagged);
        await this.#traceStep(part, reader, signal);
        this.cache.release(timeline, position + part.inputs.length);
      }
    } finally {
      this.cache.close(timeline);
    }
  }

  /** One step of the unfused program: stops at every tap, in every memory in turn. */
  async #traceStep(part: StepPart, reader: TapReader, signal: AbortSignal | undefined): Promise<void> {
    for (const { memory, programs } of this.#placed) startAt(memory, programs.trace.at.at);
    for (let index = 0, stop = 0; ; stop++) {
      const result = await this.threads.run(index, this.#placed.length - 1, signal);
      this.#check(result);
      if (result.status !== "stopped") return;
      if (result.memory !== index) {
        index = result.memory;
        stop = 0;
      }
      const { memory, programs } = this.#placed[index];
      for (const tap of programs.trace.taps[stop]) reader.read(memory, tap, part);
    }
  }

  /** From here on the steps write down where their time goes. Traces and further pieces of logits do not. */
  startProfile(): void {
    for (const { memory, programs } of this.#placed) {
      const { forward, profile } = programs;
      memory.bytes.fill(0, profile.at, profile.at + profile.bytes);
      memory.control[WORD_PROFILE_FROM] = forward.at.at;
      memory.control[WORD_PROFILE_WORDS] = forward.at.shape[0];
      memory.control[WORD_PROFILE_AT] = profile.at;
    }
  }

  /** Op by op, since the start. */
  endProfile(): OpTime[] {
    for (const { memory } of this.#placed) memory.control[WORD_PROFILE_AT] = 0;
    return this.#placed.flatMap(({ memory, programs: { profile, forward } }) => {
      const times = new Float64Array(memory.wasm.buffer, profile.at, profile.bytes / 8);
      const timeOf = (word: number) => ({ ms: times[word * 2], waitMs: times[word * 2 + 1] });
      return forward.program.places.map(({ word, op, part }) => ({ op, part, ...timeOf(word) }));
    });
  }

  async dispose(): Promise<void> {
    await this.threads.dispose();
  }
}

function onwardTables({ vocab }: ModelConfig, placed: readonly PlannedMemory[]): OnwardTables {
  const { tables, activations } = placed[placed.length - 1].layout;
  const { logits, peaks, masses, ends, drawings, drawn } = activations;
  return {
    rows: placed.map(({ layout }) => layout.tables.rows.at),
    vocab,
    logits: logits.at,
    peaks: peaks.at,
    scales: tables.logitScales.at,
    masses: masses.at,
    ends: ends.at,
    drawings: drawings.at,
    drawn: drawn.at,
  };
}
