import { quoteName } from "../error.ts";
import { wrong } from "../given.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/**
 * Control tokens decode to nothing, so their text is never found in an answer. A stop string that is exactly one means its id;
 * one that has other text beside it could never match.
 */
export function nameStops(stops: readonly string[], tokenizer: Tokenizer): Map<number, string> {
  const names = new Map<number, string>();
  for (const [index, stop] of stops.entries()) {
    const [first] = tokenizer.controlTokens(stop);
    if (!first) continue;
    const name = stop.slice(first.start, first.end);
    if (name !== stop) {
      throw wrong(
        `stop[${index}]`,
        `the control token ${quoteName(name)} has no text in an answer, so this can never match`,
        `${quoteName(name)} alone, which means its id, or text without control tokens`,
        stop,
      );
    }
    if (!names.has(first.id)) names.set(first.id, stop);
  }
  return names;
}
