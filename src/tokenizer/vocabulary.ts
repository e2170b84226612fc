/**
 * A BPE vocabulary, checked: what every token's bytes are, which pairs merge into what, which ids control.
 * `gguf-vocabulary.ts` and `hf-vocabulary.ts` read the two file formats into `RawVocabulary`; the checks that do not
 * depend on the format are here.
 */
import { EngineError, quoteName } from "../error.ts";
import type { ErrorCode } from "../error-codes.ts";
import type { Alphabet, SymbolTokens, SymbolWriter } from "./alphabet.ts";
import { MergeTable } from "./bpe.ts";
import { freePieceEnd, type SpacePrefix, scoredMerges } from "./sentencepiece.ts";
import type { PieceEnd } from "./split.ts";

/** Token types, by their GGUF numbers. */
export const TOKEN_KIND = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

const LIMITS = {
  merges: 4_194_304, // Llama 4 has 439,802
  tokenBytes: 4096, // the longest of Llama 4 has 113
  markerUnits: 256, // control and user-defined tokens: bounds the look-ahead at every "<" of a prompt
  warnings: 32,
};

/** Names that structure a prompt: as ordinary tokens they would let text steer the conversation. */
const STRUCTURAL = new Set([
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
]);

/** Likewise; but published checkpoints with added tokens often do not mark these, so we do. */
const CHATML = new Set(["<|im_start|>", "<|im_end|>"]);

/** Control tokens that end an answer, whichever ids the file names. */
const END_NAMES = new Set([
  "<|end_of_text|>",
  "<|eom|>",
  "<|eot|>",
  "<|eom_id|>",
  "<|eot_id|>",
  "<|im_end|>",
  "<|endoftext|>",
  "</s>",
]);

export interface RawVocabulary {
  /** Base name of the file, and the names its token and merge lists have there: for messages. */
  readonly file: string;
  readonly tokensField: string;
  readonly mergesField: string;
  /** The split rule's name, or "sentencepiece". */
  readonly kind: string;
  readonly alphabet: Alphabet;
  /** Null: nothing cuts the text but what no merge can cross. */
  readonly pieceEnd: PieceEnd | null;
  /** Token texts by id: in the alphabet for normal tokens, plain text for the others. */
  readonly texts: readonly string[];
  readonly kinds: Uint8Array;
  /** "left right" or [left, right], best first; or the scores that they follow from, by id. */
  readonly merges: readonly unknown[] | Float32Array;
  readonly ignoreMerges: boolean;
  readonly unknown: number | null;
  readonly fuseUnknown: boolean;
  readonly spacePrefix: SpacePrefix;
  readonly stripSpace: boolean;
  readonly bos: number | null;
  readonly eos: number | null;
  readonly addBos: boolean;
  readonly addEos: boolean;
  readonly stopIds: readonly number[];
  readonly warnings: readonly string[];
}

export interface Vocabulary {
  readonly file: string;
  readonly size: number;
  readonly kind: string;
  readonly alphabet: Alphabet;
  readonly pieceEnd: PieceEnd;
  readonly symbols: SymbolWriter;
  readonly kinds: Uint8Array; // [size]
  readonly bytes: Uint8Array; // all tokens' bytes, one after the other
  readonly offsets: Uint32Array; // [size + 1] into bytes
  readonly merges: MergeTable;
  /** Text of normal tokens -> id, when whole pieces are looked up before merging. */
  readonly whole: ReadonlyMap<string, number> | null;
  /** Texts of control and user-defined tokens. */
  readonly markers: ReadonlyMap<string, number>;
  /** Where encoding puts a space in front. */
  readonly spacePrefix: SpacePrefix;
  /** Whether decoding takes one space away from the front. */
  readonly stripSpace: boolean;
  readonly bos: number | null;
  readonly eos: number | null;
  readonly addBos: boolean;
  readonly addEos: boolean;
  readonly stopIds: readonly number[];
  readonly warnings: readonly string[];
}

export type TokenizerFault = (code: ErrorCode, what: string, field: string, actual?: string | number) => never;

/** Throws an EngineError of this file. */
export function faults(file: string): TokenizerFault {
  return (code, what, field, actual) => {
    throw new EngineError(code, what, { at: { source: "tokenizer", file, field }, actual });
  };
}

export function buildVocabulary(raw: RawVocabulary): Vocabulary {
  const { file, alphabet, fuseUnknown } = raw;
  // Text must not begin or end a conversation, whatever a file calls its unknown token.
  const structural = raw.unknown === null || raw.unknown === raw.bos || raw.stopIds.includes(raw.unknown);
  const unknown = structural ? null : raw.unknown;
  const { bytes, offsets, byteIds } = tokenBytes(raw);
  const warnings = [...raw.warnings];
  const ids = normalIds(raw, warnings);
  return {
    file,
    size: raw.texts.length,
    kind: raw.kind,
    alphabet,
    pieceEnd: raw.pieceEnd ?? freePieceEnd(ids),
    symbols: alphabet.symbolWriter({ file, ids, byteIds, unknown, fuseUnknown }),
    kinds: raw.kinds,
    bytes,
    offsets,
    merges: mergeTable(raw, ids, warnings),
    whole: raw.ignoreMerges ? ids : null,
    markers: markerIds(raw),
    spacePrefix: raw.spacePrefix,
    stripSpace: raw.stripSpace,
    bos: raw.bos,
    eos: raw.eos,
    addBos: raw.addBos && raw.bos !== null,
    addEos: raw.addEos && raw.eos !== null,
    stopIds: raw.stopIds,
    warnings: warnings.slice(0, LIMITS.warnings),
  };
}

/** Marks the tokens that must control a conversation, where the file does not. */
export function markChatTokens(texts: readonly (string | undefined)[], kinds: Uint8Array, warnings: string[]): void {
  for (let id = 0; id < texts.length; id++) {
    if (kinds[id] === TOKEN_KIND.control || !CHATML.has(texts[id] ?? "")) continue;
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

type TokenBytes = Pick<Vocabulary, "bytes" | "offsets"> & Pick<SymbolTokens, "byteIds">;

function tokenBytes({ file, tokensField, alphabet, texts, kinds }: RawVocabulary): TokenBytes {
  const fail = faults(file);
  const capacity = texts.reduce((sum, text) => sum + text.length * 3, 0);
  const bytes = new Uint8Array(capacity);
  const offsets = new Uint32Array(texts.length + 1);
  const byteIds = new Int32Array(256).fill(-1);
  const utf8 = new TextEncoder();
  let end = 0;
  for (let id = 0; id < texts.length; id++) {
    const text = texts[id];
    const field = `${tokensField}[${id}]`;
    const kind = kinds[id];
    if (text === "" && (kind === TOKEN_KIND.normal || kind === TOKEN_KIND.byte))
      fail("TOK_LENGTH", "empty token", field);
    if (text.length > LIMITS.tokenBytes) {
      fail("TOK_LENGTH", `token of more than ${LIMITS.tokenBytes} bytes`, field, text.length);
    }
    const start = end;
    if (kind === TOKEN_KIND.byte) bytes[end++] = byteToken(text, fail, field);
    else if (kind !== TOKEN_KIND.normal) end += utf8.encodeInto(text, bytes.subarray(end)).written;
    else {
      end = alphabet.decode(text, bytes, end);
      if (end < 0) fail("TOK_BYTELEVEL", "character outside the byte-level alphabet", field, text);
    }
    offsets[id + 1] = end;
    const single = end - start === 1 && (kind === TOKEN_KIND.normal || kind === TOKEN_KIND.byte);
    if (single && byteIds[bytes[start]] < 0) byteIds[bytes[start]] = id;
  }
  return { bytes: bytes.slice(0, end), offsets, byteIds };
}

function byteToken(text: string, fail: TokenizerFault, field: string): number {
  const match = /^<0x([0-9A-Fa-f]{2})>$/.exec(text);
  return match ? Number.parseInt(match[1], 16) : fail("TOK_BYTE", "byte token is not <0x00> to <0xFF>", field, text);
}

/** Normal tokens by text, the lowest id of equals. */
function normalIds({ texts, kinds }: RawVocabulary, warnings: string[]): Map<string, number> {
  const ids = new Map<string, number>();
  let normal = 0;
  for (let id = texts.length - 1; id >= 0; id--) {
    if (kinds[id] !== TOKEN_KIND.normal) continue;
    ids.set(texts[id], id);
    normal++;
  }
  if (ids.size < normal) warnings.push(`TOK_DUPLICATE: ${normal - ids.size} tokens repeat another's text`);
  return ids;
}

function mergeTable(raw: RawVocabulary, ids: ReadonlyMap<string, number>, warnings: string[]): MergeTable {
  const { merges, mergesField } = raw;
  const fail = faults(raw.file);
  if (merges instanceof Float32Array) {
    return scoredMerges(ids, merges, fail, { tokens: raw.tokensField, scores: mergesField });
  }
  if (merges.length > LIMITS.merges) fail("TOK_MERGE", `more than ${LIMITS.merges} merges`, mergesField, merges.length);
  const table = new MergeTable(merges.length);
  let repeated = 0;
  for (let rank = 0; rank < merges.length; rank++) {
    const entry = merges[rank];
    let left: unknown;
    let right: unknown;
    if (typeof entry === "string") {
      const space = entry.indexOf(" ");
      left = entry.slice(0, Math.max(space, 0));
      right = entry.slice(space + 1);
      if (space < 0 || entry.indexOf(" ", space + 1) >= 0) {
        fail("TOK_MERGE", "a merge has two parts and one space", `${mergesField}[${rank}]`, entry);
      }
    } else if (Array.isArray(entry) && entry.length === 2) [left, right] = entry;
    if (typeof left !== "string" || typeof right !== "string") {
      fail("TOK_MERGE", "a merge is a pair of token texts", `${mergesField}[${rank}]`);
    }
    const leftId = ids.get(left as string);
    const rightId = ids.get(right as string);
    const merged = ids.get((left as string) + (right as string));
    if (leftId === undefined || rightId === undefined || merged === undefined) {
      fail("TOK_MERGE", "merge of tokens that do not exist", `${mergesField}[${rank}]`, `${left} ${right}`);
    }
    if (!table.add(leftId as number, rightId as number, rank, merged as number)) repeated++;
  }
  if (repeated > 0) warnings.push(`TOK_MERGE: ${repeated} merges are listed twice; the first counts`);
  return table;
}

/** Texts that are looked for in prompts: of control tokens, the unknown token among them, and user-defined ones. */
function markerIds({ file, tokensField, texts, kinds }: RawVocabulary): Map<string, number> {
  const fail = faults(file);
  const markers = new Map<string, number>();
  for (let id = 0; id < texts.length; id++) {
    const text = texts[id];
    const field = `${tokensField}[${id}]`;
    const unknown = kinds[id] === TOKEN_KIND.unknown && [...text].length > 1;
    const control = kinds[id] === TOKEN_KIND.control || unknown;
    if (!control && STRUCTURAL.has(text)) fail("TOK_ADDED", `${quoteName(text)} is not a control token`, field);
    if ((!control && kinds[id] !== TOKEN_KIND.userDefined) || text === "") continue;
    if ([...text].length < 2)
      fail("TOK_ADDED", "an added token of one character would match ordinary text", field, text);
    if (text.length > LIMITS.markerUnits) {
      fail("TOK_ADDED", `added token of more than ${LIMITS.markerUnits} characters`, field, text.length);
    }
    if (markers.has(text)) fail("TOK_ADDED", "two added tokens have the same text", field, text);
    markers.set(text, id);
  }
  return markers;
}
