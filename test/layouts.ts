/** One set of weights written in every layout a loader must read: GGUF, split GGUF, safetensors fused, per expert, sharded. */

/** Row-major, last dimension contiguous, as safetensors and PyTorch print it (GGUF's `ne` reversed). */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}
export type Tensors = ReadonlyMap<string, Tensor>;
export type StoredType = "f32" | "bf16";

/** A GGUF file of F32 tensors. `keys` are the bytes of its metadata, `ends[k]` where key k ends in them. */
export interface Gguf {
  readonly keys: Buffer;
  readonly keyCount: number;
  readonly tensors: Tensors;
}

const ALIGNMENT = 32;
const TYPE_NUMBER: Record<StoredType, number> = { f32: 0, bf16: 30 };
/** Bytes of a metadata value by type number; 8 (string) and 9 (array) have their own rule. */
const VALUE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

const aligned = (bytes: number) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
const size = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1);

export function readGguf(file: Buffer): Gguf {
  let at = 8;
  /** Where the next `bytes` stand, having stepped over them. */
  const step = (bytes: number) => {
    at += bytes;
    return at - bytes;
  };
  const u32 = () => file.readUInt32LE(step(4));
  const u64 = () => Number(file.readBigUInt64LE(step(8)));
  const text = () => {
    const bytes = u64();
    const begin = step(bytes);
    return file.toString("utf8", begin, begin + bytes);
  };
  const skipValue = (type: number): void => {
    if (type === 8) text();
    else if (type === 9) for (let element = u32(), left = u64(); left > 0; left--) skipValue(element);
    else step(VALUE_BYTES[type]);
  };

  const tensorCount = u64();
  const keyCount = u64();
  const keysAt = at;
  for (let key = 0; key < keyCount; key++) {
    text();
    skipValue(u32());
  }
  const keys = file.subarray(keysAt, at);

  const infos = Array.from({ length: tensorCount }, () => {
    const name = text();
    const ne = Array.from({ length: u32() }, u64);
    if (u32() !== TYPE_NUMBER.f32) throw new Error(`${name} is not F32`);
    return { name, shape: ne.reverse(), offset: u64() };
  });
  const dataAt = aligned(at);
  const tensors = new Map<string, Tensor>();
  for (const { name, shape, offset } of infos) {
    const begin = file.byteOffset + dataAt + offset;
    tensors.set(name, { shape, data: new Float32Array(file.buffer.slice(begin, begin + 4 * size(shape))) });
  }
  return { keys, keyCount, tensors };
}

/** Stores matrices as `type`; vectors, norms and routers stay F32, as converters keep them. */
export function writeGguf({ keys, keyCount, tensors }: Gguf, type: StoredType = "f32"): Buffer {
  const header = Buffer.alloc(24);
  header.write("GGUF");
  header.writeUInt32LE(3, 4);
  header.writeBigUInt64LE(BigInt(tensors.size), 8);
  header.writeBigUInt64LE(BigInt(keyCount), 16);

  const infos: Buffer[] = [];
  const data: Buffer[] = [];
  let offset = 0;
  for (const [name, { shape, data: values }] of tensors) {
    const stored = shape.length === 1 || name.endsWith("ffn_gate_inp.weight") ? "f32" : type;
    const bytes = encoded(values, stored);
    const info = [ggufText(name), u32Bytes(shape.length), ...[...shape].reverse().map(u64Bytes)];
    infos.push(...info, u32Bytes(TYPE_NUMBER[stored]), u64Bytes(offset));
    data.push(bytes, Buffer.alloc(aligned(bytes.length) - bytes.length));
    offset += aligned(bytes.length);
  }
  const front = Buffer.concat([header, keys, ...infos]);
  return Buffer.concat([front, Buffer.alloc(aligned(front.length) - front.length), ...data]);
}

/** Shards named as llama.cpp names them; the first holds all metadata and no tensor. */
export function splitGguf(file: Gguf, tensorsPerShard: number): Map<string, Buffer> {
  const all = [...file.tensors];
  const count = 1 + Math.ceil(all.length / tensorsPerShard);
  const shards = new Map<string, Buffer>();
  for (let shard = 0; shard < count; shard++) {
    const splitKeys = [
      ggufText("split.no"),
      u32Bytes(2),
      u16Bytes(shard),
      ggufText("split.count"),
      u32Bytes(2),
      u16Bytes(count),
      ggufText("split.tensors.count"),
      u32Bytes(5),
      u32Bytes(all.length),
    ];
    const first = shard === 0;
    const tensors = new Map(first ? [] : all.slice((shard - 1) * tensorsPerShard, shard * tensorsPerShard));
    const keys = Buffer.concat([...(first ? [file.keys] : []), ...splitKeys]);
    shards.set(
      `model-${five(shard + 1)}-of-${five(count)}.gguf`,
      writeGguf({ keys, keyCount: first ? file.keyCount + 3 : 3, tensors }),
    );
  }
  return shards;
}

const SIMPLE_NAMES: Record<string, string> = {
  attn_norm: "input_layernorm",
  ffn_norm: "post_attention_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  ffn_gate: "feed_forward.gate_proj",
  ffn_up: "feed_forward.up_proj",
  ffn_down: "feed_forward.down_proj",
  ffn_gate_inp: "feed_forward.router",
  ffn_gate_shexp: "feed_forward.shared_expert.gate_proj",
  ffn_up_shexp: "feed_forward.shared_expert.up_proj",
  ffn_down_shexp: "feed_forward.shared_expert.down_proj",
};
const GLOBAL_NAMES: Record<string, string> = {
  "token_embd.weight": "model.embed_tokens.weight",
  "output_norm.weight": "model.norm.weight",
  "output.weight": "lm_head.weight",
};

/** HF names. Experts fused: gate_up [experts, in, 2*out], down [experts, in, out]; or one [out, in] matrix each. */
export function hfTensors(gguf: Tensors, experts: "fused" | "single"): Map<string, Tensor> {
  const hf = new Map<string, Tensor>();
  for (const [name, tensor] of gguf) {
    const [, layer, part] = /^blk\.(\d+)\.(.+)\.weight$/.exec(name) ?? [];
    if (layer === undefined) {
      if (name in GLOBAL_NAMES) hf.set(GLOBAL_NAMES[name], tensor); // rope_freqs is GGUF's own: HF derives it
      continue;
    }
    const [, kind] = /^ffn_(gate|up|down)_exps$/.exec(part) ?? [];
    const prefix = `model.layers.${layer}.`;
    const expertsPrefix = `${prefix}feed_forward.experts.`;
    if (kind === undefined) hf.set(`${prefix}${SIMPLE_NAMES[part]}.weight`, tensor);
    else if (experts === "single") {
      const [count, out, cols] = tensor.shape;
      for (let expert = 0; expert < count; expert++) {
        const data = tensor.data.subarray(expert * out * cols, (expert + 1) * out * cols);
        hf.set(`${expertsPrefix}${expert}.${kind}_proj.weight`, { shape: [out, cols], data });
      }
    } else if (kind === "down") hf.set(`${expertsPrefix}down_proj`, inputMajor([tensor]));
    else if (kind === "gate") {
      const up = gguf.get(name.replace("gate", "up"))!;
      hf.set(`${expertsPrefix}gate_up_proj`, inputMajor([tensor, up]));
    }
  }
  return hf;
}

/** [experts, out, in] matrices side by side as [experts, in, out + out + ...]. */
function inputMajor(matrices: readonly Tensor[]): Tensor {
  const [experts, out, cols] = matrices[0].shape;
  const width = out * matrices.length;
  const data = new Float32Array(experts * cols * width);
  matrices.forEach((matrix, half) => {
    for (let expert = 0; expert < experts; expert++)
      for (let o = 0; o < out; o++)
        for (let i = 0; i < cols; i++)
          data[(expert * cols + i) * width + half * out + o] = matrix.data[(expert * out + o) * cols + i];
  });
  return { shape: [experts, cols, width], data };
}

export function writeSafetensors(tensors: Tensors, type: StoredType = "f32"): Buffer {
  const sorted = [...tensors].sort(([a], [b]) => (a < b ? -1 : 1));
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  const data: Buffer[] = [];
  let at = 0;
  for (const [name, { shape, data: values }] of sorted) {
    const bytes = encoded(values, type);
    header[name] = { dtype: type.toUpperCase(), shape, data_offsets: [at, at + bytes.length] };
    data.push(bytes);
    at += bytes.length;
  }
  const text = JSON.stringify(header);
  const padded = text.padEnd(Math.ceil(text.length / 8) * 8);
  return Buffer.concat([u64Bytes(padded.length), Buffer.from(padded), ...data]);
}

/** The order of transformers' state dict, which decides what a shard holds. */
const STATE_ORDER = [
  "self_attn.q_proj",
  "self_attn.k_proj",
  "self_attn.v_proj",
  "self_attn.o_proj",
  "experts.gate_up_proj",
  "experts.down_proj",
  "router",
  "shared_expert.gate_proj",
  "shared_expert.up_proj",
  "shared_expert.down_proj",
  "input_layernorm",
  "post_attention_layernorm",
];

function stateRank(name: string): number {
  if (name.startsWith("model.embed")) return -1;
  const layer = /layers\.(\d+)\./.exec(name);
  if (layer === null) return name.startsWith("model.norm") ? 1e6 : 2e6;
  return Number(layer[1]) * STATE_ORDER.length + STATE_ORDER.findIndex((part) => name.includes(part));
}

/** Shards of at most `maxBytes` and the index that maps tensors to them. */
export function shardSafetensors(tensors: Tensors, maxBytes: number): Map<string, Buffer> {
  const shards: Map<string, Tensor>[] = [new Map()];
  let filled = 0;
  for (const [name, tensor] of [...tensors].sort(([a], [b]) => stateRank(a) - stateRank(b))) {
    const bytes = tensor.data.byteLength;
    if (filled > 0 && filled + bytes > maxBytes) {
      shards.push(new Map());
      filled = 0;
    }
    shards.at(-1)!.set(name, tensor);
    filled += bytes;
  }
  const files = new Map<string, Buffer>();
  const places: [string, string][] = [];
  shards.forEach((shard, k) => {
    const file = `model-${five(k + 1)}-of-${five(shards.length)}.safetensors`;
    files.set(file, writeSafetensors(shard));
    for (const name of shard.keys()) places.push([name, file]);
  });
  const total = [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
  const index = {
    metadata: { total_parameters: total, total_size: 4 * total },
    weight_map: Object.fromEntries(places.sort(([a], [b]) => (a < b ? -1 : 1))),
  };
  return files.set("model.safetensors.index.json", Buffer.from(`${JSON.stringify(index, null, 2)}\n`));
}

/** The values a bfloat16 file holds: rounded to nearest, ties to even. */
export function roundToBf16(values: Float32Array): Float32Array {
  const bits = new Uint32Array(values.slice().buffer);
  for (let i = 0; i < bits.length; i++) bits[i] = bf16Bits(bits[i]) << 16;
  return new Float32Array(bits.buffer);
}

const bf16Bits = (bits: number) => (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;

function encoded(values: Float32Array, type: StoredType): Buffer {
  if (type === "f32") return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Buffer.from(Uint16Array.from(bits, bf16Bits).buffer);
}

const five = (n: number) => String(n).padStart(5, "0");
const ggufText = (text: string) => Buffer.concat([u64Bytes(Buffer.byteLength(text)), Buffer.from(text)]);

function u16Bytes(n: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(n);
  return bytes;
}

function u32Bytes(n: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(n);
  return bytes;
}

function u64Bytes(n: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(n));
  return bytes;
}
