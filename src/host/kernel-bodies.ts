/**
 * A module of the kernels without the bodies of some: in their place stands `unreachable`, four bytes, so that nothing is compiled that
 * nothing calls. Indices, exports and all else stay (WebAssembly core 2.0, 5.5: sections 2, 7 and 10).
 */

import { joined } from "./joined.ts";

/** The magic word and the version. */
const HEADER = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const [IMPORTS, EXPORTS, CODE] = [2, 7, 10];
const [FUNCTION, MEMORY] = [0, 2];
/** Its size, no locals, `unreachable`, `end`. */
const TRAP = [3, 0, 0x00, 0x0b];

/** Throws a RangeError where the bytes are no module. */
export function withoutBodies(module: Uint8Array, unused: (name: string) => boolean): Uint8Array<ArrayBuffer> {
  if (HEADER.some((byte, at) => module[at] !== byte)) throw new RangeError("the magic word of a module is not there");
  const reader = new Reader(module);
  const parts: Uint8Array[] = [Uint8Array.from(HEADER)];
  const dropped = new Set<number>();
  let imported = 0;
  for (reader.at = HEADER.length; reader.at < module.length; ) {
    const begin = reader.at;
    const id = reader.byte();
    const size = reader.number();
    const end = reader.at + size;
    if (end > module.length) throw new RangeError("a section goes beyond the module");
    if (id === IMPORTS) imported = importedFunctions(reader);
    if (id === EXPORTS) for (const [name, index] of exportedFunctions(reader)) if (unused(name)) dropped.add(index);
    if (id === CODE) {
      const bodies = codeWithout(reader, (index) => dropped.has(imported + index));
      parts.push(Uint8Array.from([CODE, ...encoded(bodies.length)]), bodies);
    } else {
      parts.push(module.subarray(begin, end));
    }
    reader.at = end;
  }
  return joined(parts);
}

class Reader {
  readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  byte(): number {
    if (this.at >= this.bytes.length) throw new RangeError("the module ends early");
    return this.bytes[this.at++];
  }

  /** LEB128, at most 32 bits. */
  number(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new RangeError("a number is too long");
  }

  text(): string {
    const length = this.number();
    this.at += length;
    return String.fromCharCode(...this.bytes.subarray(this.at - length, this.at));
  }
}

function importedFunctions(reader: Reader): number {
  let functions = 0;
  for (let left = reader.number(); left > 0; left--) {
    reader.text();
    reader.text();
    const kind = reader.byte();
    if (kind === FUNCTION) {
      functions++;
      reader.number();
    } else if (kind === MEMORY) {
      const hasMost = (reader.byte() & 1) !== 0;
      reader.number();
      if (hasMost) reader.number();
    } else {
      throw new RangeError(`an import of kind ${kind}`);
    }
  }
  return functions;
}

function* exportedFunctions(reader: Reader): Generator<[name: string, index: number]> {
  for (let left = reader.number(); left > 0; left--) {
    const name = reader.text();
    const kind = reader.byte();
    const index = reader.number();
    if (kind === FUNCTION) yield [name, index];
  }
}

/** What the section holds: its count and bodies. */
function codeWithout(reader: Reader, dropped: (index: number) => boolean): Uint8Array {
  const count = reader.number();
  const parts: Uint8Array[] = [Uint8Array.from(encoded(count))];
  for (let index = 0; index < count; index++) {
    const begin = reader.at;
    const size = reader.number();
    reader.at += size;
    parts.push(dropped(index) ? Uint8Array.from(TRAP) : reader.bytes.subarray(begin, reader.at));
  }
  return joined(parts);
}

/** LEB128. */
function encoded(number: number): number[] {
  return number < 128 ? [number] : [128 + (number % 128), ...encoded(Math.floor(number / 128))];
}
