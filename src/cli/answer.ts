import type { GenerateOptions, Generation, GenerationResult, ModelInfo } from "../index.ts";
import { formatCount } from "./format.ts";
import { printable, stylesOf, write, writeWarning } from "./terminal.ts";

/** A generation on its way to stdout, and the line that closes it. */

export interface Answer {
  readonly text: string;
  /** null: it was stopped on its way. */
  readonly result: GenerationResult | null;
  /** Pieces of text: nearly the tokens, counted where there is no result. */
  readonly pieces: number;
}

/** Text as it comes, then a newline. What `signal` stops is an answer too: a short one. */
export async function printAnswer(generation: Generation, signal: AbortSignal): Promise<Answer> {
  let text = "";
  let pieces = 0;
  let result: GenerationResult | null = null;
  try {
    for await (const piece of generation) {
      text += piece;
      pieces++;
      // A file or a pipe gets the text as it is.
      await write(process.stdout, process.stdout.isTTY ? printable(piece) : piece);
    }
    result = await generation.result();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  await write(process.stdout, "\n");
  return { text, result, pieces };
}

/** `prompt 5 tokens, 1,234 tok/s · generated 120 tokens, 1,046 tok/s · 2 threads · seed 7`; folded where too long. */
export async function printClosingLine(answer: Answer, info: ModelInfo, options: GenerateOptions): Promise<void> {
  const { result, pieces } = answer;
  const { used } = info.threads;
  const parts = result ? speeds(result) : [`stopped after ${tokens(pieces)}`];
  parts.push(used === 0 ? "no worker threads" : used === 1 ? "1 thread" : `${used} threads`, `seed ${options.seed}`);
  if (result?.limit) parts.push(result.limit === "maxTokens" ? "cut by --max-tokens" : "cut by the context");
  for (const warning of result?.warnings ?? []) await writeWarning(warning);
  await write(process.stderr, `${stylesOf(process.stderr).dim(fold(parts, process.stderr.columns))}\n`);
}

function speeds({ usage, timings }: GenerationResult): string[] {
  const speed = (tokensPerSecond: number) => `${formatCount(Math.round(tokensPerSecond))} tok/s`;
  return [
    `prompt ${tokens(usage.promptTokens)}, ${speed(timings.promptTokensPerSecond)}`,
    `generated ${tokens(usage.completionTokens)}, ${speed(timings.tokensPerSecond)}`,
  ];
}

function tokens(count: number): string {
  return `${formatCount(count)} token${count === 1 ? "" : "s"}`;
}

/** `columns` undefined: no terminal, one line. */
function fold(parts: readonly string[], columns = Number.POSITIVE_INFINITY): string {
  const lines: string[] = [];
  for (const part of parts) {
    const longer = lines.length > 0 ? `${lines.at(-1)} · ${part}` : part;
    if (lines.length > 0 && longer.length <= columns) lines[lines.length - 1] = longer;
    else lines.push(part);
  }
  return lines.join("\n");
}
