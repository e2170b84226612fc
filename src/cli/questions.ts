import { createInterface } from "node:readline";
import type { Interrupts } from "./interrupts.ts";
import { KeyReader } from "./keys.ts";
import { MessageEditor } from "./message-editor.ts";
import { MessageScreen, type Terminal } from "./message-screen.ts";

/** What a person types: messages of one or more lines, until Ctrl-D, or Ctrl-C where nothing is written. */
export interface Questions {
  /** What else is to be known of the keys. */
  readonly keys: string;
  /** null: there are no more. */
  ask(): Promise<string | null>;
}

/** The part of `process.stdin` that is used of a terminal. */
export type TerminalInput = Pick<NodeJS.ReadStream, "on" | "off" | "resume" | "pause" | "setRawMode">;
export type TerminalOutput = Terminal & {
  on(event: "resize", listener: () => void): unknown;
  off(event: "resize", listener: () => void): unknown;
};

const PROMPT = "> ";
const PASTES_MARKED = "\u001b[?2004h";
const PASTES_PLAIN = "\u001b[?2004l";
const MOST_REMEMBERED = 200;

/**
 * A line editor in a terminal. It lives for one question at a time: between questions the terminal is in its usual mode, in which
 * Ctrl-C is a signal. A paste waits for Enter, whatever lines it has; Alt-Enter begins a new line.
 */
export class TerminalQuestions implements Questions {
  readonly keys = "Alt-Enter: a new line. Ctrl-C stops an answer, or clears; Ctrl-D ends.";
  readonly #interrupts: Pick<Interrupts, "signal" | "end">;
  readonly #input: TerminalInput;
  readonly #output: TerminalOutput;
  readonly #history: string[] = [];

  constructor(interrupts: Pick<Interrupts, "signal" | "end">, input: TerminalInput, output: TerminalOutput) {
    this.#interrupts = interrupts;
    this.#input = input;
    this.#output = output;
  }

  async ask(): Promise<string | null> {
    const { signal } = this.#interrupts;
    if (signal.aborted) return null;
    const question = await new Promise<string | null>((resolve) => this.#edit(resolve));
    if (question !== null) this.#remember(question);
    return question;
  }

  #remember(question: string): void {
    const before = this.#history.indexOf(question);
    if (before >= 0) this.#history.splice(before, 1);
    this.#history.push(question);
    if (this.#history.length > MOST_REMEMBERED) this.#history.shift();
  }

  #edit(answer: (question: string | null) => void): void {
    const { signal } = this.#interrupts;
    const input = this.#input;
    const editor = new MessageEditor(this.#history);
    const screen = new MessageScreen(this.#output, PROMPT);
    const keys = new KeyReader();
    const decoder = new TextDecoder();
    const draw = () => screen.draw(editor.text, editor.cursor);
    const enter = () => {
      input.setRawMode(true);
      this.#output.write(PASTES_MARKED);
      input.resume();
      draw();
    };
    // Reading goes on: nothing else keeps a suspended process alive.
    const leave = () => {
      this.#output.write(PASTES_PLAIN);
      input.setRawMode(false);
    };
    const end = (question: string | null) => {
      screen.finish(question ?? editor.text);
      leave();
      input.pause();
      input.off("data", read);
      input.off("end", close);
      this.#output.off("resize", draw);
      signal.removeEventListener("abort", close);
      answer(question);
    };
    const close = () => end(null);
    const read = (chunk: Buffer) => {
      for (const key of keys.read(decoder.decode(chunk, { stream: true }))) {
        if (key.name === "enter") {
          const question = editor.text.trimEnd();
          if (question !== "") return end(question);
          editor.clear();
        } else if (key.name === "interrupt") {
          // Ends through `close`.
          if (editor.text === "") return this.#interrupts.end(130);
          editor.clear();
        } else if (key.name === "end-of-input") {
          if (editor.text === "") return close();
          editor.press({ name: "delete" });
        } else if (key.name === "suspend") {
          screen.finish(editor.text);
          return suspend(leave, enter);
        } else if (key.name === "redraw") screen.redraw(editor.text, editor.cursor);
        else editor.press(key);
      }
      draw();
    };
    input.on("data", read);
    input.on("end", close);
    this.#output.on("resize", draw);
    signal.addEventListener("abort", close, { once: true });
    enter();
  }
}

/** Ctrl-Z, which a terminal in raw mode leaves to the program. */
function suspend(leave: () => void, enter: () => void): void {
  if (process.platform === "win32") return;
  leave();
  process.once("SIGCONT", enter);
  process.kill(process.pid, "SIGTSTP");
}

export function questionsOf(interrupts: Interrupts): Questions {
  const drawable = process.env["TERM"] === "dumb" ? [] : [process.stderr, process.stdout];
  const output = drawable.find(({ isTTY }) => isTTY);
  return output ? new TerminalQuestions(interrupts, process.stdin, output) : new PlainQuestions(interrupts);
}

/** Where nothing can be drawn the terminal's own lines have to do, each a question. */
class PlainQuestions implements Questions {
  readonly keys = "Ctrl-C stops an answer, Ctrl-D ends.";
  readonly #interrupts: Pick<Interrupts, "signal">;

  constructor(interrupts: Pick<Interrupts, "signal">) {
    this.#interrupts = interrupts;
  }

  async ask(): Promise<string | null> {
    const { signal } = this.#interrupts;
    for (;;) {
      if (signal.aborted) return null;
      process.stderr.write(PROMPT);
      const line = await this.#line();
      if (line === null) process.stderr.write("\n");
      if (line === null || line.trim() !== "") return line;
    }
  }

  #line(): Promise<string | null> {
    const { signal } = this.#interrupts;
    const lines = createInterface({ input: process.stdin, terminal: false });
    return new Promise((resolve) => {
      let line: string | null = null;
      const close = () => lines.close();
      lines.once("line", (first) => {
        line = first;
        close();
      });
      lines.once("close", () => {
        signal.removeEventListener("abort", close);
        resolve(line);
      });
      signal.addEventListener("abort", close, { once: true });
    });
  }
}
