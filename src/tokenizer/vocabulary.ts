/**
 * A BPE vocabulary, checked: what every token's bytes are, which pairs merge into what, which ids control.
 * `gguf-vocabulary.ts` and `hf-vocabulary.ts` read the two file formats into `RawVocabulary`; the checks that do not
 * depend on the format are here.
 */
import { EngineError, quoteName } from "../error.ts";
import type { ErrorCode } from "../error-codes.ts";
import type { Alphabet, SymbolTokens, SymbolWriter } from "./alphabet.ts";
import { MergeTable } from "./bpe.ts";
import type { MarkerFlags } from "./markers.ts";
import { freePieceEnd, SENTENCEPIECE, type SpacePrefix, scoredMerges } from "./sentencepiece.ts";
import type { PieceEnd } from "./split.ts";
import { TOKEN_KIND } from "./token-kinds.ts";

const LIMITS = {
  merges: 4_194_304, // Llama 4 has 439,802
  tokenBytes: 4096, // the longest of Llama 4 has 113
  markerUnits: 256, // control and user-defined tokens: bounds the look-ahead at every "<" of a prompt
  warnings: 32,
};

/** As `tokenizers` does with the flag `normalized`. */
export interface LateMarkers {
  /** Whether spaces are replaced, and the one in front is put there, before they are looked for. */
  readonly normalised: boolean;
  /** The text that is then looked for. */
  readonly spell: (text: string) => string;
  readonly ids: ReadonlySet<number>;
}

export const NO_LATE_MARKERS: LateMarkers = { normalised: false, spell: (text) => text, ids: new Set() };

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
  /** User-defined tokens that merges give, too: their texts stand in the model's vocabulary. */
  readonly words: ReadonlySet<number>;
  /** What the file says of added tokens, where it says anything. */
  readonly flags?: ReadonlyMap<number, MarkerFlags>;
  /** Added tokens that are looked for in what the others leave, by the texts that are then looked for. */
  readonly lateMarkers?: LateMarkers;
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
  readonly flags: ReadonlyMap<number, MarkerFlags>;
  readonly lateMarkers: LateMarkers;
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
  const warnings = [...raw.warnings];
  dropEmptyTokens(raw, warnings);
  const { bytes, offsets, byteIds } = tokenBytes(raw, warnings);
  const ids = normalIds(raw, warnings);
  const markers = markerIds(raw, warnings);
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
    markers,
    flags: raw.flags ?? new Map(),
    lateMarkers: raw.lateMarkers ?? NO_LATE_MARKERS,
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

type TokenBytes = Pick<Vocabulary, "bytes" | "offsets"> & Pick<SymbolTokens, "byteIds">;

/** No text can give an empty token, and files hold them. */
function dropEmptyTokens({ texts, kinds }: RawVocabulary, warnings: string[]): void {
  for (let id = 0; id < texts.length; id++) {
    if (texts[id] !== "" || (kinds[id] !== TOKEN_KIND.normal && kinds[id] !== TOKEN_KIND.byte)) continue;
    kinds[id] = TOKEN_KIND.unused;
    warnings.push(`TOK_LENGTH: token ${id} is empty; nothing is encoded as it`);
  }
}

function tokenBytes(raw: RawVocabulary, warnings: string[]): TokenBytes {
  const { file, tokensField, alphabet, texts, kinds, words } = raw;
  const fail = faults(file);
  const capacity = texts.reduce((sum, text) => sum + text.length * 3, 0);
  const bytes = new Uint8Array(capacity);
  const offsets = new Uint32Array(texts.length + 1);
  const byteIds = new Int32Array(256).fill(-1);
  const utf8 = new TextEncoder();
  const spaced = alphabet === SENTENCEPIECE; // what stands for a space does so in every text
  let end = 0;
  let foreign = 0;
  for (let id = 0; id < texts.length; id++) {
    const text = texts[id];
    const field = () => `${tokensField}[${id}]`;
    const kind = kinds[id];
    if (text.length > LIMITS.tokenBytes) {
      fail("TOK_LENGTH", `token of more than ${LIMITS.tokenBytes} bytes`, field(), text.length);
    }
    const start = end;
    if (kind === TOKEN_KIND.byte) bytes[end++] = byteToken(text, fail, field);
    else if (kind !== TOKEN_KIND.normal && !(kind === TOKEN_KIND.userDefined && (words.has(id) || spaced)))
      end += utf8.encodeInto(text, bytes.subarray(end)).written;
    else {
      end = alphabet.decode(text, bytes, start);
      if (end < 0) {
        // No text can reach it: encoding spells bytes in the alphabet only.
        end = start + utf8.encodeInto(text, bytes.subarray(start)).written;
        foreign++;
      }
    }
    offsets[id + 1] = end;
    const ordinary = kind === TOKEN_KIND.normal || kind === TOKEN_KIND.byte || words.has(id);
    if (ordinary && end - start === 1 && byteIds[bytes[start]] < 0) byteIds[bytes[start]] = id;
  }
  if (foreign > 0)
    warnings.push(`TOK_BYTELEVEL: ${foreign} tokens have characters outside the byte-level alphabet; they only decode`);
  return { bytes: bytes.slice(0, end), offsets, byteIds };
}

function byteToken(text: string, fail: TokenizerFault, field: () => string): number {
  const match = /^<0x([0-9A-Fa-f]{2})>$/.exec(text);
  return match ? Number.parseInt(match[1], 16) : fail("TOK_BYTE", "byte token is not <0x00> to <0xFF>", field(), text);
}

/** Tokens of ordinary text by their texts, the lowest id of equals. */
function normalIds({ texts, kinds, words }: RawVocabulary, warnings: string[]): Map<string, number> {
  const ids = new Map<string, number>();
  let normal = 0;
  for (let id = texts.length - 1; id >= 0; id--) {
    if (kinds[id] !== TOKEN_KIND.normal && !words.has(id)) continue;
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
  const others = new Set(raw.texts.filter((_, id) => raw.kinds[id] !== TOKEN_KIND.normal && !raw.words.has(id)));
  let repeated = 0;
  let barred = 0;
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
      const parts = [left, right, (left as string) + (right as string)] as string[];
      if (parts.every((part) => ids.has(part) || (part !== "" && others.has(part)))) {
        barred++;
        continue;
      }
      fail("TOK_MERGE", "merge of tokens that do not exist", `${mergesField}[${rank}]`, `${left} ${right}`);
    }
    if (!table.add(leftId as number, rightId as number, rank, merged as number)) repeated++;
  }
  // Ordinary text would become a control token, or part of one.
  if (barred > 0) warnings.push(`TOK_MERGE: ${barred} merges of tokens that are no ordinary ones are left out`);
  if (repeated > 0) warnings.push(`TOK_MERGE: ${repeated} merges are listed twice; the first counts`);
  return table;
}

/** Texts that are looked for in prompts: of control tokens, the unknown token among them, and user-defined ones. */
function markerIds({ file, tokensField, texts, kinds }: RawVocabulary, warnings: string[]): Map<string, number> {
  const fail = faults(file);
  const markers = new Map<string, number>();
  for (let id = 0; id < texts.length; id++) {
    const text = texts[id];
    const field = () => `${tokensField}[${id}]`;
    const unknown = kinds[id] === TOKEN_KIND.unknown && [...text].length > 1;
    const control = kinds[id] === TOKEN_KIND.control || unknown;
    if ((!control && kinds[id] !== TOKEN_KIND.userDefined) || text === "") continue;
    if (text.length > LIMITS.markerUnits) {
      fail("TOK_ADDED", `added token of more than ${LIMITS.markerUnits} characters`, field(), text.length);
    }
    const first = markers.get(text);
    if (first === undefined) markers.set(text, id);
    else {
      // Where one of the two controls, that is the one.
      if (control && kinds[first] === TOKEN_KIND.userDefined) markers.set(text, id);
      warnings.push(`TOK_DUPLICATE: two added tokens are ${quoteName(text)}: ${first} and ${id}`);
    }
  }
  return markers;
}
