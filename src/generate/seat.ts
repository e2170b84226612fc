import type { Request } from "./running.ts";

/** Where a generation is computed: in a sequence of its own, or in one that was there before and goes on. */
export interface Seat {
  /** As the scheduler's. */
  run(request: Request): Promise<number>;
  /** Ends it. */
  readonly signal?: AbortSignal;
  /** It has ended, well or not: told once, before anybody who waits for it. */
  left?(well: boolean): void;
}
