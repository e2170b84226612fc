import { EngineError, whatOf, withPartial } from "../error.ts";
import { checkPlain, isArray, isFunction, isRevoked, tell, wrong } from "../given.ts";
import { checkWellFormed } from "../tokenizer/tokenizer.ts";
import type { Generation } from "./generation.ts";
import type { CheckedOptions, GenerateOptions } from "./options.ts";
import type { Prompt } from "./prompt-ids.ts";
import { drawSeed, laterSeed } from "./seed.ts";
import type { Starter } from "./starter.ts";

/** What a batch is to do: where its prompts come from, and how one of them becomes generations. */

/** A prompt, or one with options of its own, which win over those of the batch. */
export type BatchPrompt = Prompt | { readonly prompt: Prompt; readonly options?: GenerateOptions };

/** Taken one by one, as there is room. */
export type BatchPrompts = Iterable<BatchPrompt> | AsyncIterable<BatchPrompt>;

export interface BatchOptions extends GenerateOptions {
  /** Generations of each prompt. Default 1. */
  n?: number;
  /** `throw` (default): the first error ends the batch. A function is told, and awaited, and the others go on. */
  onError?: "throw" | ((failure: BatchFailure) => unknown);
}

/** Whose it is: the place of the prompt, and which of its `n` samples. */
export interface BatchPlace {
  readonly index: number;
  readonly sample: number;
}

export interface BatchFailure {
  readonly index: number;
  /** undefined: the prompt or its options are wrong, so that none of its samples began. */
  readonly sample: number | undefined;
  readonly error: unknown;
}

export interface BatchPlan {
  readonly items: Iterator<BatchPrompt> | AsyncIterator<BatchPrompt>;
  readonly samples: number;
  /** Generations that share a step at most. */
  readonly together: number;
  /** Whether the model has text. */
  readonly text: boolean;
  readonly signal: AbortSignal | undefined;
  /** null: an error ends the batch. */
  readonly onError: ((failure: BatchFailure) => unknown) | null;
  /** Throws what is wrong with the prompt or its options. */
  prepare(item: BatchPrompt, index: number): (sample: number) => Generation;
}

export function planBatch(starter: Starter, prompts: unknown, options: BatchOptions | undefined): BatchPlan {
  checkPlain(options);
  const { n, onError, ...rest } = { ...options };
  const { signal, ...others } = starter.check(rest);
  // The batch cancels what is under way: thousands of generations need not listen to one signal.
  const shared: CheckedOptions = { ...others, signal: undefined };
  const samples = checkSamples(n);
  const base = drawSeed();
  const batch = {};
  const listener = checkListener(onError);
  // Before the copy: an array of holes, however long, ends at its first.
  if (isArray(prompts) && listener === null) {
    for (let index = 0; index < prompts.length; index++) inPrompt(index, () => glance(prompts[index], index));
  }
  return {
    items: itemsOf(prompts),
    samples,
    together: starter.together,
    text: starter.tokenizer !== null,
    signal,
    onError: listener,
    prepare: (item, index) => {
      const { prompt, own } = read(item, index);
      const checked = own === undefined ? shared : starter.check(own, [], shared);
      const field = `prompts[${index}]`;
      const { ids, warnings } = starter.read(prompt, field, checked.specialTokens);
      starter.fits(ids, field);
      return (sample) => {
        const seed =
          checked.seed === undefined ? laterSeed(base, index * samples + sample) : laterSeed(checked.seed, sample);
        return starter.generation(ids, checked, { warnings, seed, batch });
      };
    },
  };

  /** What can be seen of a prompt without the work of reading it: an array's mistakes show before its first answer. */
  function glance(item: unknown, index: number): void {
    const { prompt, own } = read(item, index);
    const { specialTokens } = own === undefined ? shared : starter.check(own, [], shared);
    const short = typeof prompt === "string" && prompt !== "" && starter.surelyFits(prompt);
    if (short) checkWellFormed(prompt);
    else starter.fits(starter.read(prompt, `prompts[${index}]`, specialTokens).ids, `prompts[${index}]`);
  }
}

/** What `work` throws, with the place of the prompt. */
function inPrompt<Result>(index: number, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw ofPrompt(error, index);
  }
}

/** Whether it is the end of all prompts, not the mistake of one. */
export function isOfAll(error: unknown): boolean {
  return error instanceof EngineError && (error.code === "DISPOSED" || error.code === "GENERATION_LEFT");
}

export function ofPrompt(error: unknown, index: number): unknown {
  const field = `prompts[${index}]`;
  if (!(error instanceof EngineError) || isOfAll(error) || error.at?.field?.startsWith(field)) return error;
  const own = new EngineError(error.code, whatOf(error), { at: { source: "prompt", field }, cause: error });
  return error.partial ? withPartial(own, error.partial, true) : own;
}

function read(item: unknown, index: number): { prompt: Prompt; own: unknown } {
  if (typeof item !== "object" || item === null || isRevoked(item) || !("prompt" in item))
    return { prompt: item as Prompt, own: undefined };
  const { prompt, options, ...others } = item as { prompt: Prompt; options?: unknown };
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) {
    throw new EngineError("REQ_UNSUPPORTED_PARAM", "a prompt of a batch has no such field", {
      at: { source: "prompt", field: `prompts[${index}]` },
      actual: unknown,
      limit: "prompt and options",
    });
  }
  return { prompt, own: options };
}

function itemsOf(prompts: unknown): BatchPlan["items"] {
  // Copied: what the caller does to the array meanwhile is not seen.
  if (isArray(prompts)) return (prompts.slice() as BatchPrompt[])[Symbol.iterator]();
  if (typeof prompts === "object" && prompts !== null && !isRevoked(prompts) && !ArrayBuffer.isView(prompts)) {
    const given = prompts as Partial<Record<typeof Symbol.asyncIterator | typeof Symbol.iterator, unknown>>;
    const open = given[Symbol.asyncIterator] ?? given[Symbol.iterator];
    const items = isFunction(open) ? (open.call(prompts as never) as Partial<BatchPlan["items"]> | null) : null;
    if (isFunction(items?.next)) return items as BatchPlan["items"];
  }
  throw notPrompts(prompts);
}

/** No array and nothing to iterate, or an iterator whose steps are none. */
export function notPrompts(actual: unknown): EngineError {
  return new EngineError("REQ_PARAM", "prompts", {
    at: { source: "prompt", field: "prompts" },
    actual: tell(actual),
    limit: "an array of prompts, or something else to iterate, sync or async",
  });
}

function checkSamples(n: unknown): number {
  if (n === undefined) return 1;
  if (Number.isSafeInteger(n) && (n as number) >= 1) return n as number;
  throw wrong("n", "not a number of samples", "an integer >= 1", n);
}

function checkListener(onError: unknown): BatchPlan["onError"] {
  if (onError === undefined || onError === "throw") return null;
  if (isFunction(onError)) return onError as BatchPlan["onError"];
  throw wrong("onError", "not a listener", '"throw" or a function', onError);
}
