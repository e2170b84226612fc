import { type StoredType, WEIGHT_TYPE_NAMES, WEIGHT_TYPES, weightType } from "../../weight-types.ts";
import type { Matrix } from "./weights.ts";

/**
 * Which type a matrix gets when a model is quantised. A recipe named after a type gives that type to every matrix, but for the one
 * that makes the logits (the output, or the embedding where they are tied): beside 4-bit weights it is q6_k. Routers and vectors are
 * never quantised: near-ties between experts are decided by last bits.
 *
 * q4_k_m is llama.cpp's mix: attention's v and every down matrix are q6_k in the first and last eighth of the layers and in every
 * third between them.
 */

export type Recipe =
  | { [Type in StoredType]: (typeof WEIGHT_TYPES)[Type] extends { recipe: true } ? Type : never }[StoredType]
  | "q4_k_m";
export const RECIPES = [
  ...WEIGHT_TYPE_NAMES.filter((type) => weightType(type).recipe === true),
  "q4_k_m",
] as readonly Recipe[];

/** Types that a row of another length takes instead, the nearest first. */
const FALLBACKS: Partial<Record<StoredType, readonly StoredType[]>> = {
  q4_k: ["q5_0"],
  q5_k: ["q5_1"],
  q6_k: ["q8_0"],
};

/** Of at most 5 bits a weight with its scales: codes of 4. */
const isFourBits = (type: StoredType) => WEIGHT_TYPES[type].bytes * 8 <= WEIGHT_TYPES[type].elements * 5;

/** Gives matrices their types, and remembers which rows forbade the type that was wanted. */
export class RecipeTypes {
  readonly #recipe: Recipe;
  readonly #layers: number;
  readonly #tied: boolean;
  /** Matrices by what is said of them. */
  readonly #misfits = new Map<string, number>();

  /** `tied`: the embedding makes the logits. */
  constructor(recipe: Recipe, layers: number, tied: boolean) {
    this.#recipe = recipe;
    this.#layers = layers;
    this.#tied = tied;
  }

  /** Of a matrix that fits nothing that was wanted, its own. */
  of({ name, cols, type }: Pick<Matrix, "name" | "cols" | "type">): StoredType {
    if (name.endsWith(".router")) return "f32";
    const wanted = wantedType(this.#recipe, name, this.#layers, this.#tied);
    const { elements } = WEIGHT_TYPES[wanted];
    const fitting = [wanted, ...(FALLBACKS[wanted] ?? [])].find((one) => cols % WEIGHT_TYPES[one].elements === 0);
    if (fitting !== wanted) {
      const given = `${fitting ?? type}, since rows of ${cols} are no whole blocks of ${wanted} (${elements} values)`;
      this.#misfits.set(given, (this.#misfits.get(given) ?? 0) + 1);
    }
    return fitting ?? type;
  }

  /** Of the matrices so far. */
  warnings(): string[] {
    return [...this.#misfits].map(
      ([given, count]) => `quantize: ${count === 1 ? "1 matrix is" : `${count} matrices are`} ${given}`,
    );
  }
}

function wantedType(recipe: Recipe, name: string, layers: number, tied: boolean): StoredType {
  if (name === (tied ? "embedding" : "output") && (recipe === "q4_k_m" || isFourBits(recipe))) return "q6_k";
  if (recipe !== "q4_k_m") return recipe;
  const place = /^layers\.(\d+)\.(?:v$|.*\.?down(?:\.\d+)?$)/.exec(name);
  if (!place) return "q4_k";
  const layer = Number(place[1]);
  const eighth = Math.floor(layers / 8);
  const more = layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
  return more ? "q6_k" : "q4_k";
}
