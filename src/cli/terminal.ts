import type { LoadProgress } from "../index.ts";
import { formatBytes } from "./format.ts";

/** What the terminal sees: styles, safe text, the bar while a model loads. */

type Style = (text: string) => string;
type Styles = Record<"bold" | "dim" | "red" | "cyan", Style>;

/** Plain where the stream is no terminal, or NO_COLOR says so (Node looks at it). */
export function stylesOf(stream: NodeJS.WriteStream): Styles {
  const colours = stream.isTTY && stream.hasColors();
  const style = (code: number): Style => (colours ? (text) => `\u001b[${code}m${text}\u001b[0m` : (text) => text);
  return { bold: style(1), dim: style(2), red: style(31), cyan: style(36) };
}

/** Control characters in a text from a model or a file could move the cursor or worse; tabs and line ends stay. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "\ufffd");
}

/** Resolves when the stream took it, or will take none any more (`Interrupts` hears of that). */
export function write(stream: NodeJS.WriteStream, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => stream.write(data, () => resolve()));
}

export async function writeWarning(text: string): Promise<void> {
  await write(process.stderr, `${stylesOf(process.stderr).dim(`warning: ${printable(text)}`)}\n`);
}

const SHOW_AFTER_MS = 150;
const REDRAW_MS = 50;
const BAR_CELLS = 24;
const ERASE_LINE = "\r\u001b[2K";

/** One line on stderr, in a terminal only, once work takes long enough to be noticed; erased at the end. */
export class ProgressBar {
  readonly #name: string;
  readonly #begun = performance.now();
  #drawn = Number.NEGATIVE_INFINITY;

  constructor(name: string) {
    this.#name = name;
  }

  update({ loaded, total }: LoadProgress): void {
    this.draw(total > 0 ? loaded / total : 1, `of ${formatBytes(total)}`);
  }

  draw(part: number, what: string): void {
    const now = performance.now();
    if (
      !process.stderr.isTTY ||
      process.env["TERM"] === "dumb" ||
      now - this.#begun < SHOW_AFTER_MS ||
      now - this.#drawn < REDRAW_MS
    )
      return;
    this.#drawn = now;
    const full = Math.round(part * BAR_CELLS);
    const { cyan, dim } = stylesOf(process.stderr);
    const bar = cyan("█".repeat(full)) + dim("░".repeat(BAR_CELLS - full));
    const name = this.#name.length > 24 ? `${this.#name.slice(0, 23)}…` : this.#name;
    const percent = String(Math.floor(part * 100)).padStart(3);
    process.stderr.write(`${ERASE_LINE}${name} ${bar} ${percent} % ${what}`);
  }

  erase(): void {
    if (this.#drawn !== Number.NEGATIVE_INFINITY) process.stderr.write(ERASE_LINE);
    this.#drawn = Number.NEGATIVE_INFINITY;
  }
}
