import { EngineError } from "../dist/src/index.js";

/** The code of the EngineError that `work` throws or rejects with; other errors as text; undefined where it succeeds. */
export async function codeOf(work: () => unknown): Promise<string | undefined> {
  try {
    await work();
  } catch (error) {
    return error instanceof EngineError ? error.code : String(error);
  }
  return undefined;
}

/** The EngineError that `work` throws or rejects with; whatever else comes of it is the test's failure. */
export async function errorOf(work: () => unknown): Promise<EngineError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof EngineError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
