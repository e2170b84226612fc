import { orAborted } from "../abortable.ts";
import { EngineError } from "../error.ts";
import type { Model } from "../index.ts";
import { Turns } from "../turns.ts";
import { type Lease, type Models, unknownModel } from "./models.ts";
import type { ServedModel } from "./server-options.ts";

/** A model that is loaded when somebody asks for it. */
export interface PooledModel extends Omit<ServedModel, "model"> {
  /** The same for the same model: what a reload may keep. */
  readonly key: string;
  /** `maxMemory`: bytes that are left for it; one that needs more rejects with MODEL_TOO_LARGE before its weights are read. */
  load(options: { maxMemory: number | undefined }): Promise<Model>;
}

interface Shelf {
  readonly name: string;
  spec: PooledModel;
  model: Model | null;
  /** Requests that have it, or wait for it: it is not unloaded. */
  wanted: number;
  /** When it was asked for the last time. */
  used: number;
}

/** Models by name in so much memory: loaded on demand, the least recently used unloaded for another, none while it is used. */
export class ModelPool implements Models {
  #maxMemory: number | undefined;
  readonly #turns = new Turns();
  #shelves = new Map<string, Shelf>();
  #byName = new Map<string, Shelf>();
  /** No longer in the list, and still used. */
  readonly #retired = new Set<Shelf>();
  #clock = 0;
  #freed = () => {};

  constructor(models: Readonly<Record<string, PooledModel>>, { maxMemory }: { readonly maxMemory?: number } = {}) {
    this.replace(models, { maxMemory });
  }

  get names(): readonly string[] {
    return [...this.#shelves.keys()];
  }

  get loaded(): readonly { readonly name: string; readonly model: Model }[] {
    return this.#all.flatMap(({ name, model }) => (model ? [{ name, model }] : []));
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  async lease(name: string | undefined, signal: AbortSignal): Promise<Lease> {
    const shelf = name === undefined ? this.#shelves.values().next().value : this.#byName.get(name);
    if (!shelf) throw unknownModel();
    const { aliases: _, defaults = {}, chat = {} } = shelf.spec;
    shelf.wanted++;
    shelf.used = ++this.#clock;
    let left = false;
    const release = () => {
      if (left) return;
      left = true;
      shelf.wanted--;
      this.#freed();
      if (shelf.wanted === 0 && this.#retired.has(shelf)) void this.#turns.take(() => this.#unload(shelf));
    };
    // Who leaves while it waits for memory wants the model no longer, and keeps nobody else from loading.
    signal.addEventListener("abort", release, { once: true });
    try {
      if (signal.aborted) release();
      if (!left && !shelf.model)
        await orAborted(
          this.#turns.take(() => this.#load(shelf)),
          signal,
        );
      signal.throwIfAborted();
      return { name: shelf.name, model: shelf.model!, defaults, chat, release };
    } catch (error) {
      release();
      throw error;
    } finally {
      signal.removeEventListener("abort", release);
    }
  }

  /** Other models from now on, in so much memory. What stays the same stays loaded; what goes is unloaded when its requests have ended. */
  replace(models: Readonly<Record<string, PooledModel>>, { maxMemory }: { readonly maxMemory?: number } = {}): void {
    const before = this.#shelves;
    const shelves = new Map<string, Shelf>();
    const byName = new Map<string, Shelf>();
    for (const [name, spec] of Object.entries(models)) {
      const old = before.get(name);
      const shelf = old?.spec.key === spec.key ? old : { name, spec, model: null, wanted: 0, used: 0 };
      shelves.set(name, shelf);
      for (const one of [name, ...(spec.aliases ?? [])]) {
        if (byName.has(one)) {
          const at = { source: "option", field: `models.${name}` } as const;
          throw new EngineError("OPTION_RANGE", "two models of one name", {
            at,
            actual: one,
            limit: "names that differ",
          });
        }
        byName.set(one, shelf);
      }
    }
    // Nothing has changed until all of it is known to be right.
    this.#maxMemory = maxMemory;
    for (const [name, shelf] of shelves) shelf.spec = models[name];
    for (const [name, shelf] of before) {
      if (shelves.get(name) === shelf) continue;
      this.#retired.add(shelf);
      if (shelf.wanted === 0) void this.#turns.take(() => this.#unload(shelf));
    }
    this.#shelves = shelves;
    this.#byName = byName;
  }

  async dispose(): Promise<void> {
    await this.#turns.ended();
    for (const shelf of this.#all) await this.#unload(shelf);
  }

  get #all(): Shelf[] {
    return [...this.#shelves.values(), ...this.#retired];
  }

  /** One after the other: what is left for one depends on the others. */
  async #load(shelf: Shelf): Promise<void> {
    while (!shelf.model && shelf.wanted > 0) {
      const taken = this.loaded.reduce((sum, { model }) => sum + model.info.memory.total, 0);
      const left = this.#maxMemory === undefined ? undefined : this.#maxMemory - taken;
      try {
        if (left !== undefined && left <= 0) throw new EngineError("MODEL_TOO_LARGE", "no memory is left");
        shelf.model = await shelf.spec.load({ maxMemory: left });
      } catch (error) {
        const full = error instanceof EngineError && /^(MODEL_TOO_LARGE|OOM_MEMORY)$/.test(error.code);
        const others = this.#all.filter((one) => one.model);
        if (!full || others.length === 0) throw error;
        const idle = others.filter(({ wanted }) => wanted === 0).sort((a, b) => a.used - b.used)[0];
        if (idle) await this.#unload(idle);
        else
          await new Promise<void>((resolve) => {
            this.#freed = resolve;
          });
      }
    }
  }

  async #unload(shelf: Shelf): Promise<void> {
    const { model } = shelf;
    shelf.model = null;
    this.#retired.delete(shelf);
    await model?.dispose();
  }
}
