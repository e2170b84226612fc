import { CONTROL_AT, CONTROL_BYTES } from "../../assembly/abi.ts";
import { EngineError } from "../error.ts";

/**
 * One wasm memory: planned bottom to top before it is made, made once at its final size, nothing freed singly.
 *
 * Addresses are unsigned 32-bit numbers; this file is the only one that makes them.
 */

const WASM_PAGE = 65536;
const ALIGN = 64;
/** One page short of 4 GiB, so that the end of a tensor never wraps to 0. */
export const LARGEST_MEMORY = 65535 * WASM_PAGE;

export type ElementType = "f32" | "u32" | "bytes";

/** A named place in one memory. */
export interface Tensor {
  readonly name: string;
  readonly at: number;
  readonly bytes: number;
  readonly type: ElementType;
  readonly shape: readonly number[];
}

const ELEMENT_BYTES: Record<ElementType, number> = { f32: 4, u32: 4, bytes: 1 };

export class MemoryPlan {
  #end: number;
  readonly tensors: Tensor[] = [];

  /** `begin`: what lies before it is somebody else's. */
  constructor(begin = CONTROL_AT + CONTROL_BYTES) {
    this.#end = begin;
  }

  get bytes(): number {
    return this.#end;
  }

  /** What the memory made of it takes: whole wasm pages. */
  get memoryBytes(): number {
    return Math.ceil(this.#end / WASM_PAGE) * WASM_PAGE;
  }

  reserve(name: string, type: ElementType, shape: readonly number[]): Tensor {
    const bytes = shape.reduce((product, size) => product * size, ELEMENT_BYTES[type]);
    if (!Number.isSafeInteger(bytes) || bytes < 0) {
      throw new EngineError("MEMORY_PLAN", `no size for ${name}`, {
        at: { source: "memory", field: name },
        actual: shape.join(" x "),
      });
    }
    const at = Math.ceil(this.#end / ALIGN) * ALIGN;
    this.#end = at + bytes;
    const tensor = Object.freeze({ name, at, bytes, type, shape: Object.freeze([...shape]) });
    this.tensors.push(tensor);
    return tensor;
  }
}

/** The control block of a memory, as words. */
export const controlOf = ({ buffer }: WebAssembly.Memory): Int32Array =>
  new Int32Array(buffer, CONTROL_AT, CONTROL_BYTES / 4);

export class Memory {
  readonly wasm: WebAssembly.Memory;
  /** Views over the whole memory; the memory never grows, so they stay valid. */
  readonly words: Uint32Array;
  readonly floats: Float32Array;
  readonly bytes: Uint8Array;
  readonly control: Int32Array;

  constructor(plan: MemoryPlan) {
    const pages = plan.memoryBytes / WASM_PAGE;
    try {
      this.wasm = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    } catch (cause) {
      throw new EngineError("OOM_MEMORY", "the host gave no wasm memory", {
        at: { source: "memory" },
        actual: pages * WASM_PAGE,
        limit: LARGEST_MEMORY,
        cause,
      });
    }
    const buffer = this.wasm.buffer;
    this.words = new Uint32Array(buffer);
    this.floats = new Float32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    this.control = controlOf(this.wasm);
  }

  /** View of a whole f32 tensor, or of `count` elements from `first`. */
  f32(tensor: Tensor, first = 0, count = tensor.bytes / 4 - first): Float32Array {
    return this.floats.subarray(tensor.at / 4 + first, tensor.at / 4 + first + count);
  }

  /** View of a row of an f32 tensor [rows, width]. */
  row(tensor: Tensor, index: number): Float32Array {
    const [, width] = tensor.shape;
    return this.f32(tensor, index * width, width);
  }

  u32(tensor: Tensor, first = 0, count = tensor.bytes / 4 - first): Uint32Array {
    return this.words.subarray(tensor.at / 4 + first, tensor.at / 4 + first + count);
  }
}
