import { quoteName } from "../error.ts";
import type { AnswerPart, ToolCall } from "./call.ts";
import { NoCall, type Scan } from "./scan.ts";

interface Draft {
  readonly index: number;
  readonly id: string;
  readonly name: string;
  json: string;
}

/** The calls of one answer: parsers say how each begins, grows and ends, and it is told on. */
export class Calls {
  readonly done: ToolCall[] = [];
  readonly #offered: ReadonlySet<string>;
  readonly #scan: Scan;
  readonly #idOf: (index: number) => string;
  readonly #tell: (part: AnswerPart) => void;
  #begun = 0;
  #draft: Draft | null = null;

  constructor(
    offered: ReadonlySet<string>,
    scan: Scan,
    idOf: (index: number) => string,
    tell: (part: AnswerPart) => void,
  ) {
    this.#offered = offered;
    this.#scan = scan;
    this.#idOf = idOf;
    this.#tell = tell;
  }

  /** Nobody could answer a call of a tool that was not offered: it is none. */
  checkName(name: string): void {
    if (!this.#offered.has(name)) throw new NoCall(`no tool is named ${quoteName(name)}`);
  }

  begin(name: string): void {
    this.checkName(name);
    const index = this.#begun++;
    const id = this.#idOf(index);
    this.#draft = { index, id, name, json: "" };
    this.#tell({ type: "tool-call-start", index, id, name });
  }

  /** JSON text of the arguments goes on. */
  grow(text: string): void {
    const draft = this.#draft!;
    draft.json += text;
    this.#tell({ type: "tool-call-arguments", index: draft.index, text });
  }

  /** What was read belongs to the call that is whole now. */
  finish(): void {
    if (this.#draft) {
      const { index, id, name, json } = this.#draft;
      const call: ToolCall = { id, name, arguments: JSON.parse(json) };
      this.#draft = null;
      this.done.push(call);
      this.#tell({ type: "tool-call", index, ...call });
    }
    this.#scan.afterCall();
  }

  /** It is none after all. */
  break(): void {
    if (!this.#draft) return;
    const { index, id } = this.#draft;
    this.#draft = null;
    this.#tell({ type: "tool-call-broken", index, id });
  }
}
