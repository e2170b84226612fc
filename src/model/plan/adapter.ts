import { BytesSource } from "../../checkpoint/bytes-source.ts";
import type { Checkpoint, StoredTensor } from "../../checkpoint/checkpoint.ts";
import { EngineError, quoteName } from "../../error.ts";
import { WEIGHT_TYPES } from "../../weight-types.ts";
import { MOST_RANK, readAdapterConfig } from "../config/adapter.ts";
import { architectureOf, GGUF_NAMES, type Part } from "../config/architectures.ts";
import type { ModelConfig } from "../config/config.ts";
import { plainName, printShape } from "./shelf.ts";
import type { Matrix, Vector } from "./weights.ts";

/**
 * An adapter of low rank (LoRA, arXiv 2106.09685): y = W x + s B (A x) beside matrices of a model. Where its A and B lie in its
 * checkpoint, checked against the model that it is to change.
 */

export interface Adapter {
  readonly name: string;
  /** What the caller wants of it, times what the file says. */
  readonly scale: number;
  /** By our name of the matrix: `layers.3.q`. */
  readonly pairs: ReadonlyMap<string, AdapterPair>;
}

export interface AdapterPair {
  readonly rank: number;
  readonly a: Matrix; // [rank, inputs of the matrix]
  /** Scaled: its `scales` hold s. */
  readonly b: Matrix; // [outputs of the matrix, rank]
}

/** A matrix that may be adapted. */
interface Target {
  readonly name: string;
  readonly rows: number;
  readonly cols: number;
  readonly halvedHead: number;
}

/** Of PEFT, with or without the name that it gives the only adapter; of GGUF. */
const PEFT_NAME = /^base_model\.model\.(.+)\.lora_([AB])(?:\.default)?\.weight$/s;
const GGUF_NAME = /^(.+)\.weight\.lora_([ab])$/s;
/** What adapters are read in. Others have no finer values, and their files more of a burden than a use. */
const TYPES: readonly string[] = ["f32", "f16", "bf16", "q8_0"];

/** Finds A and B of every matrix and checks their shapes. Reads no data. `scale`: of the caller. */
export function mapAdapter(
  checkpoint: Checkpoint,
  { name, scale }: { readonly name: string; readonly scale: number },
  config: ModelConfig,
): { adapter: Adapter; warnings: string[] } {
  const said = readAdapterConfig(checkpoint, config);
  const targets = targetsOf(checkpoint, config);
  const modules = adapterModules(checkpoint);
  for (const [module, { a, b }] of modules)
    if (!targets.has(module)) throw unknownModule(checkpoint, (a ?? b)!.name, module, config);
  const pairs = new Map<string, AdapterPair>();
  for (const [module, { a, b }] of modules) {
    const target = targets.get(module)!;
    if (!a || !b) throw fault(checkpoint, (a ?? b)!.name, `its other half is missing: lora_${a ? "b" : "a"}`);
    const rank = checkShapes(checkpoint, target, a, b);
    const promised = said.rank(module);
    if (promised !== undefined && promised !== rank)
      throw fault(checkpoint, a.name, "the tensor has another rank than the configuration says", promised, rank);
    pairs.set(target.name, pairOf(target, name, a, b, rank, scale * said.factor(module, rank)));
  }
  return { adapter: { name, scale, pairs }, warnings: untouched(name, pairs, config) };
}

/** Halves of the adapter by the file's name of the matrix, without `.weight`. */
export function adapterModules(checkpoint: Checkpoint): Map<string, { a?: StoredTensor; b?: StoredTensor }> {
  const modules = new Map<string, { a?: StoredTensor; b?: StoredTensor }>();
  const refuseType = (name: string, type: string) =>
    fault(checkpoint, name, "tensors of an adapter in this type are not read", TYPES.join(", "), type);
  const [unread] = checkpoint.unread ?? [];
  if (unread) throw refuseType(...unread);
  for (const [theirs, stored] of checkpoint.tensors) {
    const { module, half } = readName(checkpoint, theirs);
    if (!TYPES.includes(stored.type)) throw refuseType(theirs, stored.type);
    const both = modules.get(module) ?? {};
    if (both[half]) throw fault(checkpoint, theirs, `the tensor has the role of ${quoteName(both[half].name)} too`);
    both[half] = stored;
    modules.set(module, both);
  }
  if (modules.size === 0) throw fault(checkpoint, "", "the adapter has no tensors");
  return modules;
}

function readName(checkpoint: Checkpoint, theirs: string): { module: string; half: "a" | "b" } {
  const gguf = checkpoint.format === "gguf";
  const [, module, half] = (gguf ? GGUF_NAME : PEFT_NAME).exec(theirs) ?? [];
  if (module === undefined)
    throw fault(
      checkpoint,
      theirs,
      "not a tensor of LoRA",
      gguf ? "*.weight.lora_a or .lora_b" : "*.lora_A.weight or .lora_B.weight",
    );
  if (gguf) return { module, half: half as "a" | "b" };
  const plain = plainName(module);
  // Of a model that was trained without its head, names begin a level further in.
  return { module: plain.startsWith("layers.") ? `model.${plain}` : plain, half: half!.toLowerCase() as "a" | "b" };
}

/** By the name that the file gives the matrix, without `.weight`. */
function targetsOf(checkpoint: Checkpoint, config: ModelConfig): Map<string, Target> {
  const { hfNames, hfPairs } = architectureOf(config.architecture);
  const gguf = checkpoint.format === "gguf";
  const names = gguf ? GGUF_NAMES : hfNames;
  const { hidden, heads, kvHeads, headSize, denseWidth } = config;
  const halved = !gguf && hfPairs === "halves" ? headSize : 0;
  const targets = new Map<string, Target>();
  for (const [layer, { moe }] of config.layers.entries()) {
    const add = (theirs: string, ours: string, rows: number, cols: number, halvedHead = 0) =>
      targets.set((names.layer(layer) + theirs).replace(/\.weight$/, ""), {
        name: `layers.${layer}.${ours}`,
        rows,
        cols,
        halvedHead,
      });
    add(names.q, "q", heads * headSize, hidden, halved);
    add(names.k, "k", kvHeads * headSize, hidden, halved);
    add(names.v, "v", kvHeads * headSize, hidden);
    add(names.o, "o", hidden, heads * headSize);
    if (moe) continue;
    const dense = (part: Part, rows: number, cols: number) => add(names.dense(part), `dense.${part}`, rows, cols);
    dense("gate", denseWidth, hidden);
    dense("up", denseWidth, hidden);
    dense("down", hidden, denseWidth);
  }
  return targets;
}

/** Returns the rank. */
function checkShapes(checkpoint: Checkpoint, { rows, cols }: Target, a: StoredTensor, b: StoredTensor): number {
  const [rank = 0] = a.shape;
  const check = ({ name, shape, type }: StoredTensor, wanted: readonly number[]) => {
    const same = shape.length === 2 && shape.every((size, axis) => size === wanted[axis]);
    if (!same)
      throw fault(checkpoint, name, "the tensor does not fit this model", printShape(wanted), printShape(shape));
    if (wanted[1]! % WEIGHT_TYPES[type].elements !== 0)
      throw fault(
        checkpoint,
        name,
        `${type} tensor has ragged rows`,
        `a multiple of ${WEIGHT_TYPES[type].elements}`,
        wanted[1],
      );
  };
  check(a, [rank, cols]);
  if (rank < 1 || rank > MOST_RANK) throw fault(checkpoint, a.name, "a rank out of range", `1 to ${MOST_RANK}`, rank);
  check(b, [rows, rank]);
  return rank;
}

function pairOf(
  target: Target,
  adapter: string,
  a: StoredTensor,
  b: StoredTensor,
  rank: number,
  factor: number,
): AdapterPair {
  const half = (stored: StoredTensor, which: "a" | "b", rows: number, cols: number): Matrix => ({
    name: `${adapter}: ${target.name}.lora.${which}`,
    rows,
    cols,
    stored,
    start: 0,
    outputStride: cols,
    inputStride: 1,
    type: "f32",
    bias: null,
    scales: null,
    halvedHead: 0,
  });
  return {
    rank,
    a: half(a, "a", rank, target.cols),
    b: { ...half(b, "b", target.rows, rank), scales: constant(factor), halvedHead: target.halvedHead },
  };
}

/** A number as a vector of one, which the loader reads like those of a file. */
function constant(value: number): Vector {
  const name = "scale";
  const source = new BytesSource(new Uint8Array(Float32Array.of(value).buffer), name);
  const stored: StoredTensor = { name, type: "f32", shape: [1], source, offset: 0, bytes: source.size };
  return { name, length: 1, stored, start: 0, halvedHead: 0 };
}

/** An adapter of a shorter model of the same sizes fits, and means something else. */
function untouched(name: string, pairs: ReadonlyMap<string, AdapterPair>, config: ModelConfig): string[] {
  const layers = new Set([...pairs.keys()].map((target) => target.split(".")[1]));
  if (layers.size === config.layers.length) return [];
  return [`adapter ${JSON.stringify(name)} changes ${layers.size} of ${config.layers.length} layers`];
}

const EXPERTS = /expert|exps|shexp|moe|router|gate_inp/;
const ENDS = /embed|lm_head|^output$|^token/;

function unknownModule(checkpoint: Checkpoint, theirs: string, module: string, config: ModelConfig): EngineError {
  const layer = Number(/^(?:model\.layers|blk)\.(\d+)\./.exec(module)?.[1] ?? -1);
  const what =
    layer >= config.layers.length
      ? `the model has ${config.layers.length} layers: the adapter is of another one`
      : EXPERTS.test(module)
        ? "adapters of experts and routers are not applied"
        : ENDS.test(module)
          ? "adapters of the embedding and the output are not applied"
          : "the model has no such matrix that an adapter could change";
  return fault(checkpoint, theirs, what, "q, k, v and o of attention; gate, up and down of dense layers");
}

function fault(
  { format, name }: Checkpoint,
  tensor: string,
  what: string,
  limit?: string | number,
  actual?: string | number,
): EngineError {
  const source = format === "gguf" ? "gguf" : "safetensors";
  return new EngineError("ADAPTER_TENSOR", what, { at: { source, file: name, field: tensor }, limit, actual });
}
