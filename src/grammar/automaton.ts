import { EngineError } from "../error.ts";
import { tooLarge } from "./analysis.ts";
import { PLAIN } from "./code-points.ts";
import type { Fragment } from "./fragment.ts";
import { compileProgram, type Program, STEP } from "./program.ts";

/**
 * A pushdown automaton over bytes, run in all its ways at once: a state is a set of stacks. Stacks share their frames, sets that are
 * equal are one state, and where a byte leads is remembered, so that a walk over a vocabulary is a walk over a table.
 */

/** A frame: where to go on, of a loop in which turn, and below it the frame of whoever called. */
interface Frame {
  readonly at: number;
  readonly count: number;
  readonly below: Frame | null;
  readonly id: number;
  /** Frames on this one, by place and turn; null: there were none so far. */
  above: Map<number, Frame> | null;
  /** Its number among frames that allow the same tokens; 0: not asked yet. */
  shape: number;
}

export interface State {
  readonly index: number;
  readonly era: number;
  /** Frames that wait for a byte, sorted. */
  readonly frames: readonly Frame[];
  /** The text may end here. */
  readonly ends: boolean;
  /** Plain code points that may follow: in free text Infinity, in none -1. */
  readonly text: number;
  /** Plain code points may follow in that text alone, not beside it. */
  readonly textOnly: boolean;
  shape: string;
}

export const DEAD = -1;
const UNKNOWN = -2;

const LIMITS = {
  stacks: 2048, // at once: `(a|aa){1000}` has half as many as it has read bytes
  work: 4_000_000, // frames looked at for one token, about a second
  states: 8192, // remembered, then forgotten
  frames: 400_000,
  fresh: 400_000, // frames that are new in one token: `r9 ::= r8 r8`, `r8 ::= r7 r7` ... has as many as it has texts
};

export class Automaton {
  readonly program: Program;
  readonly #plainClasses: Uint8Array;
  #states: State[] = [];
  #byKey = new Map<string, State>();
  #table = new Int32Array(0);
  #bottom = new Map<number, Frame>();
  #shapes = new Map<string, number>();
  #frames = 0;
  #era = 0;
  #work = 0;
  #fresh = 0;
  /** Never used again, so that nothing old is taken for something new. */
  #nextFrame = 1;
  #nextShape = 1;

  constructor(root: Fragment) {
    this.program = compileProgram(root);
    this.#plainClasses = new Uint8Array(this.program.classCount);
    for (let byte = 0x20; byte < 0x100; byte++) {
      const leads = byte < 0x80 ? PLAIN.some(([first, last]) => byte >= first && byte <= last) : byte >= 0xc0;
      if (leads) this.#plainClasses[this.program.classes[byte]] = 1;
    }
  }

  begin(): State {
    this.#refresh();
    return this.#settle([this.#frame(this.program.root, 0, null)]);
  }

  /** The same beginning for a text whose first space is not shown. */
  stripped(): State {
    const start = this.begin();
    const state: State = { ...start, index: this.#states.length, text: -1, textOnly: false, shape: "stripped" };
    this.#add(state);
    const { classes, classCount } = this.program;
    for (let at = 0; at < classCount; at++)
      this.#table[state.index * classCount + at] = at === classes[32] ? start.index : this.#step(start.index, at);
    return state;
  }

  /** `state`, also when it was forgotten meanwhile. Call it before a walk: it begins a new budget of work. */
  hold(state: State): State {
    this.#refresh();
    if (state.era === this.#era) return state;
    return this.#add({ ...state, index: this.#states.length, era: this.#era });
  }

  state(index: number): State {
    return this.#states[index];
  }

  /** Where a byte leads: the index of a state, or DEAD. */
  next(index: number, byte: number): number {
    const { classes, classCount } = this.program;
    const known = this.#table[index * classCount + classes[byte]];
    return known === UNKNOWN ? this.#step(index, classes[byte]) : known;
  }

  /** Equal for states that allow the same tokens of at most `longest` bytes. */
  shapeOf(state: State, longest: number): string {
    if (state.shape === "") {
      const shapes = new Set(state.frames.map((frame) => this.#shape(frame, longest)));
      state.shape = `${[...shapes].sort((a, b) => a - b).join(" ")}${state.ends ? "." : ""}`;
    }
    return state.shape;
  }

  /** A new budget of work, and room to remember. */
  #refresh(): void {
    this.#work = 0;
    this.#fresh = 0;
    if (this.#states.length > LIMITS.states || this.#frames > LIMITS.frames) this.#forget();
  }

  #forget(): void {
    this.#era++;
    this.#states = [];
    this.#byKey = new Map();
    this.#table = new Int32Array(0);
    this.#bottom = new Map();
    this.#shapes = new Map();
    this.#frames = 0;
  }

  #add(state: State): State {
    const { classCount } = this.program;
    const needed = (this.#states.length + 1) * classCount;
    if (needed > this.#table.length) {
      const larger = new Int32Array(Math.max(64 * classCount, 2 * needed)).fill(UNKNOWN);
      larger.set(this.#table);
      this.#table = larger;
    }
    this.#states.push(state);
    return state;
  }

  #step(index: number, byteClass: number): number {
    const { args, nexts, members, classCount } = this.program;
    const { frames } = this.#states[index];
    this.#spend(frames.length);
    const moved: Frame[] = [];
    for (const { at, below } of frames) {
      if (members[args[at]][byteClass] === 1) moved.push(this.#frame(nexts[at], 0, below));
    }
    const target = moved.length === 0 ? DEAD : this.#settle(moved).index;
    this.#table[index * classCount + byteClass] = target;
    return target;
  }

  #spend(work: number): void {
    this.#work += work;
    if (this.#work > LIMITS.work) throw tooLarge("ways to read one token", LIMITS.work);
  }

  #frame(at: number, count: number, below: Frame | null): Frame {
    if (below) below.above ??= new Map();
    const above = below?.above ?? this.#bottom;
    const key = count * 2 ** 20 + at;
    let frame = above.get(key);
    if (!frame) {
      if (++this.#fresh > LIMITS.fresh) throw tooLarge("ways to read one token", LIMITS.fresh);
      frame = { at, count, below, id: this.#nextFrame++, above: null, shape: 0 };
      above.set(key, frame);
      this.#frames++;
    }
    return frame;
  }

  /** All that can be reached without a byte, as a state. */
  #settle(open: Frame[]): State {
    const { kinds, args, nexts, ways, loops, starts } = this.program;
    const seen = new Set<Frame>();
    const frames: Frame[] = [];
    const texts = new Set<Frame | null>();
    let ends = false;
    let text = -1;
    for (let frame = open.pop(); frame; frame = open.pop()) {
      if (seen.has(frame)) continue;
      seen.add(frame);
      this.#spend(1);
      const { at, count, below } = frame;
      switch (kinds[at]) {
        case STEP.byte:
          if (frames.push(frame) > LIMITS.stacks) throw tooLarge("ways to go on at once", LIMITS.stacks);
          break;
        case STEP.split:
          for (const way of ways[args[at]]) open.push(this.#frame(way, 0, below));
          break;
        case STEP.call:
          open.push(this.#frame(starts[args[at]], 0, this.#after(nexts[at], 0, below)));
          break;
        case STEP.loop: {
          const { min, max, body, text: isText } = loops[args[at]];
          if (count >= min) open.push(this.#frame(nexts[at], 0, below));
          if (count >= max) break;
          // Without a bound only the least matters.
          const turns = max === Number.POSITIVE_INFINITY ? Math.min(count + 1, min) : count + 1;
          const again = this.#frame(at, turns, below);
          open.push(this.#frame(body, 0, again));
          if (isText) {
            text = Math.max(text, max - count);
            texts.add(again);
          }
          break;
        }
        default:
          if (below) open.push(below);
          else ends = true;
      }
    }
    frames.sort((a, b) => a.id - b.id);
    const key = `${frames.map(({ id }) => id).join(" ")}${ends ? "." : ""}`;
    const known = this.#byKey.get(key);
    if (known) return known;
    const textOnly = text >= 0 && frames.every((frame) => texts.has(frame.below) || !this.#takesPlain(frame));
    const state: State = {
      index: this.#states.length,
      era: this.#era,
      frames,
      ends,
      text,
      textOnly,
      shape: "",
    };
    this.#byKey.set(key, state);
    return this.#add(state);
  }

  /** Where a call returns to; a call at the end of a rule returns to whoever called that. */
  #after(next: number, count: number, below: Frame | null): Frame | null {
    return this.program.kinds[next] === STEP.end ? below : this.#frame(next, count, below);
  }

  #takesPlain({ at }: Frame): boolean {
    const members = this.program.members[this.program.args[at]];
    return this.#plainClasses.some((plain, byteClass) => plain === 1 && members[byteClass] === 1);
  }

  /** Turns that no token of `longest` bytes can tell apart count as one. */
  #shape(top: Frame, longest: number): number {
    const chain: Frame[] = [];
    for (let frame: Frame | null = top; frame && frame.shape === 0; frame = frame.below) chain.push(frame);
    for (const frame of chain.reverse()) {
      const { kinds, args, loops } = this.program;
      const near = (distance: number) => Math.max(0, Math.min(distance, longest + 1));
      let turn = "";
      if (kinds[frame.at] === STEP.loop) {
        const { min, max } = loops[args[frame.at]];
        turn = `,${near(min - frame.count)},${near(max - frame.count)}`;
      }
      const key = `${frame.at}${turn}:${frame.below?.shape ?? 0}`;
      let shape = this.#shapes.get(key);
      if (shape === undefined) {
        shape = this.#nextShape++;
        this.#shapes.set(key, shape);
      }
      frame.shape = shape;
    }
    return top.shape;
  }
}

/** Whether a whole text is one of the automaton's. */
export function matches(automaton: Automaton, text: Uint8Array): boolean {
  let state = automaton.hold(automaton.begin());
  for (const byte of text) {
    const index = automaton.next(state.index, byte);
    if (index === DEAD) return false;
    state = automaton.hold(automaton.state(index));
  }
  return state.ends;
}

export function stuck(): EngineError {
  return new EngineError(
    "GRAMMAR_STUCK",
    "every token that the format allows is forbidden, or the vocabulary has none",
    {
      at: { source: "option", field: "responseFormat" },
    },
  );
}
