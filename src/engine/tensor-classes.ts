import type { StoredTensor } from "../checkpoint/checkpoint.ts";

/** What the tensors of a checkpoint are for, by their names in GGUF files and Hugging Face folders. */

export type TensorClass = (typeof CLASSES)[number][0] | "other";

/** The first that fits: the norms of attention are norms, the gate of experts is a router. */
const CLASSES = [
  ["vision", /(?:^|\.)(?:vision_model|multi_modal_projector)\.|^(?:v|mm)\./],
  ["norms", /norm/],
  ["rope factors", /rope_freqs|rotary_emb/],
  ["embedding", /(?:^|\.)(?:token_embd|embed_tokens)\./],
  ["output", /^output\.|(?:^|\.)lm_head\./],
  ["router", /ffn_gate_inp|\.router\.|block_sparse_moe\.gate\./],
  ["shared expert", /_shexp|\.shared_expert\./],
  ["experts", /_exps|ffn_(?:gate|up|down)\.\d+\.|\.experts\./],
  ["attention", /attn|attention/],
  ["dense feed-forward", /ffn_|feed_forward|\.mlp\./],
] as const satisfies readonly (readonly [string, RegExp])[];

/** In the order of the forward pass. */
const ORDER: readonly TensorClass[] = [
  "embedding",
  "norms",
  "attention",
  "rope factors",
  "dense feed-forward",
  "router",
  "shared expert",
  "experts",
  "output",
  "vision",
  "other",
];

/** Tensors of one class and stored type. */
export interface ClassSum {
  readonly class: TensorClass;
  readonly type: string;
  tensors: number;
  elements: number;
  bytes: number;
}

export function classOf(name: string): TensorClass {
  return CLASSES.find(([, pattern]) => pattern.test(name))?.[0] ?? "other";
}

export function sumByClass(tensors: Iterable<Pick<StoredTensor, "name" | "type" | "shape" | "bytes">>): ClassSum[] {
  const sums = new Map<string, ClassSum>();
  for (const { name, type, shape, bytes } of tensors) {
    const key = `${classOf(name)} ${type}`;
    const sum = sums.get(key) ?? { class: classOf(name), type, tensors: 0, elements: 0, bytes: 0 };
    sum.tensors++;
    sum.elements += shape.reduce((product, size) => product * size, 1);
    sum.bytes += bytes;
    sums.set(key, sum);
  }
  return [...sums.values()].sort((a, b) => ORDER.indexOf(a.class) - ORDER.indexOf(b.class) || b.bytes - a.bytes);
}
