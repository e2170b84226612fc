import type { Generation, SampledToken, Tokenizer, TokenProbability } from "../index.ts";

/** Log-probabilities as OpenAI's APIs write them. */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of a token; where it is a part of a character, its bytes in words. */
export function textOf(tokenizer: Tokenizer, id: number): string {
  const bytes = tokenizer.tokenBytes(id);
  try {
    return strict.decode(bytes);
  } catch {
    return `bytes:${[...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}`;
  }
}

export interface ChatLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
  readonly top_logprobs?: readonly ChatLogprob[];
}

export function chatLogprob(tokenizer: Tokenizer, { id, logProbability = 0, top }: SampledToken): ChatLogprob {
  return {
    ...single(tokenizer, { id, logProbability }),
    top_logprobs: (top ?? []).map((one) => single(tokenizer, one)),
  };
}

function single(tokenizer: Tokenizer, { id, logProbability }: TokenProbability): ChatLogprob {
  return { token: textOf(tokenizer, id), logprob: logProbability, bytes: [...tokenizer.tokenBytes(id)] };
}

/** Of completions: parallel lists. */
export interface CompletionLogprobs {
  readonly tokens: string[];
  readonly token_logprobs: (number | null)[];
  readonly top_logprobs: (Record<string, number> | null)[];
  readonly text_offset: number[];
}

export const noLogprobs = (): CompletionLogprobs => ({
  tokens: [],
  token_logprobs: [],
  top_logprobs: [],
  text_offset: [],
});

/** One token more, whose text begins at `offset`; `logProbability` null: there is none, as of the first id of a prompt. */
export function addLogprob(
  lists: CompletionLogprobs,
  tokenizer: Tokenizer,
  { id, logProbability, top }: { id: number; logProbability: number | null; top?: readonly TokenProbability[] | null },
  offset: number,
): void {
  lists.tokens.push(textOf(tokenizer, id));
  lists.token_logprobs.push(logProbability);
  const likeliest = top?.map((one) => [textOf(tokenizer, one.id), one.logProbability] as const);
  lists.top_logprobs.push(likeliest === undefined ? null : Object.fromEntries(likeliest));
  lists.text_offset.push(offset);
}

/** Which tokens a text is made of, while it comes: those whose text begins before the end of what was told are certain. */
export class ToldTokens {
  readonly #generation: Generation;
  readonly #stream: { push(id: number): string };
  #told = 0;
  /** Where the text of the next token begins. */
  #at = 0;

  /** `continues`: the text goes on after other text, as a completion's. */
  constructor(tokenizer: Tokenizer, generation: Generation, continues: boolean) {
    this.#generation = generation;
    this.#stream = tokenizer.stream({ continues });
  }

  /** Those that are certain since the last call, each with where its text begins; `length` is that of the text so far. */
  upTo(length: number): { readonly sampled: SampledToken; readonly offset: number }[] {
    const tokens: { sampled: SampledToken; offset: number }[] = [];
    for (; this.#told < this.#generation.sampled.length && this.#at < length; this.#told++) {
      const sampled = this.#generation.sampled[this.#told];
      tokens.push({ sampled, offset: this.#at });
      this.#at += this.#stream.push(sampled.id).length;
    }
    return tokens;
  }
}
