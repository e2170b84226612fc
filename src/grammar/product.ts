import { ANY, type CodePoints, complement, union, without } from "./code-points.ts";
import { call, choice, EMPTY, type Fragment, NOTHING, type Rule, repeat, rule, sequence } from "./fragment.ts";
import { patternFragment } from "./regex.ts";

/**
 * Texts that hold several patterns and bounds on their length at once. The rules of a pattern know nothing of each other; so each becomes
 * a finite automaton over code points, and what they and a counter allow together is their product, written as rules again.
 */

export interface Sought {
  readonly pattern: string;
  /** It is the whole text; else it is looked for anywhere. */
  readonly whole: boolean;
  /** For messages. */
  readonly field: string;
}

interface Arrow {
  readonly set: CodePoints;
  readonly to: number;
}

/** States are numbers, the first is 0; one is made ready when it is asked for. */
interface Net {
  arrows(state: number): readonly Arrow[];
  ends(state: number): boolean;
}

const MOST_STATES = 8192;
const MOST_NODES = 32_768;

/**
 * null: the product is too large. `write`: how a code point of a set is written. Bounds that a single pattern meets by itself are
 * "implied": nothing needs to be made.
 */
export function productFragment(
  sought: readonly Sought[],
  min: number,
  max: number,
  write: (set: CodePoints) => Fragment,
): Fragment | "implied" | null {
  const nets: Net[] = [];
  for (const one of sought) {
    const net = netOf(one);
    if (!net) return null;
    nets.push(net);
  }
  if (min > max) return NOTHING;
  if (nets.length === 1 && isImplied(nets[0], min, max)) return "implied";
  const known = new Map<string, Rule>();
  const open: { made: Rule; states: readonly number[]; count: number }[] = [];
  const written = new Map<string, Fragment>();
  const ruleOf = (states: readonly number[], count: number): Rule => {
    const key = `${states.join()};${count}`;
    let made = known.get(key);
    if (!made) {
      made = rule(key);
      known.set(key, made);
      open.push({ made, states, count });
    }
    return made;
  };
  const pointOf = (set: CodePoints): Fragment => {
    const key = set.join(" ");
    const made = written.get(key) ?? write(set);
    written.set(key, made);
    return made;
  };
  const root = call(
    ruleOf(
      nets.map(() => 0),
      0,
    ),
  );
  for (const { made, states, count } of open) {
    if (known.size > MOST_NODES) return null;
    const parts: Fragment[] = count >= min && states.every((state, at) => nets[at].ends(state)) ? [EMPTY] : [];
    // Without a bound only the least matters.
    const later = max === Number.POSITIVE_INFINITY ? Math.min(count + 1, min) : count + 1;
    if (later <= max) {
      for (const [set, targets] of together(nets, states))
        parts.push(sequence(pointOf(set), call(ruleOf(targets, later))));
    }
    made.body = choice(...parts);
  }
  return root;
}

/** Where a code point leads in all of them, by what it is one of. */
function together(nets: readonly Net[], states: readonly number[]): [CodePoints, readonly number[]][] {
  let ways: [CodePoints, readonly number[]][] = [[ANY, []]];
  for (const [at, net] of nets.entries()) {
    ways = ways.flatMap(([set, targets]) =>
      net
        .arrows(states[at])
        .map((arrow): [CodePoints, readonly number[]] => [
          set === ANY ? arrow.set : without(set, complement(arrow.set)),
          [...targets, arrow.to],
        ]),
    );
  }
  const byTarget = new Map<string, [CodePoints, readonly number[]]>();
  for (const [set, targets] of ways) {
    if (set.length === 0) continue;
    const before = byTarget.get(targets.join());
    byTarget.set(targets.join(), [before ? union(before[0], set) : set, targets]);
  }
  return [...byTarget.values()];
}

/** Whether every text of the net is as long as it must be, and no longer. */
function isImplied(net: Net, min: number, max: number): boolean {
  if (shortest(net) < min) return false;
  return max === Number.POSITIVE_INFINITY || (!hasLoop(net) && longest(net) <= max);
}

/** Of a net without loops. */
function longest(net: Net): number {
  const lengths = new Map<number, number>();
  const of = (state: number): number => {
    let most = lengths.get(state);
    if (most === undefined) {
      most = Math.max(0, ...net.arrows(state).map(({ to }) => 1 + of(to)));
      lengths.set(state, most);
    }
    return most;
  };
  return of(0);
}

function hasLoop(net: Net): boolean {
  const done = new Set<number>();
  const path = new Set<number>([0]);
  const stack = [{ state: 0, next: 0 }];
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const arrow = net.arrows(top.state)[top.next++];
    if (!arrow) {
      stack.pop();
      path.delete(top.state);
      done.add(top.state);
    } else if (path.has(arrow.to)) return true;
    else if (!done.has(arrow.to)) {
      path.add(arrow.to);
      stack.push({ state: arrow.to, next: 0 });
    }
  }
  return false;
}

function shortest(net: Net): number {
  const seen = new Set<number>([0]);
  let front = [0];
  for (let length = 0; front.length > 0; length++) {
    if (front.some((state) => net.ends(state))) return length;
    front = front
      .flatMap((state) => net.arrows(state).map(({ to }) => to))
      .filter((to) => !seen.has(to) && seen.add(to));
  }
  return Number.POSITIVE_INFINITY;
}

/** null: it has too many states. */
function netOf({ pattern, whole, field }: Sought): Net | null {
  const sets = new Map<Fragment, CodePoints>();
  const write = (set: CodePoints): Fragment => {
    const point = call(rule("a code point"));
    sets.set(point, set);
    return point;
  };
  const around = repeat(write(ANY), 0, Number.POSITIVE_INFINITY);
  const root = patternFragment(pattern, { write, around, whole, field });
  const builder = new NetBuilder(sets);
  return builder.build(root);
}

/** Thompson's construction (1968), from the end to the beginning; states that read nothing are passed over when arrows are asked for. */
class NetBuilder {
  readonly #sets: ReadonlyMap<Fragment, CodePoints>;
  readonly #steps: (Arrow | readonly number[] | null)[] = [null];
  readonly #ready = new Map<number, { arrows: readonly Arrow[]; ends: boolean }>();

  constructor(sets: ReadonlyMap<Fragment, CodePoints>) {
    this.#sets = sets;
  }

  build(root: Fragment): Net | null {
    const start = this.#begin(root, 0);
    if (start === null) return null;
    // The end has the number 0 here and the start outside.
    const inner = (state: number) => (state === 0 ? start : state === start ? 0 : state);
    const closure = (state: number) => {
      const known = this.#ready.get(state);
      if (known) return known;
      const arrows: Arrow[] = [];
      const seen = new Set<number>();
      const open = [inner(state)];
      for (let at = open.pop(); at !== undefined; at = open.pop()) {
        if (seen.has(at)) continue;
        seen.add(at);
        const step = this.#steps[at];
        if (step === null) continue;
        if ("set" in step) arrows.push({ set: step.set, to: inner(step.to) });
        else open.push(...step);
      }
      const made = { arrows, ends: seen.has(0) };
      this.#ready.set(state, made);
      return made;
    };
    return { arrows: (state) => closure(state).arrows, ends: (state) => closure(state).ends };
  }

  #state(step: Arrow | readonly number[]): number | null {
    return this.#steps.length >= MOST_STATES ? null : this.#steps.push(step) - 1;
  }

  /** Where a fragment begins that goes on at `next`. */
  #begin(fragment: Fragment, next: number): number | null {
    const set = this.#sets.get(fragment);
    if (set) return this.#state({ set, to: next });
    switch (fragment.kind) {
      case "sequence": {
        let begin: number | null = next;
        for (let at = fragment.parts.length - 1; at >= 0 && begin !== null; at--)
          begin = this.#begin(fragment.parts[at], begin);
        return begin;
      }
      case "choice": {
        const ways: number[] = [];
        for (const part of fragment.parts) {
          const begin = this.#begin(part, next);
          if (begin === null) return null;
          ways.push(begin);
        }
        return this.#state(ways);
      }
      case "repeat":
        return this.#repeat(fragment, next);
      default:
        // Nothing.
        return next;
    }
  }

  #repeat({ body, min, max }: Fragment & { kind: "repeat" }, next: number): number | null {
    let begin: number | null = next;
    if (max === Number.POSITIVE_INFINITY) {
      const ways = [next];
      const again = this.#state(ways);
      const turn = again === null ? null : this.#begin(body, again);
      if (again === null || turn === null) return null;
      ways.push(turn);
      begin = again;
    } else {
      for (let left = max - min; left > 0; left--) {
        const turn: number | null = this.#begin(body, begin);
        begin = turn === null ? null : this.#state([turn, next]);
        if (begin === null) return null;
      }
    }
    for (let left = min; left > 0 && begin !== null; left--) begin = this.#begin(body, begin);
    return begin;
  }
}
