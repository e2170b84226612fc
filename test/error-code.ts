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
