/** What a worker is started with, and what is left in the hands of who started it. */

export interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly memories: readonly WebAssembly.Memory[];
  readonly crossings: readonly (Crossing | null)[];
  /** Where steps that follow each other find what they need; null: every step is asked for. */
  readonly onward: OnwardTables | null;
  readonly thread: number;
}

/** What crosses from memory i - 1 to memory i before its program starts. */
export interface Crossing {
  readonly from: number; // byte addresses
  readonly to: number;
  readonly rowBytes: number;
  /** Word of the control block that holds the number of rows. */
  readonly rowsWord: number;
}

/** Byte addresses: of the table of rows in each memory that a step walks, and in the last of them of all else. */
export interface OnwardTables {
  readonly rows: readonly number[];
  readonly vocab: number;
  readonly logits: number; // [rows, vocab]
  readonly peaks: number; // [rows, spans]
  readonly scales: number; // [rows]
  readonly masses: number; // [rows, spans]
  readonly ends: number; // [count, ids]
  readonly drawings: number; // [rows] f64
  readonly drawn: number; // [steps, rows]
}

export interface Spawned {
  /** Whether this worker keeps the process alive. */
  ref(): void;
  unref(): void;
  /** Resolves when the worker is gone; ends it by force where it does not go by itself. */
  end(): Promise<void>;
}

/** How long a worker that was told to end may take before it is made to. */
export const END_MS = 2_000;
