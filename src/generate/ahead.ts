import type { Drawing } from "../draw/draw.ts";
import type { StepPart } from "../model/run/step.ts";
import { drew, type End, isGone, type Running } from "./running.ts";

/** Ids that may be drawn without being seen, whatever was drawn before. */
export interface Unseen {
  readonly drawing: Drawing;
  /** Which of the text's ids is drawn next. */
  readonly step: number;
  /** How many may be behind that one. */
  readonly most: number;
  /** Behind any of these nothing follows. */
  readonly ends: readonly number[];
}

interface Composed {
  readonly entry: Running;
  readonly part: StepPart;
}

/** Steps that follow each other by themselves: the scheduler hears of their ids, and asks again when a text ends or somebody comes. */
export class Ahead {
  readonly ends: readonly number[];
  readonly draws: readonly Unseen[];
  /** Whose ids were drawn. */
  steps = 0;
  readonly #composed: readonly Composed[];
  readonly #ended: Map<Running, End>;
  readonly #halt: () => void;
  #most: number;

  private constructor(
    composed: readonly Composed[],
    draws: readonly Unseen[],
    ended: Map<Running, End>,
    halt: () => void,
  ) {
    this.#composed = composed;
    this.draws = draws;
    this.ends = [...new Set(draws.flatMap(({ ends }) => ends))];
    this.#most = Math.min(...draws.map(({ most }) => most));
    this.#ended = ended;
    this.#halt = halt;
  }

  /** null: somebody has to see an id before the next one is computed. `ended`: where those go whose text ends on the way; `halt`: no step is to follow. */
  static of(composed: readonly Composed[], ended: Map<Running, End>, halt: () => void): Ahead | null {
    const draws: Unseen[] = [];
    for (const { entry, part } of composed) {
      const unseen = part.inputs.length === 1 && part.logits === 1 ? entry.request.unseen?.() : null;
      if (!unseen) return null;
      draws.push(unseen);
    }
    return new Ahead(composed, draws, ended, halt);
  }

  readonly most = () => this.#most;

  /** The step that is under way is the last. */
  stop(): void {
    this.#most = 0;
    this.#halt();
  }

  readonly onIds = (ids: Uint32Array): void => {
    this.steps++;
    for (const [index, { entry }] of this.#composed.entries()) {
      if (isGone(entry) || this.#ended.has(entry)) continue;
      const end = drew(entry, ids[index]);
      if (!end) continue;
      this.#ended.set(entry, end);
      this.stop();
    }
  };
}
