/**
 * The forward pass of Llama 4 in scalar float64, written for reading: the oracle of the engine's own tests. Llama is that without
 * everything new in Llama 4, see `asLlama4`.
 *
 * It computes exactly what the goldens hold and can be told to make one known mistake (`plant`), so that a test can
 * show that the goldens would catch it. Each plant stands next to the line that is right.
 *
 * Letters in the margin: T rows (positions 0..T-1 of one prompt), D hidden, H query heads, G key/value heads, d head
 * size, E experts, I expert width, M dense width, V vocabulary. Matrices are [out, in].
 */
import type { Llama4Json } from "./golden.ts";
import type { Tensors } from "./layouts.ts";

export const PLANTS = [
  "score on expert output",
  "scores renormalised",
  "softmax instead of sigmoid",
  "shared expert scaled too",
  "gate and up swapped",
  "no chunk mask",
  "sliding window instead of chunks",
  "chunk grid shifted by one",
  "no temperature",
  "temperature off by one",
  "temperature on all layers",
  "rope on NoPE layers",
  "q/k norm on NoPE layers",
  "no q/k norm",
  "q/k norm against the config",
  "q/k norm over all heads together",
  "half-split rope without permuting",
  "no rope scaling",
  "kv heads tiled instead of repeated",
  "eps 1e-6 instead of 1e-5",
] as const;
export type Plant = (typeof PLANTS)[number];

export interface ReferenceTap {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** All that the passages below share. */
interface Pass {
  readonly config: Llama4Json;
  readonly weights: Tensors;
  readonly rows: number;
  readonly eps: number;
  readonly plant: Plant | null;
  readonly keep: (name: string, shape: readonly number[], data: Float64Array) => Float64Array;
}

/** Every tap of test/golden/README.md by name. `weights` have GGUF names, as `GoldenCase.weights`. */
export function reference(
  config: Llama4Json,
  weights: Tensors,
  ids: readonly number[],
  plant: Plant | null = null,
): Map<string, ReferenceTap> {
  const taps = new Map<string, ReferenceTap>();
  const keep = (name: string, shape: readonly number[], data: Float64Array) => {
    taps.set(name, { shape, data });
    return data;
  };
  const rows = ids.length;
  const eps = plant === "eps 1e-6 instead of 1e-5" ? 1e-6 : config.rms_norm_eps;
  const pass: Pass = { config, weights, rows, eps, plant, keep };
  const hidden = config.hidden_size;

  let x = keep("embed", [rows, hidden], embed(pass, ids)); //                                               [T, D]
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const norm = (part: string) => rmsNorm(x, rows, hidden, eps, weight(pass, `blk.${layer}.${part}`));
    const at = (tap: string, y: Float64Array) => keep(`layers.${layer}.${tap}`, [rows, hidden], y);
    const attended = at("attn_out", attention(pass, layer, at("attn_norm", norm("attn_norm")))); //          [T, D]
    x = add(x, attended); //                                                                                [T, D]
    const fed = at("ffn_out", feedForward(pass, layer, at("ffn_norm", norm("ffn_norm")))); //               [T, D]
    x = at("out", add(x, fed)); //                                                                          [T, D]
  }
  const last = keep("norm", [rows, hidden], rmsNorm(x, rows, hidden, eps, weight(pass, "output_norm"))); // [T, D]
  keep("logits", [rows, config.vocab_size], matmul(weight(pass, "output"), last, rows, hidden)); //         [T, V]
  return taps;
}

function embed({ config, weights, rows }: Pass, ids: readonly number[]): Float64Array {
  const table = weights.get("token_embd.weight")!.data; //                                                  [V, D]
  const hidden = config.hidden_size;
  const x = new Float64Array(rows * hidden);
  ids.forEach((id, t) => {
    x.set(table.subarray(id * hidden, (id + 1) * hidden), t * hidden);
  });
  return x;
}

/** Llama's hyper-parameters as Llama 4's. */
export function asLlama4(config: Record<string, unknown>): Llama4Json {
  const layers = config["num_hidden_layers"] as number;
  return {
    ...(config as unknown as Llama4Json),
    ...{ intermediate_size_mlp: config["intermediate_size"] as number, moe_layers: [] },
    ...{ no_rope_layers: Array(layers).fill(1), layer_types: Array(layers).fill("full_attention") },
    ...{ attention_chunk_size: null, use_qk_norm: false, attn_temperature_tuning: false },
  };
}

// -- attention -------------------------------------------------------------------------------------------------------

function attention(pass: Pass, layer: number, h: Float64Array): Float64Array {
  const { config, rows, plant, keep } = pass;
  const { head_dim: size, hidden_size: hidden, num_attention_heads: heads, num_key_value_heads: kvHeads } = config;
  const part = (name: string) => weight(pass, `blk.${layer}.${name}`);
  const linear = (name: string, x: Float64Array, cols: number) =>
    biased(pass, `blk.${layer}.${name}`, matmul(part(name), x, rows, cols));
  let q = linear("attn_q", h, hidden); //                                                                [T, H, d]
  let k = linear("attn_k", h, hidden); //                                                                [T, G, d]
  const v = linear("attn_v", h, hidden); //                                                              [T, G, d]

  const usesRope = config.no_rope_layers[layer] === 1;
  if (usesRope || plant === "rope on NoPE layers") {
    const frequencies = ropeFrequencies(config, plant); //                                                     [d/2]
    q = rope(q, rows, heads, frequencies, plant);
    k = rope(k, rows, kvHeads, frequencies, plant);
  }
  if (normsHeads(config, usesRope, plant)) {
    q = headNorm(pass, q, heads, size);
    k = headNorm(pass, k, kvHeads, size);
  }
  if (config.attn_temperature_tuning && (!usesRope || plant === "temperature on all layers"))
    q = q.map((value, i) => value * temperature(config, Math.floor(i / (heads * size)), plant));

  const tap = (name: string) => `layers.${layer}.attn.${name}`;
  keep(tap("q"), [rows, heads, size], q);
  keep(tap("k"), [rows, kvHeads, size], k);
  keep(tap("v"), [rows, kvHeads, size], v);
  const probs = keep(tap("probs"), [heads, rows, rows], attentionProbs(pass, layer, q, k)); //           [H, T, T]

  const mixed = new Float64Array(rows * heads * size); //                                                [T, H, d]
  for (let head = 0; head < heads; head++)
    for (let t = 0; t < rows; t++)
      for (let s = 0; s <= t; s++) {
        const share = probs[(head * rows + t) * rows + s];
        const valueAt = (s * kvHeads + kvHeadOf(head, config, plant)) * size;
        for (let i = 0; i < size; i++) mixed[(t * heads + head) * size + i] += share * v[valueAt + i];
      }
  return linear("attn_output", mixed, heads * size); //                                                     [T, D]
}

/** softmax over the keys each query may see of q.k / sqrt(d); 0 elsewhere. */
function attentionProbs({ config, rows, plant }: Pass, layer: number, q: Float64Array, k: Float64Array): Float64Array {
  const { head_dim: size, num_attention_heads: heads, num_key_value_heads: kvHeads } = config;
  const probs = new Float64Array(heads * rows * rows); //                                                [H, T, T]
  for (let head = 0; head < heads; head++)
    for (let t = 0; t < rows; t++) {
      const row = probs.subarray((head * rows + t) * rows, (head * rows + t + 1) * rows);
      const queryAt = (t * heads + head) * size;
      let max = Number.NEGATIVE_INFINITY;
      for (let s = 0; s <= t; s++) {
        if (!sees(config, layer, t, s, plant)) continue;
        const keyAt = (s * kvHeads + kvHeadOf(head, config, plant)) * size;
        let score = 0;
        for (let i = 0; i < size; i++) score += q[queryAt + i] * k[keyAt + i];
        row[s] = score / Math.sqrt(size);
        max = Math.max(max, row[s]);
      }
      let sum = 0;
      for (let s = 0; s <= t; s++) {
        row[s] = sees(config, layer, t, s, plant) ? Math.exp(row[s] - max) : 0;
        sum += row[s];
      }
      for (let s = 0; s <= t; s++) row[s] /= sum;
    }
  return probs;
}

/** Causal is the caller's: key s <= query t. Chunks are blocks of fixed places, counted from position 0. */
function sees(config: Llama4Json, layer: number, t: number, s: number, plant: Plant | null): boolean {
  const chunk = config.attention_chunk_size;
  if (config.layer_types[layer] !== "chunked_attention" || chunk === null || plant === "no chunk mask") return true;
  if (plant === "sliding window instead of chunks") return t - s < chunk;
  if (plant === "chunk grid shifted by one") return Math.floor((t + 1) / chunk) === Math.floor((s + 1) / chunk);
  return Math.floor(t / chunk) === Math.floor(s / chunk);
}

/** Neighbouring query heads share one key/value head. */
function kvHeadOf(head: number, config: Llama4Json, plant: Plant | null): number {
  if (plant === "kv heads tiled instead of repeated") return head % config.num_key_value_heads;
  return Math.floor(head / (config.num_attention_heads / config.num_key_value_heads));
}

function temperature(config: Llama4Json, position: number, plant: Plant | null): number {
  if (plant === "no temperature") return 1;
  const seen = plant === "temperature off by one" ? position : position + 1;
  return 1 + config.attn_scale * Math.log(1 + Math.floor(seen / config.floor_scale));
}

// -- rope and the norm of heads --------------------------------------------------------------------------------------

function ropeFrequencies(config: Llama4Json, plant: Plant | null): number[] {
  const parameters = config.rope_parameters;
  const frequencies: number[] = [];
  for (let j = 0; j < config.head_dim / 2; j++) {
    const plain = parameters.rope_theta ** ((-2 * j) / config.head_dim);
    if (parameters.rope_type === "default" || plant === "no rope scaling") {
      frequencies.push(plain);
      continue;
    }
    const {
      factor,
      low_freq_factor: low,
      high_freq_factor: high,
      original_max_position_embeddings: original,
    } = parameters;
    const wavelength = (2 * Math.PI) / plain;
    if (wavelength < original / high) frequencies.push(plain);
    else if (wavelength > original / low) frequencies.push(plain / factor);
    else {
      const smooth = (original / wavelength - low) / (high - low);
      frequencies.push(((1 - smooth) * plain) / factor + smooth * plain);
    }
  }
  return frequencies;
}

/** Rotates the adjacent pairs (2j, 2j+1) of every head by position * frequency j. */
function rope(
  x: Float64Array,
  rows: number,
  heads: number,
  frequencies: readonly number[],
  plant: Plant | null,
): Float64Array {
  const half = frequencies.length;
  const y = new Float64Array(x.length); //                                                           [T, heads, d]
  for (let t = 0; t < rows; t++)
    for (let head = 0; head < heads; head++)
      for (let j = 0; j < half; j++) {
        const at = (t * heads + head) * 2 * half;
        const split = plant === "half-split rope without permuting";
        const a = at + (split ? j : 2 * j);
        const b = at + (split ? j + half : 2 * j + 1);
        const cos = Math.cos(t * frequencies[j]);
        const sin = Math.sin(t * frequencies[j]);
        y[a] = x[a] * cos - x[b] * sin;
        y[b] = x[a] * sin + x[b] * cos;
      }
  return y;
}

/** Only where there is rope, even if the config asks for the norm. */
function normsHeads(config: Llama4Json, usesRope: boolean, plant: Plant | null): boolean {
  if (plant === "no q/k norm") return false;
  if (plant === "q/k norm against the config") return usesRope && !config.use_qk_norm;
  if (plant === "q/k norm on NoPE layers") return config.use_qk_norm;
  return config.use_qk_norm && usesRope;
}

/** Weightless RMS norm of each head. */
function headNorm({ rows, eps, plant }: Pass, x: Float64Array, heads: number, size: number): Float64Array {
  if (plant === "q/k norm over all heads together") return rmsNorm(x, rows, heads * size, eps, null);
  return rmsNorm(x, rows * heads, size, eps, null);
}

// -- feed-forward ----------------------------------------------------------------------------------------------------

function feedForward(pass: Pass, layer: number, h: Float64Array): Float64Array {
  const part = (name: string) => weight(pass, `blk.${layer}.${name}`);
  if (pass.config.moe_layers.includes(layer)) return mixture(pass, layer, h);
  const bias = (name: string) => (y: Float64Array) => biased(pass, `blk.${layer}.ffn_${name}`, y);
  const biases = { gate: bias("gate"), up: bias("up"), down: bias("down") };
  return swiglu(pass, part("ffn_gate"), part("ffn_up"), part("ffn_down"), h, pass.rows, biases); //         [T, D]
}

/** The shared expert, and the K experts with the largest logits, each fed with its score times h. */
function mixture(pass: Pass, layer: number, h: Float64Array): Float64Array {
  const { config, rows, plant, keep } = pass;
  const { hidden_size: hidden, num_local_experts: experts } = config;
  const part = (name: string) => weight(pass, `blk.${layer}.${name}`);
  const logits = matmul(part("ffn_gate_inp"), h, rows, hidden); //                                          [T, E]
  keep(`layers.${layer}.router`, [rows, experts], logits);

  const out = new Float64Array(rows * hidden); //                                                           [T, D]
  for (let t = 0; t < rows; t++) {
    const row = h.subarray(t * hidden, (t + 1) * hidden); //                                                   [D]
    const picked = route(pass, logits.subarray(t * experts, (t + 1) * experts)); //                            [K]
    const sharedInput = plant === "shared expert scaled too" ? row.map((value) => value * picked[0].score) : row;
    let y = swiglu(pass, part("ffn_gate_shexp"), part("ffn_up_shexp"), part("ffn_down_shexp"), sharedInput, 1);
    for (const { expert, score } of picked) {
      const of = (name: string) => slice(part(name), expert, experts);
      const run = (input: Float64Array) =>
        swiglu(pass, of("ffn_gate_exps"), of("ffn_up_exps"), of("ffn_down_exps"), input, 1); //                [D]
      if (plant === "score on expert output")
        y = add(
          y,
          run(row).map((value) => value * score),
        );
      else y = add(y, run(row.map((value) => value * score)));
    }
    out.set(y, t * hidden);
  }
  return out;
}

/** The K largest logits, the lowest expert on ties; each score is the sigmoid of its own logit alone. */
function route({ config, plant }: Pass, logits: Float64Array): { expert: number; score: number }[] {
  const order = [...logits.keys()].sort((a, b) => logits[b] - logits[a]);
  const exps = logits.map((logit) => Math.exp(logit - logits[order[0]]));
  const sumOfExps = exps.reduce((sum, value) => sum + value, 0);
  const picked = order.slice(0, config.num_experts_per_tok).map((expert) => {
    const score =
      plant === "softmax instead of sigmoid" ? exps[expert] / sumOfExps : 1 / (1 + Math.exp(-logits[expert]));
    return { expert, score };
  });
  if (plant !== "scores renormalised") return picked;
  const sum = picked.reduce((total, { score }) => total + score, 0);
  return picked.map(({ expert, score }) => ({ expert, score: score / sum }));
}

/** down (silu(gate h) * (up h)). */
function swiglu(
  { config, plant }: Pass,
  gate: Float32Array, //                                                                                 [I or M, D]
  up: Float32Array, //                                                                                   [I or M, D]
  down: Float32Array, //                                                                                 [D, I or M]
  h: Float64Array, //                                                                                      [rows, D]
  rows: number,
  bias = { gate: same, up: same, down: same },
): Float64Array {
  const width = gate.length / config.hidden_size;
  const swapped = plant === "gate and up swapped";
  const g = bias.gate(matmul(swapped ? up : gate, h, rows, config.hidden_size)); //                   [rows, I or M]
  const u = bias.up(matmul(swapped ? gate : up, h, rows, config.hidden_size)); //                     [rows, I or M]
  const inner = g.map((z, i) => (z / (1 + Math.exp(-z))) * u[i]); //                                  [rows, I or M]
  return bias.down(matmul(down, inner, rows, width)); //                                                   [rows, D]
}

// -- parts -----------------------------------------------------------------------------------------------------------

/** x / sqrt(mean of squares + eps) per row, times a weight per column if there is one. */
function rmsNorm(x: Float64Array, rows: number, width: number, eps: number, scale: Float32Array | null): Float64Array {
  const y = new Float64Array(x.length);
  for (let t = 0; t < rows; t++) {
    let squares = 0;
    for (let i = 0; i < width; i++) squares += x[t * width + i] ** 2;
    const shrink = 1 / Math.sqrt(squares / width + eps);
    for (let i = 0; i < width; i++) y[t * width + i] = x[t * width + i] * shrink * (scale === null ? 1 : scale[i]);
  }
  return y;
}

/** y[t, o] = sum over i of w[o, i] x[t, i]. */
function matmul(w: Float32Array, x: Float64Array, rows: number, cols: number): Float64Array {
  const outs = w.length / cols;
  const y = new Float64Array(rows * outs);
  for (let t = 0; t < rows; t++)
    for (let o = 0; o < outs; o++) {
      let sum = 0;
      for (let i = 0; i < cols; i++) sum += w[o * cols + i] * x[t * cols + i];
      y[t * outs + o] = sum;
    }
  return y;
}

const add = (a: Float64Array, b: Float64Array) => a.map((value, i) => value + b[i]);

/** Matrix number `index` of `count` that stand one after the other. */
function slice(data: Float32Array, index: number, count: number): Float32Array {
  const size = data.length / count;
  return data.subarray(index * size, (index + 1) * size);
}

const same = (y: Float64Array) => y;

/** y with the bias of matrix `name` on every row, if it has one (Llama files may). */
function biased({ weights }: Pass, name: string, y: Float64Array): Float64Array {
  const bias = weights.get(`${name}.bias`)?.data;
  return bias === undefined ? y : y.map((value, i) => value + bias[i % bias.length]);
}

function weight({ weights }: Pass, name: string): Float32Array {
  const tensor = weights.get(`${name}.weight`);
  if (!tensor) throw new Error(`no weights ${name}`);
  return tensor.data;
}
