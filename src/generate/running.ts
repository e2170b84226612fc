import type { Spans } from "../draw/spans.ts";
import type { StepPart } from "../model/run/step.ts";
import type { Unseen } from "./ahead.ts";
import type { Prefixes } from "./prefixes.ts";
import type { Waiting } from "./queue.ts";
import { commonLength, type Sequence } from "./sequence.ts";
import type { Costs, StepCost } from "./step-cost.ts";

/** Requests on their way: what goes into a step, who goes ahead of whom. */

/** What a sequence is to hold, and whose logits are wanted. */
export interface Request {
  readonly ids: readonly number[];
  /** Of a text with pictures: seen.ts. */
  readonly rows?: ReadonlyMap<number, Float32Array> | undefined;
  /** Logits are wanted behind the id of this index and all that follow; `ids.length`: of none. */
  readonly logitsFrom: number;
  readonly signal: AbortSignal | undefined;
  /** Whose it is among those who wait. Default: a caller of its own, priority 0. */
  readonly caller?: object;
  readonly priority?: number;
  /** Whoever asks holds back by himself: `maxWaiting` is not for him. */
  readonly patient?: boolean;
  /** Asked between steps: nobody wants more for now. It gives its place to others until `resume`. */
  readonly pauses?: () => boolean;
  /** Before a step that decodes: ids that may follow, to be checked in it; `most` at most. `costs` undefined: none. */
  readonly draft?: Draft | undefined;
  /** What whoever draws needs to know of spans (draw/spans.ts). Default: null. */
  readonly spanScale?: number | null;
  /** Before a step that decodes: how ids may be drawn that nobody sees before the next is computed; null: not at all. */
  readonly unseen?: () => Unseen | null;
  /** Hears of an id that was drawn so; answers as `onLogits`. */
  onId?(id: number): number | null;
  /** Sees the logits behind one id, and their spans (valid during the call). Behind the last: the id that follows it, or null to end. */
  onLogits(logits: Float32Array, index: number, spans: Spans | null): number | null;
}

type Draft = (
  ids: readonly number[],
  most: number,
  costs: Costs | undefined,
) => readonly number[] | Promise<readonly number[]>;

export interface Running extends Waiting {
  readonly sequence: Sequence;
  readonly request: Request;
  readonly resolve: (cached: number) => void;
  readonly reject: (error: unknown) => void;
  /** Of its signal, while it waits: nobody looks through a long queue before every step. */
  readonly onAbort: () => void;
  /** The sequence holds its ids. */
  begun: boolean;
  /** The last ids are guesses: so many. */
  drafted: number;
  /** One of them was wrong: what the step computed behind it means nothing. */
  wrong: boolean;
  /** Index of the first id whose logits are still wanted. */
  next: number;
  /** Ids that were known when it began. */
  cached: number;
  /** Computes what this one begins with as well; it begins when `follows` ids of the leader are there. */
  leader: Running | null;
  follows: number;
}

export type End = "done" | { readonly error: unknown };

export const isGone = ({ request }: Running) => request.signal?.aborted === true;
/** Rows that are still to be computed. */
export const missing = ({ sequence }: Running) => sequence.ids.length - sequence.computed;
const decodes = (entry: Running) => missing(entry) - entry.drafted === 1;

/** Shows the owner the logits that come next; says how it ended where it did. */
export function show(entry: Running, logits: Float32Array, spans: Spans | null): End | null {
  const { ids } = entry.sequence;
  if (entry.wrong) return null;
  const index = entry.next++;
  try {
    const id = entry.request.onLogits(logits, index, spans);
    if (index < ids.length - 1 - entry.drafted) return null;
    if (entry.drafted > 0 && id === ids[index + 1]) {
      entry.drafted--;
      return null;
    }
    ids.length = index + 1;
    entry.wrong = entry.drafted > 0;
    entry.drafted = 0;
    if (id === null) return "done";
    ids.push(id);
    return null;
  } catch (error) {
    return { error };
  }
}

/** Shows the owner an id that was drawn unseen; what it follows is computed. Says how it ended where it did. */
export function drew(entry: Running, id: number): End | null {
  const { sequence, request } = entry;
  sequence.computed++;
  entry.next++;
  try {
    const next = request.onId!(id);
    if (next === null) return "done";
    sequence.ids.push(next);
    return null;
  } catch (error) {
    return { error };
  }
}

/**
 * Guesses of those who decode, for as many rows as are left: beside others no more than `besideRows`, so that nobody waits longer for
 * them than for prompts. Resolves with those whose guesses failed.
 */
export async function draft(
  running: readonly Running[],
  rows: number,
  besideRows: number,
  stepCost: StepCost,
): Promise<ReadonlyMap<Running, End>> {
  const failed = new Map<Running, End>();
  const count = running.length;
  const most = Math.floor(Math.min(rows - count, count > 1 ? besideRows : rows) / count);
  const ready = running.filter((entry) => !entry.leader && decodes(entry));
  const costs = stepCost.of(ready.length);
  const guess = async (entry: Running) => {
    const { sequence, request } = entry;
    try {
      // Those of one tick ask together, so that they share the steps of another model.
      const all = await request.draft!(sequence.ids, most, costs);
      // No model writes a picture.
      const row = all.findIndex((id) => sequence.rows?.has(id));
      const guesses = row < 0 ? all : all.slice(0, row);
      sequence.ids.push(...guesses);
      entry.drafted = guesses.length;
      entry.wrong = false;
    } catch (error) {
      if (!isGone(entry)) failed.set(entry, { error });
    }
  };
  await Promise.all(ready.filter(({ request, drafted }) => request.draft && drafted === 0).map(guess));
  return failed;
}

/** Its guesses, which nobody has checked, are gone. */
export function withdraw(entry: Running): void {
  entry.sequence.ids.length -= entry.drafted;
  entry.drafted = 0;
}

/**
 * A row of each sequence that decodes, then prompts: beside those who decode for other callers `promptRows` at most. Half of them are the
 * first comer's, the others go to the shortest first, whole, so that answers begin one after the other and not all with the last. So
 * neither a long prompt nor many short ones starve anybody.
 */
export function compose(
  running: readonly Running[],
  rows: number,
  promptRows: number,
): { entry: Running; part: StepPart }[] {
  const ready = running.filter(({ leader }) => !leader);
  const composed = ready.filter(decodes).map((entry) => ({ entry, part: partOf(entry, missing(entry)) }));
  const ofOne = ready.every(({ caller }) => caller === ready[0].caller);
  let left = Math.min(rows - rowsOf(composed), composed.length > 0 && !ofOne ? promptRows : rows);
  const take = (entry: Running, most: number) => {
    const part = partOf(entry, most);
    left -= part.inputs.length;
    if (part.inputs.length > 0) composed.push({ entry, part });
  };
  const [first, ...others] = ready.filter((entry) => !decodes(entry));
  const wanted = others.reduce((sum, entry) => sum + missing(entry), 0);
  if (first) take(first, Math.max(Math.ceil(left / 2), left - wanted));
  for (const entry of others.sort((a, b) => missing(a) - missing(b))) take(entry, left);
  // Rows of one adapter beside each other meet its weights together.
  return composed.sort((a, b) => (a.part.adapter ?? -1) - (b.part.adapter ?? -1));
}

function partOf({ sequence, next, request }: Running, rows: number): StepPart {
  const { timeline, ids, computed: position, adapter, rows: pictures } = sequence;
  const some = ids.slice(position, position + rows);
  const inputs = pictures ? some.map((id) => pictures.get(id) ?? id) : some;
  const logits = Math.min(inputs.length, Math.max(0, position + inputs.length - next));
  return { timeline, position, inputs, logits, adapter, spanScale: request.spanScale ?? null };
}

export function rowsOf(composed: readonly { readonly part: StepPart }[]): number {
  return composed.reduce((sum, { part }) => sum + part.inputs.length, 0);
}

/** Rows of a step that are of prompts. */
export function promptRows(composed: readonly { readonly entry: Running; readonly part: StepPart }[]): number {
  return composed.reduce((sum, { entry, part }) => sum + (decodes(entry) ? 0 : part.inputs.length), 0);
}

/** Ids in common for whose sake one request waits for another: less is computed by the way. */
const LEAST_FOLLOWED = 64;

/** Requests that come together compute what is common to them once: one goes ahead. */
export function follow(entry: Running, running: readonly Running[], prefixes: Prefixes): void {
  const { ids, kin } = entry.sequence;
  for (const leader of running) {
    if (leader === entry || leader.sequence.kin !== kin) continue;
    const theirs = leader.sequence.ids;
    const same = commonLength(ids, 0, theirs, Math.min(theirs.length - leader.drafted, entry.request.logitsFrom));
    if (same <= entry.follows || same <= leader.sequence.computed) continue;
    entry.leader = leader;
    entry.follows = same;
  }
  if (!entry.leader) return;
  const known = Math.max(entry.sequence.computed, prefixes.known(entry.sequence, entry.request.logitsFrom));
  if (entry.follows - known < LEAST_FOLLOWED) entry.leader = null;
}
