import { DEAD, type State, stuck } from "./automaton.ts";
import type { Masks } from "./mask.ts";

/** One text on its way through a grammar: what may come next, and whether it may end. */
export class Constraint {
  readonly #masks: Masks;
  readonly #bytesOf: (id: number) => Uint8Array;
  readonly #endIds: readonly number[];
  #state: State;
  /** The first space is not shown, so that it is not read. */
  #strips: boolean;
  #kept: Float32Array = new Float32Array(16);

  constructor(masks: Masks, bytesOf: (id: number) => Uint8Array, endIds: readonly number[], strips: boolean) {
    this.#masks = masks;
    this.#bytesOf = bytesOf;
    this.#endIds = endIds;
    this.#strips = strips;
    this.#state = masks.automaton.begin();
  }

  /** Another that is at the same place of the text, and goes its own way. */
  fork(): Constraint {
    const fork = new Constraint(this.#masks, this.#bytesOf, this.#endIds, this.#strips);
    fork.#state = this.#state;
    return fork;
  }

  get hasEnd(): boolean {
    return this.#endIds.length > 0;
  }

  /** The text is one of the grammar's. */
  get complete(): boolean {
    return this.#state.ends;
  }

  /** It is, and nothing can follow. */
  get finished(): boolean {
    return this.#state.ends && this.#state.frames.length === 0;
  }

  /** Where it is: for measurements. */
  look(): { readonly state: State; readonly masks: Masks } {
    return { state: this.#hold(), masks: this.#masks };
  }

  /** -Infinity to what is forbidden; ends are allowed exactly where the text may end. */
  apply(values: Float32Array): void {
    const mask = this.#masks.of(this.#hold());
    const endIds = this.#endIds;
    const ends = Float32Array.from(endIds, (id) => values[id]);
    const { ids } = mask;
    if (mask.allowed) {
      if (this.#kept.length < ids.length) this.#kept = new Float32Array(Math.max(ids.length, 2 * this.#kept.length));
      const kept = this.#kept;
      for (let at = 0; at < ids.length; at++) kept[at] = values[ids[at]];
      values.fill(Number.NEGATIVE_INFINITY);
      for (let at = 0; at < ids.length; at++) values[ids[at]] = kept[at];
    } else {
      for (let at = 0; at < ids.length; at++) values[ids[at]] = Number.NEGATIVE_INFINITY;
    }
    for (let at = 0; at < endIds.length; at++)
      values[endIds[at]] = this.#state.ends ? ends[at] : Number.NEGATIVE_INFINITY;
  }

  /** `id` is part of the text; it is one that was allowed. */
  accept(id: number): void {
    const { automaton } = this.#masks;
    let state = this.#hold();
    for (const byte of this.#bytesOf(id)) {
      const next = automaton.next(state.index, byte);
      if (next === DEAD) throw stuck();
      state = automaton.state(next);
    }
    this.#strips = false;
    this.#state = state;
  }

  #hold(): State {
    const { automaton } = this.#masks;
    this.#state = this.#strips ? automaton.stripped() : automaton.hold(this.#state);
    return this.#state;
  }
}
