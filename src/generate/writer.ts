import type { TokenStream } from "../tokenizer/tokenizer.ts";
import type { SampledToken } from "./sampler.ts";
import { StopStrings } from "./stop.ts";

/** What ended a text: an end id of the checkpoint, an id of the caller's, or text of the caller's. */
export type Stop = "eos" | "stopId" | "stopString";

export interface WriterRules {
  /** What ends a text, without being part of it. */
  readonly stop: readonly string[];
  readonly stopIds: ReadonlySet<number>;
  /** Those of them that are the checkpoint's. Default: none. */
  readonly eosIds?: ReadonlySet<number>;
  /** Stop strings that are control tokens, by id: they have no text that could be found. */
  readonly stopNames: ReadonlyMap<number, string>;
  /** Control tokens that somebody wants to hear of, by id. */
  readonly marks?: ReadonlyMap<number, string>;
  /** Ids before anything of these ends the text. Default 0. */
  readonly minTokens?: number;
}

/** Text as it comes, and between its pieces the control tokens that were asked for. */
export interface Written {
  text(piece: string): void;
  mark?(name: string): void;
}

/**
 * Ids -> text, watching for what ends a generation. Ids, log-probabilities and text end at the same place: at a stop string the
 * last id is the last one whose text begins before it. (The stop string may begin inside the text of that id.)
 */
export class Writer {
  readonly ids: number[] = [];
  readonly probabilities: SampledToken[] = [];
  text = "";
  /** The id, or the text as it was asked for. */
  stoppedBy: number | string | undefined;
  stop: Stop | undefined;
  /** Ids that were drawn, those behind a stop string too. */
  drawn = 0;
  readonly #rules: WriterRules;
  readonly #stream: TokenStream | null;
  readonly #stops: StopStrings;
  readonly #written: Written;
  /** Where the text of each id begins, in units of the whole text. */
  readonly #begins: number[] = [];
  #decoded = 0;
  /** Marks that are not told yet, since text before them is held back: where they stand in the whole text. */
  readonly #marks: { readonly at: number; readonly name: string }[] = [];

  constructor(rules: WriterRules, stream: TokenStream | null, written: Written) {
    this.#rules = rules;
    this.#stream = stream;
    this.#stops = new StopStrings(rules.stop);
    this.#written = written;
  }

  /** What the next id must not be. */
  get forbidden(): Iterable<number> {
    return this.takesAny ? [] : this.ends;
  }

  /** Ids that end the text. */
  get ends(): number[] {
    const { stopIds, stopNames } = this.#rules;
    return [...stopIds, ...stopNames.keys()];
  }

  /** Whether any id may come next. */
  get takesAny(): boolean {
    return this.drawn >= (this.#rules.minTokens ?? 0);
  }

  /** False: the generation ends here. */
  take(sampled: SampledToken): boolean {
    const { stopIds, stopNames, eosIds } = this.#rules;
    if (stopIds.has(sampled.id) || stopNames.has(sampled.id)) {
      this.stoppedBy = stopNames.get(sampled.id) ?? sampled.id;
      this.stop = stopNames.has(sampled.id) ? "stopString" : eosIds?.has(sampled.id) ? "eos" : "stopId";
      return false;
    }
    this.drawn++;
    this.ids.push(sampled.id);
    this.probabilities.push(sampled);
    this.#begins.push(this.#decoded);
    const name = this.#rules.marks?.get(sampled.id);
    if (name !== undefined) this.#marks.push({ at: this.#decoded, name });
    if (this.#stream) this.#read(this.#stream.push(sampled.id));
    return this.stoppedBy === undefined;
  }

  /** `cut`: what it holds of an unfinished character is left out, not shown as U+FFFD. */
  end(cut = false): void {
    if (!this.#stream || this.#stops.matched !== undefined) return;
    if (!cut) this.#read(this.#stream.end());
    if (this.#stops.matched === undefined) this.#write(this.#stops.flush());
  }

  #read(piece: string): void {
    this.#decoded += piece.length;
    const { minTokens = 0 } = this.#rules;
    // No stop string may begin here: it would take away ids that must be there.
    if (this.drawn <= minTokens) {
      this.#write(piece);
      return;
    }
    this.#write(this.#stops.push(piece));
    if (this.#stops.matched === undefined) return;
    this.stoppedBy = this.#stops.matched;
    this.stop = "stopString";
    const first = this.#begins.findIndex((begin) => begin >= this.text.length);
    if (first < 0) return;
    this.ids.length = first;
    this.probabilities.length = first;
  }

  #write(piece: string): void {
    let done = 0;
    for (let mark = this.#marks[0]; mark && mark.at <= this.text.length + piece.length - done; mark = this.#marks[0]) {
      const upTo = done + mark.at - this.text.length;
      this.#say(piece.slice(done, upTo));
      done = upTo;
      this.#marks.shift();
      this.#written.mark?.(mark.name);
    }
    this.#say(piece.slice(done));
  }

  #say(piece: string): void {
    if (piece === "") return;
    this.text += piece;
    this.#written.text(piece);
  }
}
