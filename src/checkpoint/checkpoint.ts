/** What a checkpoint is, whatever its file format: named tensors, metadata, tokenizer texts. */

/** Element types as stored, by their GGUF names. `i32` and `f64` style types are known to readers but never weights. */
export type StoredType = "f32" | "f16" | "bf16" | "q8_0" | "q4_0";

/** Elements a block, bytes a block. */
export const STORED_BLOCKS: Record<StoredType, { elements: number; bytes: number }> = {
  f32: { elements: 1, bytes: 4 },
  f16: { elements: 1, bytes: 2 },
  bf16: { elements: 1, bytes: 2 },
  q8_0: { elements: 32, bytes: 34 },
  q4_0: { elements: 32, bytes: 18 },
};

/**
 * A range of bytes that can be read piecewise; knows nothing of formats. Callers may write their own: a bucket, a cache, a socket.
 * What it throws that is no EngineError becomes `FILE_IO`.
 */
export interface ByteSource {
  /** Base name, for messages. */
  readonly name: string;
  /** Bytes; asked once. */
  readonly size: number;
  /**
   * Fills `into` whole from `offset`; `into` may lie in shared memory.
   * A short file is `FILE_CHANGED`, an I/O failure `FILE_IO`.
   */
  read(offset: number, into: Uint8Array): Promise<void>;
  /** Where the source can tell: `FILE_CHANGED` if it is no longer what was opened. Called after the last read. */
  verify?(): Promise<void>;
  /** Called once the checkpoint is read, and after every error. */
  close(): Promise<void>;
}

export interface StoredTensor {
  readonly name: string;
  readonly type: StoredType;
  /** Outermost dimension first, as PyTorch prints it; the last one is contiguous. */
  readonly shape: readonly number[];
  readonly source: ByteSource;
  /** Absolute offset of the first byte in `source`. */
  readonly offset: number;
  readonly bytes: number;
}

export type MetadataValue = number | bigint | boolean | string | MetadataArray;
export type MetadataArray =
  | readonly string[]
  | readonly boolean[]
  | readonly bigint[]
  | Float64Array
  | Float32Array
  | Int32Array
  | Uint32Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array;

export interface Checkpoint {
  readonly format: "gguf" | "safetensors" | "random";
  /** Base name of the file or folder. */
  readonly name: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** GGUF key-value pairs; empty for folders. */
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  /** Parsed JSON files of an HF folder, where present: `config.json`, `tokenizer.json`, ... */
  readonly json: ReadonlyMap<string, unknown>;
  /** `chat_template.jinja` of a folder, where present. */
  readonly chatTemplate: string | undefined;
  readonly warnings: readonly string[];
  /** `verify` of every source: call it after the weights are read. */
  verify?(): Promise<void>;
  close(): Promise<void>;
}
