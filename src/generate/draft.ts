import type { Candidates } from "../draw/candidates.ts";
import { EngineError } from "../error.ts";
import { wrong } from "../given.ts";
import type { Constraint } from "../grammar/constraint.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { CheckedOptions } from "./options.ts";
import { blend } from "./pace.ts";
import { Sampler } from "./sampler.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Seed } from "./seed.ts";
import type { Sequence } from "./sequence.ts";
import { bestLength, MOST_GUESSES, type Speculation } from "./speculation.ts";
import type { Costs } from "./step-cost.ts";

/** A second, smaller model writes the text ahead; the first checks what it wrote. */

/** A loaded Model. */
export interface DraftModel {
  readonly cache: object;
  readonly tokenizer: Tokenizer;
  dispose(): Promise<void>;
}

/** What is asked of the second model. */
export interface Drafter {
  readonly scheduler: Scheduler;
  readonly context: number;
  /** Its default. */
  readonly adapter: number | null;
  /** Bytes of its weights beside the first model's: what a row of it takes, until that is measured. */
  readonly share: number;
}

export const DRAFT_FIELD = "speculate.draft";

export function notDraft(what: string, actual: unknown): EngineError {
  return wrong(DRAFT_FIELD, what, "another loaded Model (the same file may be loaded twice)", actual);
}

export function draftDisposed(): EngineError {
  return new EngineError("DRAFT_DISPOSED", "the model that guesses was disposed", {
    at: { source: "option", field: DRAFT_FIELD },
  });
}

/** Ids must mean the same in both: as many, and each the same bytes or both control tokens. */
export function checkSameVocabulary(own: VocabularyOf, draft: VocabularyOf): void {
  const refuse = (actual: string, limit: string) =>
    new EngineError("DRAFT_VOCAB", "the model that guesses has another vocabulary", {
      ...{ at: { source: "option" as const, field: DRAFT_FIELD }, actual, limit },
    });
  if (own.vocab !== draft.vocab) throw refuse(`${draft.vocab} ids`, `${own.vocab}`);
  const [ours, theirs] = [own.tokenizer, draft.tokenizer];
  // Models without text have nothing but ids.
  if (!ours || !theirs) return;
  for (let id = 0; id < own.vocab; id++) {
    const same = ours.isSpecial(id) === theirs.isSpecial(id) && isSame(ours.tokenBytes(id), theirs.tokenBytes(id));
    if (!same) throw refuse(`another token for id ${id}`, "the same token for each id");
  }
}

interface VocabularyOf {
  readonly vocab: number;
  readonly tokenizer: Tokenizer | null;
}

const isSame = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((byte, at) => byte === b[at]);

export interface DraftStart {
  readonly drafter: Drafter;
  /** Whose steps wait for the guesses. */
  readonly own: Scheduler;
  readonly options: CheckedOptions;
  readonly seed: Seed;
  readonly vocab: number;
  readonly candidates: Candidates;
  /** Ids of the prompt. */
  readonly prompt: number;
  readonly endIds: ReadonlySet<number>;
  /** Where the text is in its grammar. */
  readonly constraint: Constraint | null;
  readonly signal: AbortSignal | undefined;
}

/** Of what was seen, the last counts so much: of guesses that were right, of times. */
const NEW = 0.1;
const NEW_MS = 0.3;
const FIRST_CHANCE = 0.8;
/** Guesses where they may not pay, to see whether they do by now. */
const TRIED = 2;
/** Of the time that the answer takes otherwise, what may be lost with guesses that do not pay. */
const SHARE = 0.02;
/** Rows of a text that is read take so much of the time of rows that are written one by one. */
const READ = 0.25;
/** Rows that a guess computes beside its own, where it goes on from the one before. */
const FEW_ROWS = 4;

export class DraftSpeculation implements Speculation {
  drafted = 0;
  accepted = 0;
  readonly #start: DraftStart;
  readonly #sequence: Sequence;
  readonly #leave: () => void;
  /** Draws as the first model's does, with the same numbers: where both think alike they draw alike. Penalties it does not know. */
  readonly #sampler: Sampler;
  #guesses: readonly number[] = [];
  #at = 0;
  #chance = FIRST_CHANCE;
  /** Milliseconds of the draft: a guess, and a row of what it has missed. */
  #perGuess = Number.NaN;
  #perRow = Number.NaN;
  #perGuessOr = 0;
  /** Milliseconds that guesses have cost beyond what they gained. */
  #lost = 0;
  /** Of a step without guesses. */
  #plainMs = 0;

  readonly #now: () => number;

  constructor(start: DraftStart, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#start = start;
    const { drafter, own, options, seed, vocab, candidates } = start;
    this.#leave = own.leaning.begin(drafter.scheduler.leaning);
    this.#sequence = drafter.scheduler.open({ salt: options.salt, adapter: drafter.adapter });
    const { temperature, topK, topP, minP, typicalP, topNSigma, xtc, logitBias } = options;
    const none = { repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, logProbabilities: undefined };
    const cuts = { temperature, topK, topP, minP, typicalP, topNSigma, xtc, logitBias };
    this.#sampler = new Sampler({ ...cuts, ...none, seed }, vocab, candidates);
  }

  async guess(ids: readonly number[], most: number, costs: Costs | undefined): Promise<readonly number[]> {
    const { drafter } = this.#start;
    this.#guesses = [];
    this.#at = 0;
    if (drafter.scheduler.closed) throw draftDisposed();
    const room = Math.min(most, MOST_GUESSES, drafter.context - ids.length);
    const count = costs ? this.#count(ids.length, room, costs) : 0;
    if (!costs || count < 1) return [];
    this.#guesses = await this.#draw(ids, count, costs.together);
    this.drafted += this.#guesses.length;
    const { length } = this.#guesses;
    if (length > 0) this.#lost += costs.guessed - costs.plain + length * (costs.perGuess + this.#perGuessOr);
    return this.#guesses;
  }

  drew(id: number): void {
    const guess = this.#guesses[this.#at++];
    if (guess === undefined) return;
    const right = guess === id;
    this.#chance = blend(this.#chance, right ? 1 : 0, NEW);
    if (right) this.accepted++;
    else this.#guesses = [];
    // A guess that was right is a step less.
    if (right) this.#lost = Math.max(0, this.#lost - this.#plainMs);
  }

  close(): void {
    this.#leave();
    this.#start.drafter.scheduler.close(this.#sequence);
  }

  #count(length: number, room: number, costs: Costs): number {
    this.#plainMs = costs.plain;
    const { drafter, prompt } = this.#start;
    const expected = drafter.share * costs.plain;
    this.#perGuessOr = Number.isNaN(this.#perGuess) ? expected : this.#perGuess;
    const each = { ...costs, perGuess: costs.perGuess + this.#perGuessOr };
    const best = bestLength(room, () => this.#chance, each);
    // A draft that promises to pay reads the prompt, whatever that takes.
    const begins = best > 0 && this.drafted === 0;
    const missed = begins ? 0 : Math.max(0, length - this.#sequence.computed - FEW_ROWS);
    const reading = missed * (Number.isNaN(this.#perRow) ? READ * expected : this.#perRow);
    const mayLose = SHARE * (length - prompt) * costs.plain + (best > 0 ? SLACK * costs.plain : 0);
    if (this.#lost + reading > mayLose) return 0;
    return Math.min(room, best || TRIED);
  }

  async #draw(ids: readonly number[], count: number, together: number): Promise<readonly number[]> {
    const { drafter, options, endIds, prompt, signal } = this.#start;
    const constraint = this.#start.constraint?.fork() ?? null;
    const guesses: number[] = [];
    const missed = ids.length - this.#sequence.computed;
    const begun = this.#now();
    let first = begun;
    const take = (logits: Float32Array): number | null => {
      if (guesses.length === 0) first = this.#now();
      const step = ids.length - prompt + guesses.length;
      const { id } = this.#sampler.sample(logits, step, step < options.minTokens ? endIds : [], constraint);
      // Behind an end nothing is to be guessed.
      if (endIds.has(id)) return null;
      guesses.push(id);
      constraint?.accept(id);
      return guesses.length < count && constraint?.finished !== true ? id : null;
    };
    try {
      await drafter.scheduler.run(this.#sequence, {
        ...{ ids, logitsFrom: ids.length - 1, signal, patient: true, priority: options.priority },
        onLogits: (logits) => {
          try {
            return take(logits);
          } catch (error) {
            // It finds nothing that is allowed: the first model may.
            if (error instanceof EngineError) return null;
            throw error;
          }
        },
      });
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      if (error.code === "DISPOSED") throw draftDisposed();
      // Its own pages are taken by others: no guesses for now.
      if (error.code !== "CACHE_FULL") throw error;
      return [];
    }
    const [readMs, guessMs] = [(first - begun) / together, (this.#now() - first) / together];
    this.#timed(missed, guesses.length, readMs, guessMs);
    return guesses;
  }

  /** The draft has read so many rows, then guessed. */
  #timed(missed: number, guesses: number, readMs: number, guessMs: number): void {
    if (missed > FEW_ROWS) {
      this.#perRow = blend(this.#perRow, readMs / missed, NEW_MS);
      if (this.drafted > 0) this.#lost += readMs;
      if (guesses > 1) this.#perGuess = blend(this.#perGuess, guessMs / (guesses - 1), NEW_MS);
    } else if (guesses > 0) this.#perGuess = blend(this.#perGuess, (readMs + guessMs) / guesses, NEW_MS);
  }
}

/** Plain steps that may be lost in the beginning. */
const SLACK = 4;
