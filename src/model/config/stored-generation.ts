import type { Checkpoint, WrittenValue } from "../../checkpoint/checkpoint.ts";
import { isPlain } from "../../given.ts";

/**
 * What a checkpoint recommends for generating: HF's `generation_config.json`, or the keys `general.sampling.*` of a GGUF file,
 * into which llama.cpp's converter copies some of it.
 */
export interface StoredGeneration {
  /** Under HF's names; what is null says nothing. */
  readonly values: ReadonlyMap<string, unknown>;
  /** Where a value stands, for people. */
  readonly place: (name: string) => string;
}

const FILE = "generation_config.json";
const PREFIX = "general.sampling.";

/** Keys of GGUF whose names differ. */
const HF_NAMES: ReadonlyMap<string, string> = new Map([
  ["temp", "temperature"],
  ["penalty_repeat", "repetition_penalty"],
]);

export function readStoredGeneration(checkpoint: Checkpoint): StoredGeneration {
  return checkpoint.format === "gguf" ? fromGguf(checkpoint) : fromJson(checkpoint.json.get(FILE));
}

function fromJson(file: unknown): StoredGeneration {
  const entries = isPlain(file) ? Object.entries(file) : [];
  return {
    values: new Map(entries.filter(([, value]) => value !== null)),
    place: (name) => `${FILE}: ${name}`,
  };
}

function fromGguf({ metadata }: Checkpoint): StoredGeneration {
  const values = new Map<string, unknown>();
  const keys = new Map<string, string>();
  for (const [key, stored] of metadata) {
    if (!key.startsWith(PREFIX)) continue;
    const own = key.slice(PREFIX.length);
    const name = HF_NAMES.get(own) ?? own;
    keys.set(name, key);
    values.set(name, shortest(stored));
  }
  // As llama.cpp takes them: no temperature above 0 is greedy, and a penalty over no ids is none.
  if (Number(values.get("temperature")) < 0) values.set("temperature", 0);
  if (values.get("penalty_last_n") === 0) values.delete("repetition_penalty");
  return { values, place: (name) => keys.get(name) ?? PREFIX + name };
}

/** Options of ours that GGUF has no key for. */
const LOST = ["typical_p", "max_new_tokens", "min_new_tokens", "stop_strings", "suppress_tokens", "bad_words_ids"];

/** The same as a GGUF file says it, as llama.cpp's converter writes it; what has no key there is named. */
export function generationPairs({ values, place }: StoredGeneration): {
  pairs: [string, WrittenValue][];
  warnings: string[];
} {
  const pairs: [string, WrittenValue][] = [];
  const greedy = values.get("do_sample") === false;
  const write = (key: string, name: string, as: "f32" | "u32", value = values.get(name)) => {
    if (typeof value !== "number" || (as === "u32" && !(value >= 0 && value < 2 ** 31 && Number.isInteger(value))))
      return;
    pairs.push([PREFIX + key, as === "f32" ? { f32: value } : { u32: value }]);
  };
  write("temp", "temperature", "f32", greedy ? 0 : values.get("temperature"));
  write("top_k", "top_k", "u32");
  write("top_p", "top_p", "f32");
  write("min_p", "min_p", "f32");
  write("penalty_repeat", "repetition_penalty", "f32");
  const lost = LOST.filter((name) => values.has(name));
  return { pairs, warnings: lost.map((name) => `${place(name)} is left out: GGUF has no key for it`) };
}

/** 0.95 written as f32 is read as 0.95, so that both formats of a checkpoint draw the same. */
function shortest(value: unknown): unknown {
  if (typeof value === "bigint" && Number.isSafeInteger(Number(value))) return Number(value);
  if (typeof value !== "number" || Math.fround(value) !== value) return value;
  const short = Number(value.toPrecision(7));
  return Math.fround(short) === value ? short : value;
}
