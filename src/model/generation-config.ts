import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { isObject } from "./config-field.ts";

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
  const entries = isObject(file) ? Object.entries(file) : [];
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

/** 0.95 written as f32 is read as 0.95, so that both formats of a checkpoint draw the same. */
function shortest(value: unknown): unknown {
  if (typeof value === "bigint" && Number.isSafeInteger(Number(value))) return Number(value);
  if (typeof value !== "number" || Math.fround(value) !== value) return value;
  const short = Number(value.toPrecision(7));
  return Math.fround(short) === value ? short : value;
}
