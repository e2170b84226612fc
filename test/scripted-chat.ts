/**
 * A model whose answers are written down beforehand: everything from messages to results is real, but for the logits, which leave no
 * other id.
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { Candidates } from "../src/draw/candidates.ts";
import { type ChatOptions, readChat } from "../src/engine/chat-request.ts";
import { Pictures } from "../src/engine/pictures.ts";
import type { Generation } from "../src/generate/generation.ts";
import { DEFAULT_OPTIONS } from "../src/generate/options.ts";
import type { Request } from "../src/generate/running.ts";
import type { Scheduler } from "../src/generate/scheduler.ts";
import { Starter } from "../src/generate/starter.ts";
import { type ChatMessage, ChatTemplates } from "../src/tokenizer/chat.ts";
import type { Tokenizer } from "../src/tokenizer/tokenizer.ts";
import { fresh, hf } from "./storyteller.ts";

interface Golden {
  templates: Record<string, { source: string; bos_token: string; eos_token: string }>;
}

const { templates }: Golden = JSON.parse(
  gunzipSync(readFileSync(new URL("./golden/chat.gz", import.meta.url))).toString(),
);

/** The storyteller's control tokens 2042.. under these names; `null`: the begin, end and padding tokens keep theirs. */
function tokenizerWith(marks: readonly string[], end: string): Tokenizer {
  const json = fresh();
  const free = [2043, 2044, 2045, 2047];
  const names = new Map([[2046, end], ...marks.map((mark, index) => [free[index], mark] as const)]);
  for (const token of json.added_tokens) token.content = names.get(token.id) ?? token.content;
  const config = { bos_token: "<|begin_of_text|>", eos_token: end };
  return hf(json, 2048, { "tokenizer_config.json": config, "generation_config.json": { eos_token_id: [2046] } });
}

export interface Scripted {
  chat(messages: readonly ChatMessage[], options?: ChatOptions): Generation;
  /** Prompts, as text with control tokens. */
  readonly prompts: string[];
  readonly tokenizer: Tokenizer;
}

/** `answers` in order, each ended by the template's end token. `marks` are control tokens of the vocabulary. */
export function scripted(name: string, answers: readonly string[], marks: readonly string[] = []): Scripted {
  const {
    source,
    bos_token: bosToken,
    eos_token: eosToken,
  } = templates[name] ?? { source: name, bos_token: "", eos_token: "<|eot|>" };
  const tokenizer = tokenizerWith(marks, eosToken);
  const prompts: string[] = [];
  const left = [...answers];
  const once = async ({ ids, signal, onLogits }: Request): Promise<number> => {
    prompts.push(tokenizer.decode(ids, { specialTokens: true }));
    const answer = left.shift();
    if (answer === undefined) throw new Error("nothing is written down for this prompt");
    const wanted = [...tokenizer.encode(answer, { specialTokens: true }), 2046];
    for (let index = 0; index < wanted.length; index++) {
      await null;
      signal?.throwIfAborted();
      const logits = new Float32Array(2048).fill(-1000);
      logits[wanted[index]] = 1000;
      if (onLogits(logits, index, null) === null) break;
    }
    return 0;
  };
  const starter = new Starter({
    scheduler: { once } as unknown as Scheduler,
    tokenizer,
    vocab: 2048,
    context: 1 << 20,
    adapters: [],
    stopIds: new Set([2046]),
    candidates: new Candidates(2048),
    defaults: DEFAULT_OPTIONS,
  });
  const found = new ChatTemplates(new Map([["default", source]]), { bosToken, eosToken });
  return {
    prompts,
    tokenizer,
    chat(messages, options) {
      const {
        ids,
        open,
        warnings,
        calls,
        format,
        options: rest,
      } = readChat(found, tokenizer, messages, options, 1 << 20, new Pictures(null, null, null));
      const checked = starter.check(rest);
      if (format) checked.responseFormat = format;
      return starter.generation(ids, checked, { warnings, continues: open, calls });
    },
  };
}
