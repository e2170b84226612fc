import { type Automaton, DEAD, type State } from "./automaton.ts";
import type { Trie, VocabularyBytes } from "./trie.ts";

/** The ids that are allowed, or those that are not, whichever are fewer. */
export interface Mask {
  readonly allowed: boolean;
  readonly ids: Int32Array;
}

/** What a grammar's masks may take together; those used least recently go first. */
const MOST_BYTES = 8 * 2 ** 20;

/** The masks of one grammar over one vocabulary, by what its states allow. */
export class Masks {
  readonly automaton: Automaton;
  readonly vocabulary: VocabularyBytes;
  readonly #known = new Map<string, Mask>();
  #bytes = 0;
  /** Ids that a walk found, in the vocabulary's `found`. */
  #count = 0;

  constructor(automaton: Automaton, vocabulary: VocabularyBytes) {
    this.automaton = automaton;
    this.vocabulary = vocabulary;
  }

  /** `state` as the automaton holds it now. */
  of(state: State): Mask {
    const key = this.automaton.shapeOf(state, this.vocabulary.longest);
    let mask = this.#known.get(key);
    if (mask) this.#known.delete(key);
    else {
      mask = this.#make(state);
      this.#bytes += mask.ids.byteLength + 2 * key.length;
    }
    this.#known.set(key, mask);
    for (const [oldest, { ids }] of this.#known) {
      if (this.#bytes <= MOST_BYTES || oldest === key) break;
      this.#known.delete(oldest);
      this.#bytes -= ids.byteLength + 2 * oldest.length;
    }
    return mask;
  }

  #make(state: State): Mask {
    const { mostPoints } = this.vocabulary;
    this.#count = 0;
    if (state.text >= mostPoints || (state.text >= 0 && state.textOnly)) return this.#ofText(state);
    this.#walk(this.vocabulary.all, state);
    const found = this.vocabulary.found.subarray(0, this.#count);
    const { size } = this.vocabulary;
    if (found.length <= size / 2) return { allowed: true, ids: found.slice().sort() };
    return {
      allowed: false,
      ids: this.#missing(found, (see) => {
        for (let id = 0; id < size; id++) see(id);
      }),
    };
  }

  /** In free text: plain tokens need no look, as many code points as there may be. */
  #ofText(state: State): Mask {
    const { odd, oddIds, neverIds, plainIds, plainCounts, size } = this.vocabulary;
    let plain = plainIds.length;
    while (plain > 0 && plainCounts[plain - 1] > state.text) plain--;
    this.#walk(odd, state);
    const found = this.vocabulary.found.subarray(0, this.#count);
    if (plain + found.length > size / 2) {
      const rest = this.#missing(found, (see) => {
        for (const id of oddIds) see(id);
        for (const id of neverIds) see(id);
        for (let at = plain; at < plainIds.length; at++) see(plainIds[at]);
      });
      return { allowed: false, ids: rest };
    }
    const ids = new Int32Array(plain + found.length);
    ids.set(plainIds.subarray(0, plain));
    ids.set(found, plain);
    return { allowed: true, ids: ids.sort() };
  }

  #missing(found: Int32Array, each: (see: (id: number) => void) => void): Int32Array {
    const marks = this.vocabulary.marks;
    for (const id of found) marks[id] = 1;
    const ids: number[] = [];
    each((id) => {
      if (marks[id] === 0) ids.push(id);
    });
    for (const id of found) marks[id] = 0;
    return Int32Array.from(ids).sort();
  }

  #walk(trie: Trie, from: State): void {
    const { bytes, depths, skips, begins, ids } = trie;
    const { automaton } = this;
    const path = this.vocabulary.path;
    const found = this.vocabulary.found;
    let count = this.#count;
    path[0] = from.index;
    for (let node = 0; node < bytes.length; ) {
      const depth = depths[node];
      const next = automaton.next(path[depth], bytes[node]);
      if (next === DEAD) {
        node = skips[node];
        continue;
      }
      path[depth + 1] = next;
      const end = begins[node + 1];
      for (let at = begins[node]; at < end; at++) found[count++] = ids[at];
      node++;
    }
    this.#count = count;
  }
}
