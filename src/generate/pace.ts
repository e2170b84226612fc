/**
 * How many rows of prompts go into a step beside sequences that decode, so that these get their next token within `latency`
 * milliseconds. Measured, since it depends on the model, the host and how long the texts are: a step is taken for a fixed time and
 * one for each row of a prompt. It decides when something is computed, never what.
 */
export class Pace {
  readonly #latency: number;
  /** Milliseconds of a step that only decodes; NaN: none was seen. */
  #fixed = Number.NaN;
  #perRow = Number.NaN;

  constructor(latency: number) {
    this.#latency = latency;
  }

  rows(): number {
    if (this.#latency === Number.POSITIVE_INFINITY) return this.#latency;
    if (Number.isNaN(this.#perRow)) return FIRST_ROWS;
    const fixed = this.#fixed || 0;
    // Where to decode takes all the time by itself, prompts must not wait for minutes.
    const left = Math.max(this.#latency - fixed, LEAST_SHARE * fixed);
    return Math.max(LEAST_ROWS, Math.floor(left / Math.max(this.#perRow, LEAST_MS)));
  }

  /** A step took `ms` for so many rows of prompts, beside others or alone. */
  took(promptRows: number, ms: number): void {
    if (promptRows === 0) this.#fixed = blend(this.#fixed, ms, NEW);
    else this.#perRow = blend(this.#perRow, Math.max(0, ms - (this.#fixed || 0)) / promptRows, NEW);
  }
}

/** A prompt goes on, however slow the host. */
const LEAST_ROWS = 8;
const FIRST_ROWS = 32;
/** Of the time of a step that only decodes. */
const LEAST_SHARE = 0.5;
/** A clock that stands still must not let everything in. */
const LEAST_MS = 0.01;
const NEW = 0.3;

/** A mean of what was measured in which the last counts `share`; `old` NaN: it is the first. */
export const blend = (old: number, now: number, share: number): number =>
  Number.isNaN(old) ? now : old + share * (now - old);
