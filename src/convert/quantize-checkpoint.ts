import type { Checkpoint, WrittenValue } from "../checkpoint/checkpoint.ts";
import { EngineError } from "../error.ts";
import type { ModelConfig } from "../model/config/config.ts";
import { generationPairs, readStoredGeneration } from "../model/config/stored-generation.ts";
import { matricesOfModel } from "../model/plan/layout.ts";
import { type Recipe, RecipeTypes } from "../model/plan/recipes.ts";
import { type Matrix, mapWeights } from "../model/plan/weights.ts";
import { isQuantized, type StoredType, weightType } from "../weight-types.ts";
import { tensorBytes, writePair } from "./gguf-writer.ts";
import { configPairs, type NamedWeights, namedWeights } from "./model-pairs.ts";
import type { Output, PlannedFile } from "./write-files.ts";

/** A checkpoint -> a GGUF file of other types: what is in it. */

export interface TextWork {
  readonly recipe: Recipe;
  /** Of a source that is no GGUF file: its tokenizer and chat template. */
  readonly tokenizer: (vocab: number) => {
    readonly pairs: readonly (readonly [string, WrittenValue])[];
    readonly warnings: readonly string[];
  };
  /** Also where it makes the file no smaller. */
  readonly requantize: boolean;
  /** Tensors of a vision tower go into a file of their own. */
  readonly sees: boolean;
}

/** Of the text model. Reads headers only. */
export async function planText(
  checkpoint: Checkpoint,
  config: ModelConfig,
  work: TextWork,
): Promise<PlannedFile & { readonly warnings: readonly string[] }> {
  const { weights, warnings: mapped } = mapWeights(checkpoint, config, work.sees);
  const recipe = new RecipeTypes(work.recipe, config.layers.length, weights.output === null);
  const typeOf = (matrix: Matrix): StoredType => recipe.of(matrix);
  const own = checkpoint.format === "gguf";
  const outputs = own
    ? storedOutputs(checkpoint, matricesOfModel(weights), typeOf)
    : namedOutputs(namedWeights(weights, config), typeOf);
  const again = requantized(checkpoint, outputs, work.requantize);
  const tokenizer = own ? { pairs: [], warnings: [] } : work.tokenizer(config.vocab);
  const generation = own ? { pairs: [], warnings: [] } : generationPairs(readStoredGeneration(checkpoint));
  const pairs = own
    ? await storedPairs(checkpoint)
    : [...configPairs(config, checkpoint.name), ...tokenizer.pairs, ...generation.pairs].map(([key, value]) =>
        writePair(key, value),
      );
  return {
    pairs: [...pairs, ...typePairs(outputs, work.recipe === "q4_k_m")],
    outputs,
    warnings: [...mapped, ...tokenizer.warnings, ...generation.warnings, ...recipe.warnings(), ...again],
  };
}

/** What to say of weights that were quantised before. Where a second time saves nothing it is refused: it only loses quality. */
function requantized(checkpoint: Checkpoint, outputs: readonly Output[], allowed: boolean): string[] {
  const stored = [...checkpoint.tensors.values()];
  if (outputs.every(({ copied }) => copied !== null))
    return ["quantize: every matrix has its type already, the new file holds the same weights"];
  const before = new Set<StoredType>();
  let count = 0;
  for (const { matrices, type } of outputs) {
    const from = matrices[0]?.stored.type;
    if (from === undefined || !isQuantized(from) || !isQuantized(type)) continue;
    before.add(from);
    count++;
  }
  if (count === 0) return [];
  const bytes = stored.reduce((sum, tensor) => sum + tensor.bytes, 0);
  const written = outputs.reduce((sum, output) => sum + tensorBytes(output), 0);
  const what = `${count === 1 ? "1 tensor is" : `${count} tensors are`} quantised already (${[...before].join(", ")})`;
  if (written < bytes)
    return [`quantize: ${what}: a second time loses more, the float weights would give a better file`];
  if (allowed) return [`quantize: ${what}: a second time loses more, and saves nothing`];
  throw new EngineError("QUANTIZE_AGAIN", `${what}: a second time would lose quality and save nothing`, {
    at: { source: "file", file: checkpoint.name },
    actual: `${written} bytes of tensors`,
    limit: `less than the ${bytes} there are, or the option requantize`,
  });
}

type TypeOf = (matrix: Matrix) => StoredType;

/** The tensors of a GGUF file in their order; those that are no matrices are copied as they are. */
export function storedOutputs(checkpoint: Checkpoint, matrices: readonly Matrix[], typeOf: TypeOf): Output[] {
  const byTensor = new Map<string, Matrix[]>();
  for (const matrix of matrices) {
    const parts = byTensor.get(matrix.stored.name);
    if (parts) parts.push(matrix);
    else byTensor.set(matrix.stored.name, [matrix]);
  }
  return [...checkpoint.tensors.values()].map((stored): Output => {
    const parts = byTensor.get(stored.name) ?? [];
    const type = parts.length === 0 ? stored.type : typeOf(parts[0]);
    const { name, shape } = stored;
    return type === stored.type
      ? { name, shape, type, matrices: [], vector: null, copied: stored }
      : { name, shape, type, matrices: parts, vector: null, copied: null };
  });
}

/** Weights of another kind of file, vectors as f32. */
export function namedOutputs(named: readonly NamedWeights[], typeOf: TypeOf): Output[] {
  return named.map((one) => ({ ...one, type: one.vector ? "f32" : typeOf(one.matrices[0]), copied: null }));
}

/** `general.file_type` of ggml for its mix. */
const MIX_FILE_TYPE = 15;
const REPLACED = /^(?:general\.(?:file_type|quantization_version|alignment)$|split\.)/;

/** All that a GGUF file says but for types. */
export async function storedPairs(checkpoint: Checkpoint): Promise<Uint8Array[]> {
  const pairs: Uint8Array[] = [];
  for (const key of checkpoint.metadata.keys()) {
    if (!REPLACED.test(key)) pairs.push(await checkpoint.storedPair!(key));
  }
  return pairs;
}

export function typePairs(outputs: readonly Output[], mixed: boolean): Uint8Array[] {
  const counts = new Map<StoredType, number>();
  for (const { type, shape } of outputs) counts.set(type, (counts.get(type) ?? 0) + (shape.length > 1 ? 1 : 0));
  const [most] = [...counts].sort(([, a], [, b]) => b - a)[0];
  return [
    writePair("general.file_type", {
      u32: mixed && most === "q4_k" ? MIX_FILE_TYPE : (weightType(most).fileType ?? 0),
    }),
    writePair("general.quantization_version", { u32: 2 }),
  ];
}
