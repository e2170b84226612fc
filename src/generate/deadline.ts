import { EngineError } from "../error.ts";

/** Calls `end` with DEADLINE after so many milliseconds, unless what it returns was called before. It keeps no process alive. */
export function startDeadline(milliseconds: number | undefined, end: (error: EngineError) => void): () => void {
  if (milliseconds === undefined) return () => {};
  const timer = setTimeout(() => end(pastDeadline(milliseconds)), milliseconds);
  // A number in browsers. Whoever is computed or read keeps the process alive by that; an answer that was dropped does not.
  if (typeof timer === "object") timer.unref();
  return () => clearTimeout(timer);
}

function pastDeadline(milliseconds: number): EngineError {
  return new EngineError("DEADLINE", "the answer was not there in time", {
    at: { source: "option", field: "deadline" },
    limit: `${milliseconds} ms`,
  });
}
