/** Finds control and user-defined tokens in text: leftmost, the longest of several, in one pass. */
import { TOKEN_KIND, type Vocabulary } from "./vocabulary.ts";

interface Node {
  readonly next: Map<number, Node>;
  id: number; // token that ends here, -1 = none
}

export class MarkerScanner {
  readonly #root: Node = { next: new Map(), id: -1 };
  readonly #kinds: Uint8Array;
  readonly #anyUserDefined: boolean;
  /** The one first character of all markers (nearly always "<"), which `indexOf` finds fastest; "" when they differ. */
  readonly #firstChar: string;

  constructor({ markers, kinds }: Vocabulary) {
    this.#kinds = kinds;
    let anyUserDefined = false;
    for (const [text, id] of markers) {
      this.#add(text, id);
      anyUserDefined ||= kinds[id] === TOKEN_KIND.userDefined;
    }
    this.#anyUserDefined = anyUserDefined;
    const firsts = [...this.#root.next.keys()];
    this.#firstChar = firsts.length === 1 ? String.fromCharCode(firsts[0]) : "";
  }

  /**
   * Calls `found` for each marker, left to right. Control tokens count only when `control` is set, and never where
   * they touch one of the `plain` ranges; user-defined tokens are text with a name and count everywhere.
   */
  scan(
    text: string,
    control: boolean,
    plain: readonly number[],
    found: (start: number, end: number, id: number) => void,
  ): void {
    if (this.#root.next.size === 0 || (!control && !this.#anyUserDefined)) return;
    let range = 0; // first plain range that ends after `at`
    for (let at = this.#candidate(text, 0); at < text.length; ) {
      while (range < plain.length && plain[range + 1] <= at) range += 2;
      // Control tokens must end before the next plain range begins.
      const limit = !control ? at : range < plain.length ? plain[range] : text.length;
      const { id, end } = this.#longest(text, at, limit);
      if (id >= 0) found(at, end, id);
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
