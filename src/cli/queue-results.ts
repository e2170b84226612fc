import type { Job, Queue } from "bullmq";
import { type Ended, refused } from "./batch-answer.ts";
import type { BatchLine } from "./batch-lines.ts";

/** What a worker leaves in Redis, and what is believed of it. */
export interface LineResult extends Ended {
  readonly tokens: number;
}

/** null: the job has not ended. What is no result of that line is an error of the line. */
export async function resultOf(queue: Queue, id: string, line: BatchLine): Promise<LineResult | null> {
  const error = (message: string, code: string) => ({ ...refused(line, message, code), tokens: 0 });
  let job: Job | undefined;
  try {
    job = await queue.getJob(id);
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    return error("its job in Redis was changed", "invalid_result");
  }
  if (job?.finishedOn === undefined) return null;
  const { returnvalue, failedReason } = job as { returnvalue: unknown; failedReason: unknown };
  if (isResultOf(line, returnvalue)) return returnvalue;
  if (returnvalue === null && typeof failedReason === "string")
    return error(`no worker could answer it: ${failedReason}`, "worker_failed");
  return error("what is in Redis is no result of it", "invalid_result");
}

function isResultOf({ customId, number }: BatchLine, value: unknown): value is LineResult {
  const { line, failed, tokens } = (value ?? {}) as Record<string, unknown>;
  if (typeof line !== "string" || typeof failed !== "boolean" || !Number.isSafeInteger(tokens)) return false;
  // It would be two lines of the file.
  if (line.includes("\n") || line.includes("\r")) return false;
  try {
    const told = JSON.parse(line) as Record<string, unknown> | null;
    return told?.["custom_id"] === customId && told["line"] === (failed ? number : undefined);
  } catch {
    return false;
  }
}
