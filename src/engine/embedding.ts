import type { AdapterChoice } from "../generate/adapter-choice.ts";
import type { Prompt } from "../generate/prompt-ids.ts";
import { checkFlag, isArray, wrong } from "../given.ts";
import type { TapData } from "../model/run/tap-reader.ts";

/** Final hidden states of a prompt, and what is made of them. */

/** `mean` of all positions, the `last` one's, or each position's (`none`). */
export type Pooling = "mean" | "last" | "none";

export interface EmbedOptions {
  /** Default: "mean". */
  pooling?: Pooling;
  /** Divide each vector by its Euclidean length; one of zeros stays. Default: false. */
  normalize?: boolean;
  /** Read `<|eot|>` and its like in text as control tokens. Default: as text. */
  specialTokens?: boolean;
  /** As of `generate`. */
  adapter?: AdapterChoice;
  signal?: AbortSignal;
}

export interface CheckedEmbedding {
  readonly pooling: Pooling;
  readonly normalize: boolean;
}

const POOLINGS: readonly unknown[] = ["mean", "last", "none"] satisfies Pooling[];

export function checkEmbedding({ pooling = "mean", normalize }: EmbedOptions): CheckedEmbedding {
  if (!POOLINGS.includes(pooling)) throw wrong("pooling", "pooling: no such way", '"mean", "last" or "none"', pooling);
  return { pooling, normalize: checkFlag(normalize, "normalize", false) };
}

/** Each prompt read, in order: an array of holes, however long, ends at its first. */
export function readPrompts(prompts: unknown, read: (prompt: Prompt, field: string) => number[]): number[][] {
  if (!isArray(prompts)) throw wrong("prompts", "prompts: not a list", "an array of prompts", prompts);
  const texts: number[][] = [];
  for (let index = 0; index < prompts.length; index++) texts.push(read(prompts[index] as Prompt, `prompts[${index}]`));
  return texts;
}

/** [hidden] of the states [rows, hidden], or one each row. */
export function poolRows(states: TapData, { pooling, normalize }: CheckedEmbedding): Float32Array | Float32Array[] {
  const [rows, hidden] = states.shape;
  const row = (index: number) => states.data.slice(index * hidden, (index + 1) * hidden);
  const made = normalize ? unitLength : (vector: Float32Array) => vector;
  if (pooling === "none") return Array.from({ length: rows }, (_, index) => made(row(index)));
  return made(pooling === "last" ? row(rows - 1) : meanOf(states));
}

function meanOf({ shape: [rows, hidden], data }: TapData): Float32Array {
  const mean = new Float64Array(hidden);
  for (let row = 0; row < rows; row++) for (let col = 0; col < hidden; col++) mean[col] += data[row * hidden + col];
  return Float32Array.from(mean, (sum) => sum / rows);
}

function unitLength(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return length > 0 ? vector.map((value) => value / length) : vector;
}
