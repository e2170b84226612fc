/** Token types, by their GGUF numbers, and the names that are never ordinary text. */

export const TOKEN_KIND = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** The text of a byte that has a token of its own. */
export const BYTE_TOKEN = /^<0x[0-9A-F]{2}>$/;

/** Names that structure a prompt: as ordinary tokens they would let text steer the conversation. */
const STRUCTURAL = [
  "<|begin_of_text|>",
  "<|end_of_text|>",
  "<|header_start|>",
  "<|header_end|>",
  "<|eom|>",
  "<|eot|>",
  "<|start_header_id|>",
  "<|end_header_id|>",
  "<|eom_id|>",
  "<|eot_id|>",
  "<|im_start|>",
  "<|im_end|>",
];

/** Control tokens that end an answer, whichever ids the file names. */
const END_NAMES: ReadonlySet<string> = new Set([
  "<|end_of_text|>",
  "<|eom|>",
  "<|eot|>",
  "<|eom_id|>",
  "<|eot_id|>",
  "<|im_end|>",
  "<|endoftext|>",
  "</s>",
]);

const CONTROL_NAMES: ReadonlySet<string> = new Set([...STRUCTURAL, ...END_NAMES, "<s>"]);

/**
 * Marks the tokens that must control a conversation, where the file does not: published files type them as ordinary or
 * user-defined ones, and any text could then end a turn. llama.cpp does the same.
 */
export function markControlTokens(texts: readonly (string | undefined)[], kinds: Uint8Array, warnings: string[]): void {
  for (let id = 0; id < texts.length; id++) {
    const kind = kinds[id];
    if ((kind !== TOKEN_KIND.normal && kind !== TOKEN_KIND.userDefined) || !CONTROL_NAMES.has(texts[id] ?? ""))
      continue;
    kinds[id] = TOKEN_KIND.control;
    warnings.push(`TOK_ADDED: ${texts[id]} is not marked as a control token; it is taken as one`);
  }
}

/** Ids that end an answer, ascending: those the file names, and control tokens whose names say so. */
export function endIds(named: Iterable<number>, texts: readonly string[], kinds: Uint8Array): number[] {
  const ids = new Set(named);
  // Files name one id or two of several, or those of the model before it was taught to chat.
  for (let id = 0; id < texts.length; id++) {
    if (kinds[id] === TOKEN_KIND.control && END_NAMES.has(texts[id])) ids.add(id);
  }
  return [...ids].sort((a, b) => a - b);
}

/** "No such token", as files write it: absent, null, -1, or -1 read without its sign. */
export function isNone(id: unknown): boolean {
  return id === undefined || id === null || id === -1 || id === 2 ** 32 - 1;
}

export function idsOfKind(kinds: Uint8Array, kind: number): Set<number> {
  const ids = new Set<number>();
  for (let id = 0; id < kinds.length; id++) if (kinds[id] === kind) ids.add(id);
  return ids;
}
