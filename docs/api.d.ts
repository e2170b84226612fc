// What the package exports. Written by "npm run api"; never by hand.
/// <reference lib="esnext.disposable" preserve="true" />

declare const ERROR_CODES: Readonly<{
    REQ_PARAM: "A parameter or option of a call has a value that it cannot have.";
    REQ_TOKEN_ID: "Something in a list of ids is no token id of this model.";
    REQ_EMPTY_PROMPT: "There is nothing to read: no ids, or no message with content.";
    REQ_MESSAGE: "A message, tool or part of a chat does not have its form; the field says which.";
    REQ_UNSUPPORTED_CONTENT: "A part of a message is no text. Only text is read.";
    REQ_UNSUPPORTED_PARAM: "There is no such option of this call, or no such variable of a template.";
    PROMPT_UNICODE: "The text is not well-formed Unicode: half a surrogate pair, or a file that is not UTF-8.";
    CONTEXT_LENGTH: "The ids do not fit the context. Shorten them, or load with a larger `context`.";
    OPTION_UNKNOWN: "There is no such option of loading or quantising.";
    OPTION_RANGE: "An option or argument has a value out of its range.";
    OPTION_TAPS: "There is no such tap, or `taps` is no list. The message lists the names.";
    SOURCE_KIND: "What was given as a source is nothing that can be read.";
    SOURCE_SHAPE: "A ByteSource of the caller lacks a member, or one has another type.";
    DISPOSED: "The model or session was disposed, or the file of logits closed.";
    GENERATION_LEFT: "The reader of a generation left, or `cancel` was called, before its end.";
    BATCH_READ: "A batch was read too late: what came before is gone. Begin all loops and `results()` in one turn.";
    SESSION_EMPTY: "A session without ids has no logits. `sync` some first.";
    SAMPLE_NO_CANDIDATE: "Every token is forbidden by `logitBias`.";
    CACHE_FULL: "No page of the cache is free. Fewer or shorter sequences at once, or a larger `context`.";
    CACHE_SEQUENCES: "Too many sequences at once. Dispose sessions that are done.";
    TOKENIZER_MISSING: "The checkpoint has no tokenizer. Use ids.";
    TEMPLATE_MISSING: "The checkpoint has no chat template. Use `generate`.";
    TRACE_KEYS: "Probabilities of so many positions are too many to trace. Fewer ids, or other taps.";
    THREADS_UNSUPPORTED: "This host cannot share memory between threads. Load with `threads: 0`, or isolate the page.";
    WASM_MISSING: "This host has no WebAssembly: V8 runs with --jitless, or the browser is in a lockdown mode.";
    BUILD_UNSUPPORTED: "This host cannot run the build that was asked for. Leave `build` out.";
    HOST_CRYPTO: "The host has no SHA-256. Browsers have it on secure pages only.";
    KERNELS_MISSING: "The files of the kernels are not where they are looked for.";
    KERNELS_INVALID: "The host does not compile the kernels: the file is no wasm, or the host lacks SIMD.";
    WORKER_START: "A worker did not start.";
    WORKER_EXIT: "A worker ended while it was needed. Load the model anew.";
    WORKER_ABORTED: "The step was stopped.";
    OOM_MEMORY: "The host gave no memory of that size. Fewer threads, a smaller `context`, `cache: \"q8\"`, a smaller type.";
    MODEL_TOO_LARGE: "The model needs more than `maxMemory`, `memoryLimit` or any machine allows.";
    FILE_MISSING: "There is no such file.";
    FILE_NOT_REGULAR: "This is no regular file.";
    FILE_CHANGED: "The file changed while it was open.";
    FILE_IO: "Reading or writing failed; the cause says why.";
    FILE_EXISTS: "Another file lies where one would be written.";
    FILE_TOO_LARGE: "The file is larger than what is read of its kind.";
    QUANTIZE_TARGET: "The new file would replace one that it is made from. Give another name.";
    CHECKPOINT_EMPTY: "The folder has no weights.";
    CHECKPOINT_LONE_FILE: "Weights in safetensors are opened by their folder, not by their file.";
    SHARD_MISSING: "The index names a shard that is not there.";
    SHARD_NOT_FILE: "A shard is no regular file.";
    INDEX_SHAPE: "The index of the shards does not have its form.";
    INDEX_SHARDS: "The index names too many shards.";
    INDEX_TENSOR: "Index and shards disagree over a tensor.";
    INDEX_PATH: "A shard lies outside its folder.";
    REMOTE_FAILED: "The server cannot be reached.";
    REMOTE_STATUS: "The server refuses; the status is in `actual`.";
    REMOTE_RANGE: "The server does not serve byte ranges. Pages need one that does.";
    REMOTE_SHORT: "The server's answers keep breaking off.";
    REMOTE_CHANGED: "The remote file is no longer the one that was opened.";
    GGUF_MAGIC: "The file does not begin as GGUF does.";
    GGUF_ENDIAN: "The file is big-endian.";
    GGUF_VERSION: "A version of GGUF that is not read.";
    GGUF_COUNT: "More entries or tensors than allowed or than the file can hold.";
    GGUF_TRUNCATED: "The file ends within its header.";
    GGUF_HEADER_SIZE: "The header is larger than allowed.";
    GGUF_KEY_EMPTY: "A key has no characters.";
    GGUF_KEY_CHARS: "A key is not printable UTF-8.";
    GGUF_KEY_DUPLICATE: "A key occurs twice.";
    GGUF_STRING_LEN: "A string is longer than allowed or than the file.";
    GGUF_TYPE: "There is no such type of value.";
    GGUF_KV_TYPE: "A value has another type than its key asks for.";
    GGUF_BOOL: "A truth value is neither 0 nor 1.";
    GGUF_ARRAY_TYPE: "A list is missing, or has elements of another type.";
    GGUF_ARRAY_NESTED: "A list of lists, which is not read.";
    GGUF_ARRAY_LEN: "A list is longer than allowed or than the file.";
    GGUF_ALIGNMENT: "The alignment is not usable.";
    GGUF_TENSOR_NAME: "A tensor's name is too long, not printable, or occurs twice.";
    GGUF_NDIMS: "A tensor has too many dimensions, or none.";
    GGUF_DIM: "A dimension is 0 or too large.";
    GGUF_TENSOR_TYPE: "A tensor's type is not read.";
    GGUF_BLOCK: "A row is no whole number of blocks.";
    GGUF_TENSOR_BYTES: "A tensor is larger than any file.";
    GGUF_TENSOR_OFFSET: "A tensor does not begin where the one before ends.";
    GGUF_TENSOR_RANGE: "A tensor ends behind the file: the download is not whole.";
    GGUF_DATA_BYTES: "The tensors are larger together than any file.";
    GGUF_SPLIT: "The shards of a split file do not belong together, or one is missing.";
    GGUF_ARCH: "The architecture is not supported.";
    ST_TRUNCATED: "The file ends within the length of its header.";
    ST_HEADER_LEN: "The length of the header is not usable.";
    ST_HEADER_START: "The header does not begin with a brace.";
    ST_JSON: "The header is no JSON.";
    ST_UTF8: "The header is not UTF-8.";
    ST_DEPTH: "The header nests too deep.";
    ST_INTEGER: "A number in the header is no integer, or too large.";
    ST_COUNT: "Too many tensors.";
    ST_METADATA: "The metadata is no object of strings, or too large.";
    ST_DUPLICATE_KEY: "A name or field occurs twice.";
    ST_FIELD: "The entry of a tensor lacks a field, or has too many.";
    ST_DTYPE: "There is no such dtype, or weights of it are not read.";
    ST_NDIMS: "A tensor has too many dimensions.";
    ST_OFFSETS: "A byte range is not usable.";
    ST_TENSOR_BYTES: "Shape and byte range disagree.";
    ST_MISALIGNED: "Elements end within a byte.";
    ST_OVERLAP: "Two tensors overlap.";
    ST_HOLE: "There is a hole between two tensors.";
    ST_COVER: "The tensors do not reach to the end of the file, or beyond it: the download is not whole.";
    JSON_SYNTAX: "The file is no JSON.";
    JSON_DEPTH: "The file nests too deep.";
    JSON_SIZE: "The file is larger than allowed, or holds too many values.";
    CONFIG_MISSING: "A hyper-parameter is missing.";
    CONFIG_RANGE: "A hyper-parameter is out of its range.";
    CONFIG_UNSUPPORTED: "A hyper-parameter asks for what is not computed here, or is none.";
    CONFIG_ARCH: "The architecture is not supported.";
    CONFIG_HEADS: "The sizes of the heads do not fit each other.";
    CONFIG_LAYERS: "A list of layers has another length, or something else in it.";
    CONFIG_MOE: "The experts or the router are not usable.";
    CONFIG_QUANT: "Weights quantised in a way that is not read.";
    CONFIG_ROPE: "The scaling of positions is not usable.";
    CONFIG_TOKEN_ID: "A special token's id is none of the vocabulary.";
    CONFIG_VOCAB: "Vocabulary, embedding and tokenizer disagree.";
    MODEL_TENSOR: "A tensor is missing, or has another shape or type.";
    WEIGHT_NONFINITE: "A weight is NaN or infinite.";
    WEIGHT_F16_RANGE: "An f16 weight has no packed form. Loading falls back to f32 by itself.";
    TOK_ADDED: "An added token is not usable.";
    TOK_BYTE: "A byte has no token, or a byte token another name.";
    TOK_BYTELEVEL: "A token holds characters that stand for no byte.";
    TOK_COMPONENT: "A part of the tokenizer is not supported.";
    TOK_ID: "Ids of tokens are double, missing or beyond the embedding.";
    TOK_ID_RANGE: "This is no token id of the tokenizer.";
    TOK_LENGTH: "A token or a list of the vocabulary has a length that is not usable.";
    TOK_MERGE: "A merge is not usable.";
    TOK_REGEX: "The rule that splits text is not known.";
    TOK_SCORE: "A score is no number.";
    TOK_SPECIAL: "A control token that is needed is not in the vocabulary.";
    TOK_TYPE: "There is no such type of token.";
    TPL_SYNTAX: "The template is not well-formed.";
    TPL_UNSUPPORTED: "The template uses what is not supported.";
    TPL_VALUE: "A value in the template is of the wrong kind.";
    TPL_ATTR: "The template asks for an attribute of nothing.";
    TPL_RAISED: "The template refuses these messages, in its own words.";
    TPL_CYCLE: "A value contains itself.";
    TPL_DEPTH: "The template nests too deep.";
    TPL_SIZE: "The template is too large.";
    TPL_FUEL: "The template takes too many steps.";
    TPL_OUTPUT: "The template makes too long a text.";
    LOGITS_FORMAT: "This is no file of logits.";
    LOGITS_VERSION: "A version of the file of logits that is not read.";
    LOGITS_SIZE: "The file of logits is not whole.";
    LOGITS_VOCAB: "The logits are of another vocabulary.";
    LOGITS_WINDOWS: "The logits are of other windows. Leave `window` and `stride` out.";
    LOGITS_IDS: "The logits are of another text.";
    LOGITS_VALUE: "The file of logits holds what is no distribution.";
    MODEL_TOKENS: "The reference has another vocabulary.";
    MODEL_NONFINITE: "The model computed NaN or infinity: its weights are broken, or too large for these activations.";
    MODEL_LOGITS: "Logits of another number than the vocabulary. A fault of wasmaverick.";
    KERNEL_FAULT: "A kernel stopped. A fault of wasmaverick.";
    KERNEL_INDEX: "A row names a token that does not exist. A fault of wasmaverick.";
    KV_PAGE: "A page of the cache is missing or was given back twice. A fault of wasmaverick.";
    MEMORY_PLAN: "A tensor without a size was planned. A fault of wasmaverick.";
    PROGRAM_OPERANDS: "An op has other operands than it takes. A fault of wasmaverick.";
    PROGRAM_SHAPE: "Tensors of an op do not fit each other. A fault of wasmaverick.";
    STEP_EMBEDDINGS: "Rows of embeddings that do not fit a step. A fault of wasmaverick.";
    STEP_ROWS: "More rows than a step takes. A fault of wasmaverick.";
}>;

declare class EngineError extends Error {
    readonly name = "EngineError";
    readonly code: ErrorCode;
    readonly at: ErrorPlace | undefined;
    readonly limit: number | string | undefined;
    readonly actual: number | string | undefined;
    constructor(code: ErrorCode, what: string, detail?: ErrorDetail);
}

declare function createModel(config: CreateConfig, options?: CreateOptions): Promise<Model>;

declare function inspect(source: CheckpointLike): Promise<Inspection>;

declare function loadModel(source: CheckpointLike, options?: LoadOptions): Promise<Model>;

declare function openLogits(source: SourceLike): Promise<StoredLogits>;

declare function quantize(source: CheckpointLike, target: string | WritableStream<Uint8Array>, options: QuantizeOptions): Promise<Quantized>;

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
    close(): Promise<void>;
}

type CacheType = "f32" | "q8";

interface ChatMessage {
    readonly role: string;
    readonly content?: string | readonly TextPart[] | null;
    readonly [field: string]: unknown;
}

interface ChatOptions extends Omit<GenerateOptions, "specialTokens">, RenderOptions {
}

interface Checkpoint {
    readonly format: "gguf" | "safetensors" | "random";
    readonly name: string;
    readonly tensors: ReadonlyMap<string, StoredTensor>;
    readonly metadata: ReadonlyMap<string, MetadataValue>;
    storedPair?(key: string): Promise<Uint8Array>;
    readonly json: ReadonlyMap<string, unknown>;
    readonly chatTemplate: string | undefined;
    readonly warnings: readonly string[];
    verify?(): Promise<void>;
    close(): Promise<void>;
}

type CheckpointLike = SourceLike | Checkpoint;

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
    onProgress?: (progress: PerplexityProgress) => void;
    signal?: AbortSignal;
}

interface EncodeOptions {
    specialTokens?: boolean;
    addBos?: boolean;
    addEos?: boolean;
    plain?: readonly number[];
}

type ErrorCode = "BATCH_READ" | "BUILD_UNSUPPORTED" | "CACHE_FULL" | "CACHE_SEQUENCES" | "CHECKPOINT_EMPTY" | "CHECKPOINT_LONE_FILE" | "CONFIG_ARCH" | "CONFIG_HEADS" | "CONFIG_LAYERS" | "CONFIG_MISSING" | "CONFIG_MOE" | "CONFIG_QUANT" | "CONFIG_RANGE" | "CONFIG_ROPE" | "CONFIG_TOKEN_ID" | "CONFIG_UNSUPPORTED" | "CONFIG_VOCAB" | "CONTEXT_LENGTH" | "DISPOSED" | "FILE_CHANGED" | "FILE_EXISTS" | "FILE_IO" | "FILE_MISSING" | "FILE_NOT_REGULAR" | "FILE_TOO_LARGE" | "GENERATION_LEFT" | "GGUF_ALIGNMENT" | "GGUF_ARCH" | "GGUF_ARRAY_LEN" | "GGUF_ARRAY_NESTED" | "GGUF_ARRAY_TYPE" | "GGUF_BLOCK" | "GGUF_BOOL" | "GGUF_COUNT" | "GGUF_DATA_BYTES" | "GGUF_DIM" | "GGUF_ENDIAN" | "GGUF_HEADER_SIZE" | "GGUF_KEY_CHARS" | "GGUF_KEY_DUPLICATE" | "GGUF_KEY_EMPTY" | "GGUF_KV_TYPE" | "GGUF_MAGIC" | "GGUF_NDIMS" | "GGUF_SPLIT" | "GGUF_STRING_LEN" | "GGUF_TENSOR_BYTES" | "GGUF_TENSOR_NAME" | "GGUF_TENSOR_OFFSET" | "GGUF_TENSOR_RANGE" | "GGUF_TENSOR_TYPE" | "GGUF_TRUNCATED" | "GGUF_TYPE" | "GGUF_VERSION" | "HOST_CRYPTO" | "INDEX_PATH" | "INDEX_SHAPE" | "INDEX_SHARDS" | "INDEX_TENSOR" | "JSON_DEPTH" | "JSON_SIZE" | "JSON_SYNTAX" | "KERNELS_INVALID" | "KERNELS_MISSING" | "KERNEL_FAULT" | "KERNEL_INDEX" | "KV_PAGE" | "LOGITS_FORMAT" | "LOGITS_IDS" | "LOGITS_SIZE" | "LOGITS_VALUE" | "LOGITS_VERSION" | "LOGITS_VOCAB" | "LOGITS_WINDOWS" | "MEMORY_PLAN" | "MODEL_LOGITS" | "MODEL_NONFINITE" | "MODEL_TENSOR" | "MODEL_TOKENS" | "MODEL_TOO_LARGE" | "OOM_MEMORY" | "OPTION_RANGE" | "OPTION_TAPS" | "OPTION_UNKNOWN" | "PROGRAM_OPERANDS" | "PROGRAM_SHAPE" | "PROMPT_UNICODE" | "QUANTIZE_TARGET" | "REMOTE_CHANGED" | "REMOTE_FAILED" | "REMOTE_RANGE" | "REMOTE_SHORT" | "REMOTE_STATUS" | "REQ_EMPTY_PROMPT" | "REQ_MESSAGE" | "REQ_PARAM" | "REQ_TOKEN_ID" | "REQ_UNSUPPORTED_CONTENT" | "REQ_UNSUPPORTED_PARAM" | "SAMPLE_NO_CANDIDATE" | "SESSION_EMPTY" | "SHARD_MISSING" | "SHARD_NOT_FILE" | "SOURCE_KIND" | "SOURCE_SHAPE" | "STEP_EMBEDDINGS" | "STEP_ROWS" | "ST_COUNT" | "ST_COVER" | "ST_DEPTH" | "ST_DTYPE" | "ST_DUPLICATE_KEY" | "ST_FIELD" | "ST_HEADER_LEN" | "ST_HEADER_START" | "ST_HOLE" | "ST_INTEGER" | "ST_JSON" | "ST_METADATA" | "ST_MISALIGNED" | "ST_NDIMS" | "ST_OFFSETS" | "ST_OVERLAP" | "ST_TENSOR_BYTES" | "ST_TRUNCATED" | "ST_UTF8" | "TEMPLATE_MISSING" | "THREADS_UNSUPPORTED" | "TOKENIZER_MISSING" | "TOK_ADDED" | "TOK_BYTE" | "TOK_BYTELEVEL" | "TOK_COMPONENT" | "TOK_ID" | "TOK_ID_RANGE" | "TOK_LENGTH" | "TOK_MERGE" | "TOK_REGEX" | "TOK_SCORE" | "TOK_SPECIAL" | "TOK_TYPE" | "TPL_ATTR" | "TPL_CYCLE" | "TPL_DEPTH" | "TPL_FUEL" | "TPL_OUTPUT" | "TPL_RAISED" | "TPL_SIZE" | "TPL_SYNTAX" | "TPL_UNSUPPORTED" | "TPL_VALUE" | "TRACE_KEYS" | "WASM_MISSING" | "WEIGHT_F16_RANGE" | "WEIGHT_NONFINITE" | "WORKER_ABORTED" | "WORKER_EXIT" | "WORKER_START";

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

type FinishReason = "stop" | "length";

interface GenerateOptions {
    maxTokens?: number;
    temperature?: number;
    topK?: number;
    topP?: number;
    minP?: number;
    repetitionPenalty?: number;
    presencePenalty?: number;
    frequencyPenalty?: number;
    logitBias?: Record<number, number> | ReadonlyMap<number, number>;
    seed?: number | bigint | string;
    stop?: string | readonly string[];
    stopIds?: ArrayLike<number>;
    logProbabilities?: boolean | number;
    specialTokens?: boolean;
    signal?: AbortSignal;
}

declare class Generation implements AsyncIterable<string> {
    #private;
    private constructor();
    result(): Promise<GenerationResult>;
    text(): Promise<string>;
    [Symbol.asyncIterator](): AsyncIterableIterator<string>;
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
    readonly repetitionPenalty: DefaultOption<number>;
    readonly maxTokens: DefaultOption<number | null>;
    readonly stop: DefaultOption<readonly string[]>;
    readonly logitBias: DefaultOption<Readonly<Record<number, number>>>;
}

interface GenerationResult {
    readonly ids: number[];
    readonly text: string;
    readonly finishReason: FinishReason;
    readonly limit: "maxTokens" | "context" | undefined;
    readonly stoppedBy: number | string | undefined;
    readonly usage: {
        readonly promptTokens: number;
        readonly completionTokens: number;
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
    activations?: "q8" | "f32";
    quantize?: Recipe;
    maxMemory?: number | string;
    memoryLimit?: number | string;
    generationConfig?: boolean;
    onProgress?: (progress: LoadProgress) => void;
    signal?: AbortSignal;
}

interface LoadProgress {
    readonly phase: "weights";
    readonly loaded: number;
    readonly total: number;
}

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
    private constructor();
    get tokenizer(): Tokenizer;
    get wakes(): number[];
    generate(prompt: Prompt, options?: GenerateOptions): Generation;
    generateBatch(prompts: BatchPrompts, options?: BatchOptions & {
        onError?: "throw";
    }): GenerationBatch;
    generateBatch(prompts: BatchPrompts, options: BatchOptions): GenerationBatch<null>;
    chat(messages: readonly ChatMessage[], options?: ChatOptions): Generation;
    session(): Session;
    score(prompt: Prompt, options?: PromptOptions): Promise<Score>;
    perplexity(prompt: Prompt, options?: PerplexityOptions): Promise<Perplexity & Measured>;
    divergence(prompt: Prompt, reference: Model | StoredLogits, options?: DivergenceOptions): Promise<Divergence & Measured>;
    trace(ids: ArrayLike<number>, options?: {
        taps?: readonly string[];
        signal?: AbortSignal;
    }): Promise<Record<string, TapData>>;
    embed(prompt: Prompt, options?: PromptOptions): Promise<Float32Array>;
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
    readonly activations: "q8" | "f32";
    readonly memory: {
        readonly total: number;
        readonly memories: readonly number[];
        readonly weights: number;
        readonly cache: number;
        readonly activations: number;
    };
    readonly generationConfig: GenerationConfig;
    readonly opsPerStep: number;
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

type Prompt = string | ArrayLike<number>;

interface PromptOptions {
    specialTokens?: boolean;
    signal?: AbortSignal;
}

interface QuantizeOptions {
    type: Recipe;
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

interface Quantized {
    readonly bytes: number;
    readonly types: Readonly<Record<string, {
        tensors: number;
        bytes: number;
    }>>;
    readonly warnings: readonly string[];
}

type Recipe = "q4_0" | "q4_1" | "q4_k" | "q4_k_m" | "q5_0" | "q5_1" | "q5_k" | "q6_k" | "q8_0";

interface RenderOptions {
    readonly tools?: readonly unknown[];
    readonly addGenerationPrompt?: boolean;
    readonly variables?: Readonly<Record<string, string | number | boolean>>;
    readonly now?: Date;
}

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

interface SampledToken {
    id: number;
    logProbability?: number;
    top?: TokenProbability[];
}

interface Score {
    readonly nll: Float64Array;
    readonly meanNll: number;
    readonly perplexity: number;
}

type Seed = number | string;

declare class Session {
    #private;
    private constructor();
    get ids(): readonly number[];
    sync(ids: ArrayLike<number>, options?: {
        signal?: AbortSignal;
    }): Promise<void>;
    logits(): Promise<Float32Array>;
    rewind(length: number): Promise<void>;
    dispose(): Promise<void>;
    [Symbol.asyncDispose](): Promise<void>;
}

type SourceLike = string | URL | Blob | Uint8Array | ByteSource;

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
    controlTokens(text: string): {
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

interface WindowRule {
    readonly window: number;
    readonly stride: number | null;
}

export { ERROR_CODES, EngineError, createModel, inspect, loadModel, openLogits, quantize };
export type { ArchitectureName, BatchFailure, BatchOptions, BatchOutcome, BatchPiece, BatchPlace, BatchPrompt, BatchPrompts, Build, ByteSource, CacheType, ChatMessage, ChatOptions, Checkpoint, CheckpointLike, ClassSum, CreateConfig, CreateOptions, DecodeOptions, DefaultOption, Divergence, DivergenceOptions, EncodeOptions, ErrorCode, ErrorDetail, ErrorPlace, FinishReason, GenerateOptions, Generation, GenerationBatch, GenerationConfig, GenerationResult, HostName, Inspection, LayerConfig, LoadOptions, LoadProgress, Measured, MetadataArray, MetadataValue, Model, ModelConfig, ModelInfo, ModelInspection, NamedId, OpTime, Perplexity, PerplexityOptions, PerplexityProgress, Prompt, PromptOptions, QuantizeOptions, QuantizeProgress, Quantized, Recipe, RenderOptions, RopeScaling, SampledToken, Score, Seed, Session, SourceLike, StoredLogits, StoredTensor, StoredType, TapData, TemplateInspection, TensorClass, TextInspection, TextPart, TokenProbability, TokenStream, Tokenizer, TokenizerInspection, WindowRule };
