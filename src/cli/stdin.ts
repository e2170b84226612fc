import { fstatSync } from "node:fs";
import { addAbortSignal } from "node:stream";

/** stdin as a source of text. */

/** A pipe, a file or a socket; a terminal and /dev/null hold no text. */
export function isPiped(): boolean {
  if (process.stdin.isTTY) return false;
  try {
    const stdin = fstatSync(0);
    return stdin.isFIFO() || stdin.isFile() || stdin.isSocket();
  } catch {
    return false; // stdin is closed
  }
}

const SAY_AFTER_MS = 1000;

/** Its bytes to the end, or until `signal`. Where that takes a second stderr says what is awaited. */
export function openStdin(awaited: string, signal: AbortSignal): NodeJS.ReadStream {
  const waiting = setTimeout(() => process.stderr.write(`Reading ${awaited}.\n`), SAY_AFTER_MS);
  for (const event of ["end", "error", "close"]) process.stdin.once(event, () => clearTimeout(waiting));
  return addAbortSignal(signal, process.stdin);
}
