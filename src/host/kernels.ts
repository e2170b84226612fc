import { EngineError, quoteName } from "../error.ts";

/** What goes wrong with the kernels before they run, in the same words on every host. */

/** `places`: where they were looked for, in that order. `advice`: what to do about it on this host. */
export function kernelsMissing(
  file: string,
  places: readonly string[],
  advice: string,
  actual?: string,
  cause?: unknown,
): EngineError {
  const looked = places.map(shown).join(", then ") || "nowhere: the code has no address";
  return new EngineError("KERNELS_MISSING", `the kernels cannot be read; looked for ${looked}; ${advice}`, {
    at: { source: "file", file },
    actual,
    cause,
  });
}

/** Printable, and whole however long: it is the end that is wanted. */
function shown(place: string): string {
  const parts = place.split("/").map((part) => quoteName(part, false));
  return `"${parts.join("/")}"`;
}

/** A server that answers every address with its start page, a file cut short, a host without SIMD, or a policy without 'wasm-unsafe-eval'. */
export function kernelsInvalid(file: string, cause: unknown): EngineError {
  return new EngineError("KERNELS_INVALID", "the host does not compile the kernels", {
    at: { source: "file", file },
    actual: String((cause as { message?: unknown } | null)?.message ?? cause),
    cause,
  });
}
