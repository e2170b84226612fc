import type { Candidates } from "../draw/candidates.ts";
import { EngineError } from "../error.ts";
import { Grammars } from "../grammar/grammars.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { CallRules } from "../tools/call-reader.ts";
import type { Drafter } from "./draft.ts";
import { Generation, missingTokenizer } from "./generation.ts";
import { type CheckedOptions, checkOptions } from "./options.ts";
import { type Prompt, type PromptPlace, type ReadPrompt, readPrompt } from "./prompt-ids.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Seat } from "./seat.ts";
import { drawSeed, type Seed } from "./seed.ts";
import type { SeenPrompt } from "./seen.ts";
import { nameStops } from "./stop-tokens.ts";

export interface StarterParts {
  readonly scheduler: Scheduler;
  readonly tokenizer: Tokenizer | null;
  readonly vocab: number;
  readonly context: number;
  /** Names of the model's adapters. */
  readonly adapters: readonly string[];
  /** Ids that end an answer, as the checkpoint says. */
  readonly stopIds: ReadonlySet<number>;
  readonly candidates: Candidates;
  /** Default: no model guesses for this one. */
  drafterOf?(model: unknown): Drafter;
  /** What an option is that nobody gives. */
  readonly defaults: Readonly<CheckedOptions>;
}

/** What a generation has beside its ids and options. */
interface Beside {
  readonly warnings?: readonly string[];
  /** Its text goes on after other text: the space that Llama 2 vocabularies put before a text stays. Default: true. */
  readonly continues?: boolean;
  /** Default: that of the options, or a drawn one. */
  readonly seed?: Seed;
  /** The batch that it is of: all of one share their turns. */
  readonly batch?: object;
  readonly see?: (signal: AbortSignal) => Promise<SeenPrompt>;
  /** What calls look like. Default: none are looked for. */
  readonly calls?: CallRules | null;
  /** Default: a sequence of its own, of the options' kin. */
  readonly seat?: Seat | undefined;
}

/** Turns what callers give into generations of one model: prompts into ids, options into checked ones. */
export class Starter {
  readonly #parts: StarterParts;
  #grammars: Grammars | null = null;

  constructor(parts: StarterParts) {
    this.#parts = parts;
  }

  get together(): number {
    return this.#parts.scheduler.together;
  }

  get tokenizer(): Tokenizer | null {
    return this.#parts.tokenizer;
  }

  check(options: unknown, extra: readonly string[] = [], defaults = this.#parts.defaults): CheckedOptions {
    const checked = checkOptions(options, this.#parts, extra, defaults);
    if (checked.stop.length > 0) this.#stopNames(checked.stop);
    if (checked.responseFormat) this.#formats().compile(checked.responseFormat);
    // Text cannot be found in ids alone.
    if (checked.dry?.sequenceBreakers?.length) this.text();
    return checked;
  }

  read(prompt: Prompt, field: string, specialTokens = false, place: PromptPlace = "begins"): ReadPrompt {
    return readPrompt(prompt, field, this.#parts.vocab, () => this.text(), specialTokens, place);
  }

  /** Without reading it: a token stands for a byte at least, and a unit of text is three at most. A few may go in front. */
  surelyFits(text: string): boolean {
    return this.#parts.tokenizer !== null && 3 * text.length + 4 < this.#parts.context;
  }

  /** Ids that leave room for one more. */
  fits(ids: readonly number[], field?: string): void {
    const { context } = this.#parts;
    if (ids.length >= context) throw tooLong(ids.length, context - 1, context, field);
  }

  generation(
    prompt: readonly number[],
    options: CheckedOptions,
    { warnings = [], continues = true, seed = options.seed ?? drawSeed(), batch, calls = null, seat, see }: Beside = {},
  ): Generation {
    const { scheduler, tokenizer, vocab, context, candidates, stopIds } = this.#parts;
    const rules = {
      stop: options.stop,
      stopIds: new Set([...(options.ignoreEos ? [] : stopIds), ...options.stopIds]),
      eosIds: stopIds,
      stopNames: this.#stopNames(options.stop),
      marks: calls ? this.#marks(calls.dialect.marks) : undefined,
      minTokens: options.minTokens,
    };
    const endIds = new Set([...rules.stopIds, ...rules.stopNames.keys()]);
    const strips = tokenizer?.stripsSpace === true && !continues;
    const constraint = options.responseFormat ? this.#formats().begin(options.responseFormat, endIds, strips) : null;
    return new Generation({
      scheduler,
      seat: seat ?? { run: (request) => scheduler.once(request, options) },
      tokenizer,
      prompt,
      see,
      options,
      seed,
      rules,
      vocab,
      context,
      candidates,
      warnings,
      continues,
      constraint,
      batch,
      calls,
    });
  }

  #formats(): Grammars {
    const tokenizer = this.text();
    this.#grammars ??= new Grammars({
      size: this.#parts.vocab,
      bytesOf: (id) => tokenizer.textBytes(id),
    });
    return this.#grammars;
  }

  #stopNames(stops: readonly string[]): ReadonlyMap<number, string> {
    return stops.length === 0 ? new Map() : nameStops(stops, this.text());
  }

  /** Those that have no text of their own; the others stand in the text. */
  #marks(names: readonly string[]): ReadonlyMap<number, string> {
    const tokenizer = this.text();
    const marks = new Map<number, string>();
    for (const name of names) {
      const id = tokenizer.specialId(name);
      if (id !== null && tokenizer.isSpecial(id)) marks.set(id, name);
    }
    return marks;
  }

  /** Throws TOKENIZER_MISSING where there is none. */
  text(): Tokenizer {
    if (!this.#parts.tokenizer) throw missingTokenizer();
    return this.#parts.tokenizer;
  }
}

export function tooLong(actual: number, most: number, context: number, field?: string): EngineError {
  return new EngineError("CONTEXT_LENGTH", `the prompt does not fit the context of ${context} positions`, {
    at: { source: "prompt", field },
    actual: `${actual} ids`,
    limit: `at most ${most}`,
  });
}
