import type { Key, KeyName } from "./keys.ts";

/** A message while it is written: several lines, a cursor, the messages before it. Knows nothing of terminals. */

export const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: "grapheme" });

export class MessageEditor {
  #text = "";
  /** In UTF-16 units, between graphemes. */
  #cursor = 0;
  readonly #history: readonly string[];
  /** Of `#history`; behind its end: the message that is being written, which `#draft` keeps meanwhile. */
  #at: number;
  #draft = "";
  readonly #deeds: Partial<Record<KeyName, () => void>> = {
    newline: () => this.#insert("\n"),
    left: () => this.#moveTo(this.#before()),
    right: () => this.#moveTo(this.#behind()),
    "word-left": () => this.#moveTo(this.#wordBefore()),
    "word-right": () => this.#moveTo(this.#wordBehind()),
    home: () => this.#moveTo(this.#lineBegin()),
    end: () => this.#moveTo(this.#lineEnd()),
    up: () => this.#up(),
    down: () => this.#down(),
    backspace: () => this.#erase(this.#before(), this.#cursor),
    delete: () => this.#erase(this.#cursor, this.#behind()),
    "erase-left": () => this.#erase(this.#lineBegin(), this.#cursor),
    "erase-right": () => this.#erase(this.#cursor, this.#lineEnd()),
    "erase-word-left": () => this.#erase(this.#wordBefore(), this.#cursor),
    "erase-word-right": () => this.#erase(this.#cursor, this.#wordBehind()),
  };

  /** `history`: sent before, the newest last. */
  constructor(history: readonly string[] = []) {
    this.#history = history;
    this.#at = history.length;
  }

  get text(): string {
    return this.#text;
  }

  get cursor(): number {
    return this.#cursor;
  }

  /** What changes the text or moves in it; other keys do nothing. */
  press(key: Key): void {
    if (key.name === "text") this.#insert(key.text);
    else this.#deeds[key.name]?.();
  }

  clear(): void {
    this.#show("");
    this.#at = this.#history.length;
  }

  #insert(text: string): void {
    this.#text = this.#text.slice(0, this.#cursor) + text + this.#text.slice(this.#cursor);
    this.#cursor += text.length;
  }

  #erase(from: number, to: number): void {
    this.#text = this.#text.slice(0, from) + this.#text.slice(to);
    this.#cursor = from;
  }

  #moveTo(cursor: number): void {
    this.#cursor = cursor;
  }

  #show(text: string): void {
    this.#text = text;
    this.#cursor = text.length;
  }

  #before(): number {
    const begin = this.#lineBegin();
    if (this.#cursor === begin) return Math.max(0, begin - 1);
    const line = GRAPHEMES.segment(this.#text.slice(begin, this.#cursor));
    return begin + (line.containing(this.#cursor - begin - 1)?.index ?? 0);
  }

  #behind(): number {
    const rest = this.#text.slice(this.#cursor, this.#lineEnd());
    const next = rest === "" ? "\n" : (GRAPHEMES.segment(rest).containing(0)?.segment ?? "");
    return Math.min(this.#text.length, this.#cursor + next.length);
  }

  #wordBefore(): number {
    return this.#text.slice(0, this.#cursor).replace(/\S+\s*$|\s+$/, "").length;
  }

  #wordBehind(): number {
    return this.#cursor + (/^\s*\S*/.exec(this.#text.slice(this.#cursor))?.[0].length ?? 0);
  }

  #lineBegin(): number {
    return lineBegin(this.#text, this.#cursor);
  }

  #lineEnd(): number {
    const end = this.#text.indexOf("\n", this.#cursor);
    return end < 0 ? this.#text.length : end;
  }

  /** A line up in the message; from its first line, the message before it, whole. */
  #up(): void {
    const begin = this.#lineBegin();
    if (begin > 0) {
      this.#moveTo(this.#columnOf(lineBegin(this.#text, begin - 1), begin - 1));
    } else if (this.#at > 0) {
      if (this.#at === this.#history.length) this.#draft = this.#text;
      this.#show(this.#history[--this.#at]);
    }
  }

  #down(): void {
    const end = this.#lineEnd();
    if (end < this.#text.length) {
      const below = this.#text.indexOf("\n", end + 1);
      this.#moveTo(this.#columnOf(end + 1, below < 0 ? this.#text.length : below));
    } else if (this.#at < this.#history.length) {
      this.#at++;
      this.#show(this.#at === this.#history.length ? this.#draft : this.#history[this.#at]);
    }
  }

  /** As many graphemes into the line from `begin` to `end` as the cursor is into its own. */
  #columnOf(begin: number, end: number): number {
    const column = [...GRAPHEMES.segment(this.#text.slice(this.#lineBegin(), this.#cursor))].length;
    const line = [...GRAPHEMES.segment(this.#text.slice(begin, end))];
    return begin + (line[column]?.index ?? end - begin);
  }
}

/** Of the line that holds `at`. */
function lineBegin(text: string, at: number): number {
  return at === 0 ? 0 : text.lastIndexOf("\n", at - 1) + 1;
}
