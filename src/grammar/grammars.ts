import { Automaton } from "./automaton.ts";
import { Constraint } from "./constraint.ts";
import type { CheckedFormat } from "./format.ts";
import { Masks } from "./mask.ts";
import { VocabularyBytes } from "./trie.ts";

export interface Words {
  readonly size: number;
  /** null: the id stands for no text. */
  bytesOf(id: number): Uint8Array | null;
}

/** Compiled grammars that are kept; the one used least recently goes first. */
const MOST_KEPT = 16;

/** The grammars of one vocabulary. Its trie is built for the first of them. */
export class Grammars {
  readonly #words: Words;
  #vocabulary: VocabularyBytes | null = null;
  readonly #kept = new Map<string, Masks>();

  constructor(words: Words) {
    this.#words = words;
  }

  /** Throws what is wrong with the format. */
  compile(format: CheckedFormat): Masks {
    const { key } = format;
    const masks = this.#kept.get(key) ?? this.#make(format);
    this.#kept.delete(key);
    this.#kept.set(key, masks);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MOST_KEPT) this.#kept.delete(oldest);
    return masks;
  }

  /** `endIds` end the text, and nothing else does; `strips`: a space that begins the text is not shown. */
  begin(format: CheckedFormat, endIds: Iterable<number>, strips: boolean): Constraint {
    const bytesOf = (id: number) => this.#words.bytesOf(id) ?? new Uint8Array(0);
    return new Constraint(this.compile(format), bytesOf, [...endIds], strips);
  }

  #make(format: CheckedFormat): Masks {
    const automaton = new Automaton(format.fragment());
    this.#vocabulary ??= new VocabularyBytes(this.#words.size, (id) => this.#words.bytesOf(id));
    return new Masks(automaton, this.#vocabulary);
  }
}
