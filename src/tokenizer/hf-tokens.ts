/**
 * The tokens of a Hugging Face folder: those of the model of `tokenizer.json`, added ones there, and what
 * `tokenizer_config.json` says of them and beside them.
 *
 * A file's own ids count. `tokenizers` ignores the ids of added tokens and numbers them on from the vocabulary's size, which in
 * a file with a hole moves every control token away from the row that it was trained as.
 */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { quoteName } from "../error.ts";
import { isId } from "../given.ts";
import { isRecord, type JsonRecord, record } from "./hf-pipeline.ts";
import type { MarkerFlags } from "./markers.ts";
import { BYTE_TOKEN, markControlTokens, TOKEN_KIND } from "./token-kinds.ts";
import { faults } from "./vocabulary.ts";

const FILE = "tokenizer.json";
const CONFIG = "tokenizer_config.json";
const OLDER = "special_tokens_map.json";
/** Ids have 32 bits. */
const MOST_IDS = 2 ** 32;
const MOST_ADDED = 1 << 20;
/** Fields of a configuration that name tokens. */
const NAMED = ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"];
const LISTED = ["additional_special_tokens", "extra_special_tokens"];

export interface HfTokens {
  /** By id; rows without a token have none. */
  readonly texts: string[];
  readonly kinds: Uint8Array;
  readonly flags: ReadonlyMap<number, MarkerFlags>;
  /** Ids of added tokens with the flag `normalized`. */
  readonly normalised: ReadonlySet<number>;
  /** Ids of added tokens by text. */
  readonly ids: ReadonlyMap<string, number>;
  readonly warnings: string[];
}

interface Added {
  readonly content: string;
  /** undefined: none that could be used. */
  readonly id: number | undefined;
  readonly special: boolean;
  readonly normalised: boolean;
  readonly flags: MarkerFlags;
}

/** `base`: tokens by id and their kinds before any are added, [rows]. */
export function addHfTokens(
  checkpoint: Checkpoint,
  base: { readonly texts: (string | undefined)[]; readonly kinds: Uint8Array },
  rows: number,
): HfTokens {
  const warnings: string[] = [];
  const table = new TokenTable(base.texts, base.kinds, rows, warnings);
  for (const token of addedTokens(checkpoint)) table.add(token);
  for (const content of namedTokens(checkpoint)) table.name(content);
  const { texts, kinds } = base;
  let holes = 0;
  for (let id = 0; id < texts.length; id++) {
    if (texts[id] !== undefined) continue;
    texts[id] = "";
    holes++;
  }
  if (holes > 0) warnings.push(`TOK_ID: ${holes} ids below the last have no token; they decode to nothing`);
  if (texts.length < rows)
    warnings.push(`TOK_SHORT: ${texts.length} tokens for ${rows} rows; the others decode to nothing`);
  markControlTokens(texts, kinds, warnings);
  while (texts.length < rows) texts.push("");
  return {
    texts: texts as string[],
    kinds,
    flags: table.flags,
    normalised: table.normalised,
    ids: table.ids,
    warnings,
  };
}

/** The vocabulary of the model. */
export function readModelTokens(model: JsonRecord, rows: number): { texts: (string | undefined)[]; kinds: Uint8Array } {
  const fail = faults(FILE);
  const entries = model["vocab"];
  if (!isRecord(entries)) return fail("TOK_COMPONENT", "not an object", "/model/vocab");
  const texts: (string | undefined)[] = [];
  const kinds = new Uint8Array(rows).fill(TOKEN_KIND.unused);
  for (const [text, id] of Object.entries(entries)) {
    // Of one in 200,000: not to be made before it is needed.
    const field = () => `/model/vocab/${text.slice(0, 64)}`;
    if (!isId(id, MOST_IDS)) return fail("TOK_ID", "not a token id", field(), String(id));
    if (id >= rows) return fail("TOK_ID", `token id beyond the ${rows} rows of the embedding`, field(), id);
    if (texts[id] !== undefined) return fail("TOK_ID", `two tokens have id ${id}`, field());
    texts[id] = text;
    const byte = model["byte_fallback"] === true && BYTE_TOKEN.test(text);
    kinds[id] = byte ? TOKEN_KIND.byte : TOKEN_KIND.normal;
  }
  for (let id = 0; id < texts.length; id++) if (texts[id] === undefined) kinds[id] = TOKEN_KIND.unused;
  return { texts, kinds };
}

class TokenTable {
  readonly flags = new Map<number, MarkerFlags>();
  readonly normalised = new Set<number>();
  readonly ids = new Map<string, number>();
  readonly #texts: (string | undefined)[];
  readonly #kinds: Uint8Array;
  readonly #rows: number;
  readonly #warnings: string[];
  readonly #known = new Map<string, number>();

  constructor(texts: (string | undefined)[], kinds: Uint8Array, rows: number, warnings: string[]) {
    this.#texts = texts;
    this.#kinds = kinds;
    this.#rows = rows;
    this.#warnings = warnings;
    for (let id = texts.length - 1; id >= 0; id--) if (texts[id] !== undefined) this.#known.set(texts[id]!, id);
  }

  add({ content, id: given, special, normalised, flags }: Added): void {
    const said = quoteName(content);
    if (content === "") {
      this.#warn("TOK_ADDED: an added token is empty; it is left out");
      return;
    }
    const known = this.#known.get(content);
    let id = known ?? given ?? this.#texts.length;
    if (known !== undefined && given !== undefined && known !== given)
      this.#warn(`TOK_DUPLICATE: the added token ${said} is said to have id ${given}; its text has ${known}`);
    if (known === undefined && this.#texts[id] !== undefined) {
      this.#warn(`TOK_ID: the added token ${said} has the id of another, ${id}; it takes the next free one`);
      id = this.#texts.length;
    }
    if (id >= this.#rows) {
      this.#warn(`TOK_ADDED: ${said} has id ${id}, beyond the ${this.#rows} rows of the embedding; it stays text`);
      return;
    }
    this.#kinds[id] = this.#kindOf(content, id, special);
    this.#texts[id] = content;
    this.#known.set(content, id);
    this.ids.set(content, id);
    if (flags.singleWord || flags.lstrip || flags.rstrip) this.flags.set(id, flags);
    else this.flags.delete(id);
    if (normalised) this.normalised.add(id);
    else this.normalised.delete(id);
  }

  /** A token that a configuration only names is a control token; one that does not exist takes the next row. */
  name(content: string): void {
    const id = this.#known.get(content);
    const mark = /^[<[].*[>\]]$/s.test(content);
    if (id !== undefined && this.ids.has(content)) {
      if (mark) this.#kinds[id] = TOKEN_KIND.control;
    } else if (id === undefined || mark || isCharacter(content))
      this.add({ content, id: undefined, special: true, normalised: false, flags: NO_FLAGS });
    else this.#warn(`TOK_SPECIAL: ${quoteName(content)} is named as a special token, but is a word; it stays one`);
  }

  /** As a control token it would be missing from every text that holds the character. */
  #kindOf(content: string, id: number, special: boolean): number {
    if (!special) return TOKEN_KIND.userDefined;
    if (this.#kinds[id] !== TOKEN_KIND.normal || !isCharacter(content)) return TOKEN_KIND.control;
    this.#warn(`TOK_ADDED: ${quoteName(content)} is one character; it is no control token`);
    return TOKEN_KIND.userDefined;
  }

  #warn(warning: string): void {
    this.#warnings.push(warning);
  }
}

function isCharacter(text: string): boolean {
  return text.length <= 2 && [...text].length === 1;
}

const NO_FLAGS: MarkerFlags = { singleWord: false, lstrip: false, rstrip: false };

/** Of `tokenizer.json`, then what the configuration says of them and adds; `added_tokens.json` is the older form of that. */
function addedTokens(checkpoint: Checkpoint): Added[] {
  const fail = faults(FILE);
  const given = record(checkpoint, FILE)["added_tokens"] ?? [];
  if (!Array.isArray(given)) return fail("TOK_ADDED", "not a list", "/added_tokens");
  const further = record(checkpoint, CONFIG)["added_tokens_decoder"];
  const added = given.map((token: unknown, index) => readAdded(token, undefined, FILE, `/added_tokens/${index}`));
  if (isRecord(further)) {
    for (const [id, token] of Object.entries(further))
      added.push(readAdded(token, Number(id), CONFIG, `/added_tokens_decoder/${id}`));
  } else if (given.length === 0) {
    for (const [content, id] of Object.entries(record(checkpoint, "added_tokens.json")))
      added.push(readAdded({ content, normalized: false }, id, "added_tokens.json", `/${content.slice(0, 64)}`));
  }
  if (added.length > MOST_ADDED)
    fail("TOK_ADDED", `more than ${MOST_ADDED} added tokens`, "/added_tokens", added.length);
  return added;
}

function readAdded(token: unknown, outer: unknown, file: string, field: string): Added {
  const fail = faults(file);
  if (!isRecord(token) || typeof token["content"] !== "string") return fail("TOK_ADDED", "not a token", field);
  const id = outer ?? token["id"];
  if (!isId(id, MOST_IDS)) return fail("TOK_ID", "not a token id", `${field}/id`, String(id));
  const special = token["special"] === true;
  return {
    content: token["content"],
    id,
    special,
    normalised: (token["normalized"] ?? !special) === true,
    flags: {
      singleWord: token["single_word"] === true,
      lstrip: token["lstrip"] === true,
      rstrip: token["rstrip"] === true,
    },
  };
}

function namedTokens(checkpoint: Checkpoint): string[] {
  const names: string[] = [];
  const config = record(checkpoint, CONFIG);
  for (const fields of [config, isRecord(config["added_tokens_decoder"]) ? {} : record(checkpoint, OLDER)]) {
    names.push(...NAMED.flatMap((key) => tokenName(fields[key]) ?? []));
    for (const key of LISTED) {
      const list = fields[key];
      const tokens = Array.isArray(list) ? list : Object.values(isRecord(list) ? list : {});
      names.push(...tokens.slice(0, MOST_ADDED).flatMap((token: unknown) => tokenName(token) ?? []));
    }
  }
  return names.filter((name) => name !== "");
}

/** The text of the token that a configuration names by `key`. */
export function configuredName(checkpoint: Checkpoint, key: string): string | undefined {
  for (const file of [CONFIG, OLDER]) {
    const name = tokenName(record(checkpoint, file)[key]);
    if (name !== undefined) return name;
  }
  return undefined;
}

/** `"<|eot|>"` or `{"content": "<|eot|>"}`. */
export function tokenName(value: unknown): string | undefined {
  const name = isRecord(value) ? value["content"] : value;
  return typeof name === "string" ? name : undefined;
}
