import { host } from "#host";
import type { Checkpoint, StoredType } from "../checkpoint/checkpoint.ts";
import { type CheckpointLike, openCheckpoint } from "../checkpoint/open.ts";
import { EngineError, modelDisposed } from "../error.ts";
import { orAborted } from "../model/abortable.ts";
import { type ModelConfig, readConfig } from "../model/config.ts";
import { openResident } from "../model/open.ts";
import { type CreateConfig, randomModelCheckpoint } from "../model/random.ts";
import type { OpTime, ResidentModel } from "../model/resident.ts";
import type { TapData } from "../model/taps.ts";
import { mapWeights } from "../model/weights.ts";
import {
  type ChatMessage,
  type ChatTemplates,
  openChatTemplates,
  type ChatOptions as RenderOptions,
} from "../tokenizer/chat.ts";
import { byteTokenizer, openTokenizer, type Tokenizer } from "../tokenizer/tokenizer.ts";
import { GenerationBatch } from "./batch.ts";
import type { Divergence, Perplexity } from "./divergence.ts";
import { Generation, missingTokenizer } from "./generation.ts";
import { type CheckedLoadOptions, checkLoadOptions, chooseThreads, type LoadOptions } from "./load-options.ts";
import { StoredLogits } from "./logits-file.ts";
import type { ModelInfo } from "./model-info.ts";
import { checkCall, checkOptions, checkTokenIds, type GenerateOptions } from "./options.ts";
import {
  checkWindows,
  type DivergenceOptions,
  type Measured,
  measureDivergence,
  measurePerplexity,
  notReference,
  otherIds,
  type PerplexityOptions,
} from "./perplexity.ts";
import { type Prompt, promptIds } from "./prompt-ids.ts";
import { Candidates } from "./sampler.ts";
import { Scheduler } from "./scheduler.ts";
import { type Score, scoreIds } from "./score.ts";
import { Session } from "./session.ts";
import { planWindows } from "./windows.ts";

export interface ChatOptions extends GenerateOptions, RenderOptions {}

/** Loads a GGUF file (its first shard where split), or a Hugging Face folder; bytes that lie elsewhere through a ByteSource. */
export async function loadModel(source: CheckpointLike, options?: LoadOptions): Promise<Model> {
  const checked = checkLoadOptions(options);
  checked.signal?.throwIfAborted();
  const checkpoint = await orAborted(openCheckpoint(source, checked.signal), checked.signal, (late) => late.close());
  try {
    const model = await Model.open(checkpoint, checked, (vocab) => openTokenizer(checkpoint, vocab));
    await verify(checkpoint, model);
    return model;
  } catch (error) {
    // A source that was told to stop by the same signal fails in its own words.
    checked.signal?.throwIfAborted();
    throw error;
  } finally {
    await checkpoint.close();
  }
}

/** A file that changed while it was read is no model. */
async function verify(checkpoint: Checkpoint, model: Model): Promise<void> {
  try {
    await checkpoint.verify?.();
  } catch (error) {
    await model.dispose();
    throw error;
  }
}

export interface CreateOptions extends LoadOptions {
  /** The same seed gives the same weights. Default 0. */
  seed?: number;
  /** Type of the matrices. Default f32. */
  type?: StoredType;
}

/** A model of random weights from its sizes (names of HF `text_config`). It speaks bytes: 256 ids, then bos, eos, pad, unknown. */
export async function createModel(config: CreateConfig, options: CreateOptions = {}): Promise<Model> {
  const checked = checkLoadOptions(options, ["seed", "type"]);
  const { seed = 0, type = "f32" } = options;
  if (!Number.isSafeInteger(seed))
    throw new EngineError("OPTION_RANGE", "seed", {
      at: { source: "option", field: "seed" },
      actual: String(seed),
      limit: "a safe integer",
    });
  const checkpoint = randomModelCheckpoint(config, seed, type);
  return await Model.open(checkpoint, checked, (vocab) => (vocab >= 260 ? byteTokenizer(vocab) : null));
}

export class Model {
  readonly config: ModelConfig;
  readonly info: ModelInfo;
  readonly #resident: ResidentModel;
  readonly #scheduler: Scheduler;
  readonly #tokenizer: Tokenizer | null;
  readonly #chat: ChatTemplates | null;
  readonly #stopIds: ReadonlySet<number>;
  readonly #candidates: Candidates;
  /** Scores run one after the other: each holds a page table and pages while it runs. */
  #scores: Promise<unknown> = Promise.resolve();
  static #models = 0;
  readonly #made = Model.#models++;
  #disposed = false;

  private constructor(
    resident: ResidentModel,
    tokenizer: Tokenizer | null,
    chat: ChatTemplates | null,
    info: ModelInfo,
  ) {
    this.config = resident.config;
    this.info = info;
    this.#resident = resident;
    this.#scheduler = new Scheduler(resident);
    this.#tokenizer = tokenizer;
    this.#chat = chat;
    this.#candidates = new Candidates(resident.config.vocab);
    this.#stopIds = new Set([...resident.config.eos, ...(tokenizer?.stopIds ?? [])]);
  }

  /** Header -> config -> weights -> plan and budget -> memories and workers -> tensors -> programs. */
  static async open(
    checkpoint: Checkpoint,
    options: CheckedLoadOptions,
    openTokens: (vocab: number) => Tokenizer | null,
  ): Promise<Model> {
    const { config, warnings } = readConfig(checkpoint);
    const mapped = mapWeights(checkpoint, config);
    const { count: threads, reason } = chooseThreads(options.threads, host.threads());
    const tokenizer = openTokens(config.vocab);
    const chat = readTemplates(checkpoint);
    const opened = await openResident(config, mapped.weights, { ...options, threads });
    const { resident, kernels, plan } = opened;
    const sum = (count: (index: number) => number) => plan.layouts.reduce((total, _, index) => total + count(index), 0);
    const weights = sum((index) => plan.layouts[index].matrices.reduce((bytes, { to }) => bytes + to.at.bytes, 0));
    const cache = sum((index) => plan.layouts[index].cacheAt.full.bytes + plan.layouts[index].cacheAt.chunked.bytes);
    const memories = resident.memoryBytes;
    const total = memories.reduce((bytes, one) => bytes + one, 0);
    return new Model(resident, tokenizer, chat.templates, {
      name: checkpoint.name,
      architecture: config.architecture,
      host: host.name,
      build: { name: kernels.build, reason: kernels.reason },
      wide: kernels.wide,
      threads: {
        asked: options.threads,
        used: resident.threads.count,
        reason,
      },
      context: plan.sizes.context,
      cache: options.cache,
      activations: options.activations,
      memory: { total, memories, weights, cache, activations: total - weights - cache },
      opsPerStep: resident.ops,
      warnings: [
        ...checkpoint.warnings,
        ...warnings,
        ...mapped.warnings,
        ...opened.warnings,
        ...(tokenizer?.warnings ?? []),
        ...(tokenizer ? chat.warnings : []),
      ],
    });
  }

  /** Throws TOKENIZER_MISSING where the checkpoint has none. */
  get tokenizer(): Tokenizer {
    if (!this.#tokenizer) throw missingTokenizer();
    return this.#tokenizer;
  }

  /** Times each worker was woken since it started: one a step. */
  get wakes(): number[] {
    return this.#resident.threads.wakes;
  }

  /** Continues a prompt: text (the begin-of-text id goes in front as the file says) or ids. */
  generate(prompt: Prompt, options?: GenerateOptions): Generation {
    return this.#generation(this.#promptIds(prompt, "prompt"), options);
  }

  /** Several prompts in one batch; each answer equals its solo run to the bit. */
  generateBatch(prompts: readonly Prompt[], options?: GenerateOptions): GenerationBatch {
    if (!Array.isArray(prompts))
      throw new EngineError("REQ_PARAM", "prompts", {
        at: { source: "prompt", field: "prompts" },
        actual: typeof prompts,
        limit: "an array of prompts",
      });
    const seeded = this.#seeded(options);
    return new GenerationBatch(
      Array.from(prompts, (prompt, index) => this.#generation(this.#promptIds(prompt, `prompts[${index}]`), seeded)),
    );
  }

  /** Answers messages through the checkpoint's template. */
  chat(messages: readonly ChatMessage[], options: ChatOptions = {}): Generation {
    const tokenizer = this.tokenizer;
    if (!this.#chat)
      throw new EngineError("TEMPLATE_MISSING", "this checkpoint has no chat template", { at: { source: "template" } });
    const { tools, addGenerationPrompt, variables, now, template, ...rest } = options;
    const asked = { tools, addGenerationPrompt, variables, now, template };
    const { ids, open, warnings } = this.#chat.choose(asked).prompt(tokenizer, messages, asked);
    return this.#generation(ids, rest, warnings, open);
  }

  /** A timeline of its own. */
  session(): Session {
    if (this.#disposed) throw modelDisposed();
    return new Session(this.#resident);
  }

  /** Negative log-likelihood of text or ids, in nats; the first id is not scored. */
  async score(prompt: Prompt, options?: { signal?: AbortSignal }): Promise<Score> {
    const ids = this.#fitting(this.#promptIds(prompt, "text"));
    const { signal } = checkCall(options);
    return await this.#alone(() => scoreIds(this.#resident, ids, signal));
  }

  /** Perplexity of a text of any length, in windows. */
  async perplexity(prompt: Prompt, options?: PerplexityOptions): Promise<Perplexity & Measured> {
    const names = ["window", "stride", "onProgress", "saveLogits"] as const;
    const { rule, ...rest } = checkWindows(options, this.info.context, null, names);
    const windows = planWindows(this.#promptIds(prompt, "text"), rule, this.config.bos);
    return await this.#alone(() => measurePerplexity(this.#resident, windows, rest));
  }

  /** The same beside a reference, another model or its stored logits, of the same vocabulary: how far from it this one is. */
  async divergence(
    prompt: Prompt,
    reference: Model | StoredLogits,
    options?: DivergenceOptions,
  ): Promise<Divergence & Measured> {
    const ids = this.#promptIds(prompt, "text");
    const names = ["window", "stride", "onProgress"] as const;
    const { vocab, bos } = this.config;
    if (reference instanceof StoredLogits) {
      const { rule, ...rest } = checkWindows(options, this.info.context, reference, names);
      const windows = planWindows(ids, rule, bos);
      await reference.check(windows, vocab);
      return await this.#alone(() => measureDivergence(this.#resident, reference, windows, rest));
    }
    if (!(reference instanceof Model)) throw notReference(reference);
    const { rule, ...rest } = checkWindows(options, Math.min(this.info.context, reference.info.context), null, names);
    const theirs = reference.config.vocab === vocab ? reference.#promptIds(prompt, "text") : [];
    if (theirs.length !== ids.length || theirs.some((id, index) => id !== ids[index]))
      throw otherIds(reference.info.name);
    const windows = planWindows(ids, rule, bos);
    // In the order of their making, so that no two calls wait for each other.
    const [first, second] = this.#made < reference.#made ? [this, reference] : [reference, this];
    const work = () => measureDivergence(this.#resident, reference.#resident, windows, rest);
    return await first.#alone(() => (first === second ? work() : second.#alone(work)));
  }

  async #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#scores.then(work);
    this.#scores = result.catch(() => {});
    return await result;
  }

  /**
   * Intermediate tensors of every row, by name (`embed`, `layers.3.attn.q`, `layers.0.ffn_out`, `norm`, `logits`, ...); all of
   * them where `taps` is absent. The same kernels through the unfused program: the same bits.
   */
  async trace(
    ids: ArrayLike<number>,
    options?: { taps?: readonly string[]; signal?: AbortSignal },
  ): Promise<Record<string, TapData>> {
    const checked = this.#fitting(checkTokenIds(ids, this.config.vocab, { source: "prompt", field: "ids" }));
    if (checked.length === 0)
      throw new EngineError("REQ_EMPTY_PROMPT", "no ids to trace", { at: { source: "prompt" } });
    const { taps, signal } = checkCall(options, ["taps"]);
    if (taps !== undefined && !Array.isArray(taps)) {
      throw new EngineError("OPTION_TAPS", "taps", {
        at: { source: "option", field: "taps" },
        actual: typeof taps,
        limit: "an array of names",
      });
    }
    const known = this.#resident.tapNames;
    const unknown = taps?.find((name) => !known.includes(name));
    if (unknown !== undefined) {
      throw new EngineError("OPTION_TAPS", "no such tap", {
        at: { source: "option", field: "taps" },
        actual: unknown,
        limit: `one of ${known.filter((name) => !/^layers\.[1-9]/.test(name)).join(", ")} (layers up to ${this.config.layers.length - 1})`,
      });
    }
    const wanted = new Set(taps ?? known);
    return Object.fromEntries(await this.#resident.trace(checked, (name) => wanted.has(name), signal));
  }

  /** Final hidden states (after the last norm), averaged over the positions: [hidden]. */
  async embed(prompt: Prompt, options?: { signal?: AbortSignal }): Promise<Float32Array> {
    const ids = this.#fitting(this.#promptIds(prompt, "text"));
    const norm = (await this.#resident.trace(ids, (name) => name === "norm", checkCall(options).signal)).get("norm")!;
    const [rows, hidden] = norm.shape;
    const mean = new Float64Array(hidden);
    for (let row = 0; row < rows; row++)
      for (let col = 0; col < hidden; col++) mean[col] += norm.data[row * hidden + col];
    return Float32Array.from(mean, (sum) => sum / rows);
  }

  /**
   * Runs `work` and tells where the time of its steps went: op by op, in the order of the program, as the first thread saw it.
   * Costs about 0.2 us an op.
   */
  async profile(work: () => Promise<unknown>): Promise<OpTime[]> {
    if (this.#disposed) throw modelDisposed();
    return await this.#resident.profile(work);
  }

  /** Ends running generations, stops the workers; the process can end by itself afterwards. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#scheduler.dispose();
    await this.#resident.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #promptIds(prompt: Prompt, field: string): number[] {
    return promptIds(prompt, field, this.config.vocab, () => this.tokenizer);
  }

  #fitting(ids: number[]): number[] {
    if (ids.length > this.info.context) throw this.#tooLong(ids.length, this.info.context);
    return ids;
  }

  #generation(
    prompt: readonly number[],
    options: GenerateOptions | undefined,
    warnings: readonly string[] = [],
    continues = true,
  ): Generation {
    const { context } = this.info;
    const checked = checkOptions(options, { vocab: this.config.vocab, context });
    if (prompt.length >= context) throw this.#tooLong(prompt.length, context - 1);
    if (checked.stop.length > 0 && !this.#tokenizer) throw missingTokenizer();
    return new Generation({
      scheduler: this.#scheduler,
      tokenizer: this.#tokenizer,
      prompt,
      options: checked,
      stopIds: new Set([...this.#stopIds, ...checked.stopIds]),
      vocab: this.config.vocab,
      context,
      candidates: this.#candidates,
      warnings,
      continues,
    });
  }

  /** One seed for a whole batch, so that each answer can be had again alone. */
  #seeded(options: GenerateOptions | undefined): GenerateOptions {
    const { seed } = checkOptions(options, { vocab: this.config.vocab, context: this.info.context });
    return { ...options, seed };
  }

  #tooLong(actual: number, most: number): EngineError {
    return new EngineError("CONTEXT_LENGTH", `the prompt does not fit the context of ${this.info.context} positions`, {
      at: { source: "prompt" },
      actual: `${actual} ids`,
      limit: `at most ${most}`,
    });
  }
}

/** An unusable template is an error of `chat`, not of the model, which says so at once. */
function readTemplates(checkpoint: Checkpoint): { templates: ChatTemplates | null; warnings: readonly string[] } {
  const templates = openChatTemplates(checkpoint);
  try {
    if (templates?.names.includes("default")) templates.choose();
    return { templates, warnings: [] };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return { templates, warnings: [`chat template: ${error.message}`] };
  }
}
