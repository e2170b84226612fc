import type { Memory } from "../../runtime/memory.ts";
import type { Tap } from "../plan/taps.ts";
import type { StepPart } from "./step.ts";

export interface TapData {
  readonly shape: number[];
  readonly data: Float32Array;
}

/** Collects the wanted taps of all rows over the steps of one trace. */
export class TapReader {
  readonly taps = new Map<string, TapData>();
  readonly #total: number;
  readonly #wanted: (name: string) => boolean;

  constructor(total: number, wanted: (name: string) => boolean) {
    this.#total = total;
    this.#wanted = wanted;
  }

  read(memory: Memory, tap: Tap, part: StepPart): void {
    if (!this.#wanted(tap.name)) return;
    if (tap.kind === "probabilities") this.#readProbabilities(memory, tap, part);
    else this.#readRows(memory, tap, part);
  }

  #entry(name: string, shape: number[]): Float32Array {
    let entry = this.taps.get(name);
    if (!entry) {
      entry = { shape, data: new Float32Array(shape.reduce((product, size) => product * size, 1)) };
      this.taps.set(name, entry);
    }
    return entry.data;
  }

  #readRows(memory: Memory, { name, tensor, column, width, row }: Tap, part: StepPart): void {
    const data = this.#entry(name, [this.#total, ...row]);
    const stride = tensor.shape[1];
    for (let index = 0; index < part.inputs.length; index++) {
      data.set(memory.f32(tensor, index * stride + column, width), (part.position + index) * width);
    }
  }

  /** In memory [heads, rows of the step, keys], keys being what was reserved. */
  #readProbabilities(memory: Memory, { name, tensor }: Tap, part: StepPart): void {
    const [heads, , keys] = tensor.shape;
    const total = this.#total;
    const data = this.#entry(name, [heads, total, total]);
    const rows = part.inputs.length;
    for (let head = 0; head < heads; head++) {
      for (let row = 0; row < rows; row++) {
        const from = memory.f32(tensor, (head * rows + row) * keys, total);
        data.set(from, (head * total + part.position + row) * total);
      }
    }
  }
}
