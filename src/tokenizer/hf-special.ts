/** Begin and end tokens of a Hugging Face folder: what its files say, and in which order they count. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { EngineError } from "../error.ts";
import { isId } from "../given.ts";
import { record } from "./hf-pipeline.ts";
import { configuredName, type HfTokens } from "./hf-tokens.ts";
import { endIds, isNone, TOKEN_KIND } from "./token-kinds.ts";

/** The token that a configuration names, null where it names none that exists. */
export function namedToken(checkpoint: Checkpoint, tokens: HfTokens, key: string): number | null {
  const name = configuredName(checkpoint, key);
  return name === undefined ? null : (tokens.ids.get(name) ?? null);
}

/** The id that a model's configuration gives for the begin token. */
export function configuredBos(checkpoint: Checkpoint, rows: number): number | null {
  for (const file of ["generation_config.json", "config.json"]) {
    const id = record(checkpoint, file)["bos_token_id"];
    if (!isNone(id)) return checkedId(id, rows, file, "/bos_token_id");
  }
  return null;
}

/** The list of `generation_config.json` and the end token of the tokenizer, beside the tokens so named. */
export function readStopIds(checkpoint: Checkpoint, tokens: HfTokens, eos: number | null, rows: number): number[] {
  const file = "generation_config.json";
  const listed = record(checkpoint, file)["eos_token_id"] ?? [];
  const list: unknown[] = Array.isArray(listed) ? listed : [listed];
  if (list.length > 1024) {
    throw new EngineError("CONFIG_TOKEN_ID", "too many end tokens", {
      at: { source: "config", file, field: "/eos_token_id" },
      actual: list.length,
      limit: "at most 1024",
    });
  }
  const named = list.flatMap((id, index) => (isNone(id) ? [] : checkedId(id, rows, file, `/eos_token_id/${index}`)));
  if (eos !== null && tokens.kinds[eos] === TOKEN_KIND.control) named.push(eos);
  return endIds(named, tokens.texts, tokens.kinds);
}

function checkedId(id: unknown, rows: number, file: string, field: string): number {
  if (isId(id, rows)) return id;
  throw new EngineError("CONFIG_TOKEN_ID", "not a token id", {
    at: { source: "config", file, field },
    actual: String(id),
    limit: `0 to ${rows - 1}`,
  });
}
