import type { Prefixes } from "./prefixes.ts";

export interface SchedulerOptions {
  /** null: nothing is kept for others. */
  readonly prefixes?: Prefixes | null;
  /** Requests that may wait; Infinity by default. */
  readonly maxWaiting?: number;
  /** Milliseconds between two tokens of a sequence that prompts of others may take; Infinity by default. */
  readonly latency?: number;
}
