import { GRAPHEMES } from "./message-editor.ts";
import { printable } from "./terminal.ts";

/** A message and its cursor on the rows of a terminal. */

export interface Rows {
  readonly rows: readonly string[];
  /** Of the cursor: index of its row, cells before it. */
  readonly row: number;
  readonly column: number;
}

/** The part of a terminal that is written to. */
export interface Terminal {
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

const TAB_CELLS = 4;
/** East Asian wide and full-width, and emoji: two cells. */
const WIDE =
  /\p{Emoji_Presentation}|\p{Extended_Pictographic}\ufe0f|[\u1100-\u115f\u2e80-\u303e\u3041-\u4dbf\u4e00-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;
const PLAIN = /^[\u0020-\u007e]*$/;
const NO_CELL = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;

/**
 * Lines folded at the edge, the first behind `prompt`, the others below its text. The last cell of a row stays free: what a terminal
 * does behind it differs.
 */
export function layOut(prompt: string, text: string, cursor: number, columns: number): Rows {
  const width = Math.max(2, columns - prompt.length - 1);
  const indent = " ".repeat(prompt.length);
  const rows: string[] = [];
  let at = { row: 0, column: 0 };
  let begin = 0;
  for (const line of text.split("\n")) {
    const inLine = cursor >= begin && cursor <= begin + line.length;
    const folded = fold(line, width, inLine ? cursor - begin : 0);
    if (inLine) at = { row: rows.length + folded.row, column: prompt.length + folded.column };
    for (const row of folded.rows) rows.push((rows.length === 0 ? prompt : indent) + row);
    begin += line.length + 1;
  }
  return { rows, ...at };
}

function fold(line: string, width: number, cursor: number): Rows {
  const rows = [""];
  let used = 0;
  let at = { row: 0, column: 0 };
  const place = (piece: string, cells: number, index: number) => {
    if (used + cells > width) {
      rows.push("");
      used = 0;
    }
    if (index <= cursor) at = { row: rows.length - 1, column: used };
    rows[rows.length - 1] += piece;
    used += cells;
  };
  if (PLAIN.test(line)) {
    // Most of a long paste: no grapheme is looked at.
    const row = Math.min(Math.floor(cursor / width), Math.max(0, Math.ceil(line.length / width) - 1));
    const cut = line.match(new RegExp(`.{1,${width}}`, "g")) ?? [""];
    const column = cursor - row * width;
    return column < width ? { rows: cut, row, column } : { rows: [...cut, ""], row: row + 1, column: 0 };
  }
  for (const { segment, index } of GRAPHEMES.segment(line)) {
    if (segment === "\t") place(" ".repeat(TAB_CELLS), TAB_CELLS, index);
    else place(printable(segment), WIDE.test(segment) ? 2 : NO_CELL.test(segment) ? 0 : 1, index);
  }
  if (cursor === line.length) place("", used === width ? 1 : 0, cursor);
  return { rows, ...at };
}

/** Draws a message again and again in one place, below what was written before. */
export class MessageScreen {
  readonly #terminal: Terminal;
  readonly #prompt: string;
  /** Rows of the last drawing above the cursor. */
  #above = 0;

  constructor(terminal: Terminal, prompt: string) {
    this.#terminal = terminal;
    this.#prompt = prompt;
  }

  /** Of a message that is higher than the terminal, the rows around the cursor. */
  draw(text: string, cursor: number): void {
    const { rows, row, column } = layOut(this.#prompt, text, cursor, this.#columns());
    const most = Math.max(1, (this.#terminal.rows || 24) - 1);
    const first = Math.max(0, row - most + 1);
    const shown = rows.slice(first, first + most);
    const below = shown.length - 1 - (row - first);
    this.#terminal.write(
      `${this.#begin()}${shown.join("\r\n")}${below > 0 ? `\u001b[${below}A` : ""}\r${column > 0 ? `\u001b[${column}C` : ""}`,
    );
    this.#above = row - first;
  }

  /** The whole message, and the line below it. */
  finish(text: string): void {
    const { rows } = layOut(this.#prompt, text, 0, this.#columns());
    this.#terminal.write(`${this.#begin()}${rows.join("\r\n")}\r\n`);
    this.#above = 0;
  }

  /** An empty terminal, the message at its top. */
  redraw(text: string, cursor: number): void {
    this.#terminal.write("\u001b[H\u001b[2J");
    this.#above = 0;
    this.draw(text, cursor);
  }

  /** To the first row of the last drawing, nothing below. */
  #begin(): string {
    return `${this.#above > 0 ? `\u001b[${this.#above}A` : ""}\r\u001b[J`;
  }

  #columns(): number {
    return this.#terminal.columns || 80;
  }
}
