// What the package exports. Written by "npm run api"; never by hand.
/// <reference lib="esnext.disposable" preserve="true" />

declare const ERROR_CODES: Readonly<Record<ErrorCode, string>>;

declare class EngineError extends Error {
    readonly name = "EngineError";
    readonly code: ErrorCode;
    readonly at: ErrorPlace | undefined;
    readonly limit: number | string | undefined;
    readonly actual: number | string | undefined;
    readonly partial?: PartialAnswer;
    constructor(code: ErrorCode, what: string, detail?: ErrorDetail);
}

declare function createModel(config: CreateConfig, options?: CreateOptions): Promise<Model>;

declare function inspect(source: CheckpointLike, options?: {
    vision?: CheckpointLike | false;
}): Promise<Inspection>;

declare function inspectAdapter(source: CheckpointLike): Promise<AdapterInspection>;

declare function loadModel(source: CheckpointLike, options?: LoadOptions): Promise<Model>;

declare function openLogits(source: SourceLike): Promise<StoredLogits>;

declare function quantize(source: CheckpointLike, target: string | WritableStream<Uint8Array>, options: QuantizeOptions): Promise<Quantized>;

type ActivationType = "q8" | "q16" | "f32";

declare class Activity {
    #private;
    private constructor();
    get load(): {
        readonly running: number;
        readonly waiting: number;
    };
    onStep(listener: (step: StepReport) => void): () => void;
}

type AdapterChoice = string | number | null;

interface AdapterInfo {
    readonly name: string;
    readonly scale: number;
    readonly rank: number;
    readonly targets: readonly string[];
    readonly bytes: number;
}

interface AdapterInspection {
    readonly name: string;
    readonly format: "peft" | "gguf";
    readonly base: string | undefined;
    readonly alpha: number;
    readonly ranks: readonly number[];
    readonly targets: readonly string[];
    readonly layers: number;
    readonly parameters: number;
    readonly fileBytes: number;
    readonly warnings: readonly string[];
}

interface AdapterOptions {
    source: CheckpointLike;
    scale?: number;
    name?: string;
}

type AnswerPart = {
    readonly type: "text";
    readonly text: string;
} | {
    readonly type: "tool-call-start";
    readonly index: number;
    readonly id: string;
    readonly name: string;
} | {
    readonly type: "tool-call-arguments";
    readonly index: number;
    readonly text: string;
} | ({
    readonly type: "tool-call";
    readonly index: number;
} & ToolCall) | {
    readonly type: "tool-call-broken";
    readonly index: number;
    readonly id: string;
};

type ArchitectureName = "llama4" | "llama" | "mixtral";

interface BatchFailure {
    readonly index: number;
    readonly sample: number | undefined;
    readonly error: unknown;
}

interface BatchOptions extends GenerateOptions {
    n?: number;
    onError?: "throw" | ((failure: BatchFailure) => unknown);
}

interface BatchOutcome extends BatchPlace {
    readonly result: GenerationResult;
}

interface BatchPiece extends BatchPlace {
    readonly text: string;
}

interface BatchPlace {
    readonly index: number;
    readonly sample: number;
}

type BatchPrompt = Prompt | {
    readonly prompt: Prompt;
    readonly options?: GenerateOptions;
};

type BatchPrompts = Iterable<BatchPrompt> | AsyncIterable<BatchPrompt>;

type Build = "simd" | "relaxed";

interface ByteSource {
    readonly name: string;
    readonly size: number;
    read(offset: number, into: Uint8Array): Promise<void>;
    verify?(): Promise<void>;
    readonly warnings?: readonly string[];
    close(): Promise<void>;
}

type CacheType = "f32" | "q8";

interface ChatMessage {
    readonly role: string;
    readonly content?: string | readonly (TextPart | ImagePart)[] | null;
    readonly [field: string]: unknown;
}

interface ChatOptions extends Omit<GenerateOptions, "specialTokens">, RenderOptions {
    readonly toolChoice?: ToolChoice;
    readonly toolFormat?: ToolFormat;
    readonly fit?: "error" | "drop-oldest";
}

interface Checkpoint {
    readonly format: "gguf" | "safetensors" | "random";
    readonly name: string;
    readonly tensors: ReadonlyMap<string, StoredTensor>;
    readonly unread?: ReadonlyMap<string, string>;
    readonly metadata: ReadonlyMap<string, MetadataValue>;
    storedPair?(key: string): Promise<Uint8Array>;
    readonly json: ReadonlyMap<string, unknown>;
    readonly chatTemplate: string | undefined;
    readonly namedTemplates?: ReadonlyMap<string, string>;
    readonly sentencePiece?: Uint8Array;
    readonly warnings: readonly string[];
    verify?(): Promise<void>;
    close(): Promise<void>;
}

type CheckpointLike = SourceLike | Checkpoint;

interface Choice {
    readonly tile: string;
    readonly row: string | null;
    readonly streams: 1 | 2 | 4 | 8;
    readonly touch: 0 | 1 | 8;
}

type Choices = Readonly<Partial<Record<StoredType, Choice>>>;

interface ClassSum {
    readonly class: TensorClass;
    readonly type: string;
    tensors: number;
    elements: number;
    bytes: number;
}

interface CreateConfig {
    vocab_size: number;
    hidden_size: number;
    intermediate_size: number;
    num_hidden_layers: number;
    num_attention_heads: number;
    intermediate_size_mlp?: number;
    num_key_value_heads?: number | null;
    head_dim?: number | null;
    num_local_experts?: number;
    num_experts_per_tok?: number;
    interleave_moe_layer_step?: number;
    moe_layers?: number[] | null;
    no_rope_layers?: number[] | null;
    no_rope_layer_interval?: number;
    layer_types?: ("chunked_attention" | "full_attention")[] | null;
    attention_chunk_size?: number | null;
    use_qk_norm?: boolean;
    attn_temperature_tuning?: boolean | number;
    floor_scale?: number;
    attn_scale?: number;
    max_position_embeddings?: number;
    rms_norm_eps?: number;
    rope_theta?: number;
    rope_scaling?: object | null;
    rope_parameters?: object | null;
    tie_word_embeddings?: boolean;
    hidden_act?: string;
    attention_bias?: boolean;
    bos_token_id?: number | null;
    eos_token_id?: number | number[] | null;
    router?: "sigmoid" | "softmax";
    shared_expert?: boolean;
}

interface CreateOptions extends LoadOptions {
    seed?: number;
    type?: StoredType;
}

interface DecodeOptions {
    specialTokens?: boolean;
    continues?: boolean;
}

interface DefaultOption<Value> {
    readonly value: Value;
    readonly from: string;
}

interface Divergence extends Perplexity {
    readonly reference: Perplexity;
    readonly nllDifference: {
        readonly mean: number;
        readonly standardError: number;
    };
    readonly perplexityRatio: number;
    readonly kl: {
        readonly values: Float64Array;
        readonly mean: number;
        readonly standardError: number;
        readonly median: number;
        readonly quantile99: number;
        readonly max: number;
    };
    readonly sameTop: number;
}

interface DivergenceOptions {
    window?: number;
    stride?: number;
    specialTokens?: boolean;
    adapter?: AdapterChoice;
    onProgress?: (progress: PerplexityProgress) => void;
    signal?: AbortSignal;
}

interface DraftModel {
    readonly cache: object;
    readonly tokenizer: Tokenizer;
    dispose(): Promise<void>;
}

interface DryOptions {
    multiplier: number;
    base?: number;
    allowedLength?: number;
    sequenceBreakers?: readonly string[];
    range?: number;
}

interface EmbedOptions {
    pooling?: Pooling;
    normalize?: boolean;
    specialTokens?: boolean;
    adapter?: AdapterChoice;
    signal?: AbortSignal;
}

interface EncodeOptions {
    specialTokens?: boolean;
    addBos?: boolean;
    addEos?: boolean;
    plain?: readonly number[];
    continues?: boolean;
}

type ErrorCode = "ADAPTER_ALONE" | "ADAPTER_CONFIG" | "ADAPTER_MISSING" | "ADAPTER_TENSOR" | "BATCH_READ" | "BUILD_UNSUPPORTED" | "CACHE_FULL" | "CACHE_SEQUENCES" | "CHECKPOINT_EMPTY" | "CHECKPOINT_LONE_FILE" | "CHECKPOINT_SEVERAL" | "CONFIG_ARCH" | "CONFIG_HEADS" | "CONFIG_LAYERS" | "CONFIG_MISSING" | "CONFIG_MOE" | "CONFIG_QUANT" | "CONFIG_RANGE" | "CONFIG_ROPE" | "CONFIG_TOKEN_ID" | "CONFIG_UNSUPPORTED" | "CONFIG_VOCAB" | "CONTEXT_LENGTH" | "DEADLINE" | "DISPOSED" | "DRAFT_CIRCLE" | "DRAFT_DISPOSED" | "DRAFT_VOCAB" | "FILE_CHANGED" | "FILE_DENIED" | "FILE_EXISTS" | "FILE_IO" | "FILE_MISSING" | "FILE_NOT_REGULAR" | "FILE_TOO_LARGE" | "GENERATION_LEFT" | "GGUF_ALIGNMENT" | "GGUF_ARCH" | "GGUF_ARRAY_LEN" | "GGUF_ARRAY_NESTED" | "GGUF_ARRAY_TYPE" | "GGUF_BLOCK" | "GGUF_BOOL" | "GGUF_COUNT" | "GGUF_DATA_BYTES" | "GGUF_DIM" | "GGUF_ENDIAN" | "GGUF_HEADER_SIZE" | "GGUF_KEY_CHARS" | "GGUF_KEY_DUPLICATE" | "GGUF_KEY_EMPTY" | "GGUF_KV_TYPE" | "GGUF_MAGIC" | "GGUF_NDIMS" | "GGUF_SPLIT" | "GGUF_STRING_LEN" | "GGUF_TENSOR_BYTES" | "GGUF_TENSOR_NAME" | "GGUF_TENSOR_OFFSET" | "GGUF_TENSOR_RANGE" | "GGUF_TENSOR_TYPE" | "GGUF_TRUNCATED" | "GGUF_TYPE" | "GGUF_VERSION" | "GRAMMAR_EMPTY" | "GRAMMAR_LIMIT" | "GRAMMAR_RECURSION" | "GRAMMAR_STUCK" | "GRAMMAR_SYNTAX" | "GRAMMAR_UNSUPPORTED" | "HOST_CRYPTO" | "INDEX_PATH" | "INDEX_SHAPE" | "INDEX_SHARDS" | "INDEX_TENSOR" | "JSON_DEPTH" | "JSON_SIZE" | "JSON_SYNTAX" | "KERNELS_INVALID" | "KERNELS_MISSING" | "KERNEL_FAULT" | "KERNEL_INDEX" | "KV_PAGE" | "LOGITS_FORMAT" | "LOGITS_IDS" | "LOGITS_PROCESSOR" | "LOGITS_SIZE" | "LOGITS_VALUE" | "LOGITS_VERSION" | "LOGITS_VOCAB" | "LOGITS_WINDOWS" | "MEMORY_PLAN" | "MODEL_LOGITS" | "MODEL_NONFINITE" | "MODEL_TENSOR" | "MODEL_TOKENS" | "MODEL_TOO_LARGE" | "OOM_MEMORY" | "OPTION_RANGE" | "OPTION_TAPS" | "OPTION_UNKNOWN" | "PEER_MISSING" | "PICTURE_DATA" | "PICTURE_DECODER" | "PICTURE_KIND" | "PICTURE_LIMIT" | "PREFIX_DATA" | "PREFIX_FORMAT" | "PREFIX_MODEL" | "PREFIX_OFF" | "PROGRAM_OPERANDS" | "PROGRAM_SHAPE" | "PROMPT_UNICODE" | "QUANTIZE_AGAIN" | "QUANTIZE_TARGET" | "QUEUE_FULL" | "REDIS_UNREACHABLE" | "REMOTE_CHANGED" | "REMOTE_FAILED" | "REMOTE_RANGE" | "REMOTE_SHORT" | "REMOTE_STATUS" | "REQ_EMPTY_PROMPT" | "REQ_MESSAGE" | "REQ_PARAM" | "REQ_TOKEN_ID" | "REQ_UNSUPPORTED_CONTENT" | "REQ_UNSUPPORTED_PARAM" | "SAMPLE_NO_CANDIDATE" | "SCHEMA_INVALID" | "SCHEMA_SOURCE" | "SCHEMA_UNSUPPORTED" | "SCHEMA_VALUE" | "SERVER_LISTEN" | "SESSION_BUSY" | "SESSION_EMPTY" | "SESSION_MOVED" | "SHARD_MISSING" | "SHARD_NOT_FILE" | "SOURCE_KIND" | "SOURCE_SHAPE" | "STEP_EMBEDDINGS" | "STEP_ROWS" | "ST_COUNT" | "ST_COVER" | "ST_DEPTH" | "ST_DTYPE" | "ST_DUPLICATE_KEY" | "ST_FIELD" | "ST_HEADER_LEN" | "ST_HEADER_START" | "ST_HOLE" | "ST_INTEGER" | "ST_JSON" | "ST_METADATA" | "ST_MISALIGNED" | "ST_NDIMS" | "ST_OFFSETS" | "ST_OVERLAP" | "ST_TENSOR_BYTES" | "ST_TRUNCATED" | "ST_UTF8" | "TEMPLATE_MISSING" | "TEMPLATE_NAME" | "THREADS_UNSUPPORTED" | "TOKENIZER_MISSING" | "TOK_ADDED" | "TOK_BYTE" | "TOK_COMPONENT" | "TOK_ID" | "TOK_ID_RANGE" | "TOK_LENGTH" | "TOK_MERGE" | "TOK_PROTOBUF" | "TOK_REGEX" | "TOK_SCORE" | "TOK_SPECIAL" | "TOK_TYPE" | "TOOLS_UNSUPPORTED" | "TPL_ATTR" | "TPL_CYCLE" | "TPL_DEPTH" | "TPL_FUEL" | "TPL_OUTPUT" | "TPL_RAISED" | "TPL_SIZE" | "TPL_SYNTAX" | "TPL_UNSUPPORTED" | "TPL_VALUE" | "TRACE_KEYS" | "VISION_FILE" | "VISION_MISSING" | "VISION_ROWS" | "WASM_MISSING" | "WEIGHT_F16_RANGE" | "WEIGHT_NONFINITE" | "WORKER_ABORTED" | "WORKER_EXIT" | "WORKER_START";

interface ErrorDetail {
    at?: Omit<ErrorPlace, "offset"> & {
        offset?: number | bigint | string;
    };
    limit?: number | bigint | string;
    actual?: number | bigint | string;
    cause?: unknown;
}

interface ErrorPlace {
    source: "gguf" | "safetensors" | "json" | "config" | "tokenizer" | "template" | "file" | "option" | "prompt" | "kernel" | "memory" | "worker";
    file?: string;
    field?: string;
    offset?: number | string;
}

type FinishReason = "stop" | "length" | "tool-calls";

type Formatted<Options, Value> = Omit<Options, "responseFormat"> & {
    responseFormat: StandardSchema<Value>;
};

interface GenerateOptions {
    maxTokens?: number;
    minTokens?: number;
    ignoreEos?: boolean;
    temperature?: number;
    topK?: number;
    topP?: number;
    minP?: number;
    typicalP?: number;
    topNSigma?: number;
    xtc?: XtcOptions;
    dry?: DryOptions;
    repetitionPenalty?: number;
    presencePenalty?: number;
    frequencyPenalty?: number;
    logitBias?: Record<number, number> | ReadonlyMap<number, number>;
    logitsProcessor?: LogitsProcessor;
    seed?: number | bigint | string;
    stop?: string | readonly string[];
    stopIds?: ArrayLike<number>;
    logProbabilities?: boolean | number;
    specialTokens?: boolean;
    salt?: string;
    speculate?: "lookup" | {
        readonly draft: DraftModel;
    } | false;
    priority?: number;
    deadline?: number;
    adapter?: AdapterChoice;
    responseFormat?: ResponseFormat;
    signal?: AbortSignal;
}

declare class Generation<Value = unknown> implements AsyncIterable<string> {
    #private;
    private constructor();
    get partial(): PartialAnswer;
    get sampled(): readonly SampledToken[];
    result(): Promise<GenerationResult<Value>>;
    text(): Promise<string>;
    [Symbol.asyncIterator](): AsyncIterableIterator<string>;
    parts(): AsyncIterableIterator<AnswerPart>;
    cancel(): void;
    toReadableStream(): ReadableStream<Uint8Array>;
}

declare class GenerationBatch<Failed = never> implements AsyncIterable<BatchPiece> {
    #private;
    private constructor();
    results(): Promise<(GenerationResult | Failed)[]>;
    completed(): AsyncIterableIterator<BatchOutcome>;
    [Symbol.asyncIterator](): AsyncIterableIterator<BatchPiece>;
}

interface GenerationConfig {
    readonly temperature: DefaultOption<number>;
    readonly topK: DefaultOption<number>;
    readonly topP: DefaultOption<number>;
    readonly minP: DefaultOption<number>;
    readonly typicalP: DefaultOption<number>;
    readonly xtc: DefaultOption<Readonly<Required<XtcOptions>> | null>;
    readonly repetitionPenalty: DefaultOption<number>;
    readonly maxTokens: DefaultOption<number | null>;
    readonly minTokens: DefaultOption<number>;
    readonly stop: DefaultOption<readonly string[]>;
    readonly logitBias: DefaultOption<Readonly<Record<number, number>>>;
}

interface GenerationResult<Value = unknown> {
    readonly ids: number[];
    readonly text: string;
    readonly toolCalls: readonly ToolCall[];
    readonly value: Value | undefined;
    readonly finishReason: FinishReason;
    readonly stopReason: StopReason;
    readonly limit: "maxTokens" | "context" | undefined;
    readonly stoppedBy: number | string | undefined;
    readonly usage: {
        readonly promptTokens: number;
        readonly completionTokens: number;
        readonly cachedTokens: number;
        readonly draftedTokens: number;
        readonly acceptedTokens: number;
    };
    readonly timings: {
        readonly promptMs: number;
        readonly generationMs: number;
        readonly promptTokensPerSecond: number;
        readonly tokensPerSecond: number;
    };
    readonly logProbabilities: SampledToken[] | undefined;
    readonly seed: Seed;
    readonly warnings: readonly string[];
}

type HostName = "node" | "deno" | "bun" | "browser" | "workerd";

interface ImagePart {
    readonly type: "image";
    readonly image: unknown;
}

interface Inspection extends ModelInspection, TextInspection {
    readonly generationConfig: GenerationConfig;
}

interface LayerConfig {
    readonly rope: boolean;
    readonly chunked: boolean;
    readonly qkNorm: boolean;
    readonly temperature: boolean;
    readonly moe: boolean;
}

interface LoadOptions {
    threads?: number;
    build?: Build;
    wide?: boolean;
    context?: number;
    cache?: CacheType;
    activations?: ActivationType;
    quantize?: Recipe;
    sequences?: number;
    cachePositions?: number;
    maxWaiting?: number;
    latency?: number;
    prefixCache?: {
        maxBytes?: number | string;
    } | false;
    choices?: Choices;
    maxMemory?: number | string;
    memoryLimit?: number | string;
    generationConfig?: boolean;
    vision?: CheckpointLike | false;
    adapters?: readonly AdapterOptions[];
    onProgress?: (progress: LoadProgress) => void;
    signal?: AbortSignal;
}

interface LoadProgress {
    readonly phase: "weights";
    readonly loaded: number;
    readonly total: number;
}

type LogitsProcessor = (logits: Float32Array, ids: number[]) => Float32Array | undefined | void;

interface Measured {
    readonly ids: number;
    readonly scored: number;
    readonly windows: number;
    readonly window: number;
    readonly stride: number | null;
}

type MetadataArray = readonly string[] | readonly boolean[] | BigUint64Array | BigInt64Array | Float64Array | Float32Array | Int32Array | Uint32Array | Uint8Array | Int8Array | Uint16Array | Int16Array;

type MetadataValue = number | bigint | boolean | string | MetadataArray;

declare class Model {
    #private;
    readonly config: ModelConfig;
    readonly info: ModelInfo;
    readonly cache: PrefixCache;
    readonly activity: Activity;
    private constructor();
    get tokenizer(): Tokenizer;
    get wakes(): number[];
    generate<Value>(prompt: Prompt, options: Formatted<GenerateOptions, Value>): Generation<Value>;
    generate(prompt: Prompt, options?: GenerateOptions): Generation;
    generateBatch(prompts: BatchPrompts, options?: BatchOptions & {
        onError?: "throw";
    }): GenerationBatch;
    generateBatch(prompts: BatchPrompts, options: BatchOptions): GenerationBatch<null>;
    chat<Value>(messages: readonly ChatMessage[], options: Formatted<ChatOptions, Value>): Generation<Value>;
    chat(messages: readonly ChatMessage[], options?: ChatOptions): Generation;
    render(messages: readonly ChatMessage[], options?: ChatOptions): {
        text: string;
        ids: number[];
        warnings: readonly string[];
    };
    countTokens(prompt: string | readonly ChatMessage[], options?: ChatOptions & {
        specialTokens?: boolean;
    }): number;
    runTools(messages: readonly ChatMessage[], options: RunToolsOptions): Promise<ToolRun>;
    session(options?: {
        salt?: string;
        adapter?: AdapterChoice;
    }): Session;
    score(text: Prompt, options?: ScoreOptions): Promise<Score>;
    perplexity(prompt: Prompt, options?: PerplexityOptions): Promise<Perplexity & Measured>;
    divergence(prompt: Prompt, reference: Model | StoredLogits, options?: DivergenceOptions): Promise<Divergence & Measured>;
    trace(ids: ArrayLike<number>, options?: TraceOptions): Promise<Record<string, TapData>>;
    embed(prompt: Prompt, options?: EmbedOptions & {
        pooling?: "mean" | "last";
    }): Promise<Float32Array>;
    embed(prompt: Prompt, options: EmbedOptions & {
        pooling: "none";
    }): Promise<Float32Array[]>;
    embed(prompt: Prompt, options?: EmbedOptions): Promise<Float32Array | Float32Array[]>;
    embedBatch(prompts: readonly Prompt[], options?: EmbedOptions & {
        pooling?: "mean" | "last";
    }): Promise<Float32Array[]>;
    embedBatch(prompts: readonly Prompt[], options: EmbedOptions & {
        pooling: "none";
    }): Promise<Float32Array[][]>;
    embedBatch(prompts: readonly Prompt[], options?: EmbedOptions): Promise<(Float32Array | Float32Array[])[]>;
    profile(work: () => Promise<unknown>): Promise<OpTime[]>;
    dispose(): Promise<void>;
    [Symbol.asyncDispose](): Promise<void>;
}

interface ModelConfig {
    readonly architecture: ArchitectureName;
    readonly vocab: number;
    readonly hidden: number;
    readonly heads: number;
    readonly kvHeads: number;
    readonly headSize: number;
    readonly attentionBias: boolean;
    readonly feedForwardBias: boolean;
    readonly denseWidth: number;
    readonly expertWidth: number;
    readonly experts: number;
    readonly expertsUsed: number;
    readonly router: "sigmoid" | "softmax";
    readonly sharedExpert: boolean;
    readonly chunk: number;
    readonly normEps: number;
    readonly ropeTheta: number;
    readonly ropeScaling: RopeScaling | null;
    readonly temperatureFloor: number;
    readonly temperatureScale: number;
    readonly context: number;
    readonly tiedEmbeddings: boolean;
    readonly bos: number | null;
    readonly eos: readonly number[];
    readonly layers: readonly LayerConfig[];
}

interface ModelInfo {
    readonly name: string;
    readonly architecture: string;
    readonly fingerprint: string;
    readonly host: HostName;
    readonly build: {
        readonly name: Build;
        readonly reason: string;
    };
    readonly wide: {
        readonly on: boolean;
        readonly reason: string;
    };
    readonly threads: {
        readonly asked: number | undefined;
        readonly used: number;
        readonly reason: string;
    };
    readonly context: number;
    readonly cache: "f32" | "q8";
    readonly activations: ActivationType;
    readonly choices: Choices;
    readonly tuning: Omit<Tuning, "choices">;
    readonly memory: {
        readonly total: number;
        readonly memories: readonly number[];
        readonly weights: number;
        readonly cache: number;
        readonly activations: number;
    };
    readonly adapters: readonly AdapterInfo[];
    readonly generationConfig: GenerationConfig;
    readonly opsPerStep: number;
    readonly barriersPerStep: number;
    readonly warnings: readonly string[];
}

interface ModelInspection {
    readonly name: string;
    readonly format: Checkpoint["format"];
    readonly config: ModelConfig;
    readonly parameters: {
        readonly total: number;
        readonly active: number;
    };
    readonly types: Readonly<Record<string, {
        tensors: number;
        elements: number;
        bytes: number;
    }>>;
    readonly classes: readonly Readonly<ClassSum>[];
    readonly tensors: readonly {
        name: string;
        type: string;
        shape: readonly number[];
        bytes: number;
    }[];
    readonly fileBytes: number;
    readonly layerMap: string;
    readonly vision: VisionInspection | null;
    readonly memory: {
        readonly weights: number;
        readonly cachePer1024: Readonly<Record<"f32" | "q8", {
            full: number;
            chunked: number;
        }>>;
        readonly cache: number;
        readonly activations: number;
        readonly total: number;
        readonly context: number;
    };
    readonly warnings: readonly string[];
}

interface NamedId {
    readonly id: number;
    readonly name: string;
}

interface OpTime {
    readonly op: string;
    readonly part: string;
    readonly ms: number;
    readonly waitMs: number;
}

interface PartialAnswer {
    readonly ids: readonly number[];
    readonly text: string;
    readonly usage: {
        readonly promptTokens: number;
        readonly completionTokens: number;
    };
}

interface Perplexity extends Score {
    readonly standardError: number;
}

interface PerplexityOptions extends DivergenceOptions {
    saveLogits?: (bytes: Uint8Array) => unknown;
}

interface PerplexityProgress {
    readonly done: number;
    readonly total: number;
    readonly meanNll: number;
}

interface PixelValues {
    readonly shape: readonly number[];
    readonly data: ArrayLike<number>;
}

type Pooling = "mean" | "last" | "none";

declare class PrefixCache {
    #private;
    private constructor();
    stats(): PrefixStats;
    clear(): void;
    save(ids: ArrayLike<number>, target: string | WritableStream<Uint8Array>, options?: PrefixOptions): Promise<{
        positions: number;
    }>;
    load(from: SourceLike, options?: PrefixOptions): Promise<{
        positions: number;
    }>;
}

interface PrefixOptions {
    salt?: string;
    adapter?: AdapterChoice;
    signal?: AbortSignal;
}

interface PrefixStats {
    readonly pages: number;
    readonly bytes: number;
    readonly hits: number;
    readonly cachedTokens: number;
    readonly misses: number;
}

type Prompt = string | ArrayLike<number>;

interface PromptOptions {
    specialTokens?: boolean;
    adapter?: AdapterChoice;
    signal?: AbortSignal;
}

interface QuantizeOptions {
    type: Recipe;
    requantize?: boolean;
    vision?: CheckpointLike | false;
    visionType?: TowerType;
    threads?: number;
    onProgress?: (progress: QuantizeProgress) => void;
    signal?: AbortSignal;
}

interface QuantizeProgress {
    readonly phase: "quantize";
    readonly loaded: number;
    readonly total: number;
    readonly tensor: string;
}

interface Quantized extends WrittenFile {
    readonly vision: (WrittenFile & {
        readonly file: string;
    }) | null;
    readonly warnings: readonly string[];
}

type Recipe = "q4_0" | "q4_1" | "q4_k" | "q4_k_m" | "q5_0" | "q5_1" | "q5_k" | "q6_k" | "q8_0";

interface RenderOptions {
    readonly tools?: readonly unknown[];
    readonly addGenerationPrompt?: boolean;
    readonly variables?: Readonly<Record<string, string | number | boolean>>;
    readonly now?: Date;
    readonly template?: string;
}

type ResponseFormat = {
    readonly type: "json";
} | {
    readonly type: "json_schema";
    readonly schema: object | boolean;
} | {
    readonly type: "regex";
    readonly pattern: string;
} | {
    readonly type: "choice";
    readonly choices: readonly string[];
} | {
    readonly type: "grammar";
    readonly gbnf: string;
} | StandardSchema;

type RopeScaling =
{
    readonly type: "linear";
    readonly factor: number;
} | {
    readonly type: "llama3";
    readonly factor: number;
    readonly lowFrequency: number;
    readonly highFrequency: number;
    readonly originalContext: number;
};

interface RunToolsOptions extends Omit<ChatOptions, "tools"> {
    readonly tools: Readonly<Record<string, RunnableTool>>;
    readonly maxRounds?: number;
    readonly onPart?: (part: AnswerPart, round: number) => void;
}

interface RunnableTool {
    readonly description?: string;
    readonly parameters?: unknown;
    readonly strict?: boolean;
    run(given: Record<string, unknown>, call: ToolContext): unknown;
}

interface SampledToken {
    id: number;
    logProbability?: number;
    top?: TokenProbability[];
}

interface Score {
    readonly nll: Float64Array;
    readonly meanNll: number;
    readonly perplexity: number;
    readonly top?: readonly (readonly TokenProbability[])[];
}

interface ScoreOptions extends PromptOptions {
    prompt?: Prompt;
    logProbabilities?: number;
}

type Seed = number | string;

declare class Session {
    #private;
    private constructor();
    get ids(): readonly number[];
    sync(ids: ArrayLike<number>, options?: {
        signal?: AbortSignal;
        pixelValues?: PixelValues;
    }): Promise<void>;
    logits(): Promise<Float32Array>;
    rewind(length: number): Promise<void>;
    generate<Value>(more: Prompt, options: Formatted<SessionGenerateOptions, Value>): Generation<Value>;
    generate(more?: Prompt, options?: SessionGenerateOptions): Generation;
    chat<Value>(messages: readonly ChatMessage[], options: Formatted<SessionChatOptions, Value>): Generation<Value>;
    chat(messages: readonly ChatMessage[], options?: SessionChatOptions): Generation;
    dispose(): Promise<void>;
    [Symbol.asyncDispose](): Promise<void>;
}

type SessionChatOptions = Omit<ChatOptions, "salt" | "adapter">;

type SessionGenerateOptions = Omit<GenerateOptions, "salt" | "adapter">;

type SourceLike = string | URL | Blob | Uint8Array | ByteSource;

type StandardResult<Output> = {
    readonly value: Output;
    readonly issues?: undefined;
} | {
    readonly issues: readonly {
        readonly message: string;
    }[];
};

interface StandardSchema<Output = unknown> {
    readonly "~standard": {
        readonly version: 1;
        readonly vendor: string;
        readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
        readonly types?: {
            readonly input: unknown;
            readonly output: Output;
        } | undefined;
    };
}

interface StepReport {
    readonly milliseconds: number;
    readonly rows: number;
    readonly sequences: number;
}

type StopReason = "eos" | "stopId" | "stopString" | "format" | "maxTokens" | "context";

declare class StoredLogits implements WindowRule {
    #private;
    readonly vocab: number;
    readonly window: number;
    readonly stride: number | null;
    readonly rows: number;
    private constructor();
    close(): Promise<void>;
}

interface StoredTensor {
    readonly name: string;
    readonly type: StoredType;
    readonly shape: readonly number[];
    readonly source: ByteSource;
    readonly offset: number;
    readonly bytes: number;
}

type StoredType = "bf16" | "f16" | "f32" | "f8_e4m3" | "iq4_nl" | "iq4_xs" | "mxfp4" | "q2_k" | "q3_k" | "q4_0" | "q4_1" | "q4_k" | "q5_0" | "q5_1" | "q5_k" | "q6_k" | "q8_0" | "tq1_0" | "tq2_0";

interface TapData {
    readonly shape: number[];
    readonly data: Float32Array;
}

interface TemplateInspection {
    readonly sha256: string | null;
    readonly characters: number;
    readonly family: string | null;
}

type TensorClass = "attention" | "dense feed-forward" | "embedding" | "experts" | "norms" | "other" | "output" | "rope factors" | "router" | "shared expert" | "vision";

interface TextInspection {
    readonly tokenizer: TokenizerInspection | null;
    readonly template: TemplateInspection | null;
    readonly templates: readonly string[];
    readonly warnings: readonly string[];
}

interface TextPart {
    readonly type: "text";
    readonly text: string;
}

interface TokenProbability {
    id: number;
    logProbability: number;
}

interface TokenStream {
    push(id: number): string;
    end(): string;
}

declare class Tokenizer {
    #private;
    readonly vocabSize: number;
    readonly kind: string;
    readonly bos: number | null;
    readonly addBos: boolean;
    readonly eos: number | null;
    readonly addEos: boolean;
    readonly stopIds: readonly number[];
    readonly warnings: readonly string[];
    private constructor();
    encode(text: string, options?: EncodeOptions): number[];
    decode(ids: Iterable<number>, options?: DecodeOptions): string;
    stream(options?: DecodeOptions): TokenStream;
    tokenBytes(id: number): Uint8Array;
    isSpecial(id: number): boolean;
    specialId(text: string): number | null;
    controlTokens(text: string, plain?: readonly number[]): {
        start: number;
        end: number;
        id: number;
    }[];
}

interface TokenizerInspection {
    readonly kind: string;
    readonly rule: string | null;
    readonly size: number;
    readonly bos: NamedId | null;
    readonly addBos: boolean;
    readonly stop: readonly NamedId[];
    readonly special: {
        readonly count: number;
        readonly known: readonly NamedId[];
    };
}

interface ToolCall {
    readonly id: string;
    readonly name: string;
    readonly arguments: Record<string, unknown>;
}

type ToolChoice = "auto" | "none" | "required" | {
    readonly name: string;
};

interface ToolContext {
    readonly id: string;
    readonly name: string;
    readonly signal: AbortSignal;
}

type ToolFormat = "json" | "pythonic" | "hermes" | "mistral";

interface ToolRun {
    readonly messages: readonly ChatMessage[];
    readonly result: GenerationResult;
    readonly usage: GenerationResult["usage"];
    readonly rounds: number;
    readonly stoppedBy: "maxRounds" | undefined;
    readonly warnings: readonly string[];
}

type TowerType = "bf16" | "f16" | "q8_0";

interface TraceOptions {
    taps?: readonly string[];
    adapter?: AdapterChoice;
    pixelValues?: PixelValues;
    signal?: AbortSignal;
}

interface Tuning {
    readonly choices: Choices;
    readonly gains: Readonly<Partial<Record<StoredType, number>>>;
    readonly ms: number;
    readonly reason: string;
}

interface VisionConfig {
    readonly tileSize: number;
    readonly patchSize: number;
    readonly side: number;
    readonly tokens: number;
    readonly rows: number;
    readonly hidden: number;
    readonly heads: number;
    readonly headSize: number;
    readonly width: number;
    readonly layers: number;
    readonly adapterWidth: number;
    readonly eps: number;
    readonly ropeTheta: number;
    readonly patchId: number;
}

interface VisionInspection {
    readonly name: string;
    readonly config: VisionConfig;
    readonly parameters: number;
    readonly types: readonly string[];
    readonly positionsPerTile: number;
    readonly memory: {
        readonly weights: number;
        readonly total: number;
        readonly tiles: number;
    };
}

interface WindowRule {
    readonly window: number;
    readonly stride: number | null;
}

interface WrittenFile {
    readonly bytes: number;
    readonly types: Readonly<Record<string, {
        tensors: number;
        bytes: number;
    }>>;
}

interface XtcOptions {
    probability: number;
    threshold?: number;
}

export { ERROR_CODES, EngineError, createModel, inspect, inspectAdapter, loadModel, openLogits, quantize };
export type { ActivationType, Activity, AdapterChoice, AdapterInfo, AdapterInspection, AdapterOptions, AnswerPart, ArchitectureName, BatchFailure, BatchOptions, BatchOutcome, BatchPiece, BatchPlace, BatchPrompt, BatchPrompts, Build, ByteSource, CacheType, ChatMessage, ChatOptions, Checkpoint, CheckpointLike, Choice, Choices, ClassSum, CreateConfig, CreateOptions, DecodeOptions, DefaultOption, Divergence, DivergenceOptions, DraftModel, DryOptions, EmbedOptions, EncodeOptions, ErrorCode, ErrorDetail, ErrorPlace, FinishReason, Formatted, GenerateOptions, Generation, GenerationBatch, GenerationConfig, GenerationResult, HostName, ImagePart, Inspection, LayerConfig, LoadOptions, LoadProgress, LogitsProcessor, Measured, MetadataArray, MetadataValue, Model, ModelConfig, ModelInfo, ModelInspection, NamedId, OpTime, PartialAnswer, Perplexity, PerplexityOptions, PerplexityProgress, PixelValues, Pooling, PrefixCache, PrefixOptions, PrefixStats, Prompt, PromptOptions, QuantizeOptions, QuantizeProgress, Quantized, Recipe, RenderOptions, ResponseFormat, RopeScaling, RunToolsOptions, RunnableTool, SampledToken, Score, ScoreOptions, Seed, Session, SessionChatOptions, SessionGenerateOptions, SourceLike, StandardResult, StandardSchema, StepReport, StopReason, StoredLogits, StoredTensor, StoredType, TapData, TemplateInspection, TensorClass, TextInspection, TextPart, TokenProbability, TokenStream, Tokenizer, TokenizerInspection, ToolCall, ToolChoice, ToolContext, ToolFormat, ToolRun, TowerType, TraceOptions, Tuning, VisionConfig, VisionInspection, WindowRule, WrittenFile, XtcOptions };
