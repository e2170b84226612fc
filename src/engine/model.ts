import { host } from "#host";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { Candidates } from "../draw/candidates.ts";
import { EngineError, modelDisposed } from "../error.ts";
import { type AdapterChoice, checkAdapter } from "../generate/adapter-choice.ts";
import { GenerationBatch } from "../generate/batch.ts";
import { type BatchOptions, type BatchPrompts, planBatch } from "../generate/batch-plan.ts";
import { type Generation, missingTokenizer } from "../generate/generation.ts";
import {
  type CheckedOptions,
  checkCall,
  checkSalt,
  checkWhole,
  type Formatted,
  type GenerateOptions,
} from "../generate/options.ts";
import { Prefixes } from "../generate/prefixes.ts";
import type { Prompt, PromptPlace } from "../generate/prompt-ids.ts";
import { Scheduler } from "../generate/scheduler.ts";
import { Sight } from "../generate/sight.ts";
import { Starter, tooLong } from "../generate/starter.ts";
import { checkFunction, checkTokenIds, isRevoked, readOptions } from "../given.ts";
import type { Divergence, Measurable, Perplexity } from "../measure/divergence.ts";
import { StoredLogits } from "../measure/logits-file.ts";
import { type DivergenceOptions, type Measured, notReference, type PerplexityOptions } from "../measure/perplexity.ts";
import { type Score, scoreIds } from "../measure/score.ts";
import { type ModelConfig, readConfig } from "../model/config/config.ts";
import { readStoredGeneration } from "../model/config/stored-generation.ts";
import { mapWeights } from "../model/plan/weights.ts";
import { openResident } from "../model/run/open.ts";
import type { OpTime, ResidentModel } from "../model/run/resident.ts";
import type { TapData } from "../model/run/tap-reader.ts";
import type { PictureConfig } from "../model/vision/processor.ts";
import type { ChatMessage, ChatTemplates } from "../tokenizer/chat.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { Activity } from "./activity.ts";
import { describeAdapters, mapAdapters, type OpenedAdapter } from "./adapters.ts";
import { type ChatOptions, readTemplates } from "./chat-request.ts";
import { Chats } from "./chats.ts";
import { Guessing } from "./draft-models.ts";
import { type CheckedEmbedding, checkEmbedding, type EmbedOptions, poolRows, readPrompts } from "./embedding.ts";
import { readDefaults } from "./generation-config.ts";
import { describeModel, type ModelInfo } from "./info.ts";
import { type CheckedLoadOptions, chooseThreads } from "./load-options.ts";
import { Measures } from "./measures.ts";
import { Pictures } from "./pictures.ts";
import { PrefixCache } from "./prefix-cache.ts";
import type { ScoreOptions } from "./prompt-options.ts";
import { Session } from "./session.ts";
import { type RunToolsOptions, runTools, type ToolRun } from "./tool-rounds.ts";
import { type TraceOptions, traceModel } from "./tracing.ts";
import { readTower, type TowerSearch } from "./vision.ts";

const EMBED_NAMES = ["specialTokens", "pooling", "normalize", "adapter"] as const;

export class Model {
  readonly config: ModelConfig;
  readonly info: ModelInfo;
  readonly cache: PrefixCache;
  readonly activity: Activity;
  readonly #resident: ResidentModel;
  readonly #scheduler: Scheduler;
  readonly #starter: Starter;
  readonly #tokenizer: Tokenizer | null;
  readonly #chats: Chats;
  readonly #measures: Measures;
  readonly #guessing: Guessing;
  readonly #sight: Sight | null;
  readonly #pictures: Pictures;
  readonly #adapters: readonly string[];
  #disposed = false;

  private constructor(
    resident: ResidentModel,
    tokenizer: Tokenizer | null,
    chat: ChatTemplates | null,
    defaults: Readonly<CheckedOptions>,
    info: ModelInfo,
    pictures: PictureConfig | null,
    { prefixCache, maxWaiting, latency }: CheckedLoadOptions,
  ) {
    this.config = resident.config;
    this.info = info;
    this.#resident = resident;
    const prefixes = prefixCache === 0 ? null : new Prefixes(resident.cache, prefixCache);
    this.#scheduler = new Scheduler(resident, { prefixes, maxWaiting, latency });
    this.#sight = resident.tower && new Sight(resident.tower, this.#scheduler);
    this.#pictures = new Pictures(this.#sight, pictures, tokenizer);
    this.activity = new Activity(this.#scheduler);
    this.#adapters = info.adapters.map(({ name }) => name);
    this.cache = new PrefixCache({
      ...{ resident, scheduler: this.#scheduler, prefixes, adapters: this.#adapters },
      refuseDisposed: () => this.#refuseDisposed(),
    });
    this.#tokenizer = tokenizer;
    const { vocab, bos, eos } = resident.config;
    this.#measures = new Measures({
      ...{ name: info.name, vocab, bos, context: info.context },
      refuseDisposed: () => this.#refuseDisposed(),
      ids: (prompt, specialTokens) => this.#promptIds(prompt, "text", specialTokens),
      measurable: (adapter) => this.#measurable(adapter),
    });
    const adapter = this.#adapterOf(undefined);
    const { context, memory } = info;
    this.#guessing = new Guessing({
      ...{ scheduler: this.#scheduler, context, adapter, vocab, tokenizer, weights: memory.weights },
    });
    this.#starter = new Starter({
      scheduler: this.#scheduler,
      tokenizer,
      vocab,
      context: info.context,
      adapters: this.#adapters,
      stopIds: new Set([...eos, ...(tokenizer?.stopIds ?? [])]),
      candidates: new Candidates(vocab),
      drafterOf: (model) =>
        this.#guessing.drafter(!isRevoked(model) && model instanceof Model ? model.#guessing : null, model),
      defaults: { ...defaults, adapter },
    });
    this.#chats = new Chats(chat, this.#starter, info.context, this.#pictures);
  }

  /** @internal Header -> config -> weights -> plan and budget -> memories and workers -> tensors -> programs. */
  static async open(
    checkpoint: Checkpoint,
    search: TowerSearch,
    adapters: readonly OpenedAdapter[],
    options: CheckedLoadOptions,
    openTokens: (vocab: number) => Tokenizer | null,
  ): Promise<Model> {
    const { config, warnings } = readConfig(checkpoint);
    const seen = readTower(search, checkpoint, config);
    const mapped = mapWeights(checkpoint, config, seen.vision !== null || options.vision === false);
    const adapted = mapAdapters(adapters, config);
    const { count: threads, reason } = chooseThreads(options.threads, host.threads());
    const tokenizer = openTokens(config.vocab);
    const chat = readTemplates(checkpoint);
    const weights = { ...mapped.weights, adapters: adapted.adapters };
    const opened = await openResident(config, weights, { ...options, vision: seen.vision, threads });
    const defaults = readDefaults(
      options.generationConfig ? readStoredGeneration(checkpoint) : null,
      { vocab: config.vocab, context: opened.plan.sizes.context },
      tokenizer,
    );
    const described = describeAdapters(adapted.adapters, opened.plan);
    const info = describeModel(checkpoint.name, options, reason, opened, described, defaults.shown, [
      ...checkpoint.warnings,
      ...warnings,
      ...mapped.warnings,
      ...seen.warnings,
      ...adapted.warnings,
      ...opened.warnings,
      ...(tokenizer?.warnings ?? []),
      ...defaults.warnings,
      ...(tokenizer ? chat.warnings : []),
    ]);
    return new Model(opened.resident, tokenizer, chat.templates, defaults.options, info, seen.pictures, options);
  }

  /** Throws TOKENIZER_MISSING where the checkpoint has none. */
  get tokenizer(): Tokenizer {
    if (!this.#tokenizer) throw missingTokenizer();
    return this.#tokenizer;
  }

  /** Times each worker was woken since it started: one a step, or for as many as follow each other by themselves. */
  get wakes(): number[] {
    return this.#resident.threads.wakes;
  }

  /**
   * Continues a prompt: text (the begin-of-text id goes in front as the file says) or ids. Throws at once what is wrong with the
   * call; what comes later is rejected.
   */
  generate<Value>(prompt: Prompt, options: Formatted<GenerateOptions, Value>): Generation<Value>;
  generate(prompt: Prompt, options?: GenerateOptions): Generation;
  generate(prompt: Prompt, options?: GenerateOptions): Generation {
    this.#refuseDisposed();
    const checked = this.#starter.check(options);
    const { ids, warnings } = this.#starter.read(prompt, "prompt", checked.specialTokens);
    this.#starter.fits(ids, "prompt");
    return this.#starter.generation(ids, checked, { warnings });
  }

  /**
   * Many prompts, taken one by one from an array or anything to iterate; each answer equals its solo run with the seed in its
   * result to the bit. With a seed every prompt uses it, sample k of `n` that plus k; without one the seeds are a drawn one and
   * those after it.
   */
  generateBatch(prompts: BatchPrompts, options?: BatchOptions & { onError?: "throw" }): GenerationBatch;
  generateBatch(prompts: BatchPrompts, options: BatchOptions): GenerationBatch<null>;
  generateBatch(prompts: BatchPrompts, options?: BatchOptions): GenerationBatch<null> {
    this.#refuseDisposed();
    return new GenerationBatch(planBatch(this.#starter, prompts, options));
  }

  /** Answers messages through the checkpoint's template. */
  chat<Value>(messages: readonly ChatMessage[], options: Formatted<ChatOptions, Value>): Generation<Value>;
  chat(messages: readonly ChatMessage[], options?: ChatOptions): Generation;
  chat(messages: readonly ChatMessage[], options?: ChatOptions): Generation {
    this.#refuseDisposed();
    return this.#chats.answer(this.#chats.read(messages, options));
  }

  /** The prompt that `chat` would answer: as the template writes it, as ids, and what is to be said of it. */
  render(
    messages: readonly ChatMessage[],
    options?: ChatOptions,
  ): { text: string; ids: number[]; warnings: readonly string[] } {
    this.#refuseDisposed();
    const { text, ids, pictures, warnings } = this.#chats.read(messages, options);
    return { text: text.text, ids: [...this.#pictures.measure(ids, pictures)], warnings };
  }

  /** Ids of a text as `generate` would read it, or of messages as `chat` would. */
  countTokens(prompt: string | readonly ChatMessage[], options?: ChatOptions & { specialTokens?: boolean }): number {
    this.#refuseDisposed();
    if (typeof prompt !== "string") {
      const { ids, pictures } = this.#chats.read(prompt, options);
      return this.#pictures.measure(ids, pictures).length;
    }
    const { specialTokens } = checkCall(options, ["specialTokens"]);
    return this.#promptIds(prompt, "prompt", specialTokens).length;
  }

  /**
   * Answers, runs the tools that the answer calls (those of one answer together), tells the model what they gave and answers again,
   * until an answer calls nothing. Rejects as an answer failed, with the signal's reason when it was aborted.
   */
  async runTools(messages: readonly ChatMessage[], options: RunToolsOptions): Promise<ToolRun> {
    return await runTools((said, asked) => this.chat(said, asked), messages, options);
  }

  /**
   * A timeline that the caller keeps, generates with and chats with, computed with one adapter from its beginning to its end. `salt`,
   * `adapter`: as in `generate`.
   */
  session(options?: { salt?: string; adapter?: AdapterChoice }): Session {
    this.#refuseDisposed();
    const given = readOptions(options, ["salt", "adapter"]);
    return new Session({
      ...{ scheduler: this.#scheduler, starter: this.#starter, chats: this.#chats },
      ...{ vocab: this.config.vocab, context: this.info.context, sight: this.#sight },
      kin: { salt: checkSalt(given.salt), adapter: this.#adapterOf(given.adapter) },
      refuseDisposed: () => this.#refuseDisposed(),
    });
  }

  /**
   * Negative log-likelihood of text or ids, in nats; the first id is not scored. Behind a `prompt` all ids of the text are, and they
   * alone: the begin-of-text id goes in front of the prompt as the file says, and the text is tokenised by itself.
   */
  async score(text: Prompt, options?: ScoreOptions): Promise<Score> {
    const names = ["specialTokens", "prompt", "logProbabilities", "adapter"] as const;
    const { signal, specialTokens, prompt, ...rest } = checkCall(options, names);
    const adapter = this.#adapterOf(rest.adapter);
    const top = checkWhole("logProbabilities", rest.logProbabilities, [0, 20]) ?? 0;
    const before = prompt === undefined ? null : this.#promptIds(prompt, "prompt", specialTokens);
    const own = this.#promptIds(text, "text", specialTokens, before === null ? "begins" : "apart");
    const ids = this.#fitting([...(before ?? []), ...own]);
    return await scoreIds(this.#scheduler, ids, { signal, adapter, from: before?.length ?? 1, top });
  }

  /** Perplexity of a text of any length, in windows. */
  async perplexity(prompt: Prompt, options?: PerplexityOptions): Promise<Perplexity & Measured> {
    return await this.#measures.perplexity(prompt, options);
  }

  /** The same beside a reference, another model or its stored logits, of the same vocabulary: how far from it this one is. */
  async divergence(
    prompt: Prompt,
    reference: Model | StoredLogits,
    options?: DivergenceOptions,
  ): Promise<Divergence & Measured> {
    if (isRevoked(reference)) throw notReference(reference);
    if (reference instanceof StoredLogits) return await this.#measures.divergence(prompt, reference, options);
    if (!(reference instanceof Model)) throw notReference(reference);
    return await this.#measures.divergence(prompt, reference.#measures, options);
  }

  #measurable(choice: unknown): Measurable {
    this.#refuseDisposed();
    const adapter = this.#adapterOf(choice);
    return { scheduler: this.#scheduler, vocab: this.config.vocab, rows: this.#resident.sizes.rows, adapter };
  }

  #adapterOf(choice: unknown): number | null {
    return checkAdapter(choice, this.#adapters);
  }

  /**
   * Intermediate tensors of every row, by name (`embed`, `layers.3.attn.q`, `layers.0.ffn_out`, `norm`, `logits`, ...); all of
   * them where `taps` is absent. The same kernels through the unfused program: the same bits.
   */
  async trace(ids: ArrayLike<number>, options?: TraceOptions): Promise<Record<string, TapData>> {
    const checked = this.#fitting(checkTokenIds(ids, this.config.vocab, { source: "prompt", field: "ids" }));
    if (checked.length === 0)
      throw new EngineError("REQ_EMPTY_PROMPT", "no ids to trace", { at: { source: "prompt" } });
    const given = checkCall(options, ["taps", "adapter", "pixelValues"]);
    const parts = { resident: this.#resident, scheduler: this.#scheduler, sight: this.#sight };
    return await traceModel(parts, checked, given, this.#adapterOf(given.adapter));
  }

  /**
   * Final hidden states (after the last norm) of a prompt: their mean over the positions, [hidden], the last one, or all of them,
   * a vector each position. Of unit length where `normalize` says so.
   */
  embed(prompt: Prompt, options?: EmbedOptions & { pooling?: "mean" | "last" }): Promise<Float32Array>;
  embed(prompt: Prompt, options: EmbedOptions & { pooling: "none" }): Promise<Float32Array[]>;
  embed(prompt: Prompt, options?: EmbedOptions): Promise<Float32Array | Float32Array[]>;
  async embed(prompt: Prompt, options?: EmbedOptions): Promise<Float32Array | Float32Array[]> {
    const { specialTokens, ...rest } = checkCall(options, EMBED_NAMES);
    const wanted = checkEmbedding(rest);
    const ids = this.#fitting(this.#promptIds(prompt, "text", specialTokens));
    return await this.#embed(ids, wanted, this.#adapterOf(rest.adapter), rest.signal);
  }

  /** The same of many prompts, each as by itself to the bit. Others get their steps between two of them. */
  embedBatch(
    prompts: readonly Prompt[],
    options?: EmbedOptions & { pooling?: "mean" | "last" },
  ): Promise<Float32Array[]>;
  embedBatch(prompts: readonly Prompt[], options: EmbedOptions & { pooling: "none" }): Promise<Float32Array[][]>;
  embedBatch(prompts: readonly Prompt[], options?: EmbedOptions): Promise<(Float32Array | Float32Array[])[]>;
  async embedBatch(prompts: readonly Prompt[], options?: EmbedOptions): Promise<(Float32Array | Float32Array[])[]> {
    const { specialTokens, ...rest } = checkCall(options, EMBED_NAMES);
    const wanted = checkEmbedding(rest);
    // Mistakes show before anything is computed.
    const texts = readPrompts(prompts, (prompt, field) =>
      this.#fitting(this.#promptIds(prompt, field, specialTokens), field),
    );
    const adapter = this.#adapterOf(rest.adapter);
    const embedded: (Float32Array | Float32Array[])[] = [];
    for (const ids of texts) embedded.push(await this.#embed(ids, wanted, adapter, rest.signal));
    return embedded;
  }

  async #embed(
    ids: readonly number[],
    wanted: CheckedEmbedding,
    adapter: number | null,
    signal: AbortSignal | undefined,
  ) {
    this.#refuseDisposed();
    signal?.throwIfAborted();
    const norm = (name: string) => name === "norm";
    const taps = await this.#scheduler.alone(() => this.#resident.trace(ids, norm, signal, adapter));
    return poolRows(taps.get("norm")!, wanted);
  }

  /**
   * Runs `work` and tells where the time of its steps went: op by op, in the order of the program, as the first thread saw it.
   * Costs about 0.2 us an op.
   */
  async profile(work: () => Promise<unknown>): Promise<OpTime[]> {
    this.#refuseDisposed();
    checkFunction(work, "work");
    await this.#scheduler.alone(() => this.#resident.startProfile());
    let times: OpTime[] = [];
    try {
      await work();
    } finally {
      times = await this.#scheduler.alone(() => this.#resident.endProfile());
    }
    return times;
  }

  /** Ends running generations, stops the workers; the process can end by itself afterwards. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#scheduler.dispose();
    await this.#resident.dispose();
    // Known from now on: whoever keeps the description keeps no weights with it.
    void this.info.fingerprint;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #refuseDisposed(): void {
    if (this.#disposed) throw modelDisposed();
  }

  #promptIds(prompt: Prompt, field: string, specialTokens: boolean | undefined, place?: PromptPlace): number[] {
    this.#refuseDisposed();
    return this.#starter.read(prompt, field, specialTokens, place).ids;
  }

  #fitting(ids: number[], field?: string): number[] {
    this.#refuseDisposed();
    const { context } = this.info;
    if (ids.length > context) throw tooLong(ids.length, context, context, field);
    return ids;
  }
}
