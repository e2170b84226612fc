import type { MarkedText, Recalled } from "./chat.ts";
import { Text } from "./template/text.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * The ids of a conversation's turns, by the text that a template made of them, so that nothing is made into tokens twice: text and
 * back is not always the same ids, and those that a model wrote are the ones it saw.
 *
 * A template may write old turns in another way later (without their thinking, trimmed, with today's date). Then the ids hold up to the
 * turn before, and what follows is read anew.
 */

type Turn =
  | { readonly kind: "prompt"; readonly text: Text; readonly ids: readonly number[] }
  /** `open`: it goes on the caller's own words. */
  | { readonly kind: "answer"; readonly open: boolean; readonly ids: readonly number[] };

interface Found {
  readonly turn: Turn;
  readonly end: number;
}

export class ChatHistory {
  readonly #tokenizer: Tokenizer;
  readonly #turns: readonly Turn[];

  constructor(tokenizer: Tokenizer, turns: readonly Turn[] = []) {
    this.#tokenizer = tokenizer;
    this.#turns = turns;
  }

  /** How much of a prompt is turns from before, and their ids. */
  recall({ text, marks }: MarkedText): Recalled {
    const { turns, length } = this.#known(new Text(text, marks));
    return { length, ids: turns.flatMap(({ ids }) => ids) };
  }

  /** With the ids that came behind a prompt: `ids` are those of the prompt, all of them. */
  after({ text, marks }: MarkedText, ids: readonly number[], answer: readonly number[], open: boolean): ChatHistory {
    const prompt = new Text(text, marks);
    const { turns, length } = this.#known(prompt);
    const before = turns.reduce((sum, turn) => sum + turn.ids.length, 0);
    const next: Turn = { kind: "prompt", text: prompt.slice(length, text.length), ids: ids.slice(before) };
    return new ChatHistory(this.#tokenizer, [...turns, next, { kind: "answer", open, ids: answer.slice() }]);
  }

  /** The turns that a prompt begins with, as much of them as it holds, and where they end in it. */
  #known(prompt: Text): { turns: readonly Turn[]; length: number } {
    const turns: Turn[] = [];
    let length = 0;
    for (const turn of this.#turns) {
      const found = turn.kind === "prompt" ? this.#asked(turn, prompt, length) : this.#answered(turn, prompt, length);
      if (!found) break;
      turns.push(found.turn);
      length = found.end;
    }
    return { turns, length };
  }

  /** Whose a character is, the template's or a message's, matters in control tokens alone. */
  #asked(turn: Turn & { kind: "prompt" }, prompt: Text, start: number): Found | null {
    const { text } = turn.text;
    const end = start + text.length;
    const same = prompt.text.startsWith(text, start);
    return same && isSame(this.#controlsOf(turn.text), this.#controlsOf(prompt.slice(start, end)))
      ? { turn, end }
      : null;
  }

  /**
   * An answer as its ids are spelled, or as it was shown: without the space in front that some vocabularies write. Where a template
   * takes white space and the like from its end, the ids before that hold, if a control token follows them.
   */
  #answered(turn: Turn & { kind: "answer" }, prompt: Text, start: number): Found | null {
    const { ids, open } = turn;
    for (const continues of [true, open]) {
      const { text, ends, controls } = this.#spell(ids, continues);
      let same = 0;
      while (same < text.length && text[same] === prompt.text[start + same]) same++;
      const count = same === text.length ? ids.length : ends.indexOf(same);
      const end = start + same;
      if (count < 0 || (count < ids.length && !this.#controlFollows(prompt, end))) continue;
      const kept = controls.filter((_, index) => controls[index & ~1] < same);
      if (isSame(kept, this.#controlsOf(prompt.slice(start, end))))
        return { turn: { ...turn, ids: ids.slice(0, count) }, end };
    }
    return null;
  }

  /** The text of ids, control tokens by name; where the text ends before each of them, and where control tokens stand. */
  #spell(ids: readonly number[], continues: boolean): { text: string; ends: number[]; controls: number[] } {
    const stream = this.#tokenizer.stream({ specialTokens: true, continues });
    const ends: number[] = [];
    const controls: number[] = [];
    let text = "";
    for (const id of ids) {
      ends.push(text.length);
      const piece = stream.push(id);
      if (this.#tokenizer.isSpecial(id)) controls.push(text.length, id);
      text += piece;
    }
    return { text: text + stream.end(), ends, controls };
  }

  #controlFollows(prompt: Text, at: number): boolean {
    return this.#controlsOf(prompt.slice(at, prompt.text.length))[0] === 0;
  }

  /** Control tokens that the template itself writes: what merely looks like one is text. */
  #controlsOf({ text, marks }: Text): number[] {
    return this.#tokenizer.controlTokens(text, marks).flatMap(({ start, id }) => [start, id]);
  }
}

const isSame = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, index) => value === b[index]);
