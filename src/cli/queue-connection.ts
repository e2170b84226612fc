import type { Queue } from "bullmq";
import type { Redis } from "ioredis";
import { EngineError } from "../error.ts";
import { peer } from "../server/peers.ts";
import type { QueuePlace } from "./queue-arguments.ts";
import { printable } from "./terminal.ts";

/** A queue of lines, as all who share it see it. */

/** What a job holds: a line as its file has it. Whoever reads one believes nothing of it. */
export interface LineJob {
  readonly text: string;
  readonly number: number;
}

export interface OpenQueue {
  readonly bullmq: typeof import("bullmq");
  readonly redis: Redis;
  readonly queue: Queue;
  /** Without what it takes to get in. */
  readonly address: string;
  /** What fails while Redis is away for longer than was said, as an error of the queue. */
  wrap(error: unknown): unknown;
  close(): Promise<void>;
}

/** Of all keys in Redis. */
export const KEY_PREFIX = "wasmaverick";
const CONNECT_MS = 5000;
const MOST_WAIT_MS = 2000;
/** Results that nobody has fetched for a week go. */
const KEPT_SECONDS = 7 * 86_400;
/** Of what has happened to jobs; results are among it. */
const EVENTS = 16;

/** `patience`: milliseconds for which Redis may be away, once it was there. Throws REDIS_UNREACHABLE within seconds where it is not. */
export async function openQueue({ url, name }: QueuePlace, patience: number): Promise<OpenQueue> {
  const [bullmq, { Redis }] = await peer(
    () => Promise.all([import("bullmq"), import("ioredis")]),
    "npm install bullmq ioredis",
  );
  const address = new URL(url).host;
  let last = "no answer";
  let there = false;
  let gone = 0;
  const redis = new Redis(url, {
    ...{ lazyConnect: true, connectTimeout: CONNECT_MS, maxRetriesPerRequest: null },
    retryStrategy: (times) => {
      if (times === 1) gone = performance.now();
      return there && performance.now() - gone < patience ? Math.min(50 * 2 ** times, MOST_WAIT_MS) : null;
    },
  });
  redis.on("error", (error: NodeJS.ErrnoException) => {
    last = error.code ?? error.message;
  });
  const unreachable = () =>
    new EngineError("REDIS_UNREACHABLE", "the queue's Redis cannot be reached", {
      actual: printable(`${address}: ${last}`),
      limit: "a Redis that answers there",
    });
  await connected(redis, (what) => {
    last = what;
  }).catch(() => {
    redis.disconnect();
    throw unreachable();
  });
  there = true;
  const queue = new bullmq.Queue(name, {
    ...{ connection: redis, prefix: KEY_PREFIX, streams: { events: { maxLen: EVENTS } } },
    defaultJobOptions: {
      ...{ attempts: 3, backoff: { type: "exponential", delay: 1000 } },
      ...{ removeOnComplete: { age: KEPT_SECONDS }, removeOnFail: { age: KEPT_SECONDS } },
    },
  });
  queue.on("error", () => {});
  return {
    ...{ bullmq, redis, queue, address },
    wrap: (error) => (redis.status === "end" ? unreachable() : error),
    close: async () => {
      await queue.close();
      redis.disconnect();
    },
  };
}

/** Until it has answered; rejects within seconds. */
async function connected(redis: Redis, tell: (what: string) => void): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const failed = new Promise<never>((_, reject) => {
    redis.once("error", reject);
    timer = setTimeout(() => reject(new Error("late")), CONNECT_MS);
  });
  try {
    const answered = redis.connect().then(() => redis.ping());
    await Promise.race([answered, failed]);
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    // These say that it ended; what ended it was heard before.
    if (!/^(late|Connection is closed\.)$/.test(message)) tell(code ?? message);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
