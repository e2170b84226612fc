import { createHash, randomUUID } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import type { BatchWork } from "./batch.ts";
import { refused } from "./batch-answer.ts";
import { type BatchLine, linesOf } from "./batch-lines.ts";
import type { QueuePlace } from "./queue-arguments.ts";
import { type LineJob, type OpenQueue, openQueue } from "./queue-connection.ts";
import { forget, TELL_MS, tell } from "./queue-records.ts";
import { type LineResult, resultOf } from "./queue-results.ts";
import { writeWarning } from "./terminal.ts";

/** Milliseconds for which Redis may be away. */
const PATIENCE = 60_000;

/**
 * A batch whose lines workers of a queue answer. Lines are put in a few thousand at a time; results are fetched in order, and wait in Redis
 * until their turn. A result leaves Redis once it stands in the file, so whatever is killed, and wherever: a line is asked again at worst.
 */
export async function answerByQueue(place: QueuePlace, work: BatchWork): Promise<void> {
  const open = await openQueue(place, PATIENCE);
  const mark = `${work.command.output}.queue`;
  try {
    const batch = new QueuedBatch(open, work, await batchId(mark));
    await batch.run();
    if (!work.signal.aborted) await rm(mark);
  } catch (error) {
    throw open.wrap(error);
  } finally {
    await open.close();
  }
}

/** Lines that are in the queue, or ended and not yet fetched; and units of their texts. */
const MOST_LINES = 8192;
const MOST_UNITS = 64 * 2 ** 20;
/** Commands that go to Redis together. */
const TOGETHER = 64;
/** Between two looks at a line that has not ended. */
const LEAST_WAIT_MS = 10;
const MOST_WAIT_MS = 320;

interface Pending {
  readonly line: BatchLine;
  /** Of its job. */
  readonly id: string;
  asked: boolean;
}

class QueuedBatch {
  readonly #open: OpenQueue;
  readonly #work: BatchWork;
  readonly #id: string;
  /** Keys of jobs that may be in Redis. */
  readonly #asked: string;
  /** In the order of the file. */
  #pending: Pending[] = [];
  #units = 0;
  #allAsked = false;
  readonly #stop = new AbortController();
  readonly #begun = performance.now();
  readonly #before: number;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(open: OpenQueue, work: BatchWork, id: string) {
    this.#open = open;
    this.#work = work;
    this.#id = id;
    this.#asked = open.queue.toKey(`batch-${id}`);
    this.#before = work.progress.done;
  }

  async run(): Promise<void> {
    const { signal, progress } = this.#work;
    const stop = () => this.#stop.abort();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    await this.#tell();
    if (progress.done < progress.total && (await this.#open.queue.getWorkersCount()) === 0)
      await writeWarning("no worker is there yet, start some: wasmaverick work model.gguf --queue ...");
    const failing = async (work: Promise<void>) => {
      try {
        await work;
      } catch (error) {
        stop();
        throw error;
      }
    };
    const ended = await Promise.allSettled([failing(this.#ask()), failing(this.#fetch())]);
    for (const one of ended) if (one.status === "rejected") throw one.reason;
    if (this.#stop.signal.aborted) return;
    await this.#leaveNothing();
  }

  async #ask(): Promise<void> {
    const { command, output } = this.#work;
    const byLine = new Map<number, Pending>();
    let together: Pending[] = [];
    const put = async () => {
      const asked = together;
      together = [];
      await this.#put(asked);
    };
    const lines = linesOf(
      command.input,
      (line) => output.has(line),
      async (window) => {
        await put();
        await this.#room();
        byLine.clear();
        for (const line of window) {
          const pending = { line, id: this.#jobOf(line), asked: false };
          byLine.set(line.index, pending);
          this.#pending.push(pending);
          this.#units += line.text.length;
        }
      },
    );
    for await (const line of lines) {
      if (this.#stop.signal.aborted) return;
      together.push(byLine.get(line.index)!);
      if (together.length === TOGETHER) await put();
    }
    await put();
    this.#allAsked = true;
  }

  async #room(): Promise<void> {
    const full = () => this.#pending.length >= MOST_LINES || this.#units >= MOST_UNITS;
    while (full() && !this.#stop.signal.aborted) await this.#pause(LEAST_WAIT_MS);
  }

  /** Lines that are in the queue already stay what they are: the id tells. */
  async #put(all: readonly Pending[]): Promise<void> {
    const jobs = all.filter(({ line }) => line.wrong === null);
    if (jobs.length > 0) {
      await this.#open.redis.sadd(this.#asked, ...jobs.map(({ id }) => id));
      await this.#open.queue.addBulk(
        jobs.map(({ id, line: { text, number } }) => {
          return { name: "line", data: { text, number } satisfies LineJob, opts: { jobId: id } };
        }),
      );
    }
    for (const pending of all) pending.asked = true;
  }

  async #fetch(): Promise<void> {
    const { output, progress } = this.#work;
    for (let wait = LEAST_WAIT_MS; !this.#stop.signal.aborted; ) {
      if (this.#pending.length === 0 && this.#allAsked) return;
      const ended = await this.#endedInTurn();
      const left = this.#pending.splice(0, ended.length);
      for (const [index, { line, failed, tokens }] of ended.entries()) {
        await output.write(line, failed);
        progress.ended(failed);
        progress.tokens += tokens;
        this.#units -= left[index].line.text.length;
      }
      await this.#remove(left.filter(({ line }) => line.wrong === null).map(({ id }) => id));
      progress.draw();
      if (performance.now() - this.#toldAt > TELL_MS) await this.#tell();
      wait = ended.length > 0 ? LEAST_WAIT_MS : Math.min(2 * wait, MOST_WAIT_MS);
      if (ended.length === 0) await this.#pause(wait);
    }
  }

  /** Results of the first lines that are pending, as far as there is one of each. */
  async #endedInTurn(): Promise<LineResult[]> {
    const [first] = this.#pending;
    if (!first?.asked) return [];
    if (first.line.wrong === null) {
      // Cheaper than the line with its result, and asked for again and again.
      const state = await this.#open.queue.getJobState(first.id);
      // Redis has forgotten it: it was emptied, or began anew.
      if (state === "unknown") await this.#put([first]);
      if (state !== "completed" && state !== "failed") return [];
    }
    const heads = this.#pending.slice(0, TOGETHER).filter(({ asked }) => asked);
    const found = await Promise.all(heads.map((pending) => this.#endOf(pending)));
    const gap = found.indexOf(null);
    return found.slice(0, gap < 0 ? found.length : gap) as LineResult[];
  }

  async #endOf({ line, id }: Pending): Promise<LineResult | null> {
    if (line.wrong !== null) return { ...refused(line, line.wrong), tokens: 0 };
    return await resultOf(this.#open.queue, id, line);
  }

  async #remove(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await Promise.all(ids.map((id) => this.#open.queue.remove(id)));
    await this.#open.redis.srem(this.#asked, ...ids);
  }

  /** Jobs of lines that stand in the files already: of a run that was killed between writing and removing. */
  async #leaveNothing(): Promise<void> {
    for (let ids = await this.#some(); ids.length > 0; ids = await this.#some()) await this.#remove(ids);
    await forget(this.#open, "batch", this.#id);
  }

  #some(): Promise<string[]> {
    return this.#open.redis.srandmember(this.#asked, TOGETHER);
  }

  async #tell(): Promise<void> {
    this.#toldAt = performance.now();
    const { command, progress } = this.#work;
    const { total, done, failed } = progress;
    const rate = ((done - this.#before) * 1000) / (performance.now() - this.#begun);
    const counts = { total, done, failed, rate };
    await tell(this.#open, "batch", this.#id, { input: command.input, machine: hostname(), ...counts });
  }

  /** Of a line of this batch; of another text another one. */
  #jobOf({ text, number }: BatchLine): string {
    return `${this.#id}-${number}-${createHash("sha256").update(text).digest("hex").slice(0, 24)}`;
  }

  /** Shorter where the batch ends meanwhile. */
  async #pause(milliseconds: number): Promise<void> {
    await pause(milliseconds, undefined, { signal: this.#stop.signal }).catch(() => {});
  }
}

/** Beside the output, while the batch is under way: in Redis its lines are found again by it. */
async function batchId(mark: string): Promise<string> {
  const known = await readFile(mark, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  if (/^[0-9a-f-]{36}\n$/.test(known)) return known.trim();
  // Cut while it was written: nothing was asked by that name.
  const id = randomUUID();
  await writeFile(mark, `${id}\n`);
  return id;
}
