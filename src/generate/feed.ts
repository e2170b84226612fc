/**
 * What comes in pieces, for any number of readers, each at its own pace. A reader that leaves is missed by nobody but
 * `onChange`, which is told whenever a reader takes a piece or leaves.
 */
export class Feed<Piece> {
  readonly #readers = new Set<FeedReader<Piece>>();
  /** Whatever came, for readers that come later; null: it was more than is kept. */
  #kept: Piece[] | null = [];
  readonly #keep: number;
  readonly #onChange: () => void;
  #end: End | null = null;

  /** `keep`: pieces at most that readers who come later still see. */
  constructor(options: { keep: number; onChange: () => void }) {
    this.#keep = options.keep;
    this.#onChange = options.onChange;
  }

  /** Whether who begins to read now sees everything. */
  get complete(): boolean {
    return this.#kept !== null;
  }

  /** Readers that have not left. */
  get readers(): number {
    return this.#readers.size;
  }

  /** Pieces that the slowest reader has still to take. */
  get backlog(): number {
    let most = 0;
    for (const { backlog } of this.#readers) most = Math.max(most, backlog);
    return most;
  }

  /** Pieces that the fastest reader has still to take; 0 without readers. */
  get lead(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const { backlog } of this.#readers) least = Math.min(least, backlog);
    return this.#readers.size === 0 ? 0 : least;
  }

  push(piece: Piece): void {
    if (this.#kept && this.#kept.push(piece) > this.#keep) this.#kept = null;
    for (const reader of this.#readers) reader.push(piece);
  }

  /** Nothing more comes. Readers get what they have not taken, then the error where there is one. */
  close(end: End): void {
    this.#end ??= end;
    for (const reader of this.#readers) reader.close(end);
  }

  read(): AsyncIterableIterator<Piece> {
    const reader = new FeedReader<Piece>(
      this.#kept ?? [],
      () => this.#onChange(),
      (left) => {
        this.#readers.delete(left);
        this.#onChange();
      },
    );
    this.#readers.add(reader);
    if (this.#end) reader.close(this.#end);
    return reader;
  }
}

export type End = { readonly error: unknown } | "done";

interface Waiting<Piece> {
  readonly resolve: (step: IteratorResult<Piece, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/** No generator: one that waits for its next piece would hear of `return` only after it. */
class FeedReader<Piece> implements AsyncIterableIterator<Piece> {
  #queue: Piece[];
  #next = 0;
  #waiting: Waiting<Piece>[] = [];
  #end: End | null = null;
  #left = false;
  readonly #onTake: () => void;
  readonly #onLeave: (reader: FeedReader<Piece>) => void;

  constructor(before: readonly Piece[], onTake: () => void, onLeave: (reader: FeedReader<Piece>) => void) {
    this.#queue = [...before];
    this.#onTake = onTake;
    this.#onLeave = onLeave;
  }

  get backlog(): number {
    return this.#queue.length - this.#next;
  }

  push(piece: Piece): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting.resolve({ value: piece, done: false });
    else this.#queue.push(piece);
  }

  close(end: End): void {
    this.#end ??= end;
    for (const waiting of this.#waiting.splice(0)) this.#finish(waiting);
  }

  next(): Promise<IteratorResult<Piece, undefined>> {
    return new Promise((resolve, reject) => {
      const waiting = { resolve, reject };
      if (this.backlog > 0) {
        resolve({ value: this.#take(), done: false });
        this.#onTake();
      } else if (this.#left || this.#end) this.#finish(waiting);
      else this.#waiting.push(waiting);
    });
  }

  async return(): Promise<IteratorResult<Piece, undefined>> {
    this.#queue = [];
    this.#next = 0;
    this.#end = "done";
    for (const waiting of this.#waiting.splice(0)) this.#finish(waiting);
    this.#leave();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #take(): Piece {
    const piece = this.#queue[this.#next++];
    // A reader that is always behind must not keep what it has read.
    if (this.#next === this.#queue.length || this.#next > 1024) {
      this.#queue = this.#queue.slice(this.#next);
      this.#next = 0;
    }
    return piece;
  }

  /** The error is told once. */
  #finish({ resolve, reject }: Waiting<Piece>): void {
    const end = this.#end;
    this.#end = "done";
    this.#leave();
    if (end === null || end === "done") resolve({ value: undefined, done: true });
    else reject(end.error);
  }

  #leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#onLeave(this);
  }
}
