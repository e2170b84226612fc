import { readOptions, wrong } from "../given.ts";
import { numberIn } from "./in-range.ts";

/**
 * Exclude top choices (p-e-w, text-generation-webui PR 6335): with `probability`, drawn anew for each token, all tokens that are at
 * least `threshold` likely are taken out but for the least likely of them. Nothing happens where fewer than two are. Of equally
 * likely ones the highest id stays, the last in the order of everything here.
 */
export interface XtcOptions {
  /** 0 (off) to 1. */
  probability: number;
  /** Of what the other cuts left; 0 to 0.5, for above it there are never two. Default 0.1. */
  threshold?: number;
}

export function checkXtc(value: unknown, absent: Required<XtcOptions> | undefined): Required<XtcOptions> | undefined {
  if (value === undefined) return absent;
  const given = readOptions(value as XtcOptions, ["probability", "threshold"], "xtc");
  if (given.probability === undefined)
    throw wrong("xtc.probability", "a probability is missing", "a number in [0, 1]", undefined);
  const probability = numberIn("xtc.probability", given.probability, 0, "[0, 1]");
  const threshold = numberIn("xtc.threshold", given.threshold, 0.1, "[0, 0.5]");
  return probability === 0 ? undefined : { probability, threshold };
}
