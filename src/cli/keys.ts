/** What a terminal in raw mode sends -> keys. */

export type KeyName =
  | "enter"
  | "newline"
  | "backspace"
  | "delete"
  | "left"
  | "right"
  | "word-left"
  | "word-right"
  | "up"
  | "down"
  | "home"
  | "end"
  | "erase-left"
  | "erase-right"
  | "erase-word-left"
  | "erase-word-right"
  | "interrupt"
  | "end-of-input"
  | "suspend"
  | "redraw";

/** `text`: what was typed or pasted, its line ends as \n. */
export type Key = { readonly name: "text"; readonly text: string } | { readonly name: KeyName };

const CONTROLS: Readonly<Record<string, KeyName>> = {
  "\u0001": "home",
  "\u0002": "left",
  "\u0003": "interrupt",
  "\u0004": "end-of-input",
  "\u0005": "end",
  "\u0006": "right",
  "\b": "backspace",
  "\u000b": "erase-right",
  "\f": "redraw",
  "\u000e": "down",
  "\u0010": "up",
  "\u0015": "erase-left",
  "\u0017": "erase-word-left",
  "\u001a": "suspend",
  "\u007f": "backspace",
};

/** Behind ESC: as xterm, VT220, rxvt and the Linux console spell them; the last two are Shift-Enter where a terminal tells it apart. */
const SEQUENCES: Readonly<Record<string, KeyName>> = {
  ...{ "[A": "up", OA: "up", "[B": "down", OB: "down", "[C": "right", OC: "right", "[D": "left", OD: "left" },
  ...{ "[H": "home", OH: "home", "[1~": "home", "[7~": "home", "[F": "end", OF: "end", "[4~": "end", "[8~": "end" },
  ...{ "[1;5D": "word-left", "[1;3D": "word-left", b: "word-left" },
  ...{ "[1;5C": "word-right", "[1;3C": "word-right", f: "word-right" },
  ...{ "[3~": "delete", "\u007f": "erase-word-left", "\b": "erase-word-left", d: "erase-word-right" },
  ...{ "\r": "newline", "\n": "newline", "[13;2u": "newline", "[27;2;13~": "newline" },
};

const LINE_END = /\r\n?|\n/g;
const PASTE_BEGIN = "\u001b[200~";
const PASTE_END = "\u001b[201~";
/** An escape sequence, a line end, a run of text, or one control character. */
const TOKEN = /\u001b(?:\[[0-?]*[ -/]*[@-~]|O[@-~]|[^[O])|\r\n?|\n|[^\u0000-\u0008\u000a-\u001f\u007f]+|[\s\S]/gu;
/** A sequence that the next chunk goes on with. A lone ESC is the key of that name. */
const CUT_SEQUENCE = /\u001b(?:\[[0-?]*[ -/]*|O)$/;

/**
 * Keys of what comes in chunks. Line ends of a paste are text: those between the marks of a bracketed paste, and, from a terminal that
 * knows no marks, those of a chunk that holds more than one line. A person's Enter ends its chunk.
 */
export class KeyReader {
  #rest = "";
  /** Of a bracketed paste, so far. */
  #paste: string | null = null;

  read(chunk: string): Key[] {
    let text = this.#rest + chunk;
    this.#rest = "";
    const keys: Key[] = [];
    while (text !== "") {
      if (this.#paste !== null) {
        text = this.#readPaste(text, keys);
        continue;
      }
      const begin = text.indexOf(PASTE_BEGIN);
      keys.push(...this.#readTyped(begin < 0 ? text : text.slice(0, begin), begin < 0));
      if (begin >= 0) this.#paste = "";
      text = begin < 0 ? "" : text.slice(begin + PASTE_BEGIN.length);
    }
    return keys;
  }

  /** What is behind the paste. */
  #readPaste(text: string, keys: Key[]): string {
    const all = this.#paste + text;
    const end = all.indexOf(PASTE_END);
    this.#paste = end < 0 ? all : null;
    if (end < 0) return "";
    if (end > 0) keys.push({ name: "text", text: all.slice(0, end).replace(LINE_END, "\n") });
    return all.slice(end + PASTE_END.length);
  }

  #readTyped(text: string, last: boolean): Key[] {
    const cut = last ? CUT_SEQUENCE.exec(text) : null;
    if (cut) {
      this.#rest = cut[0];
      text = text.slice(0, cut.index);
    }
    const keys = (text.match(TOKEN) ?? []).flatMap(keyOf);
    const enters = keys.filter(({ name }) => name === "enter").length;
    if (enters === 0 || (enters === 1 && keys.at(-1)?.name === "enter")) return keys;
    return keys.map((key) => (key.name === "enter" ? { name: "text", text: "\n" } : key));
  }
}

/** None: keys that mean nothing here. */
function keyOf(token: string): Key[] {
  if (/^[\r\n]/.test(token)) return [{ name: "enter" }];
  const name = token[0] === "\u001b" ? SEQUENCES[token.slice(1)] : CONTROLS[token];
  if (name) return [{ name }];
  return /^[\u0000-\u0008\u000b-\u001f\u007f]/.test(token) ? [] : [{ name: "text", text: token }];
}
