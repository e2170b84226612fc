import { RECIPES, TOWER_TYPES } from "../convert/quantize.ts";
import { BATCH_OPTIONS, QUEUE_OPTIONS, SERVE_OPTIONS } from "./server-rows.ts";

/** The options of the command line: one table for the parser, the help and the hints at typos. */

export const COMMANDS = [
  "run",
  "serve",
  "batch",
  "work",
  "queue",
  "inspect",
  "perplexity",
  "quantize",
  "bench",
] as const;
export type CommandName = (typeof COMMANDS)[number];

export interface OptionRow {
  readonly name: string;
  readonly short?: string;
  /** flag: takes no value; texts: may be given again; numbers: several with commas between; seed: also an integer above 2^53. */
  readonly kind: "flag" | "text" | "texts" | "number" | "numbers" | "seed";
  /** What the value is, for the help. */
  readonly value?: string;
  readonly help: string;
  /** The engine's options it belongs to, there in camel case. */
  readonly engine?: "load" | "generate";
  /** Integers from, to: of numbers that the engine does not check. */
  readonly range?: readonly [number, number];
  /** The commands that know it. An option of two commands may have a row for each; it takes a value in both or in none. */
  readonly of: readonly CommandName[];
}

const generate = { engine: "generate", of: ["run"] } as const;
/** Of the engine's options they are a part, or are read from a file. */
const words = { of: ["run"] } as const;
const load = { engine: "load", of: ["run", "serve", "batch", "work"] } as const;
const threads = { engine: "load", of: ["run", "serve", "batch", "work", "perplexity", "quantize"] } as const;
const loads = { engine: "load", of: ["run", "serve", "batch", "work", "perplexity", "bench"] } as const;
const all = { kind: "flag", of: COMMANDS } as const;
const bench = { of: ["bench"] } as const;
const perplexity = { of: ["perplexity"] } as const;
const quantize = { of: ["quantize"] } as const;

/** More sequences than run together in the engine would be measured one after the other. */
const MOST_TOGETHER = 64;
const MOST_TOKENS = 2 ** 24;
/** Of a window, of which the second half is scored. */
const LEAST_WINDOW = 4;

export const OPTIONS: readonly OptionRow[] = [
  ...SERVE_OPTIONS,
  ...BATCH_OPTIONS,
  ...QUEUE_OPTIONS,
  { name: "type", short: "t", kind: "text", value: "type", help: `${RECIPES.join(", ")}`, ...quantize },
  {
    name: "output",
    short: "o",
    kind: "text",
    value: "path",
    help: "the new file, there only when it is whole; - is stdout",
    ...quantize,
  },
  {
    name: "vision-type",
    kind: "text",
    value: "type",
    help: `of its vision tower: ${TOWER_TYPES.join(", ")} (16 bits as stored)`,
    ...quantize,
  },
  { name: "no-vision", kind: "flag", help: "without its vision tower", ...quantize },
  { name: "requantize", kind: "flag", help: "also where that saves no bytes, and only loses quality", ...quantize },
  { name: "file", kind: "text", value: "path", help: "the text, in UTF-8; - is stdin", ...perplexity },
  {
    name: "context",
    kind: "number",
    value: "n",
    help: "tokens of a window (512)",
    range: [LEAST_WINDOW, MOST_TOKENS],
    ...perplexity,
  },
  {
    name: "stride",
    kind: "number",
    value: "n",
    help: "a window every n tokens; every token is scored",
    range: [1, MOST_TOKENS],
    ...perplexity,
  },
  { name: "against", kind: "text", value: "model", help: "compare with this model", ...perplexity },
  { name: "logits", kind: "text", value: "path", help: "compare with logits that were saved", ...perplexity },
  { name: "save-logits", kind: "text", value: "path", help: "save them: 2 bytes x vocabulary a token", ...perplexity },
  {
    name: "prompt",
    short: "p",
    kind: "text",
    value: "text",
    help: "the text to continue; with --chat, the question",
    of: ["run"],
  },
  { name: "chat", kind: "flag", help: "use the chat template; without -p, a conversation", of: ["run"] },
  { name: "system", kind: "text", value: "text", help: "with --chat, what the model is told first", of: ["run"] },
  {
    name: "image",
    kind: "texts",
    value: "file",
    help: "with --chat and a question, a picture before it",
    of: ["run"],
  },
  {
    name: "chat-template",
    kind: "text",
    value: "name",
    help: "with --chat, the model's template of that name",
    of: ["run"],
  },
  {
    name: "chat-variable",
    kind: "texts",
    value: "k=v",
    help: "with --chat, a variable of the template; again",
    of: ["run"],
  },
  {
    name: "max-tokens",
    kind: "number",
    value: "n",
    help: "at most so many new tokens (the file's, else 256)",
    ...generate,
  },
  { name: "min-tokens", kind: "number", value: "n", help: "no end before so many new tokens (0)", ...generate },
  { name: "ignore-eos", kind: "flag", help: "end tokens of the model do not end the answer", ...generate },
  {
    name: "temperature",
    kind: "number",
    value: "t",
    help: "0: always the likeliest (the file's, else 0.6)",
    ...generate,
  },
  { name: "top-k", kind: "number", value: "k", help: "draw from the k likeliest tokens (0: from all)", ...generate },
  { name: "top-p", kind: "number", value: "p", help: "draw from the likeliest p (the file's, else 0.9)", ...generate },
  { name: "min-p", kind: "number", value: "p", help: "drop what is below p times the likeliest (0)", ...generate },
  { name: "typical-p", kind: "number", value: "p", help: "draw from the most typical p (1: off)", ...generate },
  {
    name: "top-n-sigma",
    kind: "number",
    value: "n",
    help: "drop logits n deviations below the top (0: off)",
    ...generate,
  },
  {
    name: "xtc-probability",
    kind: "number",
    value: "p",
    help: "now and then take out the likeliest tokens (0)",
    ...words,
  },
  { name: "xtc-threshold", kind: "number", value: "p", help: "those at least so likely (0.1)", ...words },
  {
    name: "repetition-penalty",
    kind: "number",
    value: "x",
    help: "divides logits of tokens seen before (1)",
    ...generate,
  },
  {
    name: "presence-penalty",
    kind: "number",
    value: "x",
    help: "lowers logits of tokens generated before (0)",
    ...generate,
  },
  {
    name: "frequency-penalty",
    kind: "number",
    value: "x",
    help: "lowers them for each time generated (0)",
    ...generate,
  },
  { name: "dry-multiplier", kind: "number", value: "x", help: "lowers what would go on a repetition (0)", ...words },
  { name: "dry-base", kind: "number", value: "x", help: "to the power of its length (1.75)", ...words },
  { name: "dry-allowed-length", kind: "number", value: "n", help: "tokens that may repeat (2)", ...words },
  { name: "dry-range", kind: "number", value: "n", help: "tokens that are looked at (-1: all)", ...words },
  {
    name: "dry-breaker",
    kind: "texts",
    value: "text",
    help: "nothing repeats across it; may be given again",
    ...words,
  },
  {
    name: "logit-bias",
    kind: "texts",
    value: "id:bias",
    help: "added to a token's logit, -100 forbids; again",
    ...words,
  },
  { name: "seed", kind: "seed", value: "n", help: "the same seed gives the same text (random)", ...generate },
  { name: "stop", kind: "texts", value: "text", help: "end before this text; may be given again", ...generate },
  {
    name: "stop-ids",
    kind: "numbers",
    value: "n,...",
    help: "ids that end the answer too",
    range: [0, MOST_TOKENS],
    ...generate,
  },
  { name: "json-answer", kind: "flag", help: "the answer is JSON", ...words },
  { name: "json-schema", kind: "text", value: "path", help: "the answer is JSON of the schema in this file", ...words },
  { name: "regex", kind: "text", value: "pattern", help: "the answer is one of this pattern", ...words },
  { name: "choice", kind: "texts", value: "text", help: "the answer is this; may be given again", ...words },
  { name: "grammar", kind: "text", value: "path", help: "the answer is of the GBNF grammar in this file", ...words },
  { name: "speculate", kind: "text", value: "lookup", help: "guess what was seen before: faster copies", ...generate },
  { name: "deadline", kind: "number", value: "ms", help: "an answer that takes longer is an error", ...generate },
  { name: "special-tokens", kind: "flag", help: "names of special tokens in a prompt are those tokens", ...generate },
  {
    name: "no-generation-config",
    kind: "flag",
    help: "without the defaults that the file asks for",
    of: ["run", "serve", "batch", "work"],
  },
  { name: "threads", kind: "number", value: "n", help: "worker threads; 0: only the main one (cores)", ...threads },
  { name: "context", kind: "number", value: "n", help: "tokens in the cache (the file's, at most 8192)", ...load },
  {
    name: "prompt",
    short: "p",
    kind: "number",
    value: "n",
    help: "tokens of the prompt (512)",
    range: [1, MOST_TOKENS],
    ...bench,
  },
  {
    name: "generate",
    kind: "number",
    value: "n",
    help: "tokens to generate (64)",
    range: [1, MOST_TOKENS],
    ...bench,
  },
  {
    name: "context",
    kind: "numbers",
    value: "n,...",
    help: "tokens in the cache before them (0,512,2048)",
    range: [0, MOST_TOKENS],
    ...bench,
  },
  {
    name: "batch",
    kind: "numbers",
    value: "n,...",
    help: "sequences together (1,4,16)",
    range: [1, MOST_TOGETHER],
    ...bench,
  },
  {
    name: "threads",
    kind: "numbers",
    value: "n,...",
    help: "worker threads; 0: only the main one (1,cores)",
    ...bench,
  },
  { name: "runs", kind: "number", value: "n", help: "of every measure (2)", range: [1, 1000], ...bench },
  { name: "no-profile", kind: "flag", help: "without the tables of where the time goes", ...bench },
  { name: "layers", kind: "flag", help: "one more table, a line a layer", ...bench },
  { name: "cache", kind: "text", value: "f32|q8", help: "type of cached keys and values (f32)", ...loads },
  {
    name: "quantize",
    kind: "text",
    value: "type",
    help: "make float weights q8_0, q4_k_m ... while loading",
    ...loads,
  },
  {
    name: "lora",
    kind: "text",
    value: "path[:scale]",
    help: "an adapter: PEFT's folder or a GGUF file (scale 1)",
    of: loads.of,
  },
  {
    name: "prefix-cache",
    kind: "text",
    value: "bytes",
    help: "kept of earlier turns; off: nothing (all)",
    of: ["run"],
  },
  {
    name: "vision",
    kind: "text",
    value: "file",
    help: "the mmproj file of a model that sees",
    engine: "load",
    of: [...loads.of, "quantize"],
  },
  {
    name: "activations",
    kind: "text",
    value: "type",
    help: "q8, q16 or f32: what quantised weights meet (q16)",
    ...loads,
  },
  { name: "max-memory", kind: "text", value: "bytes", help: "refuse a model that needs more, as 8GiB", ...loads },
  { name: "build", kind: "text", value: "simd|relaxed", help: "kernels (relaxed if the host has it)", ...loads },
  { name: "narrow", kind: "flag", help: "no 256-bit vectors, which V8 has on some hosts", of: loads.of },
  { name: "tensors", kind: "flag", help: "list every tensor", of: ["inspect"] },
  { name: "json", help: "one JSON object on stdout, at the end", ...all },
  { name: "verbose", help: "what was chosen and why; stack traces", ...all },
  { name: "help", short: "h", help: "this text", ...all },
  { name: "version", help: "the version", ...all },
];

export function optionsOf(command: CommandName): OptionRow[] {
  return OPTIONS.filter(({ of }) => of.includes(command));
}

/** The name that `typed` was probably meant to be: one that begins so, one it holds at an end, or the nearest within two edits. */
export function nearestName(typed: string, names: readonly string[]): string | undefined {
  const wanted = typed.toLowerCase().replaceAll("_", "-");
  if (wanted.length < 2) return undefined;
  const begins = names.filter((name) => name.startsWith(wanted));
  if (begins.length === 1) return begins[0];
  const ranked = names.map((name) => ({ name, edits: edits(wanted, name) }));
  const nearest = ranked.reduce((best, other) => (other.edits < best.edits ? other : best));
  if (nearest.edits <= Math.min(2, wanted.length / 2)) return nearest.name;
  // `--no-x` is the opposite of `--x`.
  if (wanted.startsWith("no-")) return undefined;
  return names.find((name) => name.length > 4 && (wanted.startsWith(name) || wanted.endsWith(name)));
}

/** Levenshtein distance. */
function edits(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const line = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = above[column - 1] + (from[row - 1] === to[column - 1] ? 0 : 1);
      line.push(Math.min(replaced, above[column] + 1, line[column - 1] + 1));
    }
    above = line;
  }
  return above[to.length];
}
