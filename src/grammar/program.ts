import { EngineError } from "../error.ts";
import { Analysis, tooLarge } from "./analysis.ts";
import { call, type Fragment, type Range, type Rule } from "./fragment.ts";

/**
 * A grammar as a network of states (a recursive transition network, Woods 1970): bytes lead on, calls push where to go on, the end of
 * a rule pops. A bounded repeat is one state that counts, so its bounds cost nothing.
 */

export const STEP = { byte: 0, split: 1, call: 2, loop: 3, end: 4 } as const;

export interface Loop {
  readonly min: number;
  readonly max: number;
  readonly text: boolean;
  /** Where its body begins. */
  readonly body: number;
}

export interface Program {
  readonly kinds: Uint8Array;
  /** byte: its set; split: its ways; call: its rule; loop: its loop. */
  readonly args: Int32Array;
  /** Where byte, call and loop go on. */
  readonly nexts: Int32Array;
  readonly ways: readonly (readonly number[])[];
  readonly loops: readonly Loop[];
  /** Where each rule begins. */
  readonly starts: readonly number[];
  /** Class of each byte: bytes of one class lead to the same states everywhere. */
  readonly classes: Uint8Array;
  readonly classCount: number;
  /** [set][class]: whether the class is in the set. */
  readonly members: readonly Uint8Array[];
  readonly root: number;
}

export const LIMITS = {
  fragments: 500_000,
  states: 500_000, // 10^5 words of five bytes
  wordBytes: 4 * 2 ** 20,
};

export function compileProgram(root: Fragment): Program {
  return new Compiler(root).program();
}

class Compiler {
  readonly #analysis: Analysis;
  readonly #root: Fragment;
  readonly #kinds: number[] = [];
  readonly #args: number[] = [];
  readonly #nexts: number[] = [];
  readonly #ways: number[][] = [];
  readonly #loops: Loop[] = [];
  readonly #ruleIds = new Map<Rule, number>();
  readonly #queue: Rule[] = [];
  readonly #starts: number[] = [];
  readonly #setIds = new Map<number | string, number>();
  readonly #sets: Uint8Array[] = [];
  /** Where a fragment begins that goes on at a state: shared tails are compiled once. */
  readonly #begun = new Map<Fragment, Map<number, number>>();
  #wordBytes = 0;
  readonly #end: number;
  readonly #fail: number;

  constructor(root: Fragment) {
    this.#root = root;
    this.#analysis = new Analysis(root, LIMITS.fragments);
    this.#end = this.#state(STEP.end, 0, 0);
    this.#fail = this.#split([]);
  }

  program(): Program {
    if (!this.#analysis.possible(this.#root)) {
      throw new EngineError("GRAMMAR_EMPTY", "no text satisfies this format", {
        at: { source: "option", field: "responseFormat" },
      });
    }
    const root = this.#compile(this.#root, this.#end);
    for (let done = 0; done < this.#queue.length; done++) {
      this.#starts[done] = this.#compile(this.#queue[done].body!, this.#end);
    }
    this.#refuseLeftRecursion();
    const { classes, count } = this.#classes();
    return {
      kinds: Uint8Array.from(this.#kinds),
      args: Int32Array.from(this.#args),
      nexts: Int32Array.from(this.#nexts),
      ways: this.#ways,
      loops: this.#loops,
      starts: this.#starts,
      classes,
      classCount: count,
      members: this.#sets.map((set) => {
        const members = new Uint8Array(count);
        for (let byte = 0; byte < 256; byte++) members[classes[byte]] = set[byte];
        return members;
      }),
      root,
    };
  }

  #state(kind: number, arg: number, next: number): number {
    if (this.#kinds.length >= LIMITS.states) throw tooLarge("states", LIMITS.states);
    this.#args.push(arg);
    this.#nexts.push(next);
    return this.#kinds.push(kind) - 1;
  }

  #split(ways: number[]): number {
    return this.#state(STEP.split, this.#ways.push(ways) - 1, 0);
  }

  #compile(fragment: Fragment, next: number): number {
    let known = this.#begun.get(fragment);
    if (!known) {
      known = new Map();
      this.#begun.set(fragment, known);
    }
    let begin = known.get(next);
    if (begin === undefined) {
      begin = this.#analysis.possible(fragment) ? this.#begin(fragment, next) : this.#fail;
      known.set(next, begin);
    }
    return begin;
  }

  #begin(fragment: Fragment, next: number): number {
    switch (fragment.kind) {
      case "bytes":
        return this.#state(STEP.byte, this.#set(fragment.ranges), next);
      case "words":
        return this.#words(fragment.words, next);
      case "sequence": {
        let begin = next;
        for (let at = fragment.parts.length - 1; at >= 0; at--) begin = this.#compile(fragment.parts[at], begin);
        return begin;
      }
      case "choice": {
        const ways = fragment.parts.filter((part) => this.#analysis.possible(part));
        if (ways.length === 1) return this.#compile(ways[0], next);
        return this.#split([...new Set(ways.map((part) => this.#compile(part, next)))]);
      }
      case "repeat":
        return this.#repeat(fragment, next);
      case "call":
        return this.#state(STEP.call, this.#ruleId(fragment.rule), next);
    }
  }

  #repeat({ body: given, min: least, max, text }: Fragment & { kind: "repeat" }, next: number): number {
    if (max < least) return this.#fail;
    if (max === 0 || !this.#analysis.possible(given)) return next;
    const nullable = this.#analysis.nullable(given);
    const min = nullable ? 0 : least;
    if (!text && max === 1) {
      const begin = this.#compile(given, next);
      return min === 1 ? begin : this.#split([begin, next]);
    }
    if (!text && max === Number.POSITIVE_INFINITY && min <= 1) {
      const ways: number[] = [];
      const again = this.#split(ways);
      const begin = this.#compile(given, again);
      ways.push(begin, next);
      return min === 1 ? begin : again;
    }
    // Counted turns that write nothing are turns that nobody needs.
    const body = nullable ? this.#analysis.filled(given) : given;
    const loop = this.#loops.push({ min, max, text, body: this.#compile(body, this.#end) }) - 1;
    return this.#state(STEP.loop, loop, next);
  }

  #ruleId(called: Rule): number {
    let id = this.#ruleIds.get(called);
    if (id === undefined) {
      id = this.#queue.push(called) - 1;
      this.#ruleIds.set(called, id);
    }
    return id;
  }

  #set(ranges: readonly Range[]): number {
    const [[first, last]] = ranges;
    const key = ranges.length === 1 ? 256 * first + last : ranges.join(" ");
    let id = this.#setIds.get(key);
    if (id === undefined) {
      const set = new Uint8Array(256);
      for (const [first, last] of ranges) set.fill(1, first, last + 1);
      id = this.#sets.push(set) - 1;
      this.#setIds.set(key, id);
    }
    return id;
  }

  #words(words: readonly Uint8Array[], next: number): number {
    this.#wordBytes += words.reduce((sum, word) => sum + word.length, 0);
    if (this.#wordBytes > LIMITS.wordBytes) throw tooLarge("bytes of words", LIMITS.wordBytes);
    return this.#branch([...words].sort(compareBytes), 0, words.length, 0, next);
  }

  /** Sorted words [from, to) that are the same up to `depth`. */
  #branch(sorted: readonly Uint8Array[], from: number, to: number, depth: number, next: number): number {
    const first = sorted[from];
    const last = sorted[to - 1];
    let common = depth;
    while (common < first.length && common < last.length && first[common] === last[common]) common++;
    let begin: number;
    if (common === last.length) begin = next;
    else {
      const ways: number[] = first.length === common ? [next] : [];
      let at = from;
      while (sorted[at].length === common) at++;
      while (at < to) {
        const byte = sorted[at][common];
        let end = at + 1;
        while (end < to && sorted[end][common] === byte) end++;
        const rest = this.#branch(sorted, at, end, common + 1, next);
        ways.push(this.#state(STEP.byte, this.#set([[byte, byte]]), rest));
        at = end;
      }
      begin = ways.length === 1 ? ways[0] : this.#split(ways);
    }
    for (let at = common - 1; at >= depth; at--)
      begin = this.#state(STEP.byte, this.#set([[first[at], first[at]]]), begin);
    return begin;
  }

  /** A rule that comes to itself without a byte between would push for ever. */
  #refuseLeftRecursion(): void {
    const reached = this.#queue.map((_, id) => this.#callsFirst(this.#starts[id]));
    const done = new Set<number>();
    const path = new Set<number>();
    const stack: [number, Iterator<number>][] = [];
    const enter = (id: number) => {
      path.add(id);
      stack.push([id, reached[id][Symbol.iterator]()]);
    };
    for (let id = 0; id < reached.length; id++) {
      if (!done.has(id)) enter(id);
      for (let top = stack.at(-1); top; top = stack.at(-1)) {
        const step = top[1].next();
        if (step.done) {
          path.delete(top[0]);
          done.add(top[0]);
          stack.pop();
        } else if (path.has(step.value)) {
          throw new EngineError("GRAMMAR_RECURSION", "a rule begins with itself", {
            at: { source: "option", field: "responseFormat" },
            actual: this.#queue[step.value].name,
          });
        } else if (!done.has(step.value)) enter(step.value);
      }
    }
  }

  #callsFirst(start: number): Set<number> {
    const calls = new Set<number>();
    const seen = new Set<number>();
    const open = [start];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (seen.has(at)) continue;
      seen.add(at);
      const arg = this.#args[at];
      if (this.#kinds[at] === STEP.split) for (const way of this.#ways[arg]) open.push(way);
      else if (this.#kinds[at] === STEP.call) {
        calls.add(arg);
        if (this.#analysis.nullable(call(this.#queue[arg]))) open.push(this.#nexts[at]);
      } else if (this.#kinds[at] === STEP.loop) {
        open.push(this.#loops[arg].body);
        if (this.#loops[arg].min === 0) open.push(this.#nexts[at]);
      }
    }
    return calls;
  }

  /** Bytes that no set tells apart. The space stays alone: see `Automaton.stripped`. */
  #classes(): { classes: Uint8Array; count: number } {
    const classes = new Uint8Array(256);
    classes[32] = 1;
    let count = 2;
    for (const set of this.#sets) {
      const ids = new Map<number, number>();
      for (let byte = 0; byte < 256; byte++) {
        const key = 2 * classes[byte] + set[byte];
        const id = ids.get(key) ?? ids.size;
        ids.set(key, id);
        classes[byte] = id;
      }
      count = ids.size;
    }
    return { classes, count };
  }
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) if (a[at] !== b[at]) return a[at] - b[at];
  return a.length - b.length;
}
