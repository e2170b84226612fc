/** What a caller gives a chat, read once: a copy that holds nothing but JSON, so that what follows runs no code of the caller. */
import { EngineError } from "../error.ts";
import { checkFlag, isPlain, isRevoked, tell, wrong } from "../given.ts";

/** Values of all messages, or of all tools. Longer lists are refused before they are gone through. */
const MOST_VALUES = 2 ** 20;
const MOST_DEPTH = 128;

/** A picture as a part of a message gave it. */
export interface ChatPicture {
  readonly image: unknown;
  /** Of the part, for messages. */
  readonly field: string;
}

export interface ChatInput<Options> {
  /** In the place of each picture its number. */
  readonly messages: unknown;
  readonly pictures: readonly ChatPicture[];
  readonly options: Options;
}

interface GivenOptions {
  readonly tools?: unknown;
  readonly addGenerationPrompt?: unknown;
  readonly variables?: unknown;
  readonly now?: unknown;
}

interface ReadOptions {
  readonly tools: unknown;
  readonly addGenerationPrompt: boolean;
  readonly variables: Record<string, unknown>;
  /** undefined: nobody said. */
  readonly now: Date | undefined;
}

/** Throws REQ_MESSAGE where messages or tools hold what JSON cannot, REQ_PARAM where an option is of another kind. */
export function readChatInput(messages: unknown, given: GivenOptions): ChatInput<ReadOptions> {
  const pictures: ChatPicture[] = [];
  return {
    messages: copyJson(messages, "/messages", pictures),
    pictures,
    options: {
      tools: copyJson(given.tools, "/tools"),
      addGenerationPrompt: checkFlag(given.addGenerationPrompt, "addGenerationPrompt", true),
      variables: checkVariables(given.variables),
      now: checkNow(given.now),
    },
  };
}

const PART = /^\/messages\/\d+\/content\/\d+$/;

/** `pictures`: where what stands in image parts is put aside. */
function copyJson(value: unknown, field: string, pictures: ChatPicture[] = []): unknown {
  let left = MOST_VALUES;
  const refuse = (what: string, field: string, actual: unknown) =>
    new EngineError("REQ_MESSAGE", what, { at: { source: "prompt", field }, actual: tell(actual) });
  const copy = (value: unknown, field: string, depth: number): unknown => {
    if (--left < 0) throw refuse(`more than ${MOST_VALUES} values`, field, value);
    if (depth > MOST_DEPTH) throw refuse("nested too deep", field, value);
    if (isRevoked(value)) throw refuse("not a JSON value", field, value);
    if (typeof value === "function" || typeof value === "symbol" || typeof value === "bigint")
      throw refuse("not a JSON value", field, value);
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) {
      if (value.length > left) throw refuse(`more than ${MOST_VALUES} values`, field, value.length);
      return Array.from({ length: value.length }, (_, index) => copy(value[index], `${field}/${index}`, depth + 1));
    }
    // Of a Map, a Date or bytes nothing would be left.
    if (Object.prototype.toString.call(value) !== "[object Object]") throw refuse("not a JSON value", field, value);
    const isPicture = PART.test(field) && "image" in value && (value as { type?: unknown }).type === "image";
    const entries = Object.entries(value).map(([key, item]) => {
      if (!isPicture || key !== "image") return [key, copy(item, `${field}/${key}`, depth + 1)];
      return [key, pictures.push({ image: item, field: `${field}/${key}` }) - 1];
    });
    return Object.fromEntries(entries);
  };
  return copy(value, field, 0);
}

function checkVariables(variables: unknown): Record<string, unknown> {
  if (variables === undefined) return {};
  if (!isPlain(variables)) throw wrong("variables", "variables: not a plain object", "names and values", variables);
  return { ...variables };
}

function checkNow(now: unknown): Date | undefined {
  if (now === undefined) return undefined;
  const time = timeOf(now);
  if (!Number.isFinite(time)) throw wrong("now", "now: not a point in time", "a valid Date", now);
  return new Date(time);
}

/** NaN of what is no Date, of whichever realm. */
function timeOf(value: unknown): number {
  try {
    return Date.prototype.getTime.call(value);
  } catch {
    return Number.NaN;
  }
}
