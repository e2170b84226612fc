import { EngineError, quoteName, whatOf } from "../error.ts";
import { missingTokenizer } from "../generate/generation.ts";
import { type CheckedOptions, checkOptions, DEFAULT_OPTIONS, type OptionLimits } from "../generate/options.ts";
import { nameStops } from "../generate/stop-tokens.ts";
import type { XtcOptions } from "../generate/xtc.ts";
import type { StoredGeneration } from "../model/config/stored-generation.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** What an option is when nobody gives it, and who says so: `default`, or the place in the checkpoint. */
export interface DefaultOption<Value> {
  readonly value: Value;
  readonly from: string;
}

/** The options that a checkpoint may have a say in. */
export interface GenerationConfig {
  readonly temperature: DefaultOption<number>;
  /** 0: off. */
  readonly topK: DefaultOption<number>;
  readonly topP: DefaultOption<number>;
  readonly minP: DefaultOption<number>;
  /** 1: off. */
  readonly typicalP: DefaultOption<number>;
  /** null: off. */
  readonly xtc: DefaultOption<Readonly<Required<XtcOptions>> | null>;
  readonly repetitionPenalty: DefaultOption<number>;
  /** null: what fits the context. */
  readonly maxTokens: DefaultOption<number | null>;
  readonly minTokens: DefaultOption<number>;
  readonly stop: DefaultOption<readonly string[]>;
  /** -100 forbids the id. */
  readonly logitBias: DefaultOption<Readonly<Record<number, number>>>;
}

type Name = keyof GenerationConfig;

export interface Defaults {
  readonly options: Readonly<CheckedOptions>;
  readonly shown: GenerationConfig;
  readonly warnings: readonly string[];
}

const FORBIDDEN = -100;
const MOST_NAMES = 5;

/** HF's names of options that are ours too. */
const TAKEN: Readonly<Record<string, Name>> = {
  temperature: "temperature",
  top_k: "topK",
  top_p: "topP",
  min_p: "minP",
  typical_p: "typicalP",
  repetition_penalty: "repetitionPenalty",
  max_new_tokens: "maxTokens",
  min_new_tokens: "minTokens",
  stop_strings: "stop",
};

/** What is done with a value that the engine cannot honour: nothing where it has no effect, a warning where it has. */
interface Lacking {
  readonly effective: (value: unknown) => boolean;
  /** Of sampling: nothing where the likeliest token is taken. */
  readonly sampling?: true;
}

const above = (least: number): Lacking => ({ effective: (value) => !(typeof value === "number" && value <= least) });
const other = (neutral: number | boolean): Lacking => ({ effective: (value) => value !== neutral });
const filled: Lacking = { effective: (value) => !(Array.isArray(value) && value.length === 0) };
const any: Lacking = { effective: () => true };
const sampling = (lacking: Lacking): Lacking => ({ ...lacking, sampling: true });

const LACKING: Readonly<Record<string, Lacking>> = {
  min_length: above(0),
  max_time: any,
  num_beams: above(1),
  num_beam_groups: above(1),
  num_return_sequences: above(1),
  penalty_alpha: above(0),
  dola_layers: any,
  epsilon_cutoff: sampling(other(0)),
  eta_cutoff: sampling(other(0)),
  top_h: sampling(any),
  encoder_repetition_penalty: other(1),
  no_repeat_ngram_size: above(0),
  encoder_no_repeat_ngram_size: above(0),
  begin_suppress_tokens: filled,
  sequence_bias: filled,
  forced_bos_token_id: any,
  forced_eos_token_id: any,
  exponential_decay_length_penalty: any,
  guidance_scale: other(1),
  constraints: filled,
  force_words_ids: filled,
  watermarking_config: any,
  token_healing: other(false),
  // Of GGUF.
  mirostat: sampling(other(0)),
  sequence: sampling(any),
};

/** Looked at elsewhere, or without effect on what is drawn. */
const KNOWN: ReadonlySet<string> = new Set(
  `do_sample eos_token_id bos_token_id pad_token_id decoder_start_token_id max_length suppress_tokens bad_words_ids
  early_stopping length_penalty diversity_penalty renormalize_logits remove_invalid_values
  use_cache cache_implementation cache_config return_legacy_cache prefill_chunk_size low_memory compile_config disable_compile
  output_attentions output_hidden_states output_scores output_logits return_dict_in_generate
  num_assistant_tokens num_assistant_tokens_schedule assistant_confidence_threshold assistant_early_exit assistant_lookbehind
  target_lookbehind prompt_lookup_num_tokens max_matching_ngram_size is_assistant trust_remote_code
  transformers_version _from_model_config _commit_hash generation_kwargs
  xtc_probability xtc_threshold mirostat_tau mirostat_eta penalty_last_n`.split(/\s+/),
);

/** `stored` null: nothing is taken from the checkpoint. `tokenizer` undefined: whether a stop string can match is not looked at. */
export function readDefaults(
  stored: StoredGeneration | null,
  limits: OptionLimits,
  tokenizer: Tokenizer | null | undefined,
): Defaults {
  const reader = new DefaultsReader(stored ?? { values: new Map(), place: (name) => name }, limits, tokenizer);
  return reader.read();
}

class DefaultsReader {
  readonly #stored: StoredGeneration;
  readonly #limits: OptionLimits;
  readonly #tokenizer: Tokenizer | null | undefined;
  readonly #warnings: string[] = [];
  readonly #from = new Map<Name, string>();
  #options: Readonly<CheckedOptions> = DEFAULT_OPTIONS;

  constructor(stored: StoredGeneration, limits: OptionLimits, tokenizer: Tokenizer | null | undefined) {
    this.#stored = stored;
    this.#limits = limits;
    this.#tokenizer = tokenizer;
  }

  read(): Defaults {
    const { values } = this.#stored;
    for (const [name, option] of Object.entries(TAKEN)) {
      if (values.has(name)) this.#take(name, option, values.get(name));
    }
    this.#takeSampling();
    this.#takeXtc();
    this.#takeForbidden();
    this.#takeLength();
    this.#warnOfRest();
    return { options: this.#options, shown: this.#shown(), warnings: this.#warnings };
  }

  /** A value out of range is left out with a warning: a file must not make every call fail. */
  #take(name: string, option: Name, value: unknown): void {
    try {
      const checked = checkOptions({ [option]: value }, this.#limits, [], this.#options);
      if (option === "stop" && this.#tokenizer === null) throw missingTokenizer();
      if (option === "stop" && this.#tokenizer) nameStops(checked.stop, this.#tokenizer);
      this.#options = { ...checked, maxTokens: option === "maxTokens" ? checked.maxTokens : this.#options.maxTokens };
      this.#from.set(option, this.#stored.place(name));
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      this.#warnings.push(`${this.#stored.place(name)} is not taken: ${whatOf(error)}`);
    }
  }

  /** transformers samples only where `do_sample` says so. A file that gives a temperature and not that means to sample. */
  #takeSampling(): void {
    const sampled = this.#stored.values.get("do_sample");
    if (sampled === false) this.#take("do_sample", "temperature", 0);
    else if (sampled !== undefined && sampled !== true)
      this.#warnings.push(`${this.#stored.place("do_sample")} is not taken: neither true nor false`);
  }

  #takeXtc(): void {
    const { values } = this.#stored;
    const [probability, threshold] = [values.get("xtc_probability"), values.get("xtc_threshold")];
    if (probability !== undefined) this.#take("xtc_probability", "xtc", { probability, threshold });
  }

  #takeForbidden(): void {
    const { values, place } = this.#stored;
    for (const name of ["suppress_tokens", "bad_words_ids"]) {
      const value = values.get(name);
      if (value === undefined) continue;
      if (!Array.isArray(value)) {
        this.#warnings.push(`${place(name)} is not taken: no list`);
        continue;
      }
      // Words of one id can be forbidden.
      const words = name === "bad_words_ids" ? value : value.map((id) => [id]);
      const long = words.filter(isLong).length;
      if (long > 0) this.#warnings.push(`${place(name)}: words of several ids are not supported (${long})`);
      const ids = words.filter((word) => !isLong(word)).flat();
      if (ids.length > 0) this.#take(name, "logitBias", new Map(ids.map((id) => [id, FORBIDDEN])));
    }
  }

  /** `max_length` counts the prompt too, and nobody's answer ends by it where it is the context. */
  #takeLength(): void {
    const { values, place } = this.#stored;
    const length = values.get("max_length");
    if (length === undefined || values.has("max_new_tokens")) return;
    if (typeof length === "number" && length >= this.#limits.context) return;
    this.#warnings.push(`${place("max_length")} (${shown(length)}, the prompt included) is not taken: use maxTokens`);
  }

  #warnOfRest(): void {
    const { values, place } = this.#stored;
    const unknown: string[] = [];
    for (const [name, value] of values) {
      const lacking = Object.hasOwn(LACKING, name) ? LACKING[name] : undefined;
      if (lacking?.effective(value) && !(lacking.sampling && this.#options.temperature === 0)) {
        this.#warnings.push(`${place(name)} (${shown(value)}) is not supported: answers are as without it`);
      }
      if (!lacking && !Object.hasOwn(TAKEN, name) && !KNOWN.has(name)) unknown.push(quoteName(place(name), false));
    }
    const last = values.get("penalty_last_n");
    if (typeof last === "number" && last > 0 && this.#options.repetitionPenalty !== 1)
      this.#warnings.push(
        `${place("penalty_last_n")} (${last}) is not supported: the penalty is over prompt and output`,
      );
    if (unknown.length === 0) return;
    const more = unknown.length > MOST_NAMES ? ` and ${unknown.length - MOST_NAMES} more` : "";
    this.#warnings.push(`unknown to the engine, and not taken: ${unknown.slice(0, MOST_NAMES).join(", ")}${more}`);
  }

  #shown(): GenerationConfig {
    const { maxTokens, logitBias, ...options } = this.#options;
    const told = <Value>(name: Name, value: Value) => ({ value, from: this.#from.get(name) ?? "default" });
    return {
      temperature: told("temperature", options.temperature),
      topK: told("topK", options.topK),
      topP: told("topP", options.topP),
      minP: told("minP", options.minP),
      typicalP: told("typicalP", options.typicalP),
      xtc: told("xtc", options.xtc ?? null),
      repetitionPenalty: told("repetitionPenalty", options.repetitionPenalty),
      maxTokens: told("maxTokens", maxTokens === Number.POSITIVE_INFINITY ? null : maxTokens),
      minTokens: told("minTokens", options.minTokens),
      stop: told("stop", options.stop),
      logitBias: told("logitBias", Object.fromEntries(logitBias)),
    };
  }
}

const isLong = (word: unknown): boolean => Array.isArray(word) && word.length > 1;

function shown(value: unknown): string {
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "an object";
  return quoteName(String(value), false);
}
