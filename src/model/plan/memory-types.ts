import { isQuantized } from "../../weight-types.ts";
import { type Recipe, RecipeTypes } from "./recipes.ts";
import type { FeedForward, Matrix, ModelWeights } from "./weights.ts";

/** In which type a matrix is kept in memory, where that is not the one it is stored in. */

/** f16 matrices become f32: for weights that have no packed f16. */
export function widenF16(weights: ModelWeights): ModelWeights {
  return eachMatrix(weights, widenMatrix);
}

export const widenMatrix = (matrix: Matrix): Matrix => (matrix.type === "f16" ? { ...matrix, type: "f32" } : matrix);

/** Float matrices get the types of a recipe; those that are quantised in the file stay what they are. */
export function quantizeWeights(
  weights: ModelWeights,
  recipe: Recipe,
): { weights: ModelWeights; warnings: readonly string[] } {
  const types = new RecipeTypes(recipe, weights.layers.length, weights.output === null);
  let kept = 0;
  const quantized = eachMatrix(weights, (matrix) => {
    if (isQuantized(matrix.stored.type)) {
      kept++;
      return matrix;
    }
    return { ...matrix, type: types.of(matrix) };
  });
  const warnings = types.warnings();
  if (kept > 0) warnings.push(`quantize: ${kept} matrices are quantised in the file and stay as they are`);
  return { weights: quantized, warnings };
}

function eachMatrix(weights: ModelWeights, change: ChangeMatrix): ModelWeights {
  const feedForward = (branch: FeedForward) => changeParts(branch, ["gate", "up", "down"], change);
  return {
    ...weights,
    embedding: change(weights.embedding),
    output: weights.output && change(weights.output),
    layers: weights.layers.map((layer) => ({
      ...changeParts(layer, ["q", "k", "v", "o"], change),
      router: layer.router && change(layer.router),
      dense: layer.dense && feedForward(layer.dense),
      shared: layer.shared && feedForward(layer.shared),
      experts: layer.experts.map(feedForward),
    })),
  };
}

type ChangeMatrix = (matrix: Matrix) => Matrix;

/** Some parts of a whole, matrices, changed; the others as they are. */
export function changeParts<Part extends string, Whole extends Readonly<Record<Part, Matrix>>>(
  whole: Whole,
  parts: readonly Part[],
  change: ChangeMatrix,
): Whole {
  return { ...whole, ...Object.fromEntries(parts.map((part) => [part, change(whole[part])])) };
}
