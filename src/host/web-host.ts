import { EngineError } from "../error.ts";
import type { Answer } from "./host-facts.ts";

/** What runtimes share that take no flags, and those without workers. */

export async function validateRelaxed(probe: Uint8Array<ArrayBuffer>): Promise<Answer> {
  const on = WebAssembly.validate(probe);
  return { on, reason: on ? "the host has relaxed SIMD" : "the host has no relaxed SIMD" };
}

export const noWide = (): Answer => ({ on: false, reason: "only Node's V8 can be told to pair vectors" });

/** A turn by a message to oneself: timers of browsers wait 4 ms. */
export function messageTurn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
}

export function noThreads(reason: string): EngineError {
  return new EngineError("THREADS_UNSUPPORTED", reason, { at: { source: "option", field: "threads" }, limit: "0" });
}
