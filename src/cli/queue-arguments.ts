import { checkLoadOptions, type LoadOptions } from "../engine/load-options.ts";
import { UsageError, type Value } from "./split.ts";

/** A queue of lines in Redis. */
export interface QueuePlace {
  /** With what it takes to get in: told to nobody. */
  readonly url: string;
  /** Of several in one Redis. */
  readonly name: string;
}

export interface WorkCommand {
  readonly name: "work";
  readonly model: string | undefined;
  readonly queue: QueuePlace;
  /** Lines that share their steps. */
  readonly atOnce: number;
  /** Milliseconds, here and below: without a sign of life a worker is taken for dead. */
  readonly lostAfter: number;
  readonly drain: number;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly load: LoadOptions;
}

export interface QueueCommand {
  readonly name: "queue";
  readonly queue: QueuePlace;
  readonly json: boolean;
}

/** Of lines nobody reads the answers while they are written: prompts need not hold back beside them. */
export const PATIENT: LoadOptions = { latency: Number.MAX_SAFE_INTEGER };

const NAME = /^[\w.-]{1,64}$/;
const EXPECTED = "redis://[user:password@]host[:port][/database], or rediss://";

export function queuePlace(given: string, named: Value | undefined): QueuePlace {
  const name = (named as string | undefined) ?? "lines";
  if (!NAME.test(name))
    throw new UsageError(
      "--queue-name has a bad value, expected 1 to 64 letters, digits, dots, dashes and underscores",
    );
  // What was given may hold a password: it is not repeated.
  const url = URL.parse(given);
  if (!url || !/^rediss?:$/.test(url.protocol) || url.hostname === "")
    throw new UsageError(`the queue is no address of Redis, expected ${EXPECTED}`);
  if (!/^(\/\d{0,5})?$/.test(url.pathname) || url.search !== "" || url.hash !== "")
    throw new UsageError(`the queue's address has more than a database behind its host, expected ${EXPECTED}`);
  url.password ||= encodeURIComponent(process.env["WASMAVERICK_QUEUE_PASSWORD"] ?? "");
  return { url: url.href, name };
}

export function workOptions(
  values: ReadonlyMap<string, Value>,
  load: LoadOptions,
): Omit<WorkCommand, "name" | "model" | "json" | "verbose"> {
  const given = values.get("queue") as string | undefined;
  if (given === undefined) throw new UsageError(`no queue, expected --queue ${EXPECTED}`);
  const number = (name: string, usual: number) => (values.get(name) as number | undefined) ?? usual;
  const atOnce = number("at-once", 64);
  checkLoadOptions(load);
  return {
    queue: queuePlace(given, values.get("queue-name")),
    atOnce,
    lostAfter: number("lost-after", 30) * 1000,
    drain: number("drain", 10) * 1000,
    load: { ...load, ...PATIENT, sequences: atOnce },
  };
}

export function queueOptions(
  places: readonly string[],
  values: ReadonlyMap<string, Value>,
): Omit<QueueCommand, "name" | "json"> {
  if (places.length !== 1)
    throw new UsageError(`${places.length} queues, expected one: wasmaverick queue redis://host:6379`);
  return { queue: queuePlace(places[0], values.get("queue-name")) };
}
