import { EngineError } from "wasmaverick";

/** Requests that wait; more are sent away at once, which a client understands better than a minute of silence. */
const MOST = 8;

/** Far longer than an answer of the most tokens takes. */
const WAIT_MS = 60_000;

/**
 * Lets one in at a time, in the order of their coming. A promise dies with the request that made it, so nobody waits for one of the
 * request in front: each makes its own, which the one in front resolves.
 */
export class Queue {
  #taken = false;
  #waiting = [];

  /** `came` resolves with false where the turn did not come in time; `over` when `leave` was called, which the caller owes. */
  enter() {
    if (this.#waiting.length >= MOST) throw new EngineError("BUSY", `${MOST} requests wait`);
    let over;
    const ended = new Promise((resolve) => {
      over = resolve;
    });
    if (!this.#taken) {
      this.#taken = true;
      return { came: Promise.resolve(true), over: ended, leave: () => this.#next(over) };
    }
    let mine;
    const called = new Promise((resolve) => {
      mine = resolve;
      this.#waiting.push(mine);
    });
    const late = setTimeout(() => {
      this.#waiting = this.#waiting.filter((other) => other !== mine);
      mine(false);
    }, WAIT_MS);
    let held = false;
    const came = called.then((inTime) => {
      clearTimeout(late);
      held = inTime;
      return inTime;
    });
    return { came, over: ended, leave: () => (held ? this.#next(over) : over()) };
  }

  #next(over) {
    const next = this.#waiting.shift();
    if (next) next(true);
    else this.#taken = false;
    over();
  }
}
