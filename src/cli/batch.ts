import type { Model } from "../index.ts";
import { createServer, type ServerHandler } from "../server/create-server.ts";
import type { BatchCommand } from "./batch-arguments.ts";
import { type BatchLine, countLines, linesOf } from "./batch-lines.ts";
import { BatchOutput } from "./batch-output.ts";
import { formatCount } from "./format.ts";
import type { Interrupts } from "./interrupts.ts";
import { openModel } from "./open-model.ts";
import { UsageError } from "./split.ts";
import { ProgressBar, write } from "./terminal.ts";

/**
 * `wasmaverick batch in.jsonl out.jsonl`: each line is a request, answered as a server answers it. What is in the files already is not
 * asked again: a batch that was killed goes on.
 */
export async function batch(command: BatchCommand, interrupts: Interrupts): Promise<void> {
  const total = await countLines(command.input).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`the lines cannot be read, got ${error.code ?? error.message}, expected a file of JSON lines`);
  });
  const output = await BatchOutput.open(command.output, command.errors);
  let model: Model | undefined;
  try {
    model = await openModel(command, interrupts.signal);
    const tally = { tokens: 0, done: output.done.size, failed: 0 };
    const handler = await createServer(model, {
      ...{ metrics: false, maxBody: MOST_BODY },
      onRequest: ({ completionTokens, promptTokens, cachedTokens }) => {
        tally.tokens += completionTokens + promptTokens - cachedTokens;
      },
    });
    const stop = () => void handler.close(0);
    interrupts.signal.addEventListener("abort", stop, { once: true });
    await new BatchRun(handler, output, command, total, tally).run(interrupts.signal);
    const { done, failed } = tally;
    if (command.json) await write(process.stdout, `${JSON.stringify({ lines: total, done, failed })}\n`);
    else
      await write(
        process.stderr,
        `${formatCount(done)} of ${formatCount(total)} lines done, ${formatCount(failed)} failed\n`,
      );
    if (failed > 0 && !interrupts.signal.aborted) interrupts.exitCode ??= 1;
  } finally {
    await output.close();
    await model?.dispose();
  }
}

const MOST_BODY = 64 * 2 ** 20;
/** Those that share their steps, and as many that wait to take their places. */
const AT_ONCE = 128;

interface Tally {
  tokens: number;
  done: number;
  failed: number;
}

interface Ended {
  readonly line: string;
  readonly failed: boolean;
}

class BatchRun {
  readonly #handler: ServerHandler;
  readonly #output: BatchOutput;
  readonly #command: BatchCommand;
  readonly #total: number;
  readonly #tally: Tally;
  readonly #bar: ProgressBar;
  readonly #begun = performance.now();
  readonly #before: number;
  /** Results whose turn has not come, by the place of their lines; only where order is kept. */
  readonly #held = new Map<number, Ended>();
  /** Places of the lines that come next, ascending, until they are written. */
  #expected: number[] = [];
  readonly #seen: Set<string>;

  constructor(handler: ServerHandler, output: BatchOutput, command: BatchCommand, total: number, tally: Tally) {
    this.#handler = handler;
    this.#output = output;
    this.#command = command;
    this.#total = total;
    this.#tally = tally;
    this.#before = tally.done;
    this.#seen = new Set(output.done);
    this.#bar = new ProgressBar(command.input.split(/[/\\]/).at(-1) ?? "batch");
  }

  async run(signal: AbortSignal): Promise<void> {
    const { input, ordered } = this.#command;
    const lines = linesOf(
      input,
      (key) => this.#output.done.has(key),
      (indices) => {
        if (ordered) this.#expected.push(...indices);
      },
    );
    const take = async () => {
      for (let step = await lines.next(); !step.done && !signal.aborted; step = await lines.next())
        await this.#line(step.value, signal);
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, take));
    } finally {
      this.#bar.erase();
    }
  }

  async #line(line: BatchLine, signal: AbortSignal): Promise<void> {
    const wrong = line.wrong ?? (this.#seen.has(line.key) ? "a custom_id that stands there twice" : null);
    this.#seen.add(line.key);
    const ended = wrong === null ? await this.#ask(line) : refused(line, wrong);
    // What was ended by a signal is asked again by the next run.
    if (signal.aborted) return;
    await this.#write(line.index, ended);
  }

  async #ask({ customId, url, body, number }: BatchLine): Promise<Ended> {
    const request = new Request(`http://localhost${url}`, {
      ...{ method: "POST", headers: { "content-type": "application/json" } },
      body: JSON.stringify(body),
    });
    const response = await this.#handler(request);
    const text = await response.text();
    const failed = response.status !== 200;
    const id = response.headers.get("x-request-id");
    const head = `"id":${JSON.stringify(id)},"custom_id":${JSON.stringify(customId)}`;
    const told = `"response":{"status_code":${response.status},"request_id":${JSON.stringify(id)},"body":${text}}`;
    const error = failed ? JSON.stringify((JSON.parse(text) as { error: unknown }).error) : "null";
    return { line: `{${head}${failed ? `,"line":${number}` : ""},${told},"error":${error}}`, failed };
  }

  async #write(index: number, ended: Ended): Promise<void> {
    this.#held.set(index, ended);
    const ready = this.#command.ordered ? this.#inTurn() : [index];
    const written = ready.map((one) => {
      const { line, failed } = this.#held.get(one)!;
      this.#held.delete(one);
      this.#tally.done++;
      if (failed) this.#tally.failed++;
      return this.#output.write(line, failed);
    });
    await Promise.all(written);
    this.#show();
  }

  #inTurn(): number[] {
    const count = this.#expected.findIndex((index) => !this.#held.has(index));
    return this.#expected.splice(0, count < 0 ? this.#expected.length : count);
  }

  #show(): void {
    const { done, tokens } = this.#tally;
    const seconds = (performance.now() - this.#begun) / 1000;
    const left = ((this.#total - done) * seconds) / Math.max(1, done - this.#before);
    const rate = formatCount(Math.round(tokens / seconds));
    this.#bar.draw(
      done / Math.max(1, this.#total),
      `of ${formatCount(this.#total)}, ${rate} tok/s, ${clock(left)} left`,
    );
  }
}

function refused({ customId, number }: BatchLine, message: string): Ended {
  const error = { message, type: "invalid_request_error", param: null, code: "invalid_line" };
  return { line: JSON.stringify({ id: null, custom_id: customId, line: number, response: null, error }), failed: true };
}

/** 3725 -> 1:02:05. */
function clock(seconds: number): string {
  const whole = Math.ceil(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return parts
    .slice(parts[0] === 0 ? 1 : 0)
    .map((part, index) => (index === 0 ? String(part) : String(part).padStart(2, "0")))
    .join(":");
}
