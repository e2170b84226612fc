import { EngineError } from "../error.ts";
import type { Generation } from "../generate/generation.ts";
import { checkCall, type Formatted, type GenerateOptions } from "../generate/options.ts";
import type { Prompt } from "../generate/prompt-ids.ts";
import type { Scheduler } from "../generate/scheduler.ts";
import type { Seat } from "../generate/seat.ts";
import type { Seen } from "../generate/seen.ts";
import type { Kin, Sequence } from "../generate/sequence.ts";
import { type PixelValues, type Sight, sightless } from "../generate/sight.ts";
import type { Starter } from "../generate/starter.ts";
import { checkPlain, checkTokenIds, tell } from "../given.ts";
import type { ChatMessage } from "../tokenizer/chat.ts";
import { ChatHistory } from "../tokenizer/chat-history.ts";
import { Turns } from "../turns.ts";
import type { ChatOptions } from "./chat-request.ts";
import type { Chats } from "./chats.ts";

interface SessionParts {
  readonly scheduler: Scheduler;
  readonly starter: Starter;
  readonly chats: Chats;
  readonly vocab: number;
  readonly context: number;
  /** null: the model reads text only. */
  readonly sight: Sight | null;
  readonly kin: Kin;
  /** Throws when the model is gone. */
  readonly refuseDisposed: () => void;
}

const TEXT: ReadonlyMap<number, Float32Array> = new Map();

/** Salt and adapter are the session's. */
export type SessionGenerateOptions = Omit<GenerateOptions, "salt" | "adapter">;
export type SessionChatOptions = Omit<ChatOptions, "salt" | "adapter">;

/**
 * One timeline that the caller edits by naming what it should hold: `sync(ids)` reuses the common prefix, forgets what differs,
 * computes what is new. These calls queue in order. `generate` and `chat` go on from what it holds; while one of their answers is
 * computed, everything else is refused with SESSION_BUSY. While nobody asks, others may take its pages: what it held is then computed
 * again.
 *
 * An answer leaves the session with its prompt and `result().ids`. One that was aborted or failed leaves it with its prompt and the ids
 * drawn by then (`answer.partial.ids`), or with what it held before where none was.
 */
export class Session {
  readonly #scheduler: Scheduler;
  readonly #parts: SessionParts;
  readonly #sequence: Sequence;
  #ids: readonly number[] = [];
  /** Of the pictures in them. */
  #rows = TEXT;
  /** Logits after the last id; null where they must be computed again. */
  #logits: Float32Array | null = null;
  readonly #turns = new Turns();
  /** Calls that wait or run. */
  #calls = 0;
  /** Its answer is being computed. */
  #answering: Generation | null = null;
  /** Of the last chat. */
  #history: ChatHistory | null = null;
  readonly #gone = new AbortController();
  #disposed = false;

  /** @internal */
  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#scheduler = parts.scheduler;
    this.#sequence = parts.scheduler.open(parts.kin);
  }

  /** The ids that the timeline holds: a copy. While an answer is computed, those before it. */
  get ids(): readonly number[] {
    return this.#plain(this.#ids);
  }

  #plain(ids: readonly number[]): number[] {
    return ids.map((id) => (this.#rows.has(id) ? this.#parts.sight!.patchId : id));
  }

  /**
   * Makes the timeline equal `ids`, with the pictures of `pixelValues` in the places of patches. After an abort or an error it holds a
   * prefix of them, or what it held where nothing began.
   */
  async sync(ids: ArrayLike<number>, options?: { signal?: AbortSignal; pixelValues?: PixelValues }): Promise<void> {
    this.#refuseEnded();
    const wanted = checkTokenIds(ids, this.#parts.vocab, { source: "prompt", field: "ids" });
    const { signal, pixelValues } = checkCall(options, ["pixelValues"]);
    const { context, sight } = this.#parts;
    if (wanted.length > context) {
      throw new EngineError("CONTEXT_LENGTH", "the ids do not fit the context", {
        at: { source: "prompt", field: "ids" },
        actual: `${wanted.length} ids`,
        limit: `at most ${context}`,
      });
    }
    if (!sight && pixelValues !== undefined) throw sightless("pixelValues");
    const tiles = sight?.read(wanted, pixelValues) ?? [];
    return this.#then(async () => {
      await this.#sync(
        tiles.length > 0 ? await sight!.see(wanted, tiles, signal) : { ids: wanted, rows: TEXT },
        signal,
      );
    });
  }

  /** A copy of the logits after the last id, [vocab]. */
  logits(): Promise<Float32Array> {
    return this.#then(async () => {
      if (this.#ids.length === 0)
        throw new EngineError("SESSION_EMPTY", "no logits before the first id", { at: { source: "prompt" } });
      if (!this.#logits) await this.#sync({ ids: this.#ids, rows: this.#rows }, undefined);
      return this.#logits!.slice();
    });
  }

  /** Keeps the first `length` ids. */
  rewind(length: number): Promise<void> {
    return this.#then(async () => {
      if (!Number.isInteger(length) || length < 0 || length > this.#ids.length) {
        throw new EngineError("OPTION_RANGE", "rewind", {
          at: { source: "option", field: "length" },
          actual: tell(length),
          limit: `an integer from 0 to ${this.#ids.length}`,
        });
      }
      if (length < this.#ids.length) this.#keep(length);
    });
  }

  /**
   * Appends `more` and goes on from there: text (with the begin-of-text id in front as the file says where nothing is held yet, else as
   * what goes on the text before it), ids, or nothing. Equals `model.generate` of all the ids to the bit. Like that it begins when
   * somebody listens; where the session then holds something else, with SESSION_MOVED.
   */
  generate<Value>(more: Prompt, options: Formatted<SessionGenerateOptions, Value>): Generation<Value>;
  generate(more?: Prompt, options?: SessionGenerateOptions): Generation;
  generate(more: Prompt = [], options?: SessionGenerateOptions): Generation {
    this.#refuseEnded();
    this.#refuseBusy();
    refuseKin(options);
    const { starter } = this.#parts;
    const checked = starter.check(options);
    const held = this.#ids;
    const place = held.length === 0 ? "begins" : "continues";
    const { ids, warnings } = starter.read(more, "prompt", checked.specialTokens, place);
    const prompt = [...held, ...ids];
    starter.fits(prompt, "prompt");
    const rows = this.#rows;
    const plain = this.#plain(prompt);
    const see = rows.size === 0 ? undefined : async () => ({ prompt: plain, ids: prompt, rows });
    return this.#answer(prompt, held, (seat) => starter.generation(plain, checked, { warnings, seat, see }));
  }

  /**
   * Answers messages, all of the conversation, through the checkpoint's template, and holds them and the answer in place of what it held.
   * The ids of the turns that the last chat ended with are kept, as far as the template writes the same of them: text is made into
   * tokens once, and what the model wrote stays what it wrote.
   */
  chat<Value>(messages: readonly ChatMessage[], options: Formatted<SessionChatOptions, Value>): Generation<Value>;
  chat(messages: readonly ChatMessage[], options?: SessionChatOptions): Generation;
  chat(messages: readonly ChatMessage[], options?: SessionChatOptions): Generation {
    this.#refuseEnded();
    this.#refuseBusy();
    refuseKin(options);
    const { chats } = this.#parts;
    const history = this.#history ?? new ChatHistory(chats.tokenizer);
    const request = chats.read(messages, options, (prompt) => history.recall(prompt));
    const { text, ids, open, pictures } = request;
    if (pictures.length > 0)
      throw new EngineError(
        "REQ_UNSUPPORTED_CONTENT",
        "a session's chat reads text: prefixes of model.chat are shared",
        {
          at: { source: "prompt", field: pictures[0].field },
          limit: "model.chat, or pixelValues of sync",
        },
      );
    return this.#answer(
      ids,
      null,
      (seat) => chats.answer(request, seat),
      (answer) => {
        this.#history = history.after(text, ids, answer, open);
      },
    );
  }

  /** `held`: what it goes on from; null: whatever is held. `keep` is told of the answer's ids. */
  #answer(
    prompt: readonly number[],
    held: readonly number[] | null,
    begin: (seat: Seat) => Generation,
    keep: (answer: readonly number[]) => void = () => {},
  ): Generation {
    const generation = begin({
      signal: this.#gone.signal,
      run: async (request) => {
        this.#refuseEnded();
        this.#refuseBusy();
        if (held && !isSame(held, this.#ids)) {
          throw new EngineError("SESSION_MOVED", "the session was changed between the call and its first reader", {
            at: { source: "prompt" },
          });
        }
        this.#answering = generation;
        return await this.#scheduler.run(this.#sequence, request);
      },
      left: (well) => {
        if (this.#answering !== generation) return;
        this.#answering = null;
        const { ids } = generation.partial;
        if (!well && ids.length === 0) return;
        this.#ids = [...prompt, ...ids];
        this.#logits = null;
        keep(ids);
      },
    });
    return generation;
  }

  async #sync({ ids: wanted, rows }: Seen, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#logits && isSame(wanted, this.#ids)) return;
    if (wanted.length === 0) return this.#keep(0);
    const sequence = this.#sequence;
    let logits: Float32Array | null = null;
    try {
      await this.#scheduler.run(sequence, {
        ids: wanted,
        rows: rows.size > 0 ? rows : undefined,
        logitsFrom: wanted.length - 1,
        signal,
        onLogits: (last) => {
          logits = last.slice();
          return null;
        },
      });
    } finally {
      const begun = isSame(wanted, sequence.ids);
      if (begun) {
        this.#ids = wanted.slice(0, logits ? wanted.length : sequence.computed);
        this.#rows = rows;
      }
      if (begun || logits) this.#logits = logits;
    }
  }

  #keep(length: number): void {
    this.#ids = this.#ids.slice(0, length);
    this.#scheduler.forget(this.#sequence, length);
    this.#logits = null;
  }

  async #then<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#refuseAnswering();
    this.#calls++;
    try {
      return await this.#turns.take(() => {
        this.#refuseEnded();
        return work();
      });
    } finally {
      this.#calls--;
    }
  }

  #refuseEnded(): void {
    this.#parts.refuseDisposed();
    if (this.#disposed) throw disposed();
  }

  /** Where it stands is known when nothing is under way. */
  #refuseBusy(): void {
    this.#refuseAnswering();
    if (this.#calls > 0) throw busy("calls of the session are under way: await them");
  }

  #refuseAnswering(): void {
    if (this.#answering) throw busy("an answer of the session is being computed: await or cancel it");
  }

  /** Ends an answer that is being computed, and gives the cache pages back. */
  async dispose(): Promise<void> {
    this.#gone.abort(disposed());
    await this.#turns.ended();
    if (this.#disposed) return;
    this.#disposed = true;
    this.#scheduler.close(this.#sequence);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

const isSame = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((id, index) => id === b[index]);

const disposed = () => new EngineError("DISPOSED", "the session was disposed");
const busy = (what: string) => new EngineError("SESSION_BUSY", what, { at: { source: "prompt" } });

/** A sequence has one salt and one adapter from its beginning to its end. */
function refuseKin(options: object | undefined): void {
  checkPlain(options);
  for (const field of ["salt", "adapter"]) {
    if (options && field in options)
      throw new EngineError("REQ_UNSUPPORTED_PARAM", `${field} is the session's`, {
        at: { source: "option", field },
        limit: `no such option: model.session({ ${field} })`,
        actual: field,
      });
  }
}
