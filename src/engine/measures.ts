import type { Prompt } from "../generate/prompt-ids.ts";
import type { Divergence, Measurable, Perplexity } from "../measure/divergence.ts";
import { StoredLogits } from "../measure/logits-file.ts";
import {
  checkWindows,
  type DivergenceOptions,
  type Measured,
  measureDivergence,
  measurePerplexity,
  otherIds,
  type PerplexityOptions,
} from "../measure/perplexity.ts";
import { planWindows } from "../measure/windows.ts";
import { Turns } from "../turns.ts";

/** A model as its texts are measured. */
export interface MeasuredModel {
  readonly name: string;
  readonly vocab: number;
  readonly bos: number | null;
  readonly context: number;
  /** Throws when the model is gone. */
  refuseDisposed(): void;
  ids(prompt: Prompt, specialTokens: boolean | undefined): number[];
  measurable(adapter: unknown): Measurable;
}

/** Perplexities run one after the other: each holds pages between its windows. */
export class Measures {
  static #made = 0;
  readonly #order = Measures.#made++;
  readonly #turns = new Turns();
  readonly #model: MeasuredModel;

  constructor(model: MeasuredModel) {
    this.#model = model;
  }

  async perplexity(prompt: Prompt, options: PerplexityOptions | undefined): Promise<Perplexity & Measured> {
    const { context, bos } = this.#model;
    const names = ["window", "stride", "specialTokens", "adapter", "onProgress", "saveLogits"] as const;
    const { rule, ...rest } = checkWindows(options, context, null, names);
    const measurable = this.#model.measurable(rest.adapter);
    const windows = planWindows(this.#model.ids(prompt, rest.specialTokens), rule, bos);
    return await this.#alone(() => measurePerplexity(measurable, windows, rest));
  }

  async divergence(
    prompt: Prompt,
    reference: Measures | StoredLogits,
    options: DivergenceOptions | undefined,
  ): Promise<Divergence & Measured> {
    const names = ["window", "stride", "specialTokens", "adapter", "onProgress"] as const;
    const { vocab, bos, context } = this.#model;
    if (reference instanceof StoredLogits) {
      const { rule, ...rest } = checkWindows(options, context, reference, names);
      const measurable = this.#model.measurable(rest.adapter);
      const windows = planWindows(this.#model.ids(prompt, rest.specialTokens), rule, bos);
      await reference.check(windows, vocab);
      return await this.#alone(() => measureDivergence(measurable, reference, windows, rest));
    }
    const other = reference.#model;
    const { rule, ...rest } = checkWindows(options, Math.min(context, other.context), null, names);
    const { specialTokens, adapter } = rest;
    const [measurable, theirs] = [this.#model.measurable(adapter), other.measurable(undefined)];
    const ids = this.#model.ids(prompt, specialTokens);
    const read = other.vocab === vocab ? other.ids(prompt, specialTokens) : [];
    if (read.length !== ids.length || read.some((id, index) => id !== ids[index])) throw otherIds(other.name);
    const windows = planWindows(ids, rule, bos);
    // In the order of their making, so that no two calls wait for each other.
    const [first, second] = this.#order < reference.#order ? [this, reference] : [reference, this];
    const work = () => measureDivergence(measurable, theirs, windows, rest);
    return await first.#alone(() => (first === second ? work() : second.#alone(work)));
  }

  async #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    return await this.#turns.take(() => {
      this.#model.refuseDisposed();
      return work();
    });
  }
}
