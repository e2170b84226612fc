import type { StoredType } from "../weight-types.ts";

/** What a checkpoint is, whatever its file format: named tensors, metadata, tokenizer texts. */

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
  /** What was odd so far, yet usable. */
  readonly warnings?: readonly string[];
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
  | BigUint64Array
  | BigInt64Array
  | Float64Array
  | Float32Array
  | Int32Array
  | Uint32Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array;

/** A metadata value with the type that a GGUF file gives it. */
export type WrittenValue =
  | { readonly u32: number }
  | { readonly f32: number }
  | { readonly bool: boolean }
  | { readonly text: string }
  | { readonly texts: readonly string[] }
  | { readonly bools: readonly boolean[] }
  | { readonly i32s: Int32Array }
  | { readonly f32s: Float32Array };

export interface Checkpoint {
  readonly format: "gguf" | "safetensors" | "random";
  /** Base name of the file or folder. */
  readonly name: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Names of tensors that are there in a type that no weights have here, with the type. */
  readonly unread?: ReadonlyMap<string, string>;
  /** GGUF key-value pairs; empty for folders. */
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  /** The bytes of a pair of `metadata` as the file has them, key, type and value. */
  storedPair?(key: string): Promise<Uint8Array>;
  /** Parsed JSON files of an HF folder, where present: `config.json`, `tokenizer.json`, ... */
  readonly json: ReadonlyMap<string, unknown>;
  /** `chat_template.jinja` of a folder, where present. */
  readonly chatTemplate: string | undefined;
  /** `additional_chat_templates/NAME.jinja` of a folder, by name. */
  readonly namedTemplates?: ReadonlyMap<string, string>;
  /** `tokenizer.model` of a folder without `tokenizer.json`: SentencePiece's own file. */
  readonly sentencePiece?: Uint8Array;
  readonly warnings: readonly string[];
  /** `verify` of every source: call it after the weights are read. */
  verify?(): Promise<void>;
  close(): Promise<void>;
}
