import type { Prompt, Tokenizer } from "../../index.ts";
import { Refusal } from "../refusal.ts";

/**
 * The ids of a prompt: of text as the engine reads it. Ids may hold no control token, which a text could not have given, unless the server
 * allows it; the begin-of-text id in front is what clients put there that tokenise themselves.
 */
export function idsOf(
  prompt: Prompt,
  field: string,
  tokenizer: Tokenizer,
  { allowControlTokens }: { readonly allowControlTokens: boolean },
): readonly number[] {
  if (typeof prompt === "string") {
    const ids = tokenizer.encode(prompt, { addBos: tokenizer.addBos });
    if (ids.length === 0) throw new Refusal(400, "REQ_EMPTY_PROMPT", "the text is empty", { param: field });
    return ids;
  }
  for (let index = 0; index < prompt.length; index++) {
    const id = prompt[index];
    const param = `${field}[${index}]`;
    if (id >= tokenizer.vocabSize) {
      throw new Refusal(400, "REQ_TOKEN_ID", `not a token id, got ${id}, expected 0 to ${tokenizer.vocabSize - 1}`, {
        param,
      });
    }
    if (allowControlTokens || !tokenizer.isSpecial(id) || (index === 0 && id === tokenizer.bos)) continue;
    throw new Refusal(400, "REQ_TOKEN_ID", "a control token, which this server does not take in prompts", { param });
  }
  return Array.from(prompt);
}
