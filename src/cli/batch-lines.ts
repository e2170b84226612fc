import { isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";

/** The lines of a batch: read as there is room, and begun in an order in which what begins alike stands together. */

export interface BatchLine {
  readonly text: string;
  /** From 0, empty lines not counted. */
  readonly index: number;
  /** For messages: from 1, as editors count. */
  readonly number: number;
  /** What tells it from the others; null: it has none. */
  readonly customId: string | null;
  readonly url: string;
  readonly body: unknown;
  /** What is wrong with the line; then it is not asked. */
  readonly wrong: string | null;
}

/** Lines that are looked at together. */
const WINDOW_LINES = 1024;
const WINDOW_UNITS = 32 * 2 ** 20;

const NEWLINE = 10;

/** Endpoints that a batch may ask. */
const URLS = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"];

/**
 * Without those that `isDone` knows. `onWindow` hears which lines come next, as the file has them, before the first of them does; until it
 * resolves none does.
 */
export async function* linesOf(
  path: string,
  isDone: (line: BatchLine) => boolean,
  onWindow: (lines: readonly BatchLine[]) => void | Promise<void>,
): AsyncGenerator<BatchLine> {
  let window: { line: BatchLine; order: string }[] = [];
  let units = 0;
  const seen = new Set<string>();
  const next = async () => {
    await onWindow(window.map(({ line }) => line));
    return sorted(window);
  };
  for await (const { text, index, number, whole } of textsOf(path)) {
    const read = whole ? readLine(text, index, number) : { ...nothing(text, index, number), wrong: "no UTF-8" };
    const { customId } = read;
    const again = customId !== null && seen.has(customId);
    if (customId !== null) seen.add(customId);
    const line = again ? { ...read, wrong: "a custom_id that stands there twice" } : read;
    if (isDone(line)) continue;
    window.push({ line, order: orderOf(line) });
    units += text.length;
    if (window.length < WINDOW_LINES && units < WINDOW_UNITS) continue;
    yield* await next();
    window = [];
    units = 0;
  }
  yield* await next();
}

/** How many lines there are, empty ones not counted. */
export async function countLines(path: string): Promise<number> {
  let count = 0;
  for await (const _ of textsOf(path)) count++;
  return count;
}

/** `whole`: it is UTF-8, and nothing of it was replaced. */
async function* textsOf(path: string): AsyncGenerator<{ text: string; index: number; number: number; whole: boolean }> {
  let number = 0;
  let index = 0;
  for await (const line of linesIn(createReadStream(path))) {
    number++;
    const text = line.toString("utf8").trim();
    if (text !== "") yield { text, index: index++, number, whole: isUtf8(line) };
  }
}

/** JSON may hold the line ends that Unicode has beside the newline: they end no line here. */
async function* linesIn(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      yield Buffer.concat([...held, chunk.subarray(from, end)]);
      held = [];
      from = end + 1;
    }
    held.push(chunk.subarray(from));
  }
  yield Buffer.concat(held);
}

function sorted(window: readonly { line: BatchLine; order: string }[]): BatchLine[] {
  const ordered = window.toSorted((a, b) =>
    a.order < b.order ? -1 : a.order > b.order ? 1 : a.line.index - b.line.index,
  );
  return ordered.map(({ line }) => line);
}

/** What begins alike has neighbouring texts here. */
function orderOf({ url, body }: BatchLine): string {
  const { model = "", messages, prompt, tools } = (body ?? {}) as Record<string, unknown>;
  return JSON.stringify([url, model, tools ?? null, messages ?? prompt ?? null]);
}

/** A line that says nothing yet. */
const nothing = (text: string, index: number, number: number) => ({
  ...{ text, index, number },
  ...{ customId: null, url: "", body: null },
});

/** Whatever the text is: what is wrong with it is said in the line. */
export function readLine(text: string, index: number, number: number): BatchLine {
  const none = nothing(text, index, number);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return { ...none, wrong: "no JSON" };
  }
  if (typeof parsed !== "object" || parsed === null) return { ...none, wrong: "no object" };
  const { custom_id: id, method, url, body, ...rest } = parsed as Record<string, unknown>;
  if (typeof id !== "string" || id === "") return { ...none, wrong: "no custom_id, expected text" };
  const own = { ...none, customId: id, url: String(url), body };
  const [stray] = Object.keys(rest);
  if (stray !== undefined) return { ...own, wrong: `an unknown field, got ${stray}` };
  if (method !== "POST") return { ...own, wrong: "another method, expected POST" };
  if (!URLS.includes(url as string)) return { ...own, wrong: `another url, expected one of ${URLS.join(", ")}` };
  if ((body as Record<string, unknown> | null)?.["stream"]) return { ...own, wrong: "stream in a batch" };
  return { ...own, wrong: null };
}
