import { EngineError } from "../error.ts";
import type { Tokenizer, TokenStream } from "../tokenizer/tokenizer.ts";
import type { CheckedOptions } from "./options.ts";
import { type Candidates, type SampledToken, Sampler } from "./sampler.ts";
import type { Scheduler } from "./scheduler.ts";
import { StopStrings } from "./stop.ts";

export type FinishReason = "stop" | "length";

export interface GenerationResult {
  /** Generated ids; the id that ended the generation is not among them. */
  readonly ids: number[];
  readonly text: string;
  readonly finishReason: FinishReason;
  /** The stop id or stop string that ended it. */
  readonly stoppedBy: number | string | undefined;
  readonly usage: { readonly promptTokens: number; readonly completionTokens: number };
  /** Milliseconds: until the first token, and from the first to the last; tokens a second of each. */
  readonly timings: {
    readonly promptMs: number;
    readonly generationMs: number;
    readonly promptTokensPerSecond: number;
    readonly tokensPerSecond: number;
  };
  /** One entry a generated id, when asked for. */
  readonly logProbabilities: SampledToken[] | undefined;
  readonly seed: number | bigint;
  /** What is odd in what was asked, yet was done. */
  readonly warnings: readonly string[];
}

export interface GenerationStart {
  readonly scheduler: Scheduler;
  /** null: ids only. */
  readonly tokenizer: Tokenizer | null;
  readonly prompt: readonly number[];
  readonly options: CheckedOptions;
  readonly stopIds: ReadonlySet<number>;
  readonly vocab: number;
  readonly context: number;
  /** Working memory of the model's samplers: nothing in it outlives a draw. */
  readonly candidates: Candidates;
  readonly warnings: readonly string[];
  /** The text goes on the prompt's; else it is one of its own, and the space before it is not part of it. */
  readonly continues: boolean;
}

/**
 * A generation that runs when somebody listens: iterate it for text as it comes, or await `text()` or `result()`. Several
 * listeners see the same text from its beginning. Leaving the loop early ends the generation.
 */
export class Generation implements AsyncIterable<string> {
  readonly #start: GenerationStart;
  readonly #cancel = new AbortController();
  readonly #pieces: string[] = [];
  #listeners: (() => void)[] = [];
  #result: Promise<GenerationResult> | null = null;
  #settled = false;

  constructor(start: GenerationStart) {
    this.#start = start;
  }

  /** Resolves at the end. Rejects as the generation failed, with the signal's reason when it was aborted. */
  result(): Promise<GenerationResult> {
    this.#result ??= this.#run();
    return this.#result;
  }

  async text(): Promise<string> {
    if (!this.#start.tokenizer) throw missingTokenizer();
    return (await this.result()).text;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    if (!this.#start.tokenizer) throw missingTokenizer();
    const result = this.result();
    result.catch(() => {});
    let next = 0;
    try {
      for (;;) {
        while (next < this.#pieces.length) yield this.#pieces[next++];
        if (this.#settled) break;
        await new Promise<void>((resolve) => this.#listeners.push(resolve));
      }
      await result;
    } finally {
      this.cancel();
    }
  }

  /** Ends a running generation: `result()` rejects with GENERATION_LEFT. */
  cancel(): void {
    if (!this.#settled) this.#cancel.abort(new EngineError("GENERATION_LEFT", "the reader left before the end"));
  }

  /** UTF-8 bytes of the text as it comes; cancelling the stream ends the generation. */
  toReadableStream(): ReadableStream<Uint8Array> {
    const pieces = this[Symbol.asyncIterator]();
    const encoder = new TextEncoder();
    return new ReadableStream({
      async pull(controller) {
        const { value, done } = await pieces.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      cancel: () => this.cancel(),
    });
  }

  async #run(): Promise<GenerationResult> {
    try {
      return await this.#generate();
    } finally {
      this.#settled = true;
      this.#notify();
    }
  }

  #emit(piece: string): void {
    if (piece === "") return;
    this.#pieces.push(piece);
    this.#notify();
  }

  #notify(): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }

  async #generate(): Promise<GenerationResult> {
    const { scheduler, tokenizer, prompt, options, vocab, context } = this.#start;
    const ids = [...prompt];
    const writer = new Writer(this.#start, tokenizer?.stream({ continues: this.#start.continues }) ?? null, (piece) =>
      this.#emit(piece),
    );
    const sampler = new Sampler(options, vocab, this.#start.candidates);
    sampler.observePrompt(prompt);
    const most = Math.min(options.maxTokens, context - prompt.length);
    const signals = [this.#cancel.signal, ...(options.signal ? [options.signal] : [])];
    const begun = performance.now();
    let first = begun;
    let last = begun;
    await scheduler.grow({
      ids,
      signal: AbortSignal.any(signals),
      onLogits: (logits) => {
        const sampled = sampler.sample(logits, ids.length - prompt.length);
        last = performance.now();
        if (ids.length === prompt.length) first = last;
        if (!writer.take(sampled)) return false;
        ids.push(sampled.id);
        sampler.accept(sampled.id);
        return ids.length - prompt.length < most;
      },
    });
    writer.end();
    const generated = writer.ids.length;
    const perSecond = (count: number, ms: number) => (ms > 0 ? (count / ms) * 1000 : 0);
    return {
      ids: writer.ids,
      text: writer.text,
      finishReason: writer.stoppedBy === undefined ? "length" : "stop",
      stoppedBy: writer.stoppedBy,
      usage: { promptTokens: prompt.length, completionTokens: generated },
      timings: {
        promptMs: first - begun,
        generationMs: last - first,
        promptTokensPerSecond: perSecond(prompt.length, first - begun),
        tokensPerSecond: perSecond(Math.max(0, generated - 1), last - first),
      },
      logProbabilities: options.logProbabilities === undefined ? undefined : writer.probabilities,
      seed: options.seed,
      warnings: this.#start.warnings,
    };
  }
}

/** Ids -> text, watching for what ends a generation. */
class Writer {
  readonly ids: number[] = [];
  readonly probabilities: SampledToken[] = [];
  text = "";
  stoppedBy: number | string | undefined;
  readonly #start: GenerationStart;
  readonly #stream: TokenStream | null;
  readonly #stops: StopStrings;
  readonly #emit: (piece: string) => void;

  constructor(start: GenerationStart, stream: TokenStream | null, emit: (piece: string) => void) {
    this.#start = start;
    this.#stream = stream;
    this.#stops = new StopStrings(start.options.stop);
    this.#emit = emit;
  }

  /** False: the generation ends here. */
  take(sampled: SampledToken): boolean {
    if (this.#start.stopIds.has(sampled.id)) {
      this.stoppedBy = sampled.id;
      return false;
    }
    this.ids.push(sampled.id);
    this.probabilities.push(sampled);
    if (this.#stream) this.#write(this.#stops.push(this.#stream.push(sampled.id)));
    this.stoppedBy = this.#stops.matched;
    return this.stoppedBy === undefined;
  }

  end(): void {
    if (!this.#stream || this.#stops.matched !== undefined) return;
    this.#write(this.#stops.push(this.#stream.end()));
    if (this.#stops.matched === undefined) this.#write(this.#stops.flush());
    else this.stoppedBy = this.#stops.matched;
  }

  #write(piece: string): void {
    this.text += piece;
    this.#emit(piece);
  }
}

export function missingTokenizer(): EngineError {
  return new EngineError("TOKENIZER_MISSING", "this checkpoint has no tokenizer: use ids", {
    at: { source: "tokenizer" },
  });
}
