import { isArray, isPlain, outOfRange, wrong } from "../given.ts";
import type { GenerateOptions, Model } from "../index.ts";
import { Refusal } from "./refusal.ts";
import type { ServedChat, ServedModel } from "./server-options.ts";
import { VERSION } from "./version.ts";

/** A model while a request uses it. */
export interface Lease {
  readonly name: string;
  readonly model: Model;
  readonly defaults: GenerateOptions;
  readonly chat: ServedChat;
  release(): void;
}

/** Which models there are, by name; whoever asks for one has it until the request ends. */
export interface Models {
  /** Names, without aliases. */
  readonly names: readonly string[];
  /** Of those that are loaded. */
  readonly loaded: readonly { readonly name: string; readonly model: Model }[];
  /** Undefined: the first. Throws 404 where there is none of that name. */
  lease(name: string | undefined, signal: AbortSignal): Promise<Lease>;
  has(name: string): boolean;
}

/** One model under the name of its file, or several by name. */
export type ModelsLike = Model | Readonly<Record<string, Model | ServedModel>>;

export function modelsOf(given: ModelsLike | Models): Models {
  if (isModels(given)) return given;
  if (isModel(given)) return fixed({ [nameOf(given)]: given });
  if (!isPlain(given)) throw wrong("model", "no model", "a model, or { name: model }", given);
  return fixed(given as Readonly<Record<string, Model | ServedModel>>);
}

const isModels = (given: unknown): given is Models => typeof (given as Models | null)?.lease === "function";
const isModel = (given: unknown): given is Model => typeof (given as Model | null)?.generate === "function";

/** `storyteller-q8_0.gguf` -> `storyteller-q8_0`. */
const nameOf = (model: Model) => model.info.name.replace(/\.gguf$/i, "");

function fixed(given: Readonly<Record<string, Model | ServedModel>>): Models {
  const byName = new Map<string, { name: string } & ServedModel>();
  const names = Object.keys(given);
  if (names.length === 0) throw outOfRange("model", "no model", "at least one");
  const loaded = names.map((name) => {
    const one = given[name];
    const served: ServedModel = isModel(one) ? { model: one } : one;
    if (!isModel(served.model))
      throw wrong(`model.${name}`, "no model", "a model, or { model, aliases, defaults }", one);
    if (served.aliases !== undefined && !isArray(served.aliases))
      throw wrong(`model.${name}.aliases`, "no list of names", "an array of strings", served.aliases);
    for (const alias of [name, ...(served.aliases ?? [])]) {
      if (byName.has(alias)) throw outOfRange(`model.${name}`, alias, "names that differ");
      byName.set(alias, { name, ...served });
    }
    return { name, model: served.model };
  });
  return {
    names,
    loaded,
    has: (name) => byName.has(name),
    lease: async (name = names[0]) => {
      const found = byName.get(name);
      if (!found) throw unknownModel();
      return {
        name: found.name,
        model: found.model,
        defaults: found.defaults ?? {},
        chat: found.chat ?? {},
        release: () => {},
      };
    },
  };
}

/** The same words whatever the name was: nothing is looked for but in the list. */
export function unknownModel(): Refusal {
  return new Refusal(404, "model_not_found", "there is no model of that name, /v1/models lists them", {
    param: "model",
  });
}

/** The same fingerprint and seed: the same bytes. */
export function fingerprintOf({ info }: Model): string {
  const adapters = info.adapters.map(({ name }) => `-${name}`).join("");
  return `fp_${info.fingerprint}-${info.build.name}-${VERSION}${adapters}`;
}
