import { EngineError } from "../error.ts";
import { choice, choiceOf, type Fragment, NOTHING, type Rule, repeat, rule, sequenceOf } from "./fragment.ts";

/** Of every fragment of a grammar: whether it can be written at all, and whether it can be written as nothing. */
export class Analysis {
  readonly rules: readonly Rule[];
  readonly #possible = new Set<Rule>();
  readonly #nullable = new Set<Rule>();
  readonly #filled = new Map<Rule, Rule>();
  /** Rules of `#filled` that have no body yet, each with its original: they may call each other as deep as there are rules. */
  readonly #unfilled: [made: Rule, original: Rule][] = [];
  readonly #mostFragments: number;
  #copied = 0;

  constructor(root: Fragment, mostFragments: number) {
    this.#mostFragments = mostFragments;
    this.rules = rulesUnder(root, mostFragments);
    this.#settle(this.#possible, (body) => this.possible(body));
    this.#settle(this.#nullable, (body) => this.nullable(body));
  }

  /** Grows a set of rules until nothing changes, from both ends: definitions mostly stand in one order or the other. */
  #settle(set: Set<Rule>, holds: (body: Fragment) => boolean): void {
    const orders = [this.rules, [...this.rules].reverse()];
    for (let round = 0, changed = true; changed || round < 2; round++) {
      changed = false;
      this.#memo = new Map();
      for (const one of orders[round % 2]) {
        if (set.has(one) || !one.body || !holds(one.body)) continue;
        set.add(one);
        changed = true;
        this.#memo = new Map();
      }
    }
    this.#memo = new Map();
  }

  #memo = new Map<Fragment, boolean>();

  possible(fragment: Fragment): boolean {
    switch (fragment.kind) {
      case "bytes":
        return fragment.ranges.length > 0;
      case "words":
        return fragment.words.length > 0;
      case "call":
        return this.#possible.has(fragment.rule);
      case "repeat":
        return fragment.max >= fragment.min && (fragment.min === 0 || this.possible(fragment.body));
      default: {
        let known = this.#memo.get(fragment);
        if (known === undefined) {
          const { kind, parts } = fragment;
          known =
            kind === "choice" ? parts.some((part) => this.possible(part)) : parts.every((part) => this.possible(part));
          this.#memo.set(fragment, known);
        }
        return known;
      }
    }
  }

  readonly #nullables = new Map<Fragment, boolean>();

  nullable(fragment: Fragment): boolean {
    switch (fragment.kind) {
      case "bytes":
        return false;
      case "words":
        return fragment.words.some((word) => word.length === 0);
      case "call":
        return this.#nullable.has(fragment.rule);
      case "repeat":
        return fragment.max >= fragment.min && (fragment.min === 0 || this.nullable(fragment.body));
      default: {
        // What is nullable stays so while the rules are settled; what is not yet may become so.
        if (this.#nullables.get(fragment)) return true;
        const { kind, parts } = fragment;
        const known =
          kind === "choice" ? parts.some((part) => this.nullable(part)) : parts.every((part) => this.nullable(part));
        if (known) this.#nullables.set(fragment, true);
        return known;
      }
    }
  }

  /** What the fragment writes, but for nothing. */
  filled(fragment: Fragment): Fragment {
    const filled = this.#fill(fragment);
    for (let next = this.#unfilled.pop(); next; next = this.#unfilled.pop()) next[0].body = this.#fill(next[1].body!);
    return filled;
  }

  #fill(fragment: Fragment): Fragment {
    if (!this.nullable(fragment)) return fragment;
    switch (fragment.kind) {
      case "words":
        return { kind: "words", words: fragment.words.filter((word) => word.length > 0) };
      case "choice":
        return choiceOf(fragment.parts.map((part) => this.#fill(part)));
      case "repeat":
        return repeat(this.#fill(fragment.body), 1, fragment.max, fragment.text);
      case "call":
        return { kind: "call", rule: this.#filledRule(fragment.rule) };
      case "sequence": {
        let rest: Fragment = NOTHING;
        let tail: Fragment[] = [];
        for (const part of [...fragment.parts].reverse()) {
          this.#copied += tail.length;
          if (this.#copied > this.#mostFragments)
            throw tooLarge("parts of a repeat that may be empty", this.#mostFragments);
          rest = choice(sequenceOf([this.#fill(part), ...tail]), rest);
          tail = [part, ...tail];
        }
        return rest;
      }
      default:
        return fragment;
    }
  }

  #filledRule(original: Rule): Rule {
    let made = this.#filled.get(original);
    if (!made) {
      made = rule(original.name);
      this.#filled.set(original, made);
      this.#unfilled.push([made, original]);
      this.#possible.add(made);
    }
    return made;
  }
}

function rulesUnder(root: Fragment, most: number): Rule[] {
  const rules = new Set<Rule>();
  const seen = new Set<Fragment>();
  const open: Fragment[] = [root];
  for (let next = open.pop(); next; next = open.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    if (seen.size > most) throw tooLarge("fragments", most);
    if (next.kind === "sequence" || next.kind === "choice") for (const part of next.parts) open.push(part);
    else if (next.kind === "repeat") open.push(next.body);
    else if (next.kind === "call" && !rules.has(next.rule)) {
      rules.add(next.rule);
      if (next.rule.body) open.push(next.rule.body);
    }
  }
  return [...rules];
}

export function tooLarge(what: string, most: number): EngineError {
  return new EngineError("GRAMMAR_LIMIT", `the grammar is too large: ${what}`, {
    at: { source: "option", field: "responseFormat" },
    limit: `at most ${most}`,
  });
}
