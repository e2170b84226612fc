/**
 * SentencePiece's own file, `tokenizer.model`: a protobuf message of pieces with scores, and of how text is prepared for
 * them. Source: sentencepiece_model.proto of google/sentencepiece. Only what a vocabulary needs is read; other fields are
 * passed over, whatever they hold.
 */
import { faults } from "./vocabulary.ts";

const STRICT_UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export interface SentencePieceFile {
  readonly texts: string[];
  readonly scores: Float32Array;
  /** SentencePiece's numbers are those of GGUF. */
  readonly kinds: Uint8Array;
  /** null: none. */
  readonly unknown: number | null;
  readonly bos: number | null;
  readonly eos: number | null;
  /** A space goes in front of a text. */
  readonly prefix: boolean;
}

export const SENTENCEPIECE_FILE = "tokenizer.model";
const MOST_PIECES = 1 << 20;
const MODEL_TYPES: Readonly<Record<number, string>> = { 1: "unigram", 3: "word", 4: "char" };
const BPE = 2;

const fail = faults(SENTENCEPIECE_FILE);

export function readSentencePieceFile(bytes: Uint8Array): SentencePieceFile {
  const texts: string[] = [];
  const scores: number[] = [];
  const kinds: number[] = [];
  let trainer = new Message(new Uint8Array(0));
  let normalizer = new Message(new Uint8Array(0));
  for (const { number, value } of fieldsOf(bytes)) {
    if (!(value instanceof Uint8Array)) continue;
    if (number === 2) trainer = new Message(value);
    else if (number === 3) normalizer = new Message(value);
    if (number !== 1) continue;
    if (texts.length === MOST_PIECES) fail("TOK_LENGTH", `more than ${MOST_PIECES} pieces`, "pieces");
    const piece = new Message(value);
    const field = `pieces[${texts.length}]`;
    const kind = piece.integer(3, 1);
    if (kind < 1 || kind > 6) fail("TOK_TYPE", "unknown token type", `${field}.type`, kind);
    texts.push(piece.text(1, field));
    scores.push(piece.float(2));
    kinds.push(kind);
  }
  if (texts.length === 0) fail("TOK_PROTOBUF", "no pieces: not a file of SentencePiece", "pieces");
  checkKind(trainer, normalizer);
  const id = (field: number, usual: number) => {
    const given = trainer.integer(field, usual);
    return given >= 0 && given < texts.length ? given : null;
  };
  return {
    texts,
    scores: Float32Array.from(scores),
    kinds: Uint8Array.from(kinds),
    unknown: id(40, 0),
    bos: id(41, 1),
    eos: id(42, 2),
    prefix: normalizer.integer(3, 1) !== 0,
  };
}

/** What would give other ids than SentencePiece gives. */
function checkKind(trainer: Message, normalizer: Message): void {
  const refuse = (field: string, actual: string) =>
    fail("TOK_COMPONENT", "unsupported part of the tokenizer", field, actual);
  const type = trainer.integer(3, 1);
  if (type !== BPE) refuse("trainer_spec.model_type", MODEL_TYPES[type] ?? String(type));
  if (trainer.integer(24, 0) !== 0) refuse("trainer_spec.treat_whitespace_as_suffix", "true");
  const map = normalizer.last(2);
  if (map instanceof Uint8Array && map.length > 0)
    refuse("normalizer_spec.precompiled_charsmap", `${map.length} bytes`);
  if (normalizer.integer(4, 1) !== 0) refuse("normalizer_spec.remove_extra_whitespaces", "true");
  if (normalizer.integer(5, 1) === 0) refuse("normalizer_spec.escape_whitespaces", "false");
}

type Wire = number | Uint8Array;

/** The last value of each field, which is the one that counts where fields are not repeated. */
class Message {
  readonly #fields = new Map<number, Wire>();

  constructor(bytes: Uint8Array) {
    for (const { number, value } of fieldsOf(bytes)) this.#fields.set(number, value);
  }

  last(number: number): Wire | undefined {
    return this.#fields.get(number);
  }

  /** int32 and bool. */
  integer(number: number, usual: number): number {
    const value = this.#fields.get(number) ?? usual;
    return typeof value === "number" ? value : fail("TOK_PROTOBUF", "a number is something else", `field ${number}`);
  }

  float(number: number): number {
    const value = this.#fields.get(number);
    if (value === undefined) return 0;
    if (typeof value === "number" || value.length !== 4)
      return fail("TOK_PROTOBUF", "a score is no float", `field ${number}`);
    return new DataView(value.buffer, value.byteOffset, 4).getFloat32(0, true);
  }

  text(number: number, field: string): string {
    const value = this.#fields.get(number) ?? new Uint8Array(0);
    if (typeof value === "number") return fail("TOK_PROTOBUF", "a piece is no text", field);
    try {
      return STRICT_UTF8.decode(value);
    } catch {
      return fail("TOK_PROTOBUF", "a piece is not UTF-8", field);
    }
  }
}

/** Numbers of fields with their values: varints as the integers of 32 bits that their low bits are, all else as bytes. */
function* fieldsOf(bytes: Uint8Array): Generator<{ number: number; value: Wire }> {
  let at = 0;
  const broken = (what: string) => fail("TOK_PROTOBUF", what, `byte ${at}`);
  const varint = (): number => {
    let low = 0;
    for (let index = 0; index < 10; index++) {
      if (at >= bytes.length) return broken("the file ends within a number");
      const byte = bytes[at++];
      if (index < 5) low |= (byte & 127) << (7 * index);
      if (byte < 128) return low;
    }
    return broken("a number of more than ten bytes");
  };
  while (at < bytes.length) {
    const key = varint();
    const number = key >>> 3;
    const wire = key & 7;
    if (number === 0) broken("field 0");
    if (wire === 0) {
      yield { number, value: varint() };
      continue;
    }
    const length = wire === 1 ? 8 : wire === 5 ? 4 : wire === 2 ? varint() : -1;
    if (length < 0 || length > bytes.length - at) broken("a field that does not fit");
    yield { number, value: bytes.subarray(at, at + length) };
    at += length;
  }
}
