import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Key, KeyReader } from "../src/cli/keys.ts";

const keysOf = (...chunks: string[]) => {
  const reader = new KeyReader();
  return chunks.flatMap((chunk) => reader.read(chunk));
};
const text = (value: string): Key => ({ name: "text", text: value });
const key = (name: Exclude<Key["name"], "text">): Key => ({ name });

describe("keys", () => {
  test.each([
    ["\r", "enter"],
    ["\n", "enter"],
    ["\u0003", "interrupt"],
    ["\u0004", "end-of-input"],
    ["\u001b[A", "up"],
    ["\u001bOA", "up"],
    ["\u001b[1;5D", "word-left"],
    ["\u001b[3~", "delete"],
    ["\u001b\r", "newline"],
    ["\u001b[13;2u", "newline"],
    ["\u007f", "backspace"],
  ] as const)("%j is %s", (sent, name) => {
    expect(keysOf(sent)).toEqual([key(name)]);
  });

  test("keys that mean nothing here, ESC alone and unknown sequences, write nothing", () => {
    expect(keysOf("\u001b", "a", "\u001b[99;9~b", "\u0000\u0012", "\u001bOP")).toEqual([text("a"), text("b")]);
  });

  test("a line and its Enter in one chunk are sent: fast typing, type-ahead", () => {
    expect(keysOf("hello\r")).toEqual([text("hello"), key("enter")]);
    expect(keysOf("hello\r\n")).toEqual([text("hello"), key("enter")]);
  });
});

describe("pastes", () => {
  test("between the marks every line end is text, and nothing is a key", () => {
    expect(keysOf("\u001b[200~one\rtwo\r\nthree\n\u001b[201~")).toEqual([text("one\ntwo\nthree\n")]);
    expect(keysOf("a\u001b[200~b\u0003\u001b[A\u001b[201~c\r")).toEqual([
      text("a"),
      text("b\u0003\u001b[A"),
      text("c"),
      key("enter"),
    ]);
  });

  test("without marks a chunk of several lines is text, its last line end too", () => {
    expect(keysOf("one\rtwo\r")).toEqual([text("one"), text("\n"), text("two"), text("\n")]);
    expect(keysOf("one\rtwo")).toEqual([text("one"), text("\n"), text("two")]);
  });

  test("wherever a marked paste is cut into chunks, its text arrives whole and waits for Enter", () => {
    const line = fc.string({ unit: "grapheme" }).map((one) => one.replaceAll("\u001b", ""));
    const paste = fc.array(line, { minLength: 1, maxLength: 5 }).map((lines) => lines.join("\r"));
    fc.assert(
      fc.property(paste, fc.array(fc.nat()), (pasted, cuts) => {
        const sent = `\u001b[200~${pasted}\u001b[201~`;
        // Behind the mark's first two characters: ESC alone is a key, and terminals send marks whole.
        const places = [...new Set([2, ...cuts.map((cut) => 2 + (cut % (sent.length - 1)))])].sort((a, b) => a - b);
        const chunks = [0, ...places].map((at, index) => sent.slice(at, places[index]));
        const keys = keysOf(...chunks);
        const got = keys.map((one) => (one.name === "text" ? one.text : `<${one.name}>`)).join("");
        expect(got).toBe(pasted.replace(/\r\n?/g, "\n"));
      }),
    );
  });
});
