/** String literals, with the escapes that Python's `unicode-escape` reads. */
import { syntaxError } from "./syntax-error.ts";

const SIMPLE: Readonly<Record<string, string>> = {
  ...{ n: "\n", t: "\t", r: "\r", b: "\b", f: "\f", v: "\v", a: "\x07" },
  ...{ "'": "'", '"': '"', "\\": "\\", "\n": "" },
};
const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U(00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4})|([0-7]{1,3})|(.))/suy;

/** Reads the literal that starts at `start` with its quote; `end` is behind the closing one. */
export function readString(source: string, start: number): { text: string; end: number } {
  const quote = source[start];
  const parts: string[] = [];
  let at = start + 1;
  let from = at;
  for (; source[at] !== quote; at++) {
    if (at >= source.length) throw syntaxError(source, start, "unterminated string");
    if (source[at] !== "\\") continue;
    parts.push(source.slice(from, at));
    ESCAPE.lastIndex = at;
    const found = ESCAPE.exec(source);
    if (!found) throw syntaxError(source, start, "unterminated string");
    const [all, two, four, eight, octal, kind] = found;
    const hex = two ?? four ?? eight;
    if (hex !== undefined) parts.push(String.fromCodePoint(Number.parseInt(hex, 16)));
    else if (octal !== undefined) parts.push(String.fromCodePoint(Number.parseInt(octal, 8)));
    else if ("xuUN".includes(kind)) throw syntaxError(source, at, "bad escape");
    else parts.push(SIMPLE[kind] ?? unknown(kind));
    from = at + all.length;
    at = from - 1;
  }
  parts.push(source.slice(from, at));
  return { text: parts.join(""), end: at + 1 };
}

/** As in Python, what is no escape stays; a character beyond ASCII has been written as an escape by then. */
function unknown(kind: string): string {
  const code = kind.codePointAt(0)!;
  if (code < 0x80) return `\\${kind}`;
  const hex = code.toString(16);
  return code < 0x100 ? `\\x${hex}` : code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}
