import { Refusal, refusalOf } from "./refusal.ts";
import type { Ticket } from "./requests.ts";

/** Events as server-sent events: each is JSON in one line, so that nothing a model writes ends an event. */

export interface StreamRules {
  /** Milliseconds. */
  readonly heartbeat: number;
  readonly stall: number;
  /** Sign of life. */
  readonly beat?: string;
  /** What is told in the middle of a stream; the stream ends behind it. */
  failed(refusal: Refusal): string;
}

export const sseData = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
export const sseEvent = (type: string, value: unknown): string => `event: ${type}\n${sseData(value)}`;

const ALIVE = ": alive\n\n";
/** A reader of a request that was ended has so many milliseconds for what is left. */
const LAST_MS = 1000;
const encoder = new TextEncoder();

/**
 * A response whose status is known: rejects with what fails before anything is computed. Afterwards `events` are asked for as the reader
 * takes them; a reader that leaves, or takes nothing for `stall` milliseconds, ends the work. `ticket` ends with the stream.
 */
export async function eventStream(
  events: AsyncGenerator<string>,
  ticket: Ticket,
  { heartbeat, stall, beat = ALIVE, failed }: StreamRules,
): Promise<Response> {
  let next: Promise<IteratorResult<string>> | null = events.next();
  // What is refused at the door rejects within this turn; a prompt may take minutes.
  await Promise.race([next, new Promise((resolve) => setTimeout(resolve, 0))]);
  ticket.streams = true;
  let stalled: ReturnType<typeof setTimeout> | undefined;
  let left = false;
  const leave = (reason: Refusal) => {
    if (left) return;
    left = true;
    clearTimeout(stalled);
    ticket.abort(reason);
    ticket.failed(refusalOf(ticket.signal.reason));
    next?.catch(() => {});
    void events.return(undefined).catch(() => {});
    ticket.end(200);
  };
  const dropLater = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    clearTimeout(stalled);
    const patience = ticket.signal.aborted ? Math.min(LAST_MS, stall) : stall;
    stalled = setTimeout(() => {
      const reason = new Refusal(499, "client_stalled", "the client takes nothing");
      leave(reason);
      controller.error(reason);
    }, patience);
  };
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      // Not every host cancels the body of a client that left, and nobody may be reading it.
      const onAbort = () => {
        const { reason } = ticket.signal;
        if (reason instanceof Refusal && reason.status === 499) {
          leave(reason);
          controller.error(reason);
        } else if (stalled !== undefined) {
          dropLater(controller);
        }
      };
      if (ticket.signal.aborted) onAbort();
      else ticket.signal.addEventListener("abort", onAbort, { once: true });
    },
    async pull(controller) {
      clearTimeout(stalled);
      stalled = undefined;
      let text: string | undefined;
      try {
        next ??= events.next();
        const step = await orBeat(next, heartbeat);
        if (left) return;
        if (step === null) text = beat;
        else {
          next = null;
          if (!step.done) text = step.value;
        }
        if (text !== undefined) controller.enqueue(encoder.encode(text));
      } catch (error) {
        next = null;
        if (left) return;
        const refusal = refusalOf(error);
        ticket.failed(refusal);
        controller.enqueue(encoder.encode(failed(refusal)));
      }
      if (text === undefined) {
        controller.close();
        ticket.end(200);
      } else {
        dropLater(controller);
      }
    },
    cancel: () => leave(new Refusal(499, "client_closed", "the client left")),
  });
  return new Response(stream, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      "x-accel-buffering": "no",
    },
  });
}

/** null: nothing came in time. */
async function orBeat<Step>(next: Promise<Step>, heartbeat: number): Promise<Step | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const beat = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, heartbeat, null);
  });
  try {
    return await Promise.race([next, beat]);
  } finally {
    clearTimeout(timer);
  }
}
