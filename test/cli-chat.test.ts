import { PassThrough } from "node:stream";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { converse } from "../dist/src/cli/chat.js";
import { loadModel, type Model } from "../dist/src/index.js";
import { TerminalQuestions } from "../src/cli/questions.ts";
import { withoutOldestTurn } from "../src/engine/conversation.ts";

class FakeInput extends PassThrough {
  raw = false;
  setRawMode(raw: boolean): this {
    this.raw = raw;
    return this;
  }
}

/** A terminal at which questions are asked. */
function ask() {
  const input = new FakeInput();
  let written = "";
  const output = {
    columns: 80,
    rows: 24,
    write: (text: string) => {
      written += text;
    },
    on: () => {},
    off: () => {},
  };
  const command = new AbortController();
  const ended: number[] = [];
  const interrupts = {
    signal: command.signal,
    end: (code: number) => {
      ended.push(code);
      command.abort();
    },
  };
  const questions = new TerminalQuestions(interrupts, input as unknown as NodeJS.ReadStream, output);
  return { questions, input, ended, command, written: () => written };
}

/** Each is a chunk of its own. */
async function type(input: FakeInput, ...chunks: string[]): Promise<void> {
  for (const chunk of chunks) {
    input.write(chunk);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const CTRL_C = "\u0003";
const CTRL_D = "\u0004";
const UP = "\u001b[A";

describe("a question in the terminal", () => {
  test("Enter sends it; the terminal is in raw mode and marks pastes for that long alone", async () => {
    const { questions, input, written } = ask();
    const question = questions.ask();
    expect(input.raw).toBe(true);
    await type(input, "Tell ", "me", "\r");
    expect(await question).toBe("Tell me");
    expect(input.raw).toBe(false);
    expect(written().match(/\u001b\[\?2004[hl]/g)).toEqual(["\u001b[?2004h", "\u001b[?2004l"]);
    expect(input.listenerCount("data")).toBe(0);
  });

  test("pasted lines wait for Enter and are one message, with marks and without", async () => {
    for (const paste of ["\u001b[200~one\ntwo\n\u001b[201~", "one\rtwo\r"]) {
      const { questions, input } = ask();
      let sent: string | null | undefined;
      const question = questions.ask().then((text) => {
        sent = text;
      });
      await type(input, paste, "three");
      expect(sent).toBeUndefined();
      await type(input, "\r");
      await question;
      expect(sent).toBe("one\ntwo\nthree");
    }
  });

  test("Ctrl-C clears what is written and ends where nothing is, with 130", async () => {
    const { questions, input, ended } = ask();
    const question = questions.ask();
    await type(input, "half a quest", CTRL_C);
    expect(ended).toEqual([]);
    await type(input, "whole", "\r");
    expect(await question).toBe("whole");
    const next = questions.ask();
    await type(input, "x", CTRL_C, CTRL_C);
    expect(await next).toBeNull();
    expect([ended, input.raw]).toEqual([[130], false]);
  });

  test("up recalls the message before, all lines of it; an equal one is kept once", async () => {
    const { questions, input } = ask();
    const asked: (string | null)[] = [];
    for (const chunks of [
      ["\u001b[200~a\nb\u001b[201~", "\r"],
      ["c", "\r"],
      ["c", "\r"],
      [UP, UP, "!", "\r"],
    ]) {
      const question = questions.ask();
      await type(input, ...chunks);
      asked.push(await question);
    }
    expect(asked).toEqual(["a\nb", "c", "c", "a\nb!"]);
  });

  test("Ctrl-D in an empty line ends, in a message deletes; an empty message is not sent", async () => {
    const { questions, input, ended } = ask();
    const question = questions.ask();
    await type(input, "\r", "  ", "\r", "ab\u001b[D", CTRL_D, "\r");
    expect(await question).toBe("a");
    const last = questions.ask();
    await type(input, CTRL_D);
    expect([await last, ended, input.raw]).toEqual([null, [], false]);
  });

  test("the end of the command, or of the terminal, ends a question", async () => {
    const first = ask();
    const question = first.questions.ask();
    first.command.abort();
    expect([await question, first.input.raw]).toEqual([null, false]);
    expect(await first.questions.ask()).toBeNull();
    const second = ask();
    const other = second.questions.ask();
    second.input.end();
    expect(await other).toBeNull();
  });
});

test("the oldest turn is its question and all up to the next one; the system's message is none of it", () => {
  const message = (role: string, content: string) => ({ role, content });
  const system = message("system", "s");
  const [first, answer, tool, second] = ["user", "assistant", "tool", "user"].map((role) => message(role, role));
  expect(withoutOldestTurn([system, first, answer, tool, second])).toEqual([system, second]);
  expect(withoutOldestTurn([first, answer, second])).toEqual([second]);
  expect(withoutOldestTurn([system, second])).toBeNull();
});

describe("a conversation longer than the context", () => {
  let model: Model;
  beforeAll(async () => {
    model = await loadModel(new URL("../models/storyteller-q8_0.gguf", import.meta.url), { threads: 0, context: 150 });
  });
  afterAll(() => model.dispose());
  afterEach(() => vi.restoreAllMocks());

  /** What is said on stderr after each question, and the messages that the model was asked. */
  async function converseOver(questions: readonly string[], system: string) {
    const said: string[] = [];
    let stderr = "";
    const catching = (keep: (text: string) => void) =>
      ((text: string, done: () => void) => {
        keep(text);
        done();
        return true;
      }) as typeof process.stdout.write;
    vi.spyOn(process.stdout, "write").mockImplementation(catching(() => {}));
    vi.spyOn(process.stderr, "write").mockImplementation(
      catching((text) => {
        stderr += text;
      }),
    );
    const chats = vi.spyOn(model, "chat");
    const left = [...questions];
    const asking = {
      keys: "",
      ask: async () => {
        said.push(stderr);
        stderr = "";
        return left.shift() ?? null;
      },
    };
    const interrupts = {
      signal: new AbortController().signal,
      duringAnswer: <Result>(work: (signal: AbortSignal) => Promise<Result>) => work(new AbortController().signal),
    };
    await converse(
      model,
      [{ role: "system", content: system }],
      { maxTokens: 40, seed: 3, temperature: 0.6 },
      interrupts as unknown as Parameters<typeof converse>[3],
      asking,
    );
    return { said: said.slice(1), asked: chats.mock.calls.slice(1).map(([messages]) => messages) };
  }

  test("forgets the oldest turns, says so, and answers; a question that is too long alone costs nothing else", async () => {
    const long = "word ".repeat(200);
    const { said, asked } = await converseOver(["one", "two", "three", "four", long, "five"], "You tell stories.");
    const forgotten = said.map((text) => /(\w+ \d* ?turns? (?:is|are)) forgotten/.exec(text)?.[1]);
    expect(forgotten.slice(0, 2)).toEqual([undefined, undefined]);
    expect(forgotten.filter(Boolean).length).toBeGreaterThan(1);
    // Every question that fits is answered.
    expect(said.map((text) => /generated \d+ tokens/.test(text))).toEqual([true, true, true, true, false, true]);
    expect(said[4]).toMatch(/CONTEXT_LENGTH: the prompt does not fit .* It was not asked/);
    for (const messages of asked) expect(messages[0]).toEqual({ role: "system", content: "You tell stories." });
    const last = asked.at(-1)!;
    expect(last.length).toBeGreaterThan(2);
    expect(last.at(-1)).toEqual({ role: "user", content: "five" });
    expect(last.some(({ content }) => content === long)).toBe(false);
    // The newest turn that is kept is the one before.
    expect(last.at(-3)).toEqual({ role: "user", content: "four" });
  });
});
