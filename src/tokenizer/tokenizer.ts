/**
 * Text <-> token ids.
 *
 * text -markers-> spans -split rule-> pieces -alphabet-> symbols -merges-> ids
 *
 * Symbols are the tokens of single bytes, or of single characters (`sentencepiece.ts`: all that Llama 2 does otherwise).
 * Control tokens arise from text only when the caller says so, and then only outside the ranges it declares plain.
 */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { EngineError } from "../error.ts";
import { checkFlag, checkString, isId, isList, readOptions, tell, valuesOf, wrong } from "../given.ts";
import { BYTE_LEVEL } from "./alphabet.ts";
import { MergeTable } from "./bpe.ts";
import { readGgufVocabulary } from "./gguf-vocabulary.ts";
import { readHfVocabulary } from "./hf-vocabulary.ts";
import { MarkerScanner } from "./markers.ts";
import { PieceEncoder } from "./pieces.ts";
import { isSpace, NO_PREFIX, SPACE } from "./sentencepiece.ts";
import { LLAMA4 } from "./split-llama4.ts";
import { TOKEN_KIND } from "./token-kinds.ts";
import { NO_LATE_MARKERS, type Vocabulary } from "./vocabulary.ts";

export interface EncodeOptions {
  /** Read `<|eot|>` and its like as control tokens. Default: as text. */
  specialTokens?: boolean;
  /** Put the begin-of-text token in front, unless the text begins with it. */
  addBos?: boolean;
  /** Put the end-of-text token behind: for training and scoring, never for a prompt. */
  addEos?: boolean;
  /** With `specialTokens`: ranges [start, end, start, end, ...], ascending, in which they are text all the same. */
  plain?: readonly number[];
  /** The text goes on after other text: the space that Llama 2 vocabularies put before a text is not put. */
  continues?: boolean;
}

export interface DecodeOptions {
  /** Show control tokens by name. Default: they decode to nothing. */
  specialTokens?: boolean;
  /** The ids go on after other text: the space that Llama 2 vocabularies put before a text is not taken away. */
  continues?: boolean;
}

/** Turns ids into text as they come; what it gives in all equals `decode` of all the ids with the same options. */
export interface TokenStream {
  push(id: number): string;
  end(): string;
}

/** Of a span from one marker to the next: a text begins with it, it stands behind a marker, or goes on what came before. */
type Place = "first" | "later" | "within";

export class Tokenizer {
  /** Number of ids, equal to the rows of the model's embedding. */
  readonly vocabSize: number;
  /** What kind of vocabulary it is: "llama4", "llama-bpe", "smollm", "gpt2" (byte level), "sentencepiece" or "bytes". */
  readonly kind: string;
  readonly bos: number | null;
  /** Whether the file says that a text begins with `bos`. */
  readonly addBos: boolean;
  readonly eos: number | null;
  /** Whether the file says that a text ends with `eos`. Prompts do not. */
  readonly addEos: boolean;
  /** Ids that end an answer, ascending. */
  readonly stopIds: readonly number[];
  /** What was odd in the file, yet usable. */
  readonly warnings: readonly string[];
  readonly #vocabulary: Vocabulary;
  readonly #pieces: PieceEncoder;
  readonly #markers: MarkerScanner;
  /** Looks in what the first one leaves. */
  readonly #late: MarkerScanner;

  /** @internal */
  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
    this.#pieces = new PieceEncoder(vocabulary);
    const { markers, kinds, flags, lateMarkers } = vocabulary;
    const isLate = ([, id]: readonly [string, number]) => lateMarkers.ids.has(id);
    const late = [...markers].filter(isLate);
    this.#markers = new MarkerScanner(
      [...markers].filter((marker) => !isLate(marker)),
      kinds,
      flags,
    );
    this.#late = new MarkerScanner(
      late.map(([text, id]) => [lateMarkers.spell(text), id] as const),
      kinds,
      flags,
    );
    this.vocabSize = vocabulary.size;
    this.kind = vocabulary.kind;
    this.bos = vocabulary.bos;
    this.addBos = vocabulary.addBos;
    this.eos = vocabulary.eos;
    this.addEos = vocabulary.addEos;
    this.stopIds = vocabulary.stopIds;
    this.warnings = vocabulary.warnings;
  }

  /** Throws REQ_PARAM where text or an option is of another kind, PROMPT_UNICODE where it holds half a surrogate pair. */
  encode(text: string, options?: EncodeOptions): number[] {
    const given = readOptions(options, ["specialTokens", "addBos", "addEos", "plain", "continues"]);
    const specialTokens = checkFlag(given.specialTokens, "specialTokens", false);
    const addBos = checkFlag(given.addBos, "addBos", false);
    const addEos = checkFlag(given.addEos, "addEos", false);
    const plain = checkRanges(given.plain);
    const begins = !checkFlag(given.continues, "continues", false);
    checkWellFormed(checkString(text, "text"));
    const ids: number[] = [];
    if (addBos && this.bos !== null) ids.push(this.bos);
    let done = 0;
    this.#markers.scan(text, specialTokens, plain, (start, end, id) => {
      this.#span(text, done, start, begins, ids);
      // The text brings its own begin token.
      if (start > 0 || id !== this.bos || ids.length === 0) ids.push(id);
      done = Math.max(done, end);
    });
    this.#span(text, done, text.length, begins, ids);
    if (addEos && this.eos !== null) ids.push(this.eos);
    return ids;
  }

  /** Throws REQ_PARAM where ids are no list and no iterable, TOK_ID_RANGE where one is none of the vocabulary. */
  decode(ids: Iterable<number>, options?: DecodeOptions): string {
    const stream = this.stream(options);
    let text = "";
    for (const id of valuesOf(ids, "ids")) text += stream.push(id as number);
    return text + stream.end();
  }

  stream(options?: DecodeOptions): TokenStream {
    const given = readOptions(options, ["specialTokens", "continues"]);
    const specialTokens = checkFlag(given.specialTokens, "specialTokens", false);
    const continues = checkFlag(given.continues, "continues", false);
    // The decoder holds unfinished characters back; a byte order mark is text like any other.
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    let strip = this.#vocabulary.stripSpace && !continues;
    return {
      push: (id) => {
        const bytes = this.#bytes(id);
        if (bytes.length === 0 || (this.isSpecial(id) && !specialTokens)) return "";
        const first = strip && bytes[0] === 32 ? 1 : 0;
        strip = false;
        return decoder.decode(bytes.subarray(first), { stream: true });
      },
      end: () => decoder.decode(),
    };
  }

  /** @internal Whether the space that begins a text is not shown, unless it `continues` another. */
  get stripsSpace(): boolean {
    return this.#vocabulary.stripSpace;
  }

  /** The bytes a token stands for; of a control token, its name. A copy. */
  tokenBytes(id: number): Uint8Array {
    return this.#bytes(id).slice();
  }

  /** @internal The bytes of an id that stands for text, no copy; null of others. */
  textBytes(id: number): Uint8Array | null {
    return this.isSpecial(id) ? null : this.#bytes(id);
  }

  /** Whether the id stands for something other than text: control, unknown and unused tokens. */
  isSpecial(id: number): boolean {
    this.#check(id);
    const kind = this.#vocabulary.kinds[id];
    return kind === TOKEN_KIND.control || kind === TOKEN_KIND.unknown || kind === TOKEN_KIND.unused;
  }

  /** The id of a control or user-defined token, by its exact text. */
  specialId(text: string): number | null {
    return this.#vocabulary.markers.get(checkString(text, "text")) ?? null;
  }

  /** Where `text` spells control tokens, as `specialTokens` and `plain` read them: [start, end) and id of each, in order. */
  controlTokens(text: string, plain?: readonly number[]): { start: number; end: number; id: number }[] {
    const found: { start: number; end: number; id: number }[] = [];
    this.#markers.scan(text, true, checkRanges(plain), (start, end, id) => {
      if (this.isSpecial(id)) found.push({ start, end, id });
    });
    return found;
  }

  /** Text from one marker to the next, in which late ones are still to be found. `begins`: the first of them begins a text. */
  #span(text: string, start: number, end: number, begins: boolean, ids: number[]): void {
    if (start >= end) return;
    const place = start > 0 ? "later" : begins ? "first" : "within";
    if (this.#late.empty) {
      this.#words(text, start, end, place, ids);
      return;
    }
    const { normalised } = this.#vocabulary.lateMarkers;
    const part = text.slice(start, end);
    const span = normalised ? (this.#prefixed(text, start, place) ? SPACE : "") + part.replaceAll(" ", SPACE) : part;
    let done = 0;
    const upTo = (at: number) => {
      if (done >= at) return;
      if (normalised) this.#pieces.encode(span, done, at, ids);
      else this.#words(span, done, at, done === 0 ? place : "later", ids);
    };
    this.#late.scan(span, false, [], (from, to, id) => {
      upTo(from);
      ids.push(id);
      done = Math.max(done, to);
    });
    upTo(span.length);
  }

  /** Ordinary text. */
  #words(text: string, start: number, end: number, place: Place, ids: number[]): void {
    if (this.#prefixed(text, start, place)) this.#pieces.encode(` ${text.slice(start, end)}`, 0, end - start + 1, ids);
    else this.#pieces.encode(text, start, end, ids);
  }

  /** Whether a space goes in front of the span that starts there. */
  #prefixed(text: string, start: number, place: Place): boolean {
    const { spans, doubled } = this.#vocabulary.spacePrefix;
    const wanted = place !== "within" && (spans === "every" || (spans === "first" && place === "first"));
    return wanted && (doubled || !isSpace(text.charCodeAt(start)));
  }

  #bytes(id: number): Uint8Array {
    this.#check(id);
    const { bytes, offsets } = this.#vocabulary;
    return bytes.subarray(offsets[id], offsets[id + 1]);
  }

  #check(id: number): void {
    if (isId(id, this.vocabSize)) return;
    throw new EngineError("TOK_ID_RANGE", "not a token id", {
      at: { source: "prompt", field: "id" },
      actual: tell(id),
      limit: `0 to ${this.vocabSize - 1}`,
    });
  }
}

function checkRanges(plain: unknown): readonly number[] {
  if (plain === undefined) return [];
  const limit = "an even number of ascending integers";
  if (!isList(plain)) throw wrong("plain", "plain: not a list", limit, plain);
  const ranges: number[] = [];
  for (let index = 0; index < plain.length; index++) {
    const at = plain[index] as number;
    if (!Number.isSafeInteger(at) || at < (ranges.at(-1) ?? 0)) throw wrong("plain", `plain[${index}]`, limit, at);
    ranges.push(at);
  }
  if (ranges.length % 2 !== 0) throw wrong("plain", "plain: a range without end", limit, `${ranges.length} of them`);
  return ranges;
}

/** Refuses lone surrogates: they have no UTF-8, and U+FFFD in their place would be another text. */
export function checkWellFormed(text: string, field?: string): void {
  // With the u flag only unpaired surrogates count as Cs.
  const index = text.search(/\p{Cs}/u);
  if (index < 0) return;
  const unit = text.charCodeAt(index).toString(16);
  throw new EngineError("PROMPT_UNICODE", `lone surrogate \\u${unit} at index ${index}`, {
    at: { source: "prompt", field: field ?? "text", offset: index },
  });
}

/** The tokenizer of a checkpoint whose embedding has `vocab` rows, or null when it has none. */
export function openTokenizer(checkpoint: Checkpoint, vocab: number): Tokenizer | null {
  const vocabulary =
    checkpoint.format === "gguf" ? readGgufVocabulary(checkpoint, vocab) : readHfVocabulary(checkpoint, vocab);
  return vocabulary && new Tokenizer(vocabulary);
}

/** The tokenizer of models made without files: a byte is its own id, then begin, end, padding, unknown. */
export function byteTokenizer(vocab = 260): Tokenizer {
  if (!Number.isInteger(vocab) || vocab < 260) {
    throw new EngineError("CONFIG_VOCAB", "too few ids for bytes and four control tokens", {
      actual: vocab,
      limit: "at least 260",
    });
  }
  const names = ["<|begin|>", "<|end|>", "<|pad|>", "<|unknown|>"];
  const nameBytes = new TextEncoder().encode(names.join(""));
  const bytes = new Uint8Array(256 + nameBytes.length);
  const offsets = new Uint32Array(vocab + 1);
  const kinds = new Uint8Array(vocab).fill(TOKEN_KIND.unused);
  for (let byte = 0; byte < 256; byte++) {
    bytes[byte] = byte;
    offsets[byte + 1] = byte + 1;
    kinds[byte] = TOKEN_KIND.normal;
  }
  bytes.set(nameBytes, 256);
  for (let i = 0; i < vocab - 256; i++) {
    offsets[257 + i] = offsets[256 + i] + (names[i]?.length ?? 0);
    if (i < names.length) kinds[256 + i] = TOKEN_KIND.control;
  }
  const file = "bytes";
  const byteIds = Int32Array.from({ length: 256 }, (_, byte) => byte);
  return new Tokenizer({
    file,
    size: vocab,
    kind: "bytes",
    alphabet: BYTE_LEVEL,
    pieceEnd: LLAMA4.pieceEnd,
    symbols: BYTE_LEVEL.symbolWriter({ file, ids: new Map(), byteIds, unknown: null, fuseUnknown: false }),
    kinds,
    bytes,
    offsets,
    merges: new MergeTable(0),
    whole: null,
    markers: new Map(names.map((name, i) => [name, 256 + i])),
    flags: new Map(),
    lateMarkers: NO_LATE_MARKERS,
    spacePrefix: NO_PREFIX,
    stripSpace: false,
    bos: 256,
    eos: 257,
    addBos: false,
    addEos: false,
    stopIds: [257],
    warnings: [],
  });
}
