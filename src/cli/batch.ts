import type { BatchCommand } from "./batch-arguments.ts";
import { answerHere } from "./batch-here.ts";
import { countLines } from "./batch-lines.ts";
import { BatchOutput } from "./batch-output.ts";
import { BatchProgress } from "./batch-progress.ts";
import type { Interrupts } from "./interrupts.ts";
import { answerByQueue } from "./queue-batch.ts";
import { UsageError } from "./split.ts";

/** What answers the lines of a batch. */
export interface BatchWork {
  readonly command: BatchCommand;
  readonly output: BatchOutput;
  readonly progress: BatchProgress;
  readonly signal: AbortSignal;
}

/**
 * `wasmaverick batch in.jsonl out.jsonl`: each line is a request, answered as a server answers it. What is in the files already is not
 * asked again: a batch that was killed goes on.
 */
export async function batch(command: BatchCommand, interrupts: Interrupts): Promise<void> {
  const { input, json } = command;
  const { signal } = interrupts;
  const total = await countLines(input).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`the lines cannot be read, got ${error.code ?? error.message}, expected a file of JSON lines`);
  });
  const output = await BatchOutput.open(command.output, command.errors);
  const progress = new BatchProgress(input, total, output.count);
  try {
    const work = { command, output, progress, signal };
    if (command.queue === undefined) await answerHere(work);
    else await answerByQueue(command.queue, work);
  } finally {
    progress.erase();
    await output.close();
  }
  await progress.tell(json);
  if (progress.failed > 0 && !signal.aborted) interrupts.exitCode ??= 1;
}
