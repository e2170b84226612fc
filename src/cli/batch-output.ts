import { type FileHandle, open } from "node:fs/promises";
import { EngineError } from "../error.ts";
import type { BatchLine } from "./batch-lines.ts";

/**
 * The two files of a batch: results, and what went wrong. A line is written whole and at once, and once; what was cut by the end of the
 * process goes when it is opened again, so that a batch goes on where it ended.
 */
export class BatchOutput {
  /** Keys of what was there at the beginning. */
  readonly #before = new Set<string>();
  readonly #results: FileHandle;
  readonly #errors: FileHandle;
  /** Writes are one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(results: FileHandle, errors: FileHandle) {
    this.#results = results;
    this.#errors = errors;
  }

  static async open(results: string, errors: string): Promise<BatchOutput> {
    const output = new BatchOutput(await open(results, "a+"), await open(errors, "a+"));
    for (const file of [output.#results, output.#errors]) await keysOf(file, output.#before);
    return output;
  }

  /** Lines that were answered or refused before. */
  get count(): number {
    return this.#before.size;
  }

  has({ customId, number, wrong }: BatchLine): boolean {
    if (wrong === null && this.#before.has(resultKey(customId))) return true;
    return this.#before.has(errorKey(customId, number));
  }

  /** `failed`: into the file of errors. */
  write(line: string, failed: boolean): Promise<void> {
    const file = failed ? this.#errors : this.#results;
    const written = this.#last.then(() => file.appendFile(`${line}\n`));
    this.#last = written;
    return written;
  }

  async close(): Promise<void> {
    await this.#last.catch(() => {});
    await this.#results.sync();
    await this.#results.close();
    await this.#errors.close();
  }
}

const CHUNK = 2 ** 20;
const NEWLINE = 10;

/** Reads the file's keys, and cuts what stands behind its last newline. */
async function keysOf(file: FileHandle, keys: Set<string>): Promise<void> {
  const chunk = Buffer.alloc(CHUNK);
  let held = Buffer.alloc(0);
  let at = 0;
  let whole = 0;
  for (;;) {
    const { bytesRead } = await file.read(chunk, 0, CHUNK, at);
    if (bytesRead === 0) break;
    at += bytesRead;
    const bytes = Buffer.concat([held, chunk.subarray(0, bytesRead)]);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      keys.add(keyOf(bytes.toString("utf8", start, end)));
      whole += end + 1 - start;
      start = end + 1;
    }
    held = Buffer.from(bytes.subarray(start));
  }
  if (whole < at) await file.truncate(whole);
}

const resultKey = (id: string | null) => `result ${id}`;
/** Also its place: a line that is wrong may have the id of another. */
const errorKey = (id: string | null, number: number) => `error ${number} ${id}`;

function keyOf(line: string): string {
  try {
    const { custom_id: id, line: number } = JSON.parse(line) as { custom_id?: unknown; line?: unknown };
    const named = typeof id === "string";
    if (typeof number === "number" && (named || id === null)) return errorKey(id as string | null, number);
    if (named && number === undefined) return resultKey(id);
  } catch {
    // Told below.
  }
  throw new EngineError("FILE_EXISTS", "the file holds what is no result of a batch", {
    at: { source: "file" },
    limit: "a new file, or one of an earlier run of the same batch",
  });
}
