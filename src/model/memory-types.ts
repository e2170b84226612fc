import { type StoredType, WEIGHT_TYPES } from "../weight-types.ts";
import { type Recipe, recipeType } from "./recipes.ts";
import type { FeedForward, Matrix, ModelWeights } from "./weights.ts";

/** In which type a matrix is kept in memory, where that is not the one it is stored in. */

/** f16 matrices become f32: for weights that have no packed f16. */
export function widenF16(weights: ModelWeights): ModelWeights {
  return eachMatrix(weights, (matrix) => (matrix.type === "f16" ? { ...matrix, type: "f32" } : matrix));
}

/** Float matrices get the types of a recipe; those that are quantised in the file stay what they are. */
export function quantizeWeights(
  weights: ModelWeights,
  recipe: Recipe,
): { weights: ModelWeights; warnings: readonly string[] } {
  const ragged = new Map<StoredType, number>();
  let kept = 0;
  const quantized = eachMatrix(weights, (matrix) => {
    if (WEIGHT_TYPES[matrix.stored.type].elements > 1) {
      kept++;
      return matrix;
    }
    const chosen = recipeType(recipe, matrix, weights.layers.length, weights.output === null);
    if (chosen.ragged) ragged.set(chosen.type, (ragged.get(chosen.type) ?? 0) + 1);
    return { ...matrix, type: chosen.type };
  });
  const warnings = raggedWarnings(recipe, ragged);
  if (kept > 0) warnings.push(`quantize: ${kept} matrices are quantised in the file and stay as they are`);
  return { weights: quantized, warnings };
}

/** What to say of matrices whose rows did not fill the recipe's blocks, by the type that they got. */
export function raggedWarnings(recipe: Recipe, ragged: ReadonlyMap<StoredType, number>): string[] {
  return [...ragged].map(
    ([type, count]) => `quantize: ${count} matrices are ${type}, since their rows are no whole blocks of ${recipe}`,
  );
}

function eachMatrix(weights: ModelWeights, change: (matrix: Matrix) => Matrix): ModelWeights {
  const feedForward = ({ gate, up, down }: FeedForward): FeedForward => ({
    gate: change(gate),
    up: change(up),
    down: change(down),
  });
  return {
    ...weights,
    embedding: change(weights.embedding),
    output: weights.output && change(weights.output),
    layers: weights.layers.map((layer) => ({
      ...layer,
      q: change(layer.q),
      k: change(layer.k),
      v: change(layer.v),
      o: change(layer.o),
      router: layer.router && change(layer.router),
      dense: layer.dense && feedForward(layer.dense),
      shared: layer.shared && feedForward(layer.shared),
      experts: layer.experts.map(feedForward),
    })),
  };
}
