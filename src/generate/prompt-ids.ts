import { EngineError } from "../error.ts";
import { checkTokenIds, tell } from "../given.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** What a caller gives a model to read, as ids. */

export type Prompt = string | ArrayLike<number>;

/** `tokenizer` throws where there is none, which ids do not mind. */
export function promptIds(prompt: Prompt, field: string, vocab: number, tokenizer: () => Tokenizer): number[] {
  if (typeof prompt === "string") {
    const { addBos } = tokenizer();
    const ids = tokenizer().encode(prompt, { addBos });
    if (ids.length === 0)
      throw new EngineError("REQ_EMPTY_PROMPT", "the prompt is empty and the checkpoint puts nothing in front of it", {
        at: { source: "prompt", field },
      });
    return ids;
  }
  if (typeof prompt !== "object" || prompt === null) {
    throw new EngineError("REQ_PARAM", field, {
      at: { source: "prompt", field },
      actual: tell(prompt),
      limit: "text or an array of ids",
    });
  }
  const ids = checkTokenIds(prompt, vocab, { source: "prompt", field });
  if (ids.length === 0) {
    throw new EngineError("REQ_EMPTY_PROMPT", "the prompt has no ids", { at: { source: "prompt", field } });
  }
  return ids;
}
