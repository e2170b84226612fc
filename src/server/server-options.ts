import { checkFlag, checkFunction, isArray, isPlain, outOfRange, readOptions, wrong } from "../given.ts";
import type { ChatOptions, GenerateOptions, Model } from "../index.ts";

/** A client that may ask. */
export interface ServerKey {
  readonly key: string;
  /** In logs. Default: its place in the list. */
  readonly name?: string;
  /** Keys of one salt share what was computed before; default: each key its own. */
  readonly salt?: string;
  /** Requests at a time; more are 429. Default: any. */
  readonly concurrent?: number;
  /** Requests in any 60 seconds; more are 429. Default: any. */
  readonly perMinute?: number;
  /** Of its answers among those that wait, -100 to 100. Default 0. */
  readonly priority?: number;
}

/** One request, when it has ended: no text of prompts or answers, and no key. */
export interface RequestReport {
  readonly id: string;
  readonly method: string;
  /** The pattern of the path, as `/v1/models/:id`; null: there is none. */
  readonly route: string | null;
  readonly status: number;
  /** Until the last byte was handed over. */
  readonly milliseconds: number;
  readonly key: string | null;
  readonly model: string | null;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly finish: string | null;
  /** The client left before the end. */
  readonly aborted: boolean;
  /** Code of what it was refused with. */
  readonly error: string | null;
  /** What failed, where the server is at fault: for the log, never for the client. */
  readonly cause: unknown;
  /** The body, where `logPrompts` asks for it. */
  readonly body: unknown;
}

/** A model and what requests find by its name. */
export interface ServedModel {
  readonly model: Model;
  readonly aliases?: readonly string[];
  /** What a request leaves out. */
  readonly defaults?: GenerateOptions;
  /** The template of that name, and how calls are written, where the template does not teach it. */
  readonly chat?: ServedChat;
}

export type ServedChat = Pick<ChatOptions, "template" | "toolFormat">;

export interface ServerOptions {
  /** Who may ask: keys, or keys with limits. Default: everybody who reaches it. */
  readonly keys?: readonly (string | ServerKey)[];
  /** Names that a Host header may have, with a port or for any. Default: those of this machine. "any": each. */
  readonly hosts?: readonly string[] | "any";
  /** Origins of pages that may ask, as `https://chat.example`. Default: none. */
  readonly origins?: readonly string[];
  /** Bytes of a body. Default 8 MiB. */
  readonly maxBody?: number;
  /** Milliseconds until an answer must be there. Default: none. */
  readonly deadline?: number;
  /** Milliseconds between signs of life of a stream in which nothing happens. Default 15,000. */
  readonly heartbeat?: number;
  /** Milliseconds that a stream waits for a reader who takes nothing. Default 30,000. */
  readonly stall?: number;
  /** Responses that are kept for those who ask for it. Default 256. */
  readonly storedResponses?: number;
  /** Control tokens may be among ids of a prompt. Default: only the begin-of-text id, in front. */
  readonly allowControlTokens?: boolean;
  /** Count for `/metrics`. Default: true. */
  readonly metrics?: boolean;
  /** Resident bytes of the process, for `/metrics`. */
  readonly residentBytes?: () => number;
  /** Hears of every request at its end. */
  readonly onRequest?: (report: RequestReport) => void;
  /** The report has the body: whatever people wrote. Default: false. */
  readonly logPrompts?: boolean;
}

export interface CheckedServerOptions extends Required<Omit<ServerOptions, "keys" | "deadline" | "residentBytes">> {
  readonly keys: readonly ServerKey[];
  readonly deadline: number | undefined;
  readonly residentBytes: (() => number) | undefined;
}

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];
const NAMES = [
  "keys",
  "hosts",
  "origins",
  "maxBody",
  "deadline",
  "heartbeat",
  "stall",
  "storedResponses",
  "allowControlTokens",
  "metrics",
  "residentBytes",
  "onRequest",
  "logPrompts",
] as const satisfies (keyof ServerOptions)[];
const MIB = 2 ** 20;
const MOST_MS = 2 ** 31 - 1;
/** Shorter ones are guessed. */
const SHORTEST_KEY = 8;

export function checkServerOptions(options: ServerOptions | undefined): CheckedServerOptions {
  const given = readOptions(options, NAMES);
  for (const name of ["onRequest", "residentBytes"] as const)
    if (given[name] !== undefined) checkFunction(given[name], name);
  return {
    keys: checkKeys(given.keys ?? []),
    hosts: given.hosts === "any" ? "any" : checkTexts("hosts", given.hosts ?? LOOPBACK),
    origins: checkTexts("origins", given.origins ?? []),
    maxBody: whole("maxBody", given.maxBody ?? 8 * MIB, [1024, 1024 * MIB]),
    deadline: given.deadline === undefined ? undefined : whole("deadline", given.deadline, [1, MOST_MS]),
    heartbeat: whole("heartbeat", given.heartbeat ?? 15_000, [10, MOST_MS]),
    stall: whole("stall", given.stall ?? 30_000, [10, MOST_MS]),
    storedResponses: whole("storedResponses", given.storedResponses ?? 256, [0, 2 ** 20]),
    allowControlTokens: checkFlag(given.allowControlTokens, "allowControlTokens", false),
    metrics: checkFlag(given.metrics, "metrics", true),
    residentBytes: given.residentBytes,
    onRequest: given.onRequest ?? (() => {}),
    logPrompts: checkFlag(given.logPrompts, "logPrompts", false),
  };
}

const KEY_NAMES = ["key", "name", "salt", "concurrent", "perMinute", "priority"] as const satisfies (keyof ServerKey)[];

function checkKeys(keys: unknown): ServerKey[] {
  if (!isArray(keys)) throw wrong("keys", "no list of keys", "an array of keys", keys);
  const checked = keys.map((given, index): ServerKey => {
    const field = `keys[${index}]`;
    if (typeof given !== "string" && !isPlain(given)) throw wrong(field, "no key", "a string, or { key, ... }", given);
    const key = typeof given === "string" ? { key: given } : readOptions(given as Partial<ServerKey>, KEY_NAMES, field);
    // A key is told to nobody, not even in an error.
    if (typeof key.key !== "string" || key.key.length < SHORTEST_KEY || !/^[\x21-\x7e]+$/.test(key.key))
      throw wrong(field, "not a key", `at least ${SHORTEST_KEY} printable characters without spaces`, "another value");
    for (const name of ["concurrent", "perMinute"] as const)
      if (key[name] !== undefined) whole(`${field}.${name}`, key[name], [1, MOST_MS]);
    if (key.priority !== undefined) whole(`${field}.priority`, key.priority, [-100, 100]);
    for (const name of ["name", "salt"] as const)
      if (key[name] !== undefined && typeof key[name] !== "string")
        throw wrong(`${field}.${name}`, "not text", "a string", key[name]);
    return { ...key, key: key.key, name: key.name ?? `key ${index + 1}` };
  });
  if (new Set(checked.map(({ key }) => key)).size < checked.length)
    throw wrong("keys", "a key stands there twice", "keys that differ", "the same key");
  return checked;
}

function checkTexts(field: string, texts: unknown): string[] {
  if (!isArray(texts) || !texts.every((text) => typeof text === "string" && text !== ""))
    throw wrong(field, "no list of names", "an array of strings", texts);
  return texts.map((text) => (text as string).toLowerCase().replace(/\/$/, ""));
}

function whole(field: string, value: unknown, [least, most]: readonly [number, number]): number {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return value as number;
  throw outOfRange(field, value, `an integer in [${least}, ${most}]`);
}
