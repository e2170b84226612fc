/**
 * Reference tensors of tiny Llama 4 models, made by transformers, and the comparison that names the first wrong one.
 *
 * What each case exercises, how it is stored and what the taps mean: test/golden/README.md. Model files are written
 * to a temporary folder when a test first asks for their path, and removed when the process ends.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import {
  type Gguf,
  hfTensors,
  readGguf,
  roundToBf16,
  shardSafetensors,
  splitGguf,
  type Tensor,
  type Tensors,
  writeGguf,
  writeSafetensors,
} from "./layouts.ts";

export const CASES = [
  "text-a-scout",
  "text-b-maverick",
  "text-b-bf16",
  "text-c-top2",
  "text-d-guard",
  "text-e-8192",
  "text-f-edges",
] as const;
export type CaseName = (typeof CASES)[number];

/** The keys of config.json that the mathematics reads (HF `text_config` names); the file holds more. */
export interface Llama4Json {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly intermediate_size_mlp: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  readonly head_dim: number;
  readonly num_local_experts: number;
  readonly num_experts_per_tok: number;
  readonly moe_layers: readonly number[];
  /** 1: the layer uses rope. */
  readonly no_rope_layers: readonly number[];
  readonly layer_types: readonly ("chunked_attention" | "full_attention")[];
  readonly attention_chunk_size: number | null;
  readonly use_qk_norm: boolean;
  readonly attn_temperature_tuning: boolean;
  readonly floor_scale: number;
  readonly attn_scale: number;
  readonly rms_norm_eps: number;
  readonly rope_parameters: RopeJson;
  readonly [more: string]: unknown;
}
export type RopeJson =
  | { readonly rope_type: "default"; readonly rope_theta: number }
  | {
      readonly rope_type: "llama3";
      readonly rope_theta: number;
      readonly factor: number;
      readonly low_freq_factor: number;
      readonly high_freq_factor: number;
      readonly original_max_position_embeddings: number;
    };

/** Greedy continuations by transformers: 40 ids after a prompt of 20. */
export interface GenerateJson {
  readonly prompt: readonly number[];
  readonly greedy: readonly number[];
  readonly "greedy_repetition_penalty_1.1": readonly number[];
}

export interface GoldenCase {
  readonly name: CaseName;
  readonly config: Llama4Json;
  readonly inputIds: readonly number[];
  /** In network order, `logits` last. */
  readonly taps: ReadonlyMap<string, Tensor>;
  /** null for text-b-bf16. */
  readonly generate: GenerateJson | null;
  /** text-e-8192 alone: 8,300 ids and the logits at a few positions around 8192. */
  readonly long: { inputIds: readonly number[]; positions: readonly number[]; logits: Tensor } | null;
  /** By GGUF name, row-major: matrices [out, in], experts [experts, out, in]. */
  readonly weights: Tensors;
  /** SHA-256 of the original model files, by path under the folder of the case; `linearised/`, `sharded/`, `split/` for text-a. */
  readonly sha256: Readonly<Record<string, string>>;
  /** model-f32.gguf; model-bf16.gguf for text-b-bf16. */
  ggufPath(): string;
  /** A folder with config.json and model.safetensors, experts fused (BF16 for text-b-bf16). */
  hfPath(): string;
  /** A folder whose model.safetensors has a matrix per expert. */
  linearisedPath(): string;
  /** A folder of safetensors shards of at most 500 kB with their index. */
  shardedPath(): string;
  /** The first of the GGUF shards of 50 tensors each; it holds the metadata and no tensor. */
  splitPath(): string;
}

const opened = new Map<CaseName, GoldenCase>();

export function goldenCase(name: CaseName): GoldenCase {
  const known = opened.get(name);
  if (known) return known;
  const golden = open(name);
  opened.set(name, golden);
  return golden;
}

function open(name: CaseName): GoldenCase {
  const pack = readPack(name);
  const isBf16 = pack.header.weights !== undefined;
  const file = isBf16 ? readPack(pack.header.weights!).gguf() : pack.gguf();
  const gguf = isBf16 ? roundedToBf16(readGguf(file)) : readGguf(file);
  const type = isBf16 ? "bf16" : "f32";

  const { "config.json": config, "generate.json": generate, "generation_config.json": generation } = pack.header.texts;
  const configs = {
    "config.json": config,
    ...(generation === undefined ? {} : { "generation_config.json": generation }),
  };
  const folder = (kind: string, files: () => Iterable<[string, string | Buffer]>) =>
    once(() => materialise(`${name}/${kind}`, [...Object.entries(configs), ...files()]));
  const hf = folder("hf", () => [["model.safetensors", writeSafetensors(hfTensors(gguf.tensors, "fused"), type)]]);
  const linearised = folder("linearised", () => [
    ["model.safetensors", writeSafetensors(hfTensors(gguf.tensors, "single"), type)],
  ]);
  const sharded = folder("sharded", () => shardSafetensors(hfTensors(gguf.tensors, "fused"), 500_000));
  const split = once(() => {
    const shards = splitGguf(gguf, 50);
    return join(materialise(`${name}/split`, shards), [...shards.keys()][0]);
  });
  const whole = once(() => {
    const fileName = `model-${type}.gguf`;
    return join(materialise(name, [[fileName, isBf16 ? writeGguf(gguf, "bf16") : file]]), fileName);
  });

  return {
    name,
    config: JSON.parse(config),
    inputIds: pack.ids("input_ids"),
    taps: new Map(networkOrder(pack.names()).map((tap) => [tap, pack.tensor(tap)])),
    generate: generate === undefined ? null : JSON.parse(generate),
    long: pack.has("long.logits")
      ? {
          inputIds: pack.ids("long.input_ids"),
          positions: pack.ids("long.positions"),
          logits: pack.tensor("long.logits"),
        }
      : null,
    weights: gguf.tensors,
    sha256: pack.header.sha256,
    ggufPath: whole,
    hfPath: hf,
    linearisedPath: linearised,
    shardedPath: sharded,
    splitPath: split,
  };
}

function roundedToBf16(gguf: Gguf): Gguf {
  const rounded = [...gguf.tensors].map(
    ([name, { shape, data }]) => [name, { shape, data: roundToBf16(data) }] as const,
  );
  return { ...gguf, tensors: new Map(rounded) };
}

// -- the packed file -------------------------------------------------------------------------------------------------

interface PackHeader {
  /** The case whose weights these are, rounded to bfloat16. */
  readonly weights?: CaseName;
  readonly texts: Record<string, string>;
  readonly sha256: Record<string, string>;
  readonly tensors: Record<string, PackedTensor>;
}
interface PackedTensor {
  readonly type: "f32" | "i32" | "i16";
  readonly shape: number[];
  readonly at: number;
  readonly bytes: number;
  /** i16 only: the magnitude of 32767. */
  readonly max?: number;
}

function readPack(name: CaseName) {
  const file = gunzipSync(readFileSync(fileURLToPath(new URL(`./golden/${name}.gz`, import.meta.url))));
  const dataAt = 4 + file.readUInt32LE(0);
  const header: PackHeader = JSON.parse(file.toString("utf8", 4, dataAt));

  const elements = (tensor: string): Uint8Array<ArrayBuffer> => {
    const { type, at, bytes } = header.tensors[tensor];
    const width = type === "i16" ? 2 : 4;
    const count = bytes / width;
    const out = new Uint8Array(bytes);
    for (let plane = 0, from = dataAt + at; plane < width; plane++)
      for (let i = 0; i < count; i++) out[i * width + plane] = file[from++];
    return out;
  };
  const tensor = (tap: string): Tensor => {
    const { type, shape, max } = header.tensors[tap];
    const { buffer } = elements(tap);
    if (type === "f32") return { shape, data: new Float32Array(buffer) };
    return { shape, data: Float32Array.from(new Int16Array(buffer), (steps) => (steps / 32767) * max!) };
  };
  return {
    header,
    names: () => Object.keys(header.tensors).filter((tap) => !/^long\.|^model|^input_ids$/.test(tap)),
    has: (tap: string) => tap in header.tensors,
    tensor,
    ids: (tap: string) => [...new Int32Array(elements(tap).buffer)],
    gguf: () => Buffer.from(elements("model-f32.gguf").buffer),
  };
}

// -- files on disk ---------------------------------------------------------------------------------------------------

let root: string | null = null;

function materialise(folder: string, files: Iterable<[string, string | Buffer]>): string {
  root ??= temporaryRoot();
  const path = join(root, folder);
  for (const [name, content] of files) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}

function temporaryRoot(): string {
  const path = mkdtempSync(join(tmpdir(), "wasmaverick-golden-"));
  const remove = () => rmSync(path, { recursive: true, force: true });
  process.once("exit", remove);
  // vitest ends its forks with SIGTERM, which skips "exit".
  process.once("SIGTERM", () => {
    remove();
    process.kill(process.pid, "SIGTERM");
  });
  return path;
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

// -- comparison ------------------------------------------------------------------------------------------------------

/** A tap under test; rows may be fewer than the golden's, since by causality a prompt's prefix has the same first rows. */
export interface Tap {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}
export type Taps = ReadonlyMap<string, Tap> | Readonly<Record<string, Tap>>;

export interface Tolerance {
  /** Of hidden states: max|difference| / max|golden| of a tensor. */
  readonly relative: number;
  /** Of logits, absolute. */
  readonly logits: number;
}
/** 1e-4 promised, and 2e-5 for the 16 bits in which the goldens' hidden states are stored. */
export const TOLERANCE: Tolerance = { relative: 1.2e-4, logits: 1e-4 };

export interface Divergence {
  /** Full name of the tap, its layer (null: outside of layers) and what remains of the name (`attn.q`, `ffn_out`). */
  readonly name: string;
  readonly layer: number | null;
  readonly op: string;
  /** First row (position) that is off, and its place in the row; the query's position for attn.probs. -1: no such tensor or shape. */
  readonly row: number;
  readonly column: number;
  /** max|difference| over the tensor, and the same over max|golden|. NaN where a value is not finite. */
  readonly difference: number;
  readonly relative: number;
  readonly message: string;
}

const OPS = [
  "attn_norm",
  "attn.q",
  "attn.k",
  "attn.v",
  "attn.probs",
  "attn_out",
  "ffn_norm",
  "router",
  "ffn_out",
  "out",
];

/** Names of taps in the order in which the forward pass makes them. */
export function networkOrder(names: Iterable<string>): string[] {
  const rank = (name: string): number => {
    const { layer, op } = partsOf(name);
    if (layer !== null) return layer * OPS.length + OPS.indexOf(op);
    return op === "embed" ? -1 : op === "norm" ? 1e9 : 2e9;
  };
  return [...names].sort((a, b) => rank(a) - rank(b));
}

function partsOf(name: string): { layer: number | null; op: string } {
  const match = /^layers\.(\d+)\.(.+)$/.exec(name);
  return match ? { layer: Number(match[1]), op: match[2] } : { layer: null, op: name };
}

/**
 * Walks the golden taps in network order and returns the first that `taps` lacks or has wrong; null if all agree.
 * Taps without a golden are not looked at. To compare fewer taps, pass fewer goldens.
 */
export function firstDivergence(
  taps: Taps,
  golden: ReadonlyMap<string, Tensor>,
  tolerance = TOLERANCE,
): Divergence | null {
  const get = (name: string): Tap | undefined =>
    taps instanceof Map ? taps.get(name) : (taps as Record<string, Tap>)[name];
  for (const name of networkOrder(golden.keys())) {
    const found = divergence(name, get(name), golden.get(name)!, tolerance);
    if (found) return found;
  }
  return null;
}

function divergence(name: string, got: Tap | undefined, golden: Tensor, tolerance: Tolerance): Divergence | null {
  const parts = { name, ...partsOf(name) };
  const nowhere = { row: -1, column: -1, difference: Number.NaN, relative: Number.NaN };
  if (!got) return { ...parts, ...nowhere, message: `${name}: no such tap` };
  const wrong = shapeFault(name, got, golden);
  if (wrong) return { ...parts, ...nowhere, message: `${name}: ${wrong}` };

  let max = 0;
  for (const value of golden.data) max = Math.max(max, Math.abs(value));
  const limit = name === "logits" ? tolerance.logits : tolerance.relative * max;
  let difference = 0;
  let first: { row: number; column: number; value: number; expected: number } | null = null;
  for (const { row, column, at, goldenAt } of places(name, got.shape, golden.shape)) {
    const value = got.data[at];
    const expected = golden.data[goldenAt];
    const off = Math.abs(value - expected);
    if (off > difference || Number.isNaN(off)) difference = off; // a NaN stays: nothing is greater
    if (!(off <= limit) && (first === null || row < first.row)) first = { row, column, value, expected };
  }
  if (first === null) return null;
  const { row, column, value, expected } = first;
  const relative = difference / max;
  const worst = `max|difference| ${difference.toExponential(2)} (${relative.toExponential(2)} of max|golden|)`;
  const message = `${name}: ${worst}, first at row ${row}, column ${column}: got ${value}, expected ${expected}`;
  return { ...parts, row, column, difference, relative, message };
}

const isProbs = (name: string) => name.endsWith("attn.probs");

function shapeFault(name: string, got: Tap, golden: Tensor): string | null {
  const rows = got.shape[isProbs(name) ? 1 : 0];
  const expected = isProbs(name) ? [golden.shape[0], rows, rows] : [rows, ...golden.shape.slice(1)];
  const goldenRows = golden.shape[isProbs(name) ? 1 : 0];
  if (`${got.shape}` !== `${expected}` || rows > goldenRows) return `shape [${got.shape}], golden [${golden.shape}]`;
  const size = expected.reduce((product, n) => product * n, 1);
  return size === got.data.length ? null : `${got.data.length} values for shape [${got.shape}]`;
}

/** Every element of `shape` and its place in the golden, which may have more rows (probs: rows and columns). */
function* places(name: string, shape: readonly number[], golden: readonly number[]) {
  const [heads, rows] = isProbs(name) ? shape : [1, shape[0]];
  const goldenRows = isProbs(name) ? golden[1] : golden[0];
  const width = isProbs(name) ? rows : shape.slice(1).reduce((product, n) => product * n, 1);
  const goldenWidth = isProbs(name) ? goldenRows : width;
  for (let head = 0; head < heads; head++)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < width; column++)
        yield {
          row,
          column,
          at: (head * rows + row) * width + column,
          goldenAt: (head * goldenRows + row) * goldenWidth + column,
        };
}

/** The first row whose greatest logit is another one than the golden's; null if none. */
export function firstArgmaxDifference(
  logits: Tap,
  golden: Tensor,
): { row: number; got: number; expected: number } | null {
  const [rows, vocab] = logits.shape;
  for (let row = 0; row < rows; row++) {
    const got = argmax(logits.data, row * vocab, vocab);
    const expected = argmax(golden.data, row * vocab, vocab);
    if (got !== expected) return { row, got, expected };
  }
  return null;
}

/** The lowest place on ties. */
function argmax(data: ArrayLike<number>, begin: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (data[begin + i] > data[begin + best]) best = i;
  return best;
}
