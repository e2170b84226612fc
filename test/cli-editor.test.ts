import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Key } from "../src/cli/keys.ts";
import { MessageEditor } from "../src/cli/message-editor.ts";
import { layOut, MessageScreen } from "../src/cli/message-screen.ts";

/** `[left]` is a key, all else text. */
function typed(script: string, history: string[] = []): string {
  const editor = new MessageEditor(history);
  for (const part of script.match(/\[[a-z-]+\]|[^[]+/g) ?? []) {
    const name = /^\[(.*)\]$/.exec(part)?.[1];
    editor.press(name ? ({ name } as Key) : { name: "text", text: part });
  }
  return `${editor.text.slice(0, editor.cursor)}|${editor.text.slice(editor.cursor)}`;
}

describe("the message", () => {
  test.each([
    ["abc[left][left]X", "aX|bc"],
    ["abc[home]X[end]Y", "XabcY|"],
    ["one two[word-left]X", "one X|two"],
    ["one two  [erase-word-left]", "one |"],
    ["one two[home][word-right]X", "oneX| two"],
    ["one two[home][erase-word-right]", "| two"],
    ["one[newline]two[home][erase-left]x", "one\nx|two"],
    ["one[newline]two[home][backspace]", "one|two"],
    ["one[newline]two[up][end][delete]", "one|two"],
    ["one[newline]two[up][erase-right]", "one|\ntwo"],
    ["a🏳️‍🌈é[left][left][right][backspace]", "a|é"],
    ["🦊[left][delete]", "|"],
    ["abc[newline]d[up]X[down]Y", "aXbc\ndY|"],
    ["[newline]a[up]X", "X|\na"],
    ["[left][right][backspace][delete][erase-left][word-left][home]", "|"],
  ])("%s gives %j", (script, expected) => {
    expect(typed(script)).toBe(expected);
  });

  test("up recalls whole messages, through their lines; down comes back to the draft", () => {
    const history = ["first\nof two", "second"];
    expect(typed("draft[up]", history)).toBe("second|");
    expect(typed("draft[up][up]", history)).toBe("first\nof two|");
    expect(typed("draft[up][up][up]", history)).toBe("first|\nof two");
    expect(typed("draft[up][up][up][up]", history)).toBe("first|\nof two");
    expect(typed("draft[up][up][down][down]", history)).toBe("draft|");
    expect(typed("draft[up]![down][up]", history)).toBe("second|");
  });
});

/** As much of a terminal as drawing uses. */
class FakeTerminal {
  readonly columns: number;
  readonly rows: number;
  #lines = [""];
  #row = 0;
  #column = 0;

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  write(text: string): void {
    for (const [, count, letter, other] of text.matchAll(/\u001b\[(\d*)([A-Z])|([\s\S])/g)) {
      if (letter === "A") this.#row = Math.max(0, this.#row - Number(count));
      else if (letter === "C") this.#column += Number(count);
      else if (letter === "J")
        this.#lines = [...this.#lines.slice(0, this.#row), this.#lines[this.#row].slice(0, this.#column)];
      else if (letter) throw new Error(`the drawing uses ESC [ ${count} ${letter}`);
      else if (other === "\r") this.#column = 0;
      else if (other === "\n") this.#lines[++this.#row] ??= "";
      else {
        const line = this.#lines[this.#row].padEnd(this.#column);
        this.#lines[this.#row] = line.slice(0, this.#column) + other + line.slice(this.#column + 1);
        if (++this.#column >= this.columns) throw new Error("the last column is written");
      }
    }
  }

  get shown(): { lines: string[]; row: number; column: number } {
    return { lines: this.#lines.map((line) => line.trimEnd()), row: this.#row, column: this.#column };
  }
}

describe("the screen", () => {
  test.each([
    ["abc", 3, 10, ["> abc"], 0, 5],
    ["", 0, 10, ["> "], 0, 2],
    ["abcdefg", 7, 10, ["> abcdefg", "  "], 1, 2],
    ["abcdefghi", 1, 10, ["> abcdefg", "  hi"], 0, 3],
    ["a\n\nb", 2, 10, ["> a", "  ", "  b"], 1, 2],
    ["日本語日", 4, 10, ["> 日本語", "  日"], 1, 4],
    ["é🦊\t.", 0, 80, ["> é🦊    ."], 0, 2],
    ["\u001b[2J", 1, 80, ["> \ufffd[2J"], 0, 3],
  ])("%j with the cursor at %d in %d columns", (message, cursor, columns, rows, row, column) => {
    expect(layOut("> ", message, cursor, columns)).toEqual({ rows, row, column });
  });

  test("after any edits it shows the message and the cursor, and what stood above stays", () => {
    const names = [
      "newline",
      "left",
      "right",
      "up",
      "down",
      "home",
      "end",
      "backspace",
      "delete",
      "erase-left",
    ] as const;
    const edit: fc.Arbitrary<Key> = fc.oneof(
      fc.string({ maxLength: 30 }).map((text) => ({ name: "text" as const, text })),
      fc.constantFrom(...names).map((name) => ({ name })),
    );
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 30 }), fc.integer({ min: 5, max: 40 }), (edits, columns) => {
        const terminal = new FakeTerminal(columns, 1000);
        terminal.write("up\r\n");
        const editor = new MessageEditor();
        const screen = new MessageScreen(terminal, "> ");
        for (const key of edits) {
          editor.press(key);
          screen.draw(editor.text, editor.cursor);
        }
        if (edits.length === 0) return;
        const { rows, row, column } = layOut("> ", editor.text, editor.cursor, columns);
        const lines = ["up", ...rows.map((line) => line.trimEnd())];
        expect(terminal.shown).toEqual({ lines, row: row + 1, column });
        screen.finish(editor.text);
        expect(terminal.shown.column).toBe(0);
      }),
    );
  });

  test("of a message higher than the terminal the rows around the cursor are drawn, at the end all", () => {
    const terminal = new FakeTerminal(20, 4);
    terminal.write("up\r\n");
    const screen = new MessageScreen(terminal, "> ");
    const message = "1\n2\n3\n4\n5";
    screen.draw(message, message.length);
    expect(terminal.shown.lines).toEqual(["up", "  3", "  4", "  5"]);
    screen.draw(message, 0);
    expect(terminal.shown).toEqual({ lines: ["up", "> 1", "  2", "  3"], row: 1, column: 2 });
    screen.finish(message);
    expect(terminal.shown.lines).toEqual(["up", "> 1", "  2", "  3", "  4", "  5", ""]);
  });
});
