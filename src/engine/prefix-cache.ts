import { orAborted } from "../abortable.ts";
import { isSinkTarget, openSink, type Sink } from "../checkpoint/file-sink.ts";
import { openSource, type SourceLike } from "../checkpoint/source.ts";
import { EngineError } from "../error.ts";
import { type AdapterChoice, checkAdapter } from "../generate/adapter-choice.ts";
import { checkSalt, checkSignal } from "../generate/options.ts";
import { encodePrefix, readPrefixIds, readPrefixPages, wholeBlocks } from "../generate/prefix-file.ts";
import type { Prefixes, PrefixStats } from "../generate/prefixes.ts";
import type { Scheduler } from "../generate/scheduler.ts";
import { checkTokenIds, outOfRange, readOptions, tell, wrong } from "../given.ts";
import type { ResidentModel } from "../model/run/resident.ts";

export interface PrefixOptions {
  /** As in `generate`: who may begin with it. */
  salt?: string;
  /** As in `generate`: what it is computed with. A file is of one adapter, or of none. */
  adapter?: AdapterChoice;
  signal?: AbortSignal;
}

export interface PrefixParts {
  readonly resident: ResidentModel;
  readonly scheduler: Scheduler;
  /** null: nothing is kept. */
  readonly prefixes: Prefixes | null;
  /** Names of the model's adapters. */
  readonly adapters: readonly string[];
  /** Throws when the model is gone. */
  refuseDisposed(): void;
}

/** What a model keeps of texts that it computed, for whatever begins with the same ids. */
export class PrefixCache {
  readonly #parts: PrefixParts;

  /** @internal */
  constructor(parts: PrefixParts) {
    this.#parts = parts;
  }

  stats(): PrefixStats {
    return this.#parts.prefixes?.stats ?? { pages: 0, bytes: 0, hits: 0, cachedTokens: 0, misses: 0 };
  }

  /** Forgets everything; what runs is not disturbed. */
  clear(): void {
    this.#parts.prefixes?.clear();
  }

  /**
   * Writes keys and values of `ids`, in whole blocks of 64, as a file: a path (which appears when it is whole) or a stream. What is not
   * known of them is computed first. Resolves with how many ids that were.
   */
  async save(
    ids: ArrayLike<number>,
    target: string | WritableStream<Uint8Array>,
    options?: PrefixOptions,
  ): Promise<{ positions: number }> {
    const { resident, scheduler } = this.#parts;
    const { signal, ...kin } = this.#check(options);
    const all = checkTokenIds(ids, resident.config.vocab, { source: "prompt", field: "ids" });
    const whole = wholeBlocks(all);
    if (whole.length === 0 || whole.length > resident.sizes.context)
      throw outOfRange("ids", `${all.length} ids`, `a block of 64, to ${resident.sizes.context} ids`);
    if (!isSinkTarget(target))
      throw wrong("target", "not a place for a file", "a path or a WritableStream", tell(target));
    const sequence = scheduler.open(kin);
    let sink: Sink | undefined;
    try {
      sink = await openSink(target);
      const nothing = () => null;
      do await scheduler.run(sequence, { ids: whole, logitsFrom: whole.length, signal, onLogits: nothing });
      while (!scheduler.hold(sequence));
      for (const bytes of encodePrefix(resident, sequence)) {
        signal?.throwIfAborted();
        await orAborted(sink.write(bytes), signal);
      }
      // A rename is waited for: it must not happen after the error.
      await (typeof target === "string" ? sink.commit() : orAborted(sink.commit(), signal));
      return { positions: whole.length };
    } catch (error) {
      await sink?.discard(error);
      throw error;
    } finally {
      scheduler.close(sequence);
    }
  }

  /**
   * Reads such a file; whatever begins with its ids begins behind them. The model's fingerprint must be the one that wrote it:
   * runtime, threads, builds and memories may be others. A foreign, cut or altered file changes nothing: PREFIX_FORMAT,
   * PREFIX_MODEL, PREFIX_DATA.
   */
  async load(from: SourceLike, options?: PrefixOptions): Promise<{ positions: number }> {
    const { resident, scheduler, prefixes } = this.#parts;
    const { signal, ...kin } = this.#check(options);
    if (!prefixes) {
      throw new EngineError("PREFIX_OFF", "this model keeps no prefixes", {
        at: { source: "option", field: "prefixCache" },
        limit: "a model that was not loaded with prefixCache: false",
      });
    }
    const source = await openSource(from, signal);
    try {
      const ids = await readPrefixIds(resident, source, kin.adapter, signal);
      const sequence = scheduler.open(kin);
      sequence.ids = ids;
      await scheduler.store(sequence, () => readPrefixPages(resident, source, sequence, signal), signal);
      return { positions: ids.length };
    } finally {
      await source.close();
    }
  }

  #check(options: PrefixOptions | undefined) {
    this.#parts.refuseDisposed();
    const given = readOptions(options, ["salt", "adapter", "signal"]);
    const salt = checkSalt(given.salt);
    const adapter = checkAdapter(given.adapter, this.#parts.adapters);
    const signal = checkSignal(given.signal);
    signal?.throwIfAborted();
    return { salt, adapter, signal };
  }
}
