import type { OpenQueue } from "./queue-connection.ts";

/** What batches and workers tell of themselves, so that any machine sees it. */

export interface BatchRecord {
  readonly input: string;
  readonly machine: string;
  readonly total: number;
  readonly done: number;
  readonly failed: number;
  /** Lines a second, of the run that is under way. */
  readonly rate: number;
}

export interface WorkerRecord {
  readonly name: string;
  readonly model: string;
  readonly atOnce: number;
  readonly running: number;
  readonly lines: number;
  /** Tokens a second, lately. */
  readonly rate: number;
}

type Records = { batch: BatchRecord; worker: WorkerRecord };
export type RecordKind = keyof Records;
/** `age`: seconds since it was told, by the clock of Redis. */
export type Told<Kind extends RecordKind> = Records[Kind] & { readonly id: string; readonly age: number };

export const TELL_MS = 1000;
const FORGOTTEN_SECONDS = 7 * 86_400;

const keyOf = ({ queue }: OpenQueue, kind: RecordKind) => queue.toKey(`${kind}-records`);
const now = async ({ redis }: OpenQueue) => Number((await redis.time())[0]);

export async function tell<Kind extends RecordKind>(
  open: OpenQueue,
  kind: Kind,
  id: string,
  record: Records[Kind],
): Promise<void> {
  await open.redis.hset(keyOf(open, kind), id, JSON.stringify({ ...record, seen: await now(open) }));
}

export async function forget(open: OpenQueue, kind: RecordKind, id: string): Promise<void> {
  await open.redis.hdel(keyOf(open, kind), id);
}

const KINDS: { readonly [Kind in RecordKind]: Readonly<Record<keyof Records[Kind], "string" | "number">> } = {
  batch: { input: "string", machine: "string", total: "number", done: "number", failed: "number", rate: "number" },
  worker: { name: "string", model: "string", atOnce: "number", running: "number", lines: "number", rate: "number" },
};

/** The last told first. What is not as it should be, or was told long ago, goes. */
export async function told<Kind extends RecordKind>(open: OpenQueue, kind: Kind): Promise<Told<Kind>[]> {
  const time = await now(open);
  const records: Told<Kind>[] = [];
  for (const [id, text] of Object.entries(await open.redis.hgetall(keyOf(open, kind)))) {
    const record = read(text, KINDS[kind]);
    const age = time - (record?.["seen"] as number);
    if (record !== null && age < FORGOTTEN_SECONDS) records.push({ ...record, id, age } as unknown as Told<Kind>);
    else await forget(open, kind, id);
  }
  return records.sort((a, b) => a.age - b.age);
}

function read(text: string, kinds: Readonly<Record<string, string>>): Record<string, unknown> | null {
  try {
    const record = JSON.parse(text) as Record<string, unknown> | null;
    for (const [name, kind] of Object.entries({ ...kinds, seen: "number" }))
      if (typeof record?.[name] !== kind) return null;
    return record;
  } catch {
    return null;
  }
}
