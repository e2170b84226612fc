import type { Generation, GenerationResult } from "./generation.ts";

export interface BatchPiece {
  /** Which prompt. */
  readonly index: number;
  readonly text: string;
}

/** Generations that share their steps: iterate for pieces of any of them as they come, or await `results()`. */
export class GenerationBatch implements AsyncIterable<BatchPiece> {
  readonly #generations: readonly Generation[];

  /** @internal */
  constructor(generations: readonly Generation[]) {
    this.#generations = generations;
  }

  /** In the order of the prompts. Rejects with the first error; the others go on to their end. */
  results(): Promise<GenerationResult[]> {
    return Promise.all(this.#generations.map((generation) => generation.result()));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<BatchPiece, void, undefined> {
    const readers = this.#generations.map((generation) => generation[Symbol.asyncIterator]());
    const next = (index: number) => readers[index].next().then((step) => ({ index, step }));
    const pending = new Map(readers.map((_, index) => [index, next(index)]));
    try {
      while (pending.size > 0) {
        const { index, step } = await Promise.race(pending.values());
        if (step.done) {
          pending.delete(index);
          continue;
        }
        pending.set(index, next(index));
        yield { index, text: step.value };
      }
    } finally {
      for (const promise of pending.values()) promise.catch(() => {});
      for (const generation of this.#generations) generation.cancel();
    }
  }
}
