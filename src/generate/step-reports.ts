/** What one step was: its time, its rows, and how many sequences they are of. */
export interface StepReport {
  readonly milliseconds: number;
  readonly rows: number;
  readonly sequences: number;
}

/** Who hears of steps. */
export class StepReports {
  readonly #listeners = new Set<(step: StepReport) => void>();

  /** Until what is returned is called. */
  listen(listener: (step: StepReport) => void): () => void {
    // Of its own: one function may listen twice, and leaves once a time.
    const own = (step: StepReport) => listener(step);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  /** A turn later: what a listener throws is its own, and no answer ends by it. */
  tell(report: StepReport): void {
    for (const listener of this.#listeners) void Promise.resolve(report).then(listener);
  }
}
