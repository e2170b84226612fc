// A GGUF header taken apart into fields, so that one of them can be wrong while the others stay right.

const BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
export const STRING = 8;
export const ARRAY = 9;

/** `{ version, pairs: [{ key, type, value }], tensors: [{ name, ne, type, offset }] }`; keys, names, strings and numbers as bytes. */
export function parseGguf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 4;
  /** Where the next `count` bytes stand, having stepped over them. */
  const step = (count) => {
    at += count;
    return at - count;
  };
  const u32 = () => view.getUint32(step(4), true);
  const u64 = () => view.getBigUint64(step(8), true);
  const raw = (length) => {
    const start = step(length);
    return bytes.slice(start, start + length);
  };
  const text = () => raw(Number(u64()));
  const readValue = (type) => {
    if (type === STRING) return text();
    if (type !== ARRAY) return raw(BYTES[type]);
    const element = u32();
    return { element, items: Array.from({ length: Number(u64()) }, () => readValue(element)) };
  };
  const version = u32();
  const [tensorCount, pairCount] = [Number(u64()), Number(u64())];
  const pairs = Array.from({ length: pairCount }, () => {
    const key = text();
    const type = u32();
    return { key, type, value: readValue(type) };
  });
  const tensors = Array.from({ length: tensorCount }, () => {
    const name = text();
    const ne = Array.from({ length: u32() }, u64);
    return { name, ne, type: u32(), offset: u64() };
  });
  return { version, pairs, tensors, end: Math.ceil(at / 32) * 32 };
}

/** Overrides of counts and lengths (`tensorCount`, `pairCount`, `keyLength`, `length`, `count`, `nameLength`, `dims`) say what is not so. */
export function writeGguf(model) {
  const out = new Writer();
  out.raw(model.magic ?? Uint8Array.of(0x47, 0x47, 0x55, 0x46));
  out.u32(model.version);
  out.u64(model.tensorCount ?? BigInt(model.tensors.length));
  out.u64(model.pairCount ?? BigInt(model.pairs.length));
  for (const pair of model.pairs) {
    out.text(pair.key, pair.keyLength);
    out.u32(pair.type);
    writeValue(out, pair.value, pair);
  }
  for (const { name, nameLength, ne, dims, type, offset } of model.tensors) {
    out.text(name, nameLength);
    out.u32(dims ?? ne.length);
    for (const dimension of ne) out.u64(dimension);
    out.u32(type);
    out.u64(offset);
  }
  while (out.at % 32 !== 0) out.raw(Uint8Array.of(0));
  return out.bytes.slice(0, out.at);
}

function writeValue(out, value, { count, length }) {
  if (value instanceof Uint8Array) {
    if (value.isText) out.text(value, length);
    else out.raw(value);
    return;
  }
  out.u32(value.element);
  out.u64(count ?? BigInt(value.items.length));
  for (const item of value.items) {
    if (value.element === STRING)
      out.text(item, length !== undefined && item === value.items.at(-1) ? length : undefined);
    else if (item instanceof Uint8Array) out.raw(item);
    else writeValue(out, item, {});
  }
}

/** Bytes that are written with their length in front. */
export function textValue(bytes) {
  const value = bytes.slice();
  value.isText = true;
  return value;
}

/** Scalars of type string are marked once; copies made by `structuredClone` would lose the mark, so models are cloned here. */
export function cloneModel({ version, pairs, tensors }) {
  return {
    version,
    pairs: pairs.map((pair) => ({ ...pair })),
    tensors: tensors.map((tensor) => ({ ...tensor, ne: [...tensor.ne] })),
  };
}

export function markTexts(model) {
  for (const pair of model.pairs) if (pair.type === STRING) pair.value = textValue(pair.value);
  return model;
}

/** Elements and bytes of a block of ggml's types, by number. */
export const BLOCKS = new Map([
  [0, [1, 4]],
  [1, [1, 2]],
  [2, [32, 18]],
  [3, [32, 20]],
  [6, [32, 22]],
  [7, [32, 24]],
  [8, [32, 34]],
  [10, [256, 84]],
  [11, [256, 110]],
  [12, [256, 144]],
  [13, [256, 176]],
  [14, [256, 210]],
  [20, [32, 18]],
  [23, [256, 136]],
  [30, [1, 2]],
  [34, [256, 54]],
  [35, [256, 66]],
  [39, [32, 17]],
]);

/** Offsets as the tensors' sizes ask for them; the bytes of all data, or null where a size is beyond counting. */
export function repairOffsets(model, alignment = 32n) {
  let offset = 0n;
  let end = 0n;
  for (const tensor of model.tensors) {
    const [elements, bytes] = BLOCKS.get(tensor.type) ?? [1, 4];
    tensor.offset = offset & (2n ** 64n - 1n);
    const size = (tensor.ne.reduce((product, dimension) => product * dimension, 1n) / BigInt(elements)) * BigInt(bytes);
    end = offset + size;
    offset = ((end + alignment - 1n) / alignment) * alignment;
  }
  return end < 2n ** 50n ? Number(end) : null;
}

class Writer {
  bytes = new Uint8Array(1 << 16);
  at = 0;

  #room(count) {
    if (this.at + count <= this.bytes.length) return;
    const larger = new Uint8Array(2 * (this.at + count));
    larger.set(this.bytes.subarray(0, this.at));
    this.bytes = larger;
  }

  raw(bytes) {
    this.#room(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  u32(value) {
    this.#room(4);
    for (let shift = 0; shift < 32; shift += 8) this.bytes[this.at++] = value >>> shift;
  }

  u64(value) {
    this.u32(Number(BigInt.asUintN(32, value)));
    this.u32(Number(BigInt.asUintN(32, value >> 32n)));
  }

  text(bytes, length = BigInt(bytes.length)) {
    this.u64(length);
    this.raw(bytes);
  }
}
