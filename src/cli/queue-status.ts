import { hostname } from "node:os";
import { clock } from "./batch-progress.ts";
import { formatColumns, formatCount } from "./format.ts";
import type { QueueCommand } from "./queue-arguments.ts";
import { openQueue } from "./queue-connection.ts";
import { type Told, told } from "./queue-records.ts";
import { printable, stylesOf, write } from "./terminal.ts";

/** Who has told nothing for longer is gone, or was stopped. */
const SILENT_SECONDS = 15;

/** `wasmaverick queue`: what is in a queue, how far batches are, who works. */
export async function printQueue({ queue: place, json }: QueueCommand): Promise<void> {
  const open = await openQueue(place, 0);
  try {
    const { waiting, active, delayed, completed, failed } = await open.queue.getJobCounts();
    const lines = { waiting: waiting + delayed, running: active, ended: completed + failed };
    const [batches, workers] = [await told(open, "batch"), await told(open, "worker")];
    if (json) await write(process.stdout, `${JSON.stringify({ lines, batches, workers })}\n`);
    else await write(process.stdout, tables(lines, batches, workers));
  } catch (error) {
    throw open.wrap(error);
  } finally {
    await open.close();
  }
}

type Lines = Readonly<Record<"waiting" | "running" | "ended", number>>;

function tables(lines: Lines, batches: readonly Told<"batch">[], workers: readonly Told<"worker">[]): string {
  const { dim } = stylesOf(process.stdout);
  const head = Object.entries(lines).map(([name, count]) => `${formatCount(count)} ${name}`);
  const perSecond = (rate: number, unit: string) => `${formatCount(Math.round(rate))} ${unit}`;
  const since = (age: number, now: string) => (age > SILENT_SECONDS ? `silent for ${clock(age)}` : now);
  const batchRows = batches.map(({ input, machine, total, done, failed, rate, age }) => [
    printable(`${input}${machine === hostname() ? "" : ` at ${machine}`}`),
    `${formatCount(done)} of ${formatCount(total)}`,
    `${formatCount(failed)} failed`,
    perSecond(rate, "lines/s"),
    since(age, rate > 0 ? `${clock((total - done) / rate)} left` : ""),
  ]);
  const workerRows = workers.map(({ name, model, running, atOnce, lines, rate, age }) => [
    printable(name),
    printable(model),
    `${formatCount(running)} of ${formatCount(atOnce)} running`,
    `${formatCount(lines)} lines`,
    perSecond(rate, "tok/s"),
    since(age, ""),
  ]);
  const parts = [`${head.join(", ")}\n`];
  if (batchRows.length > 0) parts.push(dim("batches\n") + formatColumns(batchRows, "lrrrl"));
  if (workerRows.length > 0) parts.push(dim("workers\n") + formatColumns(workerRows, "llrrrl"));
  return parts.join("\n");
}
