/**
 * Where Llama 2, TinyLlama and Mixtral differ from the byte-level vocabularies. Their tokens were trained with
 * SentencePiece (BPE):
 *
 * - a token's text is plain text in which "▁" (U+2581) stands for a space;
 * - a piece starts as its characters; a character without a token falls back to the tokens of its bytes (<0x00> to
 *   <0xFF>), or to the unknown token;
 * - merges are not listed but follow from the tokens' scores: any two neighbours may join whose texts joined are a
 *   token, the highest score first, the leftmost of equals (a `tokenizer.json` lists them all the same);
 * - a text gets a space in front, which decoding takes away;
 * - no pattern cuts the text.
 */
import { type Alphabet, missingByte, writeBytes } from "./alphabet.ts";
import { MergeTable } from "./bpe.ts";
import type { PieceEnd } from "./split.ts";
import type { TokenizerFault } from "./vocabulary.ts";

/** What stands for a space in the texts of tokens. */
export const SPACE = "\u2581";
const SPACE_CODE = 0x2581;

const utf8 = new TextEncoder();

/** Bounds on making merges from scores: units of text compared, and merges (Llama 2: 1 million and 58,980). */
const MERGE_WORK = 2 ** 28;
const SCORED_MERGES = 2 ** 20;

/** Before which spans of text (from one marker to the next) a space is put. */
export interface SpacePrefix {
  readonly spans: "none" | "first" | "every";
  /** Also before a span that begins with a space. */
  readonly doubled: boolean;
}

export const NO_PREFIX: SpacePrefix = { spans: "none", doubled: false };

export const SENTENCEPIECE: Alphabet = {
  decode(text, into, at) {
    return at + utf8.encodeInto(text.replaceAll(SPACE, " "), into.subarray(at)).written;
  },

  spell: (piece) => piece.replaceAll(" ", SPACE),

  symbolWriter({ file, ids, byteIds, unknown, fuseUnknown }) {
    const basic = new Int32Array(0x10000).fill(-1);
    const astral = new Map<number, number>();
    for (const [text, id] of ids) {
      const code = text.codePointAt(0)!;
      if (text.length === 1) basic[code] = id;
      else if (text.length === 2 && code > 0xffff) astral.set(code, id);
    }
    basic[32] = basic[SPACE_CODE];
    return (text, start, end, into) => {
      let count = 0;
      for (let at = start; at < end; at++) {
        let code = text.charCodeAt(at);
        if (code >= 0xd800 && code < 0xdc00) code = text.codePointAt(at++)!;
        const id = code < 0x10000 ? basic[code] : (astral.get(code) ?? -1);
        if (id >= 0) {
          into[count++] = id;
          continue;
        }
        const after = writeBytes(code === 32 ? SPACE_CODE : code, byteIds, into, count);
        let known = count;
        while (known < after && into[known] >= 0) known++;
        if (known === after) count = after;
        else if (unknown === null) missingByte(file);
        else if (!fuseUnknown || count === 0 || into[count - 1] !== unknown) into[count++] = unknown;
      }
      return count;
    };
  },
};

/** A space, as text has it or as tokens write it. */
export const isSpace = (unit: number): boolean => unit === 32 || unit === SPACE_CODE;

/** The span is one piece. */
const spanEnd: PieceEnd = (_text, _start, end) => end;

/** A piece is a run of spaces and what follows up to the next one. */
const spacedWordEnd: PieceEnd = (text, start, end) => {
  let at = start;
  while (at < end && isSpace(text.charCodeAt(at))) at++;
  while (at < end && !isSpace(text.charCodeAt(at))) at++;
  return at;
};

/** A piece begins at every space (Metaspace with `split`). */
export const spaceCutEnd: PieceEnd = (text, start, end) => {
  let at = start + 1;
  while (at < end && !isSpace(text.charCodeAt(at))) at++;
  return at;
};

/**
 * SentencePiece merges over the whole span. When no token has a space after something else, no merge can join what a
 * space parts, and shorter pieces give the same tokens.
 */
export function freePieceEnd(ids: ReadonlyMap<string, number>): PieceEnd {
  if (!ids.has(SPACE)) return spanEnd;
  for (const text of ids.keys()) if (/[^\u2581]\u2581/.test(text)) return spanEnd;
  return spacedWordEnd;
}

/** The merges that scores imply. `ids`: normal tokens by text; `scores` by id. */
export function scoredMerges(
  ids: ReadonlyMap<string, number>,
  scores: Float32Array,
  fail: TokenizerFault,
  fields: { readonly tokens: string; readonly scores: string },
): MergeTable {
  let work = 0;
  for (const [text, id] of ids) {
    if (Number.isNaN(scores[id])) fail("TOK_SCORE", "score that is no number", `${fields.scores}[${id}]`);
    work += text.length ** 2;
  }
  if (work > MERGE_WORK) fail("TOK_LENGTH", "tokens too long to find their parts", fields.tokens, work);
  const ordered = [...new Set(Array.from(ids.values(), (id) => scores[id]))].sort((a, b) => b - a);
  const ranks = new Map(ordered.map((score, rank) => [score, rank]));
  const found: number[] = [];
  for (const [text, id] of ids) {
    for (let cut = 1; cut < text.length; cut++) {
      const left = ids.get(text.slice(0, cut));
      const right = left === undefined ? undefined : ids.get(text.slice(cut));
      if (right !== undefined) found.push(left!, right, id);
    }
    if (found.length > SCORED_MERGES * 3) fail("TOK_MERGE", `more than ${SCORED_MERGES} merges`, fields.tokens);
  }
  const table = new MergeTable(found.length / 3);
  for (let i = 0; i < found.length; i += 3) {
    table.add(found[i], found[i + 1], ranks.get(scores[found[i + 2]])!, found[i + 2]);
  }
  return table;
}
