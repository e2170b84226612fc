/**
 * What a value is, whichever realm made it. Test runners (Jest, vitest's vm pools), simulated pages (jsdom), bundlers and frames hand
 * over values of another global object, whose classes are not ours: `instanceof` is false there. What is asked instead: the tag that
 * the platform gives its objects, and the members that are used.
 */

/** What cannot be asked, as a revoked proxy or an object that only inherits from a signal, is nothing of what is looked for. */
function ask<Answer>(question: () => Answer): Answer | undefined {
  try {
    return question();
  } catch {
    return undefined;
  }
}

const tagOf = (value: unknown): string => ask(() => Object.prototype.toString.call(value).slice(8, -1)) ?? "";
const has = (value: unknown, member: string, type: string): boolean =>
  ask(() => typeof (value as Record<string, unknown>)[member]) === type;

/** A Uint8Array, or one of its kin as Node's Buffer. */
export const isBytes = (value: unknown): value is Uint8Array => isTyped(value, "Uint8Array");

interface TypedArrays {
  Uint8Array: Uint8Array<ArrayBuffer>;
  Int32Array: Int32Array;
  Float32Array: Float32Array;
}

export function isTyped<Name extends keyof TypedArrays>(value: unknown, name: Name): value is TypedArrays[Name] {
  return ArrayBuffer.isView(value) && tagOf(value) === name;
}

/** A Blob, or the File that a page's input gives. */
export function isBlob(value: unknown): value is Blob {
  return /^(Blob|File)$/.test(tagOf(value)) && has(value, "size", "number") && has(value, "slice", "function");
}

export const isUrl = (value: unknown): value is URL => tagOf(value) === "URL" && has(value, "href", "string");

export function isSignal(value: unknown): value is AbortSignal {
  return (
    tagOf(value) === "AbortSignal" && has(value, "aborted", "boolean") && has(value, "addEventListener", "function")
  );
}

const followers = new WeakMap<AbortSignal, AbortSignal>();

/** The same signal for APIs that take none but their own: of another realm's one that follows it, always the same. */
export function ownSignal(signal: AbortSignal): AbortSignal {
  if ((signal as unknown) instanceof AbortSignal) return signal;
  let follower = followers.get(signal);
  if (!follower) {
    const controller = new AbortController();
    follower = controller.signal;
    const abort = () => controller.abort(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    followers.set(signal, follower);
  }
  return follower;
}

/** The `code` that the errors of a runtime carry, whatever class they are of. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}
