import { EngineError } from "../error.ts";

/**
 * Who waits for a place in the steps. Callers take turns: of those who wait, whoever has the fewest in the steps is next, then
 * whoever came first; so a batch of thousands does not keep a single call waiting. Higher priorities go before; who is passed over
 * often enough counts one higher, so that nobody starves.
 */

export interface Waiting {
  /** Whose it is; each lone call is its own. */
  readonly caller: object;
  readonly priority: number;
}

/** Of one caller and priority, in order of coming. */
interface Line<Entry> {
  readonly caller: object;
  readonly entries: Set<Entry>;
  /** Of the caller's first that waits. */
  order: number;
  priority: number;
  passed: number;
}

export function queueFull(ahead: number): EngineError {
  return new EngineError("QUEUE_FULL", "too many requests wait already", {
    at: { source: "option", field: "maxWaiting" },
    actual: `${ahead} ahead`,
    limit: `fewer than ${ahead + 1}`,
  });
}

/** So often passed over, a priority counts one higher. */
const PASSED = 64;

export class Queue<Entry extends Waiting> {
  readonly #lines = new Map<object, Map<number, Line<Entry>>>();
  #size = 0;
  #order = 0;

  get size(): number {
    return this.#size;
  }

  add(entry: Entry): void {
    const { caller, priority } = entry;
    const lines = this.#lines.get(caller) ?? new Map<number, Line<Entry>>();
    this.#lines.set(caller, lines);
    const line = lines.get(priority) ?? { caller, entries: new Set(), order: this.#order++, priority, passed: 0 };
    lines.set(priority, line);
    line.entries.add(entry);
    this.#size++;
  }

  /** False: it does not wait. */
  delete(entry: Entry): boolean {
    const lines = this.#lines.get(entry.caller);
    const line = lines?.get(entry.priority);
    if (!lines || !line?.entries.delete(entry)) return false;
    this.#size--;
    if (line.entries.size === 0) lines.delete(entry.priority);
    if (lines.size === 0) this.#lines.delete(entry.caller);
    return true;
  }

  /** Takes out whose turn it is; `running`: how many of a caller's are in the steps. */
  take(running: (caller: object) => number): Entry | undefined {
    let best: Line<Entry> | undefined;
    let bestRunning = 0;
    for (const lines of this.#lines.values()) {
      for (const line of lines.values()) {
        const own = running(line.caller);
        if (best && !isBefore(line, own, best, bestRunning)) continue;
        best = line;
        bestRunning = own;
      }
    }
    if (!best) return undefined;
    for (const lines of this.#lines.values()) for (const line of lines.values()) if (line !== best) line.passed++;
    best.passed = 0;
    best.order = this.#order++;
    const [entry] = best.entries;
    this.delete(entry);
    return entry;
  }

  [Symbol.iterator](): IterableIterator<Entry> {
    const lines = [...this.#lines.values()].flatMap((own) => [...own.values()]);
    return lines.flatMap(({ entries }) => [...entries])[Symbol.iterator]();
  }
}

function isBefore<Entry>(a: Line<Entry>, aRunning: number, b: Line<Entry>, bRunning: number): boolean {
  const priority = urgency(a) - urgency(b);
  if (priority !== 0) return priority > 0;
  return aRunning === bRunning ? a.order < b.order : aRunning < bRunning;
}

const urgency = ({ priority, passed }: { priority: number; passed: number }) => priority + Math.floor(passed / PASSED);
