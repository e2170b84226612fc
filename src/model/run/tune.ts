import { GROUP, SEGMENT_ROWS, SEGMENT_WORDS, VISIT_GROUPS, WORD_ROWS } from "../../../assembly/abi.ts";
import type { Choice, Choices } from "../../choice.ts";
import type { MatrixKind } from "../../runtime/kernels.ts";
import { type Memory, MemoryPlan } from "../../runtime/memory.ts";
import { groupBytes, type Packed, reservePanel } from "../../runtime/packed.ts";
import { Program } from "../../runtime/program.ts";
import { startAt, type Threads } from "../../runtime/threads.ts";
import { clockIsFine, fastest, type Rows, type Timing } from "../../runtime/tuning.ts";
import type { StoredType } from "../../weight-types.ts";
import type { Layout, Sizes } from "../plan/layout.ts";
import { clearStaging } from "./load.ts";

/**
 * Chooses kernels by timing them on the model's own weights, once they lie in memory, with the threads that will run: as many bytes
 * out of memory as one step reads of them, in tens of slices, for at most some ten milliseconds.
 */

export interface Tuning {
  /** Of the types that were measured. */
  readonly choices: Choices;
  /** Times faster than the default, one row. */
  readonly gains: Readonly<Partial<Record<StoredType, number>>>;
  readonly ms: number;
  readonly reason: string;
}

/** Types of fewer bytes stay in the cache, where all choices are alike. */
const LEAST_BYTES = 4 << 20;
const MOST_MS = 30;
/** Bytes of weights of one timing, and matrices that share it. */
const SLICE_BYTES = 6 << 20;
const SLICES = 4;
/** With many rows arithmetic is what takes the time. */
const MANY_BYTES = 256 << 10;

/** A memory whose weights can be timed. */
export interface TunedPlace {
  readonly memory: Memory;
  readonly layout: Pick<Layout, "own" | "loader">;
  /** Of the memory among those of the threads. */
  readonly index: number;
}

interface TuneOptions {
  readonly places: readonly TunedPlace[];
  readonly threads: Threads;
  readonly sizes: Sizes;
  /** What was measured before in this process, with as many threads. */
  readonly known: Map<string, Known>;
  readonly signal?: AbortSignal | undefined;
}

export interface Known {
  readonly choice: Choice;
  readonly gain: number;
}

/** Leaves zeros where it worked. */
export async function tune(kinds: readonly MatrixKind[], options: TuneOptions): Promise<Tuning> {
  const begun = performance.now();
  const choices: Partial<Record<StoredType, Choice>> = {};
  const gains: Partial<Record<StoredType, number>> = {};
  let worked = false;
  const done = (reason: string): Tuning => {
    if (worked) for (const { memory, layout } of options.places) clearStaging(memory, layout.loader);
    return { choices, gains, ms: performance.now() - begun, reason };
  };
  let late = false;
  let fine: boolean | undefined;
  for (const kind of kinds) {
    const key = JSON.stringify([kind, options.threads.count]);
    const known = options.known.get(key);
    const time = known ? undefined : timing(kind, options);
    if (time) {
      worked = true;
      fine ??= clockIsFine();
      if (!fine) return done("defaults: the clock is too coarse to measure by");
      late ||= performance.now() - begun > MOST_MS;
    }
    const found = known ?? (time && !late ? await fastest(kind, options.sizes.wide, time) : undefined);
    if (!found) continue;
    options.known.set(key, found);
    choices[kind.type] = found.choice;
    gains[kind.type] = found.gain;
  }
  return done(late ? "measured, as far as time allowed" : "measured; what fits a cache by default");
}

/** undefined: too few weights to tell, or no room beside them. */
function timing(kind: MatrixKind, options: TuneOptions): Timing | undefined {
  const { places, threads, sizes, signal } = options;
  const bytes = places.map(({ layout }) => bytesOf(kind.type, layout));
  const { memory, layout, index } = places[bytes.indexOf(Math.max(...bytes))];
  const slices = slicesOf(kind.type, layout);
  if (!slices) return undefined;
  const [{ cols }] = slices;
  const most = Math.max(...slices.map(({ rows }) => rows));
  const { staging } = layout.loader; // free, once everything is loaded
  const plan = new MemoryPlan(staging.at);
  const tables = slices.slice(0, SLICES).map((_, at) => plan.reserve(`table ${at}`, "u32", [1]));
  const segments = plan.reserve("segments", "u32", [1 + SEGMENT_WORDS]);
  const panel = reservePanel(
    plan,
    "panel",
    kind.form,
    { tileRows: sizes.tileRows, threads: threads.count, apart: sizes.apart },
    4 * sizes.tileRows,
    cols,
  );
  const counts: Record<Rows, number> = { one: 1, few: panel.alone + 1, many: 4 * sizes.tileRows };
  const out = plan.reserve("out", "f32", [counts.many, most]);
  const words = plan.reserve("program", "u32", [256]);
  if (plan.bytes > staging.at + staging.bytes) return undefined;
  memory.bytes.fill(0, staging.at, words.at);
  memory.u32(segments).set([1]);
  let next = 0;
  return async (choice, rows) => {
    const count = rows === "many" ? 1 : Math.min(SLICES, slices.length);
    let bytes = 0;
    memory.u32(segments)[1 + SEGMENT_ROWS] = counts[rows];
    memory.control[WORD_ROWS] = counts[rows];
    const program = new Program(sizes);
    program.matmul(
      Array.from({ length: count }, (_, at) => {
        const slice = slices[next++ % slices.length];
        memory.u32(tables[at]).set([slice.at.at]);
        const weight = rows === "many" ? few(slice) : slice;
        bytes += weight.at.bytes;
        return { segments, weights: [weight], table: tables[at], panel, out };
      }),
      kind.fused,
    );
    memory.u32(words).set(program.words());
    for (const place of program.matrices) program.choose(memory.u32(words), place, choice);
    startAt(memory, words.at);
    const begun = performance.now();
    await threads.run(index, index, signal);
    // Slices have several sizes.
    return ((performance.now() - begun) * SLICE_BYTES) / bytes;
  };
}

function bytesOf(type: StoredType, { own }: TunedPlace["layout"]): number {
  return own.reduce((sum, { to }) => sum + (to.type === type ? to.at.bytes : 0), 0);
}

/** Matrices of a type in pieces of whole visits, of the inputs that most of its bytes have. */
function slicesOf(type: StoredType, { own }: TunedPlace["layout"]): Packed[] | undefined {
  const all = own.map(({ to }) => to).filter((matrix) => matrix.type === type);
  const bytes = new Map<number, number>();
  for (const { cols, at } of all) bytes.set(cols, (bytes.get(cols) ?? 0) + at.bytes);
  const [cols, most] = [...bytes].reduce((one, other) => (other[1] > one[1] ? other : one), [0, 0]);
  if (most < LEAST_BYTES) return undefined;
  const visit = VISIT_GROUPS * groupBytes(type, cols);
  const visits = Math.max(1, Math.floor(SLICE_BYTES / SLICES / visit));
  const slices: Packed[] = [];
  for (const matrix of all) {
    if (matrix.cols !== cols) continue;
    const whole = Math.floor(matrix.rows / (VISIT_GROUPS * GROUP));
    for (let first = 0; first < whole; first += visits) {
      const count = Math.min(visits, whole - first);
      const at = { ...matrix.at, at: matrix.at.at + first * visit, bytes: count * visit };
      slices.push({ ...matrix, rows: count * VISIT_GROUPS * GROUP, at });
    }
  }
  // Of one size, so that one has no more of what every matrix costs.
  const largest = Math.max(...slices.map(({ at }) => at.bytes));
  const whole = slices.filter(({ at }) => at.bytes === largest);
  return whole.length >= SLICES ? whole : slices.length > 0 ? slices : undefined;
}

/** The first outputs of a slice. */
function few(slice: Packed): Packed {
  const visits = Math.max(1, Math.floor(MANY_BYTES / (VISIT_GROUPS * groupBytes(slice.type, slice.cols))));
  const rows = Math.min(slice.rows, visits * VISIT_GROUPS * GROUP);
  return { ...slice, rows, at: { ...slice.at, bytes: (slice.at.bytes * rows) / slice.rows } };
}
