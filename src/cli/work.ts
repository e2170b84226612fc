import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import type { Job, Worker } from "bullmq";
import type { Model } from "../index.ts";
import { type LineAnswers, openAnswers, refused } from "./batch-answer.ts";
import { readLine } from "./batch-lines.ts";
import { formatBytes, formatColumns, formatCount } from "./format.ts";
import type { Interrupts } from "./interrupts.ts";
import { openModel } from "./open-model.ts";
import type { WorkCommand } from "./queue-arguments.ts";
import { KEY_PREFIX, type OpenQueue, openQueue } from "./queue-connection.ts";
import { forget, TELL_MS, tell, type WorkerRecord } from "./queue-records.ts";
import type { LineResult } from "./queue-results.ts";
import { printable, stylesOf, write, writeWarning } from "./terminal.ts";

/** Redis may be away for as long as it likes. */
const PATIENCE = Number.POSITIVE_INFINITY;
/** Workers that a line may take with it; then it is its fault. Those that run beside it are counted too, so that it takes many. */
const MOST_STALLS = 100;
/** What a worker that leaves still has to tell Redis. */
const PARTING_MS = 5000;

/** `wasmaverick work`: answers lines of a queue until a signal comes; then what runs may end, and the rest goes back. */
export async function work(command: WorkCommand, interrupts: Interrupts): Promise<void> {
  const open = await openQueue(command.queue, PATIENCE);
  try {
    await using model = await openModel(command, interrupts.signal);
    await serveQueue(command, interrupts, open, model);
  } finally {
    await open.close();
  }
}

async function serveQueue(command: WorkCommand, interrupts: Interrupts, open: OpenQueue, model: Model): Promise<void> {
  const { atOnce, lostAfter } = command;
  const answers = await openAnswers(model);
  const name = `${hostname()}:${process.pid}`;
  const lines = new LinesOfQueue(open, answers);
  const worker = workerOf(open, {
    ...{ name, concurrency: atOnce, lockDuration: lostAfter, stalledInterval: lostAfter, answer: lines.answer },
  });
  const report = new WorkerReport(open, worker.id, { name, model: model.info.name, atOnce }, lines);
  const running = worker.run();
  await worker.waitUntilReady();
  await report.tell();
  await tellReady(command, open, model, name);
  await interrupts.untilAsked();
  lines.stopping = true;
  const closed = worker.close().then(() => running);
  await answers.close(command.drain);
  const left = closed.then(() => report.end());
  const late = pause(PARTING_MS, "late", { ref: false });
  // Its connections wait for a Redis that is away. Nothing is left to be told, and what was running comes back by itself.
  if ((await Promise.race([left, late])) === "late") process.exit(0);
}

/** Answers jobs, and counts. */
export class LinesOfQueue {
  stopping = false;
  running = 0;
  lines = 0;
  tokens = 0;
  readonly #open: Pick<OpenQueue, "bullmq">;
  readonly #answers: Pick<LineAnswers, "ask">;

  constructor(open: Pick<OpenQueue, "bullmq">, answers: Pick<LineAnswers, "ask">) {
    this.#open = open;
    this.#answers = answers;
  }

  readonly answer = async (job: Job, token?: string): Promise<LineResult> => {
    const { text, number } = (job.data ?? {}) as Record<string, unknown>;
    const place = Number.isSafeInteger(number) ? (number as number) : 0;
    if (typeof text !== "string") return { ...refused({ customId: null, number: place }, "no line"), tokens: 0 };
    const line = readLine(text, 0, place);
    if (line.wrong !== null) return { ...refused(line, line.wrong), tokens: 0 };
    this.running++;
    try {
      const { status, line: told, failed, tokens } = await this.#answers.ask(line);
      if (status >= 500 && this.stopping) {
        await job.moveToWait(token);
        throw new this.#open.bullmq.WaitingError();
      }
      // Whatever was wrong with this model may not be with another one.
      if ((status >= 500 || status === 429) && job.attemptsMade + 1 < (job.opts.attempts ?? 1))
        throw new Error(`the model failed with ${status}`);
      this.tokens += tokens;
      this.lines++;
      return { line: told, failed, tokens };
    } finally {
      this.running--;
    }
  };
}

interface WorkerRules {
  readonly name: string;
  readonly concurrency: number;
  readonly lockDuration: number;
  readonly stalledInterval: number;
  readonly answer: (job: Job, token?: string) => Promise<LineResult>;
}

function workerOf({ bullmq, queue, redis }: OpenQueue, { answer, ...rules }: WorkerRules): Worker {
  class LineWorker extends bullmq.Worker {
    /** A job that is no JSON would be taken again and again, and never end. */
    protected override createJob(json: Parameters<Worker["createJob"]>[0], id: string): Job {
      try {
        return super.createJob(json, id);
      } catch {
        return super.createJob({ ...json, data: "null" }, id);
      }
    }
  }
  const worker = new LineWorker(queue.name, answer, {
    ...{ connection: redis, prefix: KEY_PREFIX, autorun: false, maxStalledCount: MOST_STALLS },
    ...rules,
  });
  let said = "";
  worker.on("error", ({ message }) => {
    // A Redis that lost its jobs is said once, not for each of them.
    const what = message.replace(/\bjob \S+/, "a job");
    if (what !== said) void writeWarning(`queue: ${what}`);
    said = what;
  });
  return worker;
}

type About = Pick<WorkerRecord, "name" | "model" | "atOnce">;

/** Tells all machines how it goes. */
class WorkerReport {
  readonly #open: OpenQueue;
  readonly #id: string;
  readonly #about: About;
  readonly #lines: LinesOfQueue;
  readonly #timer: NodeJS.Timeout;
  /** Tokens, and when: the last ten. */
  readonly #marks: { readonly tokens: number; readonly at: number }[] = [];

  constructor(open: OpenQueue, id: string, about: About, lines: LinesOfQueue) {
    this.#open = open;
    this.#id = id;
    this.#about = about;
    this.#lines = lines;
    this.#timer = setInterval(() => void this.tell().catch(() => {}), TELL_MS);
  }

  async tell(): Promise<void> {
    const { running, lines, tokens } = this.#lines;
    const at = performance.now();
    this.#marks.push({ tokens, at });
    if (this.#marks.length > 10) this.#marks.shift();
    const [first] = this.#marks;
    const rate = at > first.at ? ((tokens - first.tokens) * 1000) / (at - first.at) : 0;
    await tell(this.#open, "worker", this.#id, { ...this.#about, running, lines, rate });
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    await forget(this.#open, "worker", this.#id);
  }
}

async function tellReady({ json, queue }: WorkCommand, open: OpenQueue, model: Model, name: string): Promise<void> {
  const { info } = model;
  const { bold } = stylesOf(process.stderr);
  const rows = [
    ["queue", bold(`${queue.name} at ${open.address}`)],
    ["worker", name],
    ["model", `${printable(info.name)}, ${info.architecture}`],
    ["context", `${formatCount(info.context)} tokens`],
    ["memory", formatBytes(info.memory.total)],
    ["threads", String(info.threads.used)],
  ];
  await write(process.stderr, formatColumns(rows, "ll"));
  await write(process.stdout, json ? `${JSON.stringify({ ready: true, worker: name })}\n` : `ready ${name}\n`);
}
