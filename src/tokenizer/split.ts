/**
 * Pre-tokenizer rules: where byte-pair merges may not cross.
 *
 * Each rule is a hand-written scanner that takes one look (at most two) at every character, so hostile text costs
 * linear time. Files name a rule or quote its regular expression; both are only ever compared with the texts in this
 * table, never compiled.
 */
import { EngineError } from "../error.ts";
import { DEFAULT } from "./split-default.ts";
import { GPT2, SMOLLM } from "./split-gpt2.ts";
import { LLAMA3 } from "./split-llama3.ts";
import { LLAMA4 } from "./split-llama4.ts";

/** End of the piece that starts at `start`; sees nothing from `end` on. Always greater than `start`. */
export type PieceEnd = (text: string, start: number, end: number) => number;

export interface SplitRule {
  readonly name: string;
  /** Values of `tokenizer.ggml.pre`. */
  readonly ggufNames: readonly string[];
  /** Regular expressions of `tokenizer.json`, by exact text. */
  readonly patterns: readonly string[];
  readonly pieceEnd: PieceEnd;
  /** Whether a GGUF file that does not say so wants the begin token in front of a text. */
  readonly ggufAddBos: boolean;
  /** GGUF files cannot say it: whether whole pieces are looked up before merging, as llama.cpp does for the rule. */
  readonly ggufIgnoreMerges: boolean;
}

/** Every rule we know; a further one is a scanner and a row. */
export const SPLIT_RULES: readonly SplitRule[] = [LLAMA4, LLAMA3, SMOLLM, GPT2, DEFAULT];

/** The rule that a GGUF file names. */
export function ruleByName(name: string, file: string): SplitRule {
  const rule = SPLIT_RULES.find((one) => one.ggufNames.includes(name));
  if (rule) return rule;
  throw new EngineError("TOK_REGEX", "unknown pre-tokenizer rule", {
    at: { source: "tokenizer", file, field: "tokenizer.ggml.pre" },
    actual: name,
    limit: `one of ${SPLIT_RULES.flatMap((one) => one.ggufNames).join(", ")}`,
  });
}

/** The rule whose regular expression a `tokenizer.json` quotes. */
export function ruleByPattern(pattern: string, file: string, field: string): SplitRule {
  const rule = SPLIT_RULES.find((one) => one.patterns.includes(pattern));
  if (rule) return rule;
  throw new EngineError("TOK_REGEX", "unknown pre-tokenizer pattern", {
    at: { source: "tokenizer", file, field },
    actual: pattern,
    limit: `the exact pattern of ${SPLIT_RULES.map((one) => one.name).join(", ")}`,
  });
}

/** The pieces of a text, for tests and for the curious. */
export function splitText(rule: SplitRule, text: string): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    const next = rule.pieceEnd(text, at, text.length);
    pieces.push(text.slice(at, next));
    at = next;
  }
  return pieces;
}
