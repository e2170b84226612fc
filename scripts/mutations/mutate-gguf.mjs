// Changes of a GGUF header by field: integers at the limits where integers stand, counts that lie, other types, other names.

import { ARRAY, BLOCKS, cloneModel, repairOffsets, STRING, textValue, writeGguf } from "./gguf-model.mjs";
import { boundary } from "./mutate-bytes.mjs";

const encoder = new TextEncoder();
const NAMES = [
  "",
  "__proto__",
  "constructor.prototype.polluted",
  "a\0b",
  "\x1b[31m",
  "k".repeat(64),
  "k".repeat(70_000),
  "general.alignment",
  "split.count",
].map((name) => encoder.encode(name));
NAMES.push(Uint8Array.of(0xff), Uint8Array.of(0xc4), Uint8Array.of(0xed, 0xa0, 0x80));
const WIDTHS = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
const TYPES = [...BLOCKS.keys()];

/** The bytes of a changed header and how large the file says it is. `scope`: which pairs may change, all fields without it. */
export function mutateGguf({ model, size }, random, scope) {
  const changed = cloneModel(model);
  for (let left = random.length(4); left > 0; left--) {
    const kind = scope ? 4 : random.below(10);
    if (kind === 0) changeHead(changed, random);
    else if (kind < 4 || changed.pairs.length === 0) changeTensor(changed, random);
    else changePair(changed, random, scope);
  }
  const data = size - model.end;
  // Mostly the rest of the file is made to fit, or no change of a shape would come past the offsets.
  const repaired = random.chance(0.7) ? repairOffsets(changed) : null;
  const bytes = writeGguf(changed);
  return {
    bytes,
    size: bytes.length + Math.max(0, (repaired ?? data) + (random.chance(0.05) ? random.pick([-1, 1, 33]) : 0)),
  };
}

function changeHead(model, random) {
  const field = random.below(4);
  if (field === 0) model.version = random.pick([0, 1, 2, 4, 0x03000000, 2 ** 31, 2 ** 32 - 1]);
  else if (field === 1) model.tensorCount = near(BigInt(model.tensors.length), random);
  else if (field === 2) model.pairCount = near(BigInt(model.pairs.length), random);
  else model.magic = encoder.encode(random.pick(["FUGG", "ggjt", "PK\x03\x04", "GGUf"]));
}

function changeTensor(model, random) {
  const { tensors } = model;
  if (tensors.length === 0) return;
  const at = random.below(tensors.length);
  const tensor = tensors[at];
  const other = random.pick(tensors);
  const axis = random.below(tensor.ne.length);
  switch (random.below(12)) {
    case 0:
      tensors.splice(at, 1);
      break;
    case 1:
      tensors.splice(random.below(tensors.length + 1), 0, { ...tensor, ne: [...tensor.ne] });
      break;
    case 2:
      tensors[at] = other;
      break;
    case 3:
      tensor.name = random.chance(0.5) ? other.name : random.pick(NAMES);
      break;
    case 4:
      tensor.nameLength = near(BigInt(tensor.name.length), random);
      break;
    case 5:
      tensor.dims = random.pick([0, 1, 2, 3, 4, 5, 2 ** 31, 2 ** 32 - 1]);
      break;
    case 6:
      tensor.ne = random.chance(0.5) ? [...tensor.ne, 1n] : tensor.ne.slice(1);
      break;
    case 7:
    case 8:
      if (tensor.ne.length > 0) tensor.ne[axis] = near(tensor.ne[axis], random);
      break;
    case 9:
      tensor.type = random.chance(0.7) ? random.pick(TYPES) : random.below(48);
      break;
    case 10:
      tensor.offset = near(tensor.offset, random);
      break;
    default:
      tensor.name = tensor.name.map((byte) => (random.chance(0.1) ? random.word() : byte));
  }
}

function changePair(model, random, scope) {
  const { pairs } = model;
  const own = scope ? pairs.filter(({ key }) => scope(key)) : pairs;
  if (own.length === 0) return;
  const pair = random.pick(own);
  const other = random.pick(own);
  switch (random.below(12)) {
    case 0:
      pairs.splice(pairs.indexOf(pair), 1);
      break;
    case 1:
      pairs.push({ ...pair });
      break;
    case 2:
      pair.key = random.chance(0.5) ? other.key : random.pick(NAMES);
      break;
    case 3:
      pair.keyLength = near(BigInt(pair.key.length), random);
      break;
    case 4:
      pair.type = random.chance(0.8) ? random.below(13) : random.pick([13, 99, 2 ** 32 - 1]);
      break;
    case 5:
      Object.assign(pair, { type: other.type, value: other.value });
      break;
    case 6:
      Object.assign(pair, scalar(random));
      break;
    case 7:
      Object.assign(pair, list(random));
      break;
    default:
      changeValue(pair, random);
  }
}

function changeValue(pair, random) {
  const { type, value } = pair;
  if (type === STRING && value instanceof Uint8Array) {
    if (random.chance(0.2)) pair.length = near(BigInt(value.length), random);
    else
      pair.value = textValue(
        random.chance(0.3) ? random.pick(NAMES) : value.map((byte) => (random.chance(0.03) ? random.word() : byte)),
      );
  } else if (value instanceof Uint8Array) {
    pair.value = number(random, value.length, value);
  } else if (random.chance(0.2)) {
    pair.count = near(BigInt(value.items.length), random);
  } else if (random.chance(0.1)) {
    pair.length = near(8n, random);
  } else {
    pair.value = { element: random.chance(0.1) ? random.below(13) : value.element, items: changeItems(value, random) };
  }
}

function changeItems({ element, items }, random) {
  const changed = [...items];
  const at = random.below(items.length + 1);
  switch (random.below(5)) {
    case 0:
      changed.splice(at, random.length(4));
      break;
    case 1:
      if (items.length > 0) changed.splice(at, 0, random.pick(items));
      break;
    case 2:
      if (items.length > 1) [changed[0], changed[at % items.length]] = [changed[at % items.length], changed[0]];
      break;
    case 3:
      if (items.length > 0) changed[at % items.length] = random.pick(items);
      break;
    default:
      for (let left = random.length(4); left > 0 && items.length > 0; left--) {
        const index = random.below(items.length);
        changed[index] = element === STRING ? text(random, items) : number(random, items[index].length, items[index]);
      }
  }
  return changed;
}

const PIECES = [
  "",
  "a",
  " ",
  "a b c",
  "Ġ",
  "ĠĠ",
  "▁",
  "<0x41>",
  "<0x-1>",
  "<0xZZ>",
  "<0x100>",
  "<|eot|>",
  "😀",
  "\ufffd",
  "x".repeat(5000),
  "a  b",
].map((piece) => encoder.encode(piece));

function text(random, items) {
  const kind = random.below(4);
  if (kind === 0) return random.pick(PIECES);
  const one = random.pick(items);
  if (kind === 1) return one.map((byte) => (random.chance(0.2) ? random.word() : byte));
  return kind === 2 ? one.slice(random.below(one.length + 1)) : Uint8Array.of(...one, ...random.pick(items));
}

function number(random, width, value) {
  const bytes = new Uint8Array(8);
  let bits = 0n;
  for (let i = width - 1; i >= 0; i--) bits = (bits << 8n) | BigInt(value[i]);
  if (random.chance(0.1)) return bytes.map(() => random.word()).slice(0, width);
  // Also the patterns that are infinity, NaN and the least numbers as f32.
  const special = random.chance(0.15)
    ? random.pick([0x7f800000n, 0xff800000n, 0x7fc00000n, 1n, 0x80000000n, 0x3f800000n])
    : near(bits, random);
  new DataView(bytes.buffer).setBigUint64(0, special, true);
  return bytes.slice(0, width);
}

function scalar(random) {
  const type = random.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12]);
  if (type === STRING) return { type, value: textValue(random.pick(NAMES)) };
  if (type === 7) return { type, value: Uint8Array.of(random.below(3)) };
  return { type, value: number(random, WIDTHS[type], new Uint8Array(8)) };
}

function list(random) {
  const element = random.below(14);
  const items = Array.from({ length: random.below(4) }, () => {
    if (element === STRING) return random.pick(PIECES);
    return element === ARRAY ? { element: 0, items: [] } : number(random, WIDTHS[element] ?? 4, new Uint8Array(8));
  });
  return { type: ARRAY, value: { element, items } };
}

/** At a limit, or a little off. */
function near(value, random) {
  const changed = random.chance(0.5) ? boundary(random) : value + random.pick([-2n, -1n, 1n, 2n, 32n, value]);
  return BigInt.asUintN(64, changed);
}
