import type { StepPart } from "../model/run/step.ts";
import type { Prefixes } from "./prefixes.ts";
import type { Waiting } from "./queue.ts";
import type { Sequence } from "./sequence.ts";

/** Requests on their way: what goes into a step, who goes ahead of whom. */

/** What a sequence is to hold, and whose logits are wanted. */
export interface Request {
  readonly ids: readonly number[];
  /** Logits are wanted behind the id of this index and all that follow; `ids.length`: of none. */
  readonly logitsFrom: number;
  readonly signal: AbortSignal | undefined;
  /** Whose it is among those who wait. Default: a caller of its own, priority 0. */
  readonly caller?: object;
  readonly priority?: number;
  /** Whoever asks holds back by himself: `maxWaiting` is not for him. */
  readonly patient?: boolean;
  /** Sees the logits behind one id (valid during the call). Behind the last: the id that follows it, or null to end. */
  onLogits(logits: Float32Array, index: number): number | null;
}

export interface Running extends Waiting {
  readonly sequence: Sequence;
  readonly request: Request;
  readonly resolve: (cached: number) => void;
  readonly reject: (error: unknown) => void;
  /** Of its signal, while it waits: nobody looks through a long queue before every step. */
  readonly onAbort: () => void;
  /** The sequence holds its ids. */
  begun: boolean;
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

/** Shows the owner the logits that come next; says how it ended where it did. */
export function show(entry: Running, logits: Float32Array): End | null {
  const { ids } = entry.sequence;
  const index = entry.next++;
  try {
    const id = entry.request.onLogits(logits, index);
    if (index < ids.length - 1) return null;
    if (id === null) return "done";
    ids.push(id);
    return null;
  } catch (error) {
    return { error };
  }
}

/**
 * A row of each sequence that decodes, then prompts: beside those who decode `promptRows` at most, in equal shares, what a short one
 * leaves to the longer ones. So neither a long prompt nor many short ones starve anybody.
 */
export function compose(
  running: readonly Running[],
  rows: number,
  promptRows: number,
): { entry: Running; part: StepPart }[] {
  const order = running.filter(({ leader }) => !leader).sort((a, b) => missing(a) - missing(b));
  const decoding = order.filter((entry) => missing(entry) === 1).length;
  let left = Math.min(rows - decoding, decoding > 0 ? promptRows : rows);
  const composed: { entry: Running; part: StepPart }[] = [];
  for (const [index, entry] of order.entries()) {
    const { timeline, ids, computed: position } = entry.sequence;
    const share = index < decoding ? 1 : Math.ceil(left / (order.length - index));
    const inputs = ids.slice(position, position + share);
    if (inputs.length === 0) break;
    if (index >= decoding) left -= inputs.length;
    const logits = Math.min(inputs.length, Math.max(0, position + inputs.length - entry.next));
    composed.push({ entry, part: { timeline, position, inputs, logits } });
  }
  return composed;
}

/** Ids in common for whose sake one request waits for another: less is computed by the way. */
const LEAST_FOLLOWED = 64;

/** Requests that come together compute what is common to them once: one goes ahead. */
export function follow(entry: Running, running: readonly Running[], prefixes: Prefixes): void {
  const { ids, salt } = entry.sequence;
  for (const leader of running) {
    if (leader === entry || leader.sequence.salt !== salt) continue;
    const theirs = leader.sequence.ids;
    const most = Math.min(ids.length, theirs.length, entry.request.logitsFrom);
    let same = 0;
    while (same < most && ids[same] === theirs[same]) same++;
    if (same <= entry.follows || same <= leader.sequence.computed) continue;
    entry.leader = leader;
    entry.follows = same;
  }
  const known = Math.max(entry.sequence.computed, prefixes.known(entry.sequence, entry.request.logitsFrom));
  if (entry.follows - known < LEAST_FOLLOWED) entry.leader = null;
}
