import type { OptionRow } from "./options.ts";

/** What `wasmaverick serve`, `batch`, `work` and `queue` know beside the options of loading. */

const serve = { of: ["serve"] } as const;
const SECONDS = [1, 86_400] as const;

export const SERVE_OPTIONS: readonly OptionRow[] = [
  {
    name: "host",
    kind: "text",
    value: "address",
    help: "where to listen; elsewhere only with a key (127.0.0.1)",
    ...serve,
  },
  { name: "port", kind: "number", value: "n", help: "0: any that is free (8080)", range: [0, 65_535], ...serve },
  {
    name: "api-key",
    kind: "texts",
    value: "key",
    help: "who may ask; may be given again (WASMAVERICK_API_KEY)",
    ...serve,
  },
  {
    name: "api-key-file",
    kind: "text",
    value: "path",
    help: "a key a line, or JSON: keys with names, salts, limits",
    ...serve,
  },
  {
    name: "allow-host",
    kind: "texts",
    value: "name",
    help: "a Host that requests may name, beside the address",
    ...serve,
  },
  { name: "allow-origin", kind: "texts", value: "origin", help: "pages of this origin may ask", ...serve },
  {
    name: "config",
    kind: "text",
    value: "path",
    help: "several models, loaded on demand; SIGHUP reads it again",
    ...serve,
  },
  { name: "name", kind: "text", value: "name", help: "of the model in requests (that of its file)", ...serve },
  {
    name: "deadline",
    kind: "number",
    value: "s",
    help: "an answer must be there by then (none)",
    range: SECONDS,
    ...serve,
  },
  {
    name: "latency",
    kind: "number",
    value: "ms",
    help: "prompts of others hold up a token so long at most (50)",
    engine: "load",
    ...serve,
  },
  {
    name: "drain",
    kind: "number",
    value: "s",
    help: "what runs may end after SIGTERM (10)",
    range: SECONDS,
    of: ["serve", "work"],
  },
  { name: "log-prompts", kind: "flag", help: "with the bodies of requests: what people wrote", ...serve },
  { name: "no-log", kind: "flag", help: "without a line for each request", ...serve },
];

const batch = { of: ["batch"] } as const;

export const BATCH_OPTIONS: readonly OptionRow[] = [
  { name: "model", short: "m", kind: "text", value: "path", help: "the model that answers", ...batch },
  { name: "errors", kind: "text", value: "path", help: "what went wrong (errors.jsonl beside the output)", ...batch },
  { name: "ordered", kind: "flag", help: "results in the order of the lines, not as they end", ...batch },
];

const queue = { of: ["batch", "work"] } as const;
const work = { of: ["work"] } as const;

export const QUEUE_OPTIONS: readonly OptionRow[] = [
  { name: "queue", kind: "text", value: "redis://host", help: "lines go through this Redis, to workers", ...queue },
  {
    name: "queue-name",
    kind: "text",
    value: "name",
    help: "of several queues there (lines)",
    of: ["batch", "work", "queue"],
  },
  { name: "at-once", kind: "number", value: "n", help: "lines that share their steps (64)", range: [1, 512], ...work },
  {
    name: "lost-after",
    kind: "number",
    value: "s",
    help: "a worker that shows no sign of life so long is dead (30)",
    range: [1, 3600],
    ...work,
  },
];
