import { STORED_BLOCKS, type StoredType } from "../checkpoint/checkpoint.ts";
import type { FeedForward, Matrix, ModelWeights } from "./weights.ts";

/** In which type a matrix is kept in memory, where that is not the one it is stored in. */

/** What float weights can be quantised to while they are loaded. */
export type QuantizeType = "q8_0" | "q4_0" | "q4_k";

/** f16 matrices become f32: for weights that have no packed f16. */
export function widenF16(weights: ModelWeights): ModelWeights {
  return eachMatrix(weights, (matrix) => (matrix.type === "f16" ? { ...matrix, type: "f32" } : matrix));
}

/**
 * Float matrices become `type`; routers stay f32, quantised ones stay what they are. Embedding and output, which decide every
 * token, are kept in more bits beside 4-bit weights, as llama.cpp's mixes do. A row that does not fill whole blocks takes the
 * nearest type that it fills.
 */
export function quantizeWeights(
  weights: ModelWeights,
  type: QuantizeType,
): { weights: ModelWeights; warnings: string[] } {
  const ragged = new Map<StoredType, number>();
  let kept = 0;
  const quantized = eachMatrix(weights, (matrix, outer) => {
    if (matrix.name.endsWith(".router")) return matrix;
    if (!isFloat(matrix.stored.type)) {
      kept++;
      return matrix;
    }
    const wanted: StoredType = outer && type !== "q8_0" ? "q6_k" : type;
    const fitting = [wanted, ...FALLBACKS[wanted]!, matrix.type].find((one) => fits(matrix, one))!;
    if (fitting !== wanted) ragged.set(fitting, (ragged.get(fitting) ?? 0) + 1);
    return { ...matrix, type: fitting };
  });
  const warnings = [...ragged].map(
    ([one, count]) => `quantize: ${count} matrices are kept as ${one}, since their rows are no whole blocks of ${type}`,
  );
  if (kept > 0) warnings.push(`quantize: ${kept} matrices are quantised in the file and stay as they are`);
  return { weights: quantized, warnings };
}

const FALLBACKS: Partial<Record<StoredType, readonly StoredType[]>> = {
  q8_0: [],
  q4_0: [],
  q4_k: ["q5_0"],
  q6_k: ["q8_0"],
};

const isFloat = (type: StoredType): boolean => STORED_BLOCKS[type].elements === 1;

/** Blocks lie along the inputs. */
function fits({ cols }: Matrix, type: StoredType): boolean {
  return cols % STORED_BLOCKS[type].elements === 0;
}

/** `outer`: embedding or output. */
function eachMatrix(weights: ModelWeights, change: (matrix: Matrix, outer: boolean) => Matrix): ModelWeights {
  const inner = (matrix: Matrix) => change(matrix, false);
  const feedForward = ({ gate, up, down }: FeedForward): FeedForward => ({
    gate: inner(gate),
    up: inner(up),
    down: inner(down),
  });
  return {
    ...weights,
    embedding: change(weights.embedding, true),
    output: weights.output && change(weights.output, true),
    layers: weights.layers.map((layer) => ({
      ...layer,
      q: inner(layer.q),
      k: inner(layer.k),
      v: inner(layer.v),
      o: inner(layer.o),
      router: layer.router && inner(layer.router),
      dense: layer.dense && feedForward(layer.dense),
      shared: layer.shared && feedForward(layer.shared),
      experts: layer.experts.map(feedForward),
    })),
  };
}
