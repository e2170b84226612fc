/** Finds control and user-defined tokens in text: leftmost, the longest of several, in one pass. */
import { TOKEN_KIND } from "./token-kinds.ts";

/** What a file says of an added token beside its text, as in `tokenizers`. */
export interface MarkerFlags {
  /** Not where letters or digits touch it. */
  readonly singleWord: boolean;
  /** Takes the white space before it along, or behind it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
}

interface Node {
  readonly next: Map<number, Node>;
  id: number; // token that ends here, -1 = none
}

const WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
const BLANK = /\p{White_Space}/u;

export class MarkerScanner {
  readonly #root: Node = { next: new Map(), id: -1 };
  readonly #kinds: Uint8Array;
  readonly #flags: ReadonlyMap<number, MarkerFlags>;
  readonly #anyUserDefined: boolean;
  /** The one first character of all markers (nearly always "<"), which `indexOf` finds fastest; "" when they differ. */
  readonly #firstChar: string;

  constructor(
    markers: Iterable<readonly [string, number]>,
    kinds: Uint8Array,
    flags: ReadonlyMap<number, MarkerFlags>,
  ) {
    this.#kinds = kinds;
    this.#flags = flags;
    let anyUserDefined = false;
    for (const [text, id] of markers) {
      this.#add(text, id);
      anyUserDefined ||= kinds[id] === TOKEN_KIND.userDefined;
    }
    this.#anyUserDefined = anyUserDefined;
    const firsts = [...this.#root.next.keys()];
    this.#firstChar = firsts.length === 1 ? String.fromCharCode(firsts[0]) : "";
  }

  get empty(): boolean {
    return this.#root.next.size === 0;
  }

  /**
   * Calls `found` for each marker, left to right, with what it takes of the text. Control tokens count only when `control` is
   * set, and never where they touch one of the `plain` ranges; user-defined tokens are text with a name and count everywhere.
   */
  scan(
    text: string,
    control: boolean,
    plain: readonly number[],
    found: (start: number, end: number, id: number) => void,
  ): void {
    if (this.empty || (!control && !this.#anyUserDefined)) return;
    let range = 0; // first plain range that ends after `at`
    let taken = 0; // what markers took so far, white space with it
    for (let at = this.#candidate(text, 0); at < text.length; ) {
      while (range < plain.length && plain[range + 1] <= at) range += 2;
      // Control tokens must end before the next plain range begins.
      const limit = !control ? at : range < plain.length ? plain[range] : text.length;
      const { id, end } = this.#longest(text, at, limit);
      const flags = id < 0 ? undefined : this.#flags.get(id);
      if (id >= 0 && !(flags?.singleWord && touchesWord(text, at, end))) {
        const start = flags?.lstrip ? Math.max(taken, blanksBefore(text, at, taken)) : at;
        // Blanks that were taken already are not read again.
        const last = flags?.rstrip ? Math.max(taken, blanksAfter(text, Math.max(end, taken))) : end;
        // Nothing is left of a token of blanks that another one took.
        if (start < last) found(start, last, id);
        taken = Math.max(taken, last);
      }
      at = this.#candidate(text, id >= 0 ? end : at + 1);
    }
  }

  #add(text: string, id: number): void {
    let node = this.#root;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      let child = node.next.get(unit);
      if (!child) {
        child = { next: new Map(), id: -1 };
        node.next.set(unit, child);
      }
      node = child;
    }
    node.id = id;
  }

  #candidate(text: string, from: number): number {
    if (this.#firstChar !== "") {
      const at = text.indexOf(this.#firstChar, from);
      return at < 0 ? text.length : at;
    }
    let at = from;
    while (at < text.length && !this.#root.next.has(text.charCodeAt(at))) at++;
    return at;
  }

  #longest(text: string, start: number, controlLimit: number): { id: number; end: number } {
    let id = -1;
    let end = start;
    let node: Node | undefined = this.#root;
    for (let at = start; at < text.length; ) {
      node = node.next.get(text.charCodeAt(at++));
      if (!node) break;
      if (node.id < 0 || (at > controlLimit && this.#kinds[node.id] !== TOKEN_KIND.userDefined)) continue;
      id = node.id;
      end = at;
    }
    return { id, end };
  }
}

function touchesWord(text: string, start: number, end: number): boolean {
  const low = text.charCodeAt(start - 1);
  const before = low >= 0xdc00 && low < 0xe000 ? text.codePointAt(start - 2) : low;
  const after = text.codePointAt(end);
  return (
    (start > 0 && before !== undefined && WORD.test(String.fromCodePoint(before))) ||
    (after !== undefined && WORD.test(String.fromCodePoint(after)))
  );
}

/** White space has no surrogates. */
function blanksBefore(text: string, start: number, from: number): number {
  let at = start;
  while (at > from && BLANK.test(text[at - 1])) at--;
  return at;
}

function blanksAfter(text: string, end: number): number {
  let at = end;
  while (at < text.length && BLANK.test(text[at])) at++;
  return at;
}
