import type { Checkpoint, StoredTensor } from "../../checkpoint/checkpoint.ts";
import { EngineError, type ErrorPlace, quoteName } from "../../error.ts";
import { type StoredType, WEIGHT_TYPE_NAMES, WEIGHT_TYPES } from "../../weight-types.ts";
import type { Matrix, Vector } from "./weights.ts";

/** The tensors of a checkpoint by name, as whoever maps weights takes them: types and shapes checked, nothing missed, nothing left over. */

/** A part of a stored tensor as a matrix. */
export function slice(
  name: string,
  stored: StoredTensor,
  rows: number,
  cols: number,
  start: number,
  outputStride: number,
  inputStride: number,
  halvedHead = 0,
): Matrix {
  const type = MEMORY_TYPES[stored.type] ?? stored.type;
  return { name, rows, cols, stored, start, outputStride, inputStride, type, bias: null, scales: null, halvedHead };
}

/** Types that are kept as another one, without rounding anything. */
const MEMORY_TYPES: Partial<Record<StoredType, StoredType>> = { iq4_xs: "iq4_nl", f8_e4m3: "f32" };

const VECTOR_TYPES: readonly StoredType[] = ["f32", "f16", "bf16"];

const MOST_NAMED = 4;
/** Enough for a message; a hostile configuration could ask for millions. */
const MOST_MISSING = 100;

/** A checkpoint's tensors by name; knows at the end which were asked for in vain and which nobody asked for. */
export class Shelf {
  readonly #checkpoint: Checkpoint;
  readonly #tensors = new Map<string, StoredTensor>();
  readonly #missing: { name: string; shape: readonly number[] }[] = [];
  readonly #taken = new Set<string>();
  readonly #unread = new Map<string, string>();
  /** Taken though they have further axes of length 1. */
  readonly #stretched: string[] = [];

  /** Of the tensors with a name of a kind; the others are another shelf's. */
  constructor(checkpoint: Checkpoint, own: (name: string) => boolean) {
    this.#checkpoint = checkpoint;
    for (const [name, tensor] of checkpoint.tensors) {
      if (!own(name)) continue;
      const plain = checkpoint.format === "safetensors" ? plainName(name) : name;
      const other = this.#tensors.get(plain);
      if (other) throw this.#fault(`tensor has the role of ${quoteName(other.name)} too`, name);
      this.#tensors.set(plain, tensor);
    }
    for (const [name, type] of checkpoint.unread ?? [])
      if (own(name)) this.#unread.set(checkpoint.format === "safetensors" ? plainName(name) : name, type);
  }

  /** Of whatever type: `take` says which ones are no weights. */
  has(name: string): boolean {
    return this.#tensors.has(name) || this.#unread.has(name);
  }

  take(name: string, shape: readonly number[]): StoredTensor {
    const stored = this.#find(name);
    if (!stored) {
      // Go on: a message that lists what is missing says more than the first name. `close` throws.
      this.#missing.push({ name, shape });
      if (this.#missing.length === MOST_MISSING) this.#refuseMissing();
      return { name, type: "f32", shape, source: NOWHERE, offset: 0, bytes: 0 };
    }
    this.#taken.add(name);
    if (!sameShape(stored.shape, shape)) {
      throw this.#fault("tensor has the wrong shape", stored.name, printShape(shape), printShape(stored.shape));
    }
    if (stored.shape.length !== shape.length) this.#stretched.push(stored.name);
    const block = WEIGHT_TYPES[stored.type].elements;
    const cols = shape[shape.length - 1]!;
    if (cols % block !== 0) {
      throw this.#fault(`${stored.type} tensor has ragged rows`, stored.name, `a multiple of ${block}`, `${cols}`);
    }
    return stored;
  }

  #find(name: string): StoredTensor | undefined {
    const stored = this.#tensors.get(name);
    const type = this.#unread.get(name);
    if (stored || type === undefined) return stored;
    throw this.#fault(`weights of type ${type} are not supported`, name, WEIGHT_TYPE_NAMES.join(", "), type);
  }

  matrix(name: string, storedName: string, rows: number, cols: number, halvedHead = 0): Matrix {
    const stored = this.take(storedName, [rows, cols]);
    const matrix = slice(name, stored, rows, cols, 0, cols, 1, halvedHead);
    return { ...matrix, scales: this.scales(stored, storedName, rows, halvedHead) };
  }

  /**
   * The scales of a matrix of 8-bit floats, `<its name>_scale`: one for each of `outputs`, whatever axes of length 1 stand around them
   * (fbgemm_fp8, compressed-tensors by channel), or one for all (compressed-tensors by tensor).
   */
  scales(stored: StoredTensor, storedName: string, outputs: number, halvedHead = 0): Vector | null {
    if (stored.type !== "f8_e4m3") return null;
    const name = `${storedName}_scale`;
    const scale = this.#find(name);
    if (!scale) {
      this.#missing.push({ name, shape: [outputs, 1] });
      return null;
    }
    this.#taken.add(name);
    const count = scale.shape.reduce((product, size) => product * size, 1);
    if (count !== outputs && count !== 1) {
      throw this.#fault("scales of another number", scale.name, `${outputs} or 1`, printShape(scale.shape));
    }
    this.#expectVector(scale);
    return { name, length: count, stored: scale, start: 0, halvedHead: count === 1 ? 0 : halvedHead };
  }

  #expectVector({ name, type }: StoredTensor): void {
    if (VECTOR_TYPES.includes(type)) return;
    throw this.#fault("vector has the wrong type", name, VECTOR_TYPES.join(", "), type);
  }

  /** With its bias, which a GGUF file may lack for one matrix and have for the next. */
  biased(matrix: Matrix, storedName: string): Matrix {
    const name = storedName.replace(/weight$/, "bias");
    if (this.#checkpoint.format === "gguf" && !this.has(name)) return matrix;
    const bias = { ...this.vector(`${matrix.name}.bias`, name, matrix.rows), halvedHead: matrix.halvedHead };
    return { ...matrix, bias };
  }

  vector(name: string, storedName: string, length: number): Vector {
    const stored = this.take(storedName, [length]);
    this.#expectVector(stored);
    return { name, length, stored, start: 0, halvedHead: 0 };
  }

  /** A table of vectors, one behind the other. */
  table(name: string, storedName: string, rows: number, cols: number): Vector {
    const stored = this.take(storedName, [rows, cols]);
    this.#expectVector(stored);
    return { name, length: rows * cols, stored, start: 0, halvedHead: 0 };
  }

  /** Throws for what is missing or left over; `tiedOutput` names a matrix that the tied embedding replaces. */
  close(tiedOutput?: string): string[] {
    this.#refuseMissing();
    const left = [...this.#tensors.keys()].filter((name) => !this.#taken.has(name) && !REDUNDANT.test(name));
    const unknown = left.filter((name) => name !== tiedOutput);
    if (unknown.length > 0) {
      const known = unknown.map((name) => this.#tensors.get(name)!.name);
      throw this.#fault(`unknown tensors: ${listNames(known)}`, known[0]!);
    }
    const warnings: string[] = [];
    if (this.#stretched.length > 0)
      warnings.push(`tensors with further axes of length 1 are taken without them: ${listNames(this.#stretched)}`);
    if (tiedOutput !== undefined && left.includes(tiedOutput))
      warnings.push(`${tiedOutput} is left out: the configuration ties it to the embedding`);
    return warnings;
  }

  #refuseMissing(): void {
    const first = this.#missing[0];
    if (!first) return;
    const names = this.#missing.map(({ name }) => name);
    throw this.#fault(
      `missing tensors: ${names.length < MOST_MISSING ? "" : "at least "}${listNames(names)}`,
      first.name,
      printShape(first.shape),
      "nothing",
    );
  }

  #fault(what: string, tensor: string, limit?: string, actual?: string): EngineError {
    const { format, name } = this.#checkpoint;
    const source: ErrorPlace["source"] = format === "random" ? "option" : format;
    return new EngineError("MODEL_TENSOR", what, { at: { source, file: name, field: tensor }, limit, actual });
  }
}

/** Vision towers, in HF folders, in files beside GGUF models and in Ollama's single files. */
const VISION = /^(?:model\.)?(?:vision_model\.|multi_modal_projector\.)|^(?:v|mm)\./;

export const isVisionName = (name: string): boolean => VISION.test(name);

/** Tables that old exports stored and that are computed; scales of 8-bit activations, which are f32 or finer integers here. */
const REDUNDANT = /(?:^|\.)rotary_emb\.inv_freq$|(?:\.|_)(?:input|activation)_scale(?:_ub)?$/;

/** The name in the text-only class: multimodal exporters nest it in one of two ways. */
export function plainName(name: string): string {
  const nested = /^(?:model\.)?language_model\.(?:model\.)?(.+)$/s.exec(name);
  if (!nested) return name;
  return nested[1]!.startsWith("lm_head.") ? nested[1]! : `model.${nested[1]}`;
}

function listNames(names: readonly string[]): string {
  const named = names.slice(0, MOST_NAMED).map((name) => quoteName(name));
  return `${names.length} (${named.join(", ")}${names.length > MOST_NAMED ? ", ..." : ""})`;
}

export function printShape(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

/** Axes of length 1 move no element: [n, 1] and [n] hold the same bytes, and a single number is [] or [1]. */
function sameShape(stored: readonly number[], wanted: readonly number[]): boolean {
  const [a, b] = [stored, wanted].map((shape) => shape.filter((size) => size !== 1));
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** Stands in for a missing tensor's bytes until `close` throws. */
const NOWHERE: StoredTensor["source"] = {
  name: "",
  size: 0,
  read: () => Promise.reject(new Error("a missing tensor was read")),
  close: () => Promise.resolve(),
};
