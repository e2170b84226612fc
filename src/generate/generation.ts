import { anyOf, orAborted } from "../abortable.ts";
import type { Candidates } from "../draw/candidates.ts";
import type { Spans } from "../draw/spans.ts";
import { EngineError, type PartialAnswer, withPartial } from "../error.ts";
import type { Constraint } from "../grammar/constraint.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { AnswerPart } from "../tools/call.ts";
import { CallReader, type CallRules } from "../tools/call-reader.ts";
import { callId } from "./call-ids.ts";
import { startDeadline } from "./deadline.ts";
import { Dry } from "./dry.ts";
import { type End, Feed } from "./feed.ts";
import { speculationOf } from "./guessing.ts";
import type { CheckedOptions } from "./options.ts";
import type { GenerationResult } from "./result.ts";
import type { Request } from "./running.ts";
import { type SampledToken, Sampler } from "./sampler.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Seat } from "./seat.ts";
import type { Seed } from "./seed.ts";
import type { SeenPrompt } from "./seen.ts";
import { Writer, type WriterRules } from "./writer.ts";

export interface GenerationStart {
  readonly scheduler: Scheduler;
  readonly seat: Seat;
  /** null: ids only. */
  readonly tokenizer: Tokenizer | null;
  readonly prompt: readonly number[];
  /** Of a prompt with pictures: they are seen when it runs, and take their places in the ids. */
  readonly see: ((signal: AbortSignal) => Promise<SeenPrompt>) | undefined;
  readonly options: CheckedOptions;
  readonly seed: Seed;
  readonly rules: WriterRules;
  readonly vocab: number;
  readonly context: number;
  /** Working memory of the model's samplers: nothing in it outlives a draw. */
  readonly candidates: Candidates;
  readonly warnings: readonly string[];
  /** The text goes on the prompt's; else it is one of its own, and the space before it is not part of it. */
  readonly continues: boolean;
  /** Of `responseFormat`; for this text alone. */
  readonly constraint: Constraint | null;
  /** undefined: a call of its own. */
  readonly batch: object | undefined;
  /** Calls are looked for in the text. */
  readonly calls: CallRules | null;
}

/** Ids that are drawn before the fastest reader has taken the text of the first of them: a page of the cache. */
const MOST_AHEAD = 64;

/**
 * A generation that runs when somebody listens, and no further than a page ahead of the fastest reader unless its result is
 * awaited: iterate it for text as it comes, or await `text()` or `result()`. Several
 * listeners see the same text from its beginning; when the last of them leaves early, the generation ends.
 */
export class Generation<Value = unknown> implements AsyncIterable<string> {
  readonly #start: GenerationStart;
  readonly #cancel = new AbortController();
  readonly #pieces = new Feed<string>({ keep: Number.POSITIVE_INFINITY, onChange: () => this.#onReaders() });
  readonly #parts = new Feed<AnswerPart>({ keep: Number.POSITIVE_INFINITY, onChange: () => this.#onReaders() });
  readonly #writer: Writer;
  readonly #calls: CallReader | null;
  #running: Promise<GenerationResult<Value>> | null = null;
  #prompt: readonly number[];
  /** Somebody asked for the result: it goes on without readers. */
  #awaited = false;
  #settled = false;
  #stopClock = () => {};
  /** Of each piece and part, how many ids were drawn when it came. */
  readonly #pieceAt: number[] = [];
  readonly #partAt: number[] = [];
  #request: Request | null = null;
  /** It gave its place in the steps to others. */
  #paused = false;
  /** By the sampler or a caller's function of this generation: nobody else ends by it. */
  #thrown: unknown;

  /** @internal */
  constructor(start: GenerationStart) {
    this.#start = start;
    this.#prompt = start.prompt;
    const stream = start.tokenizer?.stream({ continues: start.continues }) ?? null;
    const calls = this.#reader();
    this.#calls = calls;
    this.#writer = new Writer(start.rules, stream, {
      text: (piece) => (calls ? calls.push(piece) : this.#tell({ type: "text", text: piece })),
      mark: (name) => calls?.mark(name),
    });
  }

  /** What there is by now: before the first id, in the middle, after an end, an abort or an error. */
  get partial(): PartialAnswer {
    const { ids } = this.#writer;
    const { text } = this.#calls ?? this.#writer;
    const usage = { promptTokens: this.#prompt.length, completionTokens: ids.length };
    return { ids: ids.slice(), text, usage };
  }

  /** Of each id drawn so far, as `logProbabilities` asks; ids whose text was not told yet may turn out to lie behind a stop string. */
  get sampled(): readonly SampledToken[] {
    return this.#writer.probabilities;
  }

  /** Resolves at the end. Rejects as the generation failed, with the signal's reason when it was aborted. */
  result(): Promise<GenerationResult<Value>> {
    this.#awaited = true;
    this.#goOn();
    return this.#run();
  }

  async text(): Promise<string> {
    if (!this.#start.tokenizer) throw missingTokenizer();
    return (await this.result()).text;
  }

  /** Text as it comes, without calls. Throws TOKENIZER_MISSING where the model has none. */
  [Symbol.asyncIterator](): AsyncIterableIterator<string> {
    return this.#read(this.#pieces);
  }

  /** Text and calls as they come, arguments as they grow. */
  parts(): AsyncIterableIterator<AnswerPart> {
    return this.#read(this.#parts);
  }

  #read<Piece>(feed: Feed<Piece>): AsyncIterableIterator<Piece> {
    if (!this.#start.tokenizer) throw missingTokenizer();
    const reader = feed.read();
    this.#goOn();
    // Whoever reads hears of errors as a reader.
    this.#run().catch(() => {});
    return reader;
  }

  /** Ends a running generation for all its readers: `result()` rejects with GENERATION_LEFT. */
  cancel(): void {
    this.#end(new EngineError("GENERATION_LEFT", "the reader left before the end"));
  }

  #end(error: EngineError): void {
    if (!this.#settled) this.#cancel.abort(error);
  }

  /** UTF-8 bytes of the text as it comes. Cancelling the stream is leaving: it ends the generation unless others listen. */
  toReadableStream(): ReadableStream<Uint8Array> {
    const pieces = this[Symbol.asyncIterator]();
    const encoder = new TextEncoder();
    return new ReadableStream({
      async pull(controller) {
        const { value, done } = await pieces.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      cancel: async () => {
        await pieces.return?.();
      },
    });
  }

  #onReaders(): void {
    if (this.#pieces.readers + this.#parts.readers === 0 && !this.#awaited) this.cancel();
    this.#goOn();
  }

  /** Ids that may be drawn before somebody reads on. */
  get #room(): number {
    if (this.#awaited) return Number.POSITIVE_INFINITY;
    return Math.max(this.#roomOf(this.#pieces, this.#pieceAt), this.#roomOf(this.#parts, this.#partAt));
  }

  /** Whoever waits for text gets it, whatever ids have none. `drawnAt`: of each piece, how many ids were drawn when it came. */
  #roomOf(feed: Feed<string> | Feed<AnswerPart>, drawnAt: readonly number[]): number {
    const { readers, lead } = feed;
    if (readers === 0) return Number.NEGATIVE_INFINITY;
    if (lead === 0) return Number.POSITIVE_INFINITY;
    return MOST_AHEAD - (this.#writer.drawn - drawnAt[drawnAt.length - lead] + 1);
  }

  #goOn(): void {
    if (!this.#paused || this.#room <= 0) return;
    this.#paused = false;
    this.#start.scheduler.resume(this.#request!);
  }

  #run(): Promise<GenerationResult<Value>> {
    this.#running ??= this.#generate().then(
      (result) => {
        this.#settle("done");
        return result;
      },
      (reason: unknown) => {
        const error = this.#withPartial(reason);
        this.#settle({ error });
        throw error;
      },
    );
    return this.#running;
  }

  /** The reason of the caller's signal is the caller's, whatever it is. */
  #withPartial(error: unknown): unknown {
    const { signal } = this.#start.options;
    if (!(error instanceof EngineError) || (signal?.aborted && signal.reason === error)) return error;
    return withPartial(error, this.partial, error === this.#thrown);
  }

  #sample(sampler: Sampler, logits: Float32Array, spans: Spans | null): SampledToken {
    try {
      return sampler.sample(logits, this.#writer.drawn, this.#writer.forbidden, this.#start.constraint, spans);
    } catch (error) {
      this.#thrown = error;
      throw error;
    }
  }

  #settle(end: End): void {
    this.#settled = true;
    this.#stopClock();
    this.#start.seat.left?.(end === "done");
    this.#pieces.close(end);
    this.#parts.close(end);
  }

  /** Whether a constrained text is whole: an end id came, not a stop string in its middle. */
  #endedBy(stoppedBy: number | string | undefined): boolean {
    const { constraint, rules } = this.#start;
    const isId = typeof stoppedBy === "number" || [...rules.stopNames.values()].some((name) => name === stoppedBy);
    return constraint !== null && isId && constraint.complete;
  }

  /** A caller's schema may take its time, and be ended in it. */
  async #value(text: string): Promise<Value | undefined> {
    const value = this.#start.options.responseFormat?.value(text);
    return (await (value && orAborted(value, this.#request!.signal))) as Value | undefined;
  }

  async #generate(): Promise<GenerationResult<Value>> {
    const { seat, see, tokenizer, options, seed, vocab, context, constraint } = this.#start;
    const writer = this.#writer;
    const reader = this.#calls;
    const begun = performance.now();
    const signal = anyOf([this.#cancel.signal, options.signal, seat.signal]);
    this.#stopClock = startDeadline(options.deadline, (error) => this.#end(error));
    const seen = see && (await see(signal));
    if (seen) this.#prompt = seen.prompt;
    const prompt = this.#prompt;
    const dry = options.dry && new Dry(options.dry, tokenizer);
    const sampler = new Sampler({ ...options, seed }, vocab, this.#start.candidates, dry);
    sampler.observePrompt(prompt);
    const room = context - prompt.length;
    const most = Math.min(options.maxTokens, room);
    let first = begun;
    let last = begun;
    let whole = false;
    const speculation = speculationOf(this.#start, signal);
    const drawing = constraint === null && !speculation ? sampler.drawing : null;
    /** The id that follows, or null at the end. */
    const took = (sampled: SampledToken): number | null => {
      last = performance.now();
      if (writer.drawn === 0) first = last;
      if (!writer.take(sampled)) return null;
      sampler.accept(sampled.id);
      speculation?.drew(sampled.id);
      constraint?.accept(sampled.id);
      // Nothing but an end may follow: not waited for where there is none, or no room for it.
      whole = constraint?.finished === true && (!constraint.hasEnd || writer.drawn === most);
      return !whole && writer.drawn < most ? sampled.id : null;
    };
    const request: Request = {
      ids: seen?.ids ?? prompt,
      rows: seen?.rows,
      logitsFrom: prompt.length - 1,
      signal,
      caller: this.#start.batch,
      patient: this.#start.batch !== undefined,
      priority: options.priority,
      pauses: () => {
        this.#paused = this.#room <= 0;
        return this.#paused;
      },
      draft: speculation
        ? (ids, rows, costs) => speculation.guess(ids, Math.min(rows, most - writer.drawn - 1, this.#room - 1), costs)
        : undefined,
      spanScale: constraint === null ? sampler.spanScale : null,
      unseen: () => {
        if (!drawing || !writer.takesAny) return null;
        return { drawing, step: writer.drawn, most: Math.min(most - writer.drawn, this.#room) - 1, ends: writer.ends };
      },
      onId: (id) => (this.#settled ? null : took({ id })),
      // The step of a model that is disposed goes on for a moment.
      onLogits: (logits, _index, spans) => (this.#settled ? null : took(this.#sample(sampler, logits, spans))),
    };
    this.#request = request;
    const cachedTokens = await seat.run(request).finally(() => speculation?.close());
    const stopped = whole || writer.stoppedBy !== undefined;
    writer.end(constraint !== null && !stopped);
    reader?.end();
    const limit = options.maxTokens <= room ? "maxTokens" : "context";
    return {
      ids: writer.ids,
      text: reader ? reader.text : writer.text,
      value: whole || this.#endedBy(writer.stoppedBy) ? await this.#value(writer.text) : undefined,
      toolCalls: reader?.toolCalls ?? [],
      finishReason: !stopped ? "length" : reader?.endsInCall ? "tool-calls" : "stop",
      stopReason: whole ? "format" : (writer.stop ?? limit),
      limit: stopped ? undefined : limit,
      stoppedBy: writer.stoppedBy,
      usage: {
        promptTokens: prompt.length,
        completionTokens: writer.ids.length,
        cachedTokens,
        draftedTokens: speculation?.drafted ?? 0,
        acceptedTokens: speculation?.accepted ?? 0,
      },
      timings: {
        promptMs: first - begun,
        generationMs: last - first,
        promptTokensPerSecond: perSecond(prompt.length - cachedTokens, first - begun),
        tokensPerSecond: perSecond(Math.max(0, writer.drawn - 1), last - first),
      },
      logProbabilities: options.logProbabilities === undefined ? undefined : writer.probabilities,
      seed,
      warnings: reader ? [...this.#start.warnings, ...reader.warnings] : this.#start.warnings,
    };
  }

  #reader(): CallReader | null {
    const { calls, seed } = this.#start;
    if (!calls) return null;
    const id = (index: number) => callId(seed, this.#prompt.length, index);
    return new CallReader(calls, id, (part) => this.#tell(part));
  }

  #tell(part: AnswerPart): void {
    this.#parts.push(part);
    this.#partAt.push(this.#writer.drawn);
    if (part.type !== "text") return;
    this.#pieces.push(part.text);
    this.#pieceAt.push(this.#writer.drawn);
  }
}

const perSecond = (count: number, ms: number) => (ms > 0 ? (count / ms) * 1000 : 0);

export function missingTokenizer(): EngineError {
  return new EngineError("TOKENIZER_MISSING", "this checkpoint has no tokenizer: use ids", {
    at: { source: "tokenizer" },
  });
}
