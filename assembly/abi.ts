/**
 * All that the wasm kernels and the TypeScript runtime must agree on: opcodes, operand words, types, block sizes.
 * Read by both compilers, so plain `export const` only (asc folds them).
 */

// ---- sizes ----

/** Outputs a packed weight group holds; they stand in lanes. */
export const GROUP = 8;
/** Rows of activations a register tile takes at most: 6 x 8 outputs keep 12 accumulators in 15 registers. A model may take fewer. */
export const TILE_ROWS = 6;
/** Elements of a quantised block, weights and activations. */
export const BLOCK = 32;
/** Positions of a cache page; also the block of positions over which attention sums before it merges. */
export const PAGE = 64;
/** Inputs that the generic float matmul dequantises at a time (8 KiB a group: stays in L1). */
export const DEQUANTIZE_COLS = 256;
/** Inputs that PACK converts at a time: 8 rows of f32 and as many stored ones lie in scratch. */
export const CONVERT_COLS = 1024;

/** Logits of a span, of which the largest is known (its peak) and what they weigh together (its mass): few are read to draw one. */
export const PEAK = 64;

/** Groups of outputs that visit a tile of rows together: its rows are read once for them, its outputs are whole lines. */
export const VISIT_GROUPS = 4;
/** From 32 bytes of a group to its next 32, where the four of a visit are woven (visits.ts). */
export const VISIT_STEP = 128;

// ---- activation panels: what a matmul reads; rows of a tile interleaved ----

/** [cols][tile rows] f32 */
export const FORM_F32 = 0;
/** [cols / 2][tile rows] pairs of i16; scales [blocks][tile rows] f32 */
export const FORM_Q16_PAIRS = 1;
/** [cols / 4][tile rows] quads of i8; scales as above; sums [blocks][tile rows]: of the first and of the last 16 inputs, i16 each */
export const FORM_Q8_QUADS = 2;
/** As FORM_Q16_PAIRS, in bytes: of a block 8 quads of high ones, then 8 of low ones; instead of sums -128 x that of the high ones, i32 (forms/sixteens.ts). */
export const FORM_Q16_BYTES = 5;
/** As FORM_Q16_PAIRS, of 8 bits each: beside signed bytes where no dot takes quads of them (forms/bytes.ts). */
export const FORM_Q8_PAIRS = 3;
/**
 * Quads of i8 as above beside super-blocks of SUPER_COLS weights, with a record of SUPER_WORDS for as many: [words][tile rows] of
 * d f32 | 8 blocks: what each counts, 8, 4, 2 or 1, twice i16 | 8: minus its sums of 16 inputs, i16 | 4: what two blocks count times their sums, i16
 */
export const FORM_Q8_SUPERS = 4;
export const SUPER_TIMES = 1, SUPER_HALVES = 9, SUPER_PAIRS = 17, SUPER_WORDS = 24, SUPER_COLS = 256; // records of whole cache lines beside OWN_ROWS

/** Rows of a step in which every thread does for itself what is work for one thread: waiting for another would take longer. */
export const FEW_ROWS = 6;
/** Entries from the panel of one thread to that of the next in such a step; scales of whole cache lines. */
export const OWN_ROWS = 8;

// ---- weight types (memory and file): number, values and bytes of a stored block, its bytes in a packed group (0: eight stored rows) ----

export const TYPE_F32 = 0, F32_VALUES = 1, F32_BYTES = 4, F32_GROUP = 32;
export const TYPE_F16 = 1, F16_VALUES = 1, F16_BYTES = 2, F16_GROUP = 16;
export const TYPE_BF16 = 2, BF16_VALUES = 1, BF16_BYTES = 2, BF16_GROUP = 16;
export const TYPE_Q8_0 = 3, Q8_0_VALUES = 32, Q8_0_BYTES = 34, Q8_0_GROUP = 288;
export const TYPE_Q4_0 = 4, Q4_0_VALUES = 32, Q4_0_BYTES = 18, Q4_0_GROUP = 160;
export const TYPE_Q4_1 = 5, Q4_1_VALUES = 32, Q4_1_BYTES = 20, Q4_1_GROUP = 192;
export const TYPE_Q5_0 = 6, Q5_0_VALUES = 32, Q5_0_BYTES = 22, Q5_0_GROUP = 192;
export const TYPE_Q5_1 = 7, Q5_1_VALUES = 32, Q5_1_BYTES = 24, Q5_1_GROUP = 224;
export const TYPE_Q2_K = 8, Q2_K_VALUES = 256, Q2_K_BYTES = 84, Q2_K_GROUP = 0;
export const TYPE_Q3_K = 9, Q3_K_VALUES = 256, Q3_K_BYTES = 110, Q3_K_GROUP = 0;
export const TYPE_Q4_K = 10, Q4_K_VALUES = 256, Q4_K_BYTES = 144, Q4_K_GROUP = 1216;
export const TYPE_Q5_K = 11, Q5_K_VALUES = 256, Q5_K_BYTES = 176, Q5_K_GROUP = 1472;
export const TYPE_Q6_K = 12, Q6_K_VALUES = 256, Q6_K_BYTES = 210, Q6_K_GROUP = 1696;
export const TYPE_IQ4_NL = 13, IQ4_NL_VALUES = 32, IQ4_NL_BYTES = 18, IQ4_NL_GROUP = 160;
export const TYPE_IQ4_XS = 14, IQ4_XS_VALUES = 256, IQ4_XS_BYTES = 136, IQ4_XS_GROUP = 0;
export const TYPE_MXFP4 = 15, MXFP4_VALUES = 32, MXFP4_BYTES = 17, MXFP4_GROUP = 0;
export const TYPE_TQ1_0 = 16, TQ1_0_VALUES = 256, TQ1_0_BYTES = 54, TQ1_0_GROUP = 0;
export const TYPE_TQ2_0 = 17, TQ2_0_VALUES = 256, TQ2_0_BYTES = 66, TQ2_0_GROUP = 0;
export const TYPE_F8_E4M3 = 18, F8_E4M3_VALUES = 1, F8_E4M3_BYTES = 1, F8_E4M3_GROUP = 0;
/** Packed for quads of activations instead of pairs, in as many bytes. */
export const TYPE_Q8_0_QUADS = 19, TYPE_IQ4_NL_QUADS = 20, TYPE_APART = 32; // beside a type: groups of a visit lie apart (visits.ts)

// ---- kernels of MATMUL: what MATRIX_TILE and MATRIX_ROW name; all of one form give the same bits ----

/** Weights of f32, or dequantised to it; `_FUSED` rounds a multiply-add once where the build can, `TILE2` takes two groups for 256-bit pairs. */
export const KERNEL_TILE_F32 = 1, KERNEL_TILE_F32_FUSED = 2, KERNEL_TILE2_F32 = 3, KERNEL_TILE2_F32_FUSED = 4;
/** From here on tiles meet integers. */
export const KERNEL_INTEGER = 5;
export const KERNEL_TILE_Q8_0_Q16 = 5;
export const KERNEL_TILE_Q4_0_Q8 = 6;
/** Sums in i32, where the other gathers in i16. */
export const KERNEL_TILE_Q4_0_Q8_ADD = 7;
export const KERNEL_TILE_Q4_1_Q8 = 8, KERNEL_TILE_Q5_0_Q8 = 9;
export const KERNEL_TILE_Q4_K_Q8 = 10, KERNEL_TILE_Q5_K_Q8 = 11, KERNEL_TILE_Q6_K_Q8 = 12;
export const KERNEL_TILE_IQ4_NL_Q16 = 13;
export const KERNEL_TILE_Q5_1_Q8 = 14;
/** Two pairs a turn, for 256-bit pairs. */
export const KERNEL_TILE_Q8_0_Q16_TWO = 15;
/** Where the dot of bytes takes an unsigned one, or a signed one (forms/bytes.ts). */
export const KERNEL_TILE_Q8_0_Q8 = 16, KERNEL_TILE_Q8_0_Q8_SIGNED = 17, KERNEL_TILE_IQ4_NL_Q8 = 18, KERNEL_TILE_IQ4_NL_Q8_SIGNED = 19;
/** As these, beside activations of 16 bits in bytes (forms/sixteens.ts). */
export const KERNEL_TILE_Q8_0_Q16_BYTES = 58, KERNEL_TILE_Q8_0_Q16_BYTES_SIGNED = 59, KERNEL_GEMV4_Q8_0_Q16_BYTES = 60, KERNEL_GEMV4_Q8_0_Q16_BYTES_SIGNED = 61;
/** From here on tiles of two groups, for 256-bit pairs (forms/bytes_twos.ts); one group alone goes as without. */
export const KERNEL_INTEGER_TILE2 = 64, KERNEL_TILE2_Q8_0_Q8 = 64, KERNEL_TILE2_Q8_0_Q16_BYTES = 65;
/** One row: four groups at a time. */
export const KERNEL_GEMV4_F32_F32 = 32, KERNEL_GEMV4_F32_F32_FUSED = 33;
export const KERNEL_GEMV4_F16_F32 = 34, KERNEL_GEMV4_F16_F32_FUSED = 35;
export const KERNEL_GEMV4_BF16_F32 = 36, KERNEL_GEMV4_BF16_F32_FUSED = 37;
/** From here on rows of integers. */
export const KERNEL_INTEGER_ROW = 38;
export const KERNEL_GEMV4_Q8_0_Q16 = 38;
export const KERNEL_GEMV4_Q4_0_Q8 = 39, KERNEL_GEMV4_Q4_1_Q8 = 40, KERNEL_GEMV4_Q5_0_Q8 = 41;
export const KERNEL_GEMV4_Q4_K_Q8 = 42, KERNEL_GEMV4_Q5_K_Q8 = 43, KERNEL_GEMV4_Q6_K_Q8 = 44;
export const KERNEL_GEMV4_IQ4_NL_Q16 = 45, KERNEL_GEMV4_Q5_1_Q8 = 46;
/** Sums in i32, of the further types. */
export const KERNEL_TILE_Q4_1_Q8_ADD = 51, KERNEL_TILE_Q5_0_Q8_ADD = 52, KERNEL_TILE_Q5_1_Q8_ADD = 53, KERNEL_TILE_Q4_K_Q8_ADD = 54, KERNEL_TILE_Q5_K_Q8_ADD = 55, KERNEL_TILE_Q6_K_Q8_ADD = 56;
export const KERNEL_GEMV4_Q4_0_Q8_ADD = 57;
export const KERNEL_GEMV4_Q8_0_Q8 = 47, KERNEL_GEMV4_Q8_0_Q8_SIGNED = 48, KERNEL_GEMV4_IQ4_NL_Q8 = 49, KERNEL_GEMV4_IQ4_NL_Q8_SIGNED = 50;

// ---- cache types ----

export const CACHE_F32 = 0, CACHE_Q8 = 1, CACHE_Q8_UNSIGNED = 2, CACHE_Q8_SIGNED = 3; // pages are the same for all three (kernels/dots.ts)

// ---- control block: u32 words from CONTROL_AT, groups of writers on cache lines of their own ----

/** The first 64 KiB belong to the module's statics. Behind the words: footings of each thread (footing.ts). */
export const CONTROL_AT = 65536, FOOTINGS_AT = 1024, FOOTINGS = 72, MAX_THREADS = 64;
export const CONTROL_BYTES = FOOTINGS_AT + MAX_THREADS * FOOTINGS * 4;

/** Step generation: workers wait on it. */
export const WORD_STEP = 0;
/** Address of the op to start from; where a run stopped. */
export const WORD_PC = 1;
export const WORD_THREADS = 2;
export const WORD_SCRATCH_AT = 3;
export const WORD_SCRATCH_BYTES = 4;
/** First fault wins. */
export const WORD_FAULT = 5;
export const WORD_FAULT_PC = 6;
export const WORD_FAULT_ROW = 7;
/** f64 milliseconds of `now()` after which a lone thread yields; 0: never. Two words, 8-byte aligned. */
export const WORD_DEADLINE = 8;
export const WORD_STATUS = 10;
/** Rows of this step. */
export const WORD_ROWS = 12;
/** 1: this trace wants attention probabilities; 0: their op does nothing. */
export const WORD_PROBABILITIES = 13;
/** Where thread 0 adds up the time of each op, 0: nowhere; the program it belongs to, and that one's words. */
export const WORD_PROFILE_AT = 14;
export const WORD_PROFILE_FROM = 15;
export const WORD_PROFILE_WORDS = 11;
/** Per word of the program: f64 milliseconds of the op with its barrier, then those spent waiting for the others. */
export const PROFILE_BYTES = 16;

export const WORD_ABORT = 16;
export const WORD_ARRIVED = 32;
export const WORD_GENERATION = 48;
export const WORD_SLEEPERS = 49;
export const WORD_CLAIM = 64;
/** Memory 0 only: threads that finished the step; the step that all workers have finished, where it ended (memory) and how (WORD_STATUS). */
export const WORD_DONE = 80, WORD_FINISHED = 81, WORD_STOPPED_IN = 82;
/** Memory 0 only: memories [first, last] that this step walks. */
export const WORD_FIRST_MEMORY = 83, WORD_LAST_MEMORY = 84;
/** Memory 0 only: workers draw the ids of this run (DRAWS); how many steps may still follow; of how many all ids were drawn, when none follows ~ that; draws of workers; changed whenever a step ended. */
export const WORD_DRAWS = 90, WORD_ALLOWED = 91, WORD_DRAWN = 92, WORD_SHARES = 93, WORD_NEWS = 94, DRAWS = 1, DRAWS_NOT = 2;
/** 1: the peaks of this step's logits are wanted; 0: their op does nothing. */
export const WORD_PEAKS = 85;
/** WORD_STEP of the first worker, memory 0 only; the caller walks joined steps in its place, and leaves a barrier (its generation; the op behind it) that stays shut. */
export const WORD_FIRST_STEP = 86, WORD_JOINED = 87, WORD_LEFT = 88, WORD_LEFT_PC = 89;
/** Wake-ups of each worker since it started, MAX_THREADS words. */
export const WORD_WAKES = 96;

// ---- status of a run ----

export const STATUS_DONE = 0;
/** At a STOP op (a tap): run again to go on. */
export const STATUS_STOPPED = 1, STATUS_ABORTED = 2, STATUS_FAULT = 3;
/** Deadline passed, or the caller left a barrier that is to open: run again to go on. */
export const STATUS_YIELD = 4;

// ---- faults ----

export const FAULT_OPCODE = 1;
/** Token id out of the vocabulary, or embedding row out of its area. */
export const FAULT_TOKEN = 2;
/** Page table entry that names no page, or position beyond the table. */
export const FAULT_PAGE = 3;
/** NaN or infinity in a stored weight. */
export const FAULT_WEIGHT = 4;
/** Router logits that are not numbers. */
export const FAULT_ROUTER = 5;

// ---- row table: one record a row of the step ----

export const ROW_WORDS = 8;
/** Token id, or row of the embedding area with ROW_FLAG_EMBEDDING. */
export const ROW_INPUT = 0;
export const ROW_FLAGS = 1;
export const ROW_POSITION = 2;
/** Addresses of the sequence's page tables: u32 page per 64 positions. */
export const ROW_FULL_PAGES = 3;
export const ROW_CHUNKED_PAGES = 4;

export const ROW_FLAG_EMBEDDING = 1;

// ---- segments: which rows meet which weights; [count, segments...] ----

export const SEGMENT_WORDS = 3;
/** Index into a matrix's weight table. */
export const SEGMENT_WEIGHT = 0;
export const SEGMENT_FIRST = 1, SEGMENT_ROWS = 2;

// ---- attention tasks: [count, tasks...] ----

export const TASK_WORDS = 5;
export const TASK_FIRST_ROW = 0;
export const TASK_ROWS = 1;
/** Blocks of 64 positions, half-open. */
export const TASK_BLOCK_BEGIN = 2;
export const TASK_BLOCK_END = 3;
/** First partial of the task, or NO_PARTIAL: the task sees all its blocks and finishes alone. */
export const TASK_PARTIAL = 4;
export const NO_PARTIAL = 0xffffffff;
export const NO_PAGE = 0xffffffff;

// ---- merge list: [count, records...]: rows whose blocks were computed apart ----

export const JOIN_WORDS = 3;
export const JOIN_ROW = 0;
export const JOIN_BLOCKS = 1;
export const JOIN_PARTIAL = 2;

// ---- ops: word 0 is opcode | words << 16, operands follow ----

/**
 * On an opcode: in a step of few rows every thread does all of it for itself and waits for nobody. It writes memory of its thread, or
 * all write the same bits; and the ops up to the next barrier write nothing that it reads or writes.
 */
export const FOR_ITSELF = 0x8000;

export const OP_END = 0;
/** All threads meet and return STATUS_STOPPED. */
export const OP_STOP = 1;
/** Nothing but the barrier: after a copy from another memory. */
export const OP_MEET = 2;
export const OP_EMBED = 3;
export const OP_ANGLES = 4;
export const OP_PANEL = 5;
export const OP_MATMUL = 6;
export const OP_ROPE = 7;
export const OP_ATTEND = 8;
export const OP_MERGE = 9;
export const OP_ROUTE = 10;
export const OP_COMBINE = 11;
export const OP_PACK = 12;
export const OP_PROBABILITIES = 13;
export const OP_ADD = 14;
/** Operands of PACK; PACK_AT: stored rows [rowEnd - rowBegin] of PACK_TYPE. */
export const OP_CONVERT = 15;
/** Peaks and masses of every span, where WORD_PEAKS says that somebody looks. */
export const OP_PEAKS = 16;
/** Over the patches of pictures. */
export const OP_PLACE = 17, OP_GRID_ANGLES = 18, OP_SHUFFLE = 19;
export const OPCODES = 20;

export const EMBED_ROWS_AT = 1; // row table
export const EMBED_TYPE = 2, EMBED_WEIGHT_AT = 3, EMBED_VOCAB = 4, EMBED_COLS = 5;
export const EMBED_OUT_AT = 6; // [rows][cols] f32
export const EMBED_AREA_AT = 7; // [area rows][cols] f32
export const EMBED_AREA_ROWS = 8, EMBED_WORDS = 9;

export const ANGLES_ROWS_AT = 1;
export const ANGLES_FREQUENCIES_AT = 2; // [pairs] f32
export const ANGLES_PAIRS = 3;
export const ANGLES_OUT_AT = 4; // [rows][pairs][cos, sin] f32
export const ANGLES_TEMPERATURE_AT = 5; // [rows] f32
export const ANGLES_FLOOR = 6; // u32; 0: temperature is 1 everywhere
export const ANGLES_SCALE = 7; // f32 bits
export const ANGLES_WORDS = 8;

export const PANEL_SEGMENTS_AT = 1;
export const PANEL_GATHER_AT = 2; // [entries] u32 source rows; 0: entry i reads row i
export const PANEL_SOURCE_AT = 3; // [rows][stride] f32
export const PANEL_STRIDE = 4, PANEL_COLS = 5, PANEL_TRANSFORM = 6;
export const PANEL_WEIGHT_AT = 7; // norm weight [cols] f32
export const PANEL_EPS = 8; // f32 bits
export const PANEL_SCORES_AT = 9; // [entries] f32 on gate and up of SwiGLU; 0: none
export const PANEL_OUT_AT = 10; // [entries][cols] f32; 0: not wanted
export const PANEL_FORM = 11;
export const PANEL_AT = 12; // 0: no panel, out only
export const PANEL_SCALE_AT = 13, PANEL_SUM_AT = 14;
export const PANEL_FLOAT_AT = 15; // a second panel of FORM_F32; 0: not wanted
export const PANEL_TILE_ROWS = 16;
export const PANEL_OWN = 17; // entries from one thread's own panels to the next one's, in steps of few rows; 0: they share one
export const PANEL_BIAS_AT = 18; // of layer norm [cols] f32
export const PANEL_ALONE = 19; // segments of at most so many rows have tiles of one row
export const PANEL_WORDS = 20;

export const TRANSFORM_COPY = 0;
export const TRANSFORM_NORM = 1;
/** Source rows hold gate [cols] then up [cols]. */
export const TRANSFORM_SWIGLU = 2;
export const TRANSFORM_LAYER_NORM = 3, TRANSFORM_GELU = 4;

export const MATMUL_MATRICES = 1;
export const MATMUL_WORDS = 2; // then MATRIX_WORDS each
export const MATRIX_SEGMENTS_AT = 0;
export const MATRIX_TABLE_AT = 1; // [weights] u32 addresses
export const MATRIX_ROWS = 2; // outputs
export const MATRIX_COLS = 3; // inputs
export const MATRIX_GROUP_BYTES = 4; // of one packed group
export const MATRIX_TILE = 5; // kernel of several rows
export const MATRIX_ROW = 6; // kernel of one row, 0: the tile
export const MATRIX_TYPE = 7; // how weights are packed
export const MATRIX_PANEL_AT = 8;
export const MATRIX_PANEL_BYTES = 9; // of one input
export const MATRIX_SCALE_AT = 10;
export const MATRIX_SUM_AT = 11;
export const MATRIX_OUT_AT = 12; // [entries][stride] f32
export const MATRIX_STRIDE = 13;
export const MATRIX_RESIDUAL_AT = 14; // same shape and stride as out, may be out; 0: none
export const MATRIX_BIAS_AT = 15; // [outputs] f32; 0: none
export const MATRIX_TILES = 16; // tiles of rows that share a pass over a weight group
export const MATRIX_TILE_ROWS = 17;
export const MATRIX_STREAMS = 18; // visits that a row of integers takes together
export const MATRIX_TOUCH = 19; // streams that read a visit ahead of few tiles; 0: none
export const MATRIX_OWN = 20, MATRIX_ALONE = 21; // as PANEL_OWN, PANEL_ALONE
export const MATRIX_WORDS = 22;

export const ROPE_ROWS_AT = 1;
export const ROPE_QKV_AT = 2; // [rows][(heads + 2 kvHeads) * headSize] f32; q and k are rewritten in place
export const ROPE_HEADS = 3, ROPE_KV_HEADS = 4, ROPE_HEAD_SIZE = 5;
export const ROPE_ROTATE = 6; // 0 | 1
export const ROPE_NORM = 7; // 0 | 1
export const ROPE_EPS = 8; // f32 bits
export const ROPE_ANGLES_AT = 9;
export const ROPE_TEMPERATURE_AT = 10; // [rows] f32; 0: none
export const ROPE_CHUNKED = 11; // which page table
export const ROPE_TABLE_BLOCKS = 12, ROPE_CACHE_TYPE = 13;
export const ROPE_CACHE_AT = 14; // of this layer: page p of kv head h lies at cacheAt + h * headBytes + p * pageBytes
export const ROPE_PAGE_BYTES = 15, ROPE_PAGES = 16, ROPE_HEAD_BYTES = 17, ROPE_WORDS = 18;

export const ATTEND_TASKS_AT = 1, ATTEND_ROWS_AT = 2, ATTEND_QKV_AT = 3;
export const ATTEND_HEADS = 4, ATTEND_KV_HEADS = 5, ATTEND_HEAD_SIZE = 6;
export const ATTEND_SCALE = 7; // f32 bits
export const ATTEND_CHUNK = 8, ATTEND_CHUNKED = 9; // 0: full; which page table
export const ATTEND_CAUSAL = 10; // 0: every key of the task's blocks up to ATTEND_KEYS
export const ATTEND_KEYS = 11;
export const ATTEND_CACHE_TYPE = 12, ATTEND_CACHE_AT = 13, ATTEND_PAGE_BYTES = 14, ATTEND_PAGES = 15;
export const ATTEND_OUT_AT = 16; // [rows][heads * headSize] f32
export const ATTEND_PARTIALS_AT = 17; // [partials][heads][headSize + 2] f32
export const ATTEND_HEAD_BYTES = 18;
export const ATTEND_STREAMS = 19; // for a row alone: groups of an f32 page that are read at once, 1, 2, 4 or 8; 8-bit pages that are read before any is computed with, 1 or 8
export const ATTEND_QUERIES = 20, ATTEND_WORDS = 21; // queries that meet a key at once: at most 6

export const MERGE_LIST_AT = 1, MERGE_HEADS = 2, MERGE_HEAD_SIZE = 3, MERGE_PARTIALS_AT = 4, MERGE_OUT_AT = 5, MERGE_WORDS = 6;

export const ROUTE_LOGITS_AT = 1; // [rows][experts] f32
export const ROUTE_EXPERTS = 2, ROUTE_USED = 3;
export const ROUTE_SOFTMAX = 4; // 0: sigmoid
export const ROUTE_PICKS_AT = 5; // [rows][used] u32: the entry of each pick, experts ascending
export const ROUTE_SCORES_AT = 6; // [entries] f32
export const ROUTE_GATHER_AT = 7; // [entries] u32: the row of each entry
export const ROUTE_SEGMENTS_AT = 8, ROUTE_WORDS = 9;

export const COMBINE_X_AT = 1; // [rows][cols] f32: the residual; 0: the branch alone
export const COMBINE_COLS = 2;
export const COMBINE_SHARED_AT = 3; // [rows][cols] f32; 0: none
export const COMBINE_EXPERTS_AT = 4; // [entries][cols] f32
export const COMBINE_USED = 5, COMBINE_PICKS_AT = 6;
export const COMBINE_SCORES_AT = 7; // 0: scores went to the input
export const COMBINE_OUT_AT = 8; // [rows][cols] f32
export const COMBINE_WORDS = 9;

export const PACK_SOURCE_AT = 1, PACK_SOURCE_TYPE = 2;
export const PACK_OUTPUT_STRIDE = 3; // elements
export const PACK_INPUT_STRIDE = 4;
export const PACK_AT = 5; // the packed matrix
export const PACK_TYPE = 6;
export const PACK_ROWS = 7; // of the matrix
export const PACK_COLS = 8;
export const PACK_ROW_BEGIN = 9; // what the source holds; a multiple of GROUP
export const PACK_ROW_END = 10;
export const PACK_COL_BEGIN = 11; // of a stored type that is packed as it is: 0
export const PACK_COL_END = 12;
export const PACK_SCALES_AT = 13; // [rows] f32 that outputs are multiplied by; 0: none
export const PACK_WORDS = 14;

export const PROBABILITIES_OUT_AT = 21; // after the words of ATTEND: [heads][rows][keys] f32
export const PROBABILITIES_KEYS = 22, PROBABILITIES_WORDS = 23;

/** One segment: the rows; logits [rows][cols] f32; out and masses [rows][ceil(cols / PEAK)] f32; scales [rows] f32: 1 / temperature, 0: no masses. */
export const PEAKS_SEGMENTS_AT = 1, PEAKS_LOGITS_AT = 2, PEAKS_COLS = 3, PEAKS_OUT_AT = 4, PEAKS_SCALES_AT = 5, PEAKS_MASSES_AT = 6, PEAKS_WORDS = 7;

/** x, branch and out [rows][cols] f32; out may be x. */
export const ADD_X_AT = 1, ADD_BRANCH_AT = 2, ADD_COLS = 3, ADD_OUT_AT = 4, ADD_WORDS = 5;

// x [rows][cols] f32, table [tokens][cols] f32
export const PLACE_X_AT = 1, PLACE_TABLE_AT = 2, PLACE_TOKENS = 3, PLACE_COLS = 4, PLACE_WORDS = 5;

// a side has so many patches; frequencies [pairs] f32, of one axis; out [rows][2 pairs][cos, sin] f32
export const GRID_ANGLES_SIDE = 1, GRID_ANGLES_FREQUENCIES_AT = 2, GRID_ANGLES_PAIRS = 3, GRID_ANGLES_OUT_AT = 4, GRID_ANGLES_WORDS = 5;

// source [rows][cols] f32, out [rows][4 cols] f32; the side is even
export const SHUFFLE_SOURCE_AT = 1, SHUFFLE_COLS = 2, SHUFFLE_SIDE = 3, SHUFFLE_OUT_AT = 4, SHUFFLE_WORDS = 5;
