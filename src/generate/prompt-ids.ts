import { EngineError, quoteName } from "../error.ts";
import { checkTokenIds, tell } from "../given.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** What a caller gives a model to read, as ids. */

export type Prompt = string | ArrayLike<number>;

export interface ReadPrompt {
  readonly ids: number[];
  readonly warnings: readonly string[];
}

/**
 * Text at the beginning of a context gets the begin-of-text id as the file says. Behind other text it is a text of its own, or goes on
 * where that ends: then it may be empty.
 */
export type PromptPlace = "begins" | "apart" | "continues";

/** `tokenizer` throws where there is none, which ids do not mind. */
export function readPrompt(
  prompt: Prompt,
  field: string,
  vocab: number,
  tokenizer: () => Tokenizer,
  specialTokens: boolean,
  place: PromptPlace,
): ReadPrompt {
  if (typeof prompt === "string") {
    const { addBos } = tokenizer();
    const [begins, continues] = [place === "begins", place === "continues"];
    const ids = tokenizer().encode(prompt, { addBos: addBos && begins, specialTokens, continues });
    if (ids.length === 0 && !continues)
      throw new EngineError("REQ_EMPTY_PROMPT", "the text is empty and nothing goes in front of it", {
        at: { source: "prompt", field },
      });
    return { ids, warnings: specialTokens ? [] : spelledTokens(prompt, tokenizer()) };
  }
  if (typeof prompt !== "object" || prompt === null) {
    throw new EngineError("REQ_PARAM", field, {
      at: { source: "prompt", field },
      actual: tell(prompt),
      limit: "text or an array of ids",
    });
  }
  const ids = checkTokenIds(prompt, vocab, { source: "prompt", field });
  if (ids.length === 0 && place !== "continues") {
    throw new EngineError("REQ_EMPTY_PROMPT", "the prompt has no ids", { at: { source: "prompt", field } });
  }
  return { ids, warnings: [] };
}

const MOST_NAMES = 3;

/** Who writes a template by hand means control tokens; whoever passes on what others wrote must not. */
function spelledTokens(prompt: string, tokenizer: Tokenizer): string[] {
  const names = new Set(tokenizer.controlTokens(prompt).map(({ start, end }) => prompt.slice(start, end)));
  if (names.size === 0) return [];
  const shown = [...names].slice(0, MOST_NAMES).map((name) => quoteName(name, false));
  const more = names.size > MOST_NAMES ? ` and ${names.size - MOST_NAMES} more` : "";
  return [
    `the prompt spells control tokens, read as text: ${shown.join(", ")}${more}; specialTokens: true reads them as such`,
  ];
}
