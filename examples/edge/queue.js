import { EngineError } from "wasmaverick";

/** Requests inside and waiting; more are sent away at once, which a client understands better than a minute of silence. */
const MOST = 8;

/** Far longer than an answer of the most tokens takes. */
const WAIT_MS = 60_000;

/** Lets one in at a time, in the order of their coming. */
export class Queue {
  #last = Promise.resolve();
  #inside = 0;

  /** `came` resolves with false where the turn did not come in time; `over` when `leave` was called, which the caller owes. */
  enter() {
    if (this.#inside >= MOST) throw new EngineError("BUSY", `${this.#inside} requests wait`);
    this.#inside++;
    let end;
    const over = new Promise((resolve) => {
      end = resolve;
    });
    const came = inTime(this.#last);
    this.#last = this.#last.then(() => over);
    const leave = () => {
      this.#inside--;
      end();
    };
    return { came, over, leave };
  }
}

async function inTime(turn) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, WAIT_MS, false);
  });
  const came = await Promise.race([turn.then(() => true), late]);
  clearTimeout(timer);
  return came;
}
