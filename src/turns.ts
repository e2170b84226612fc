/** Work that is done one after the other, in the order in which it was asked for; what fails does not stop what follows. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  /** Resolves when all that was asked for has ended. */
  async ended(): Promise<void> {
    await this.#last;
  }
}
