import type { Scheduler } from "../generate/scheduler.ts";
import type { StepReport } from "../generate/step-reports.ts";
import { checkFunction } from "../given.ts";

/** What a model is doing, for whoever watches it. */
export class Activity {
  readonly #scheduler: Scheduler;

  /** @internal */
  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** Sequences in the steps, and requests that wait for a place there. */
  get load(): { readonly running: number; readonly waiting: number } {
    return this.#scheduler.load;
  }

  /** `listener` hears of every step from now on, until what is returned is called. */
  onStep(listener: (step: StepReport) => void): () => void {
    checkFunction(listener, "listener");
    return this.#scheduler.times.reports.listen(listener);
  }
}
