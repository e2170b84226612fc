import type { ByteDot } from "../weight-types.ts";
import { Memory, MemoryPlan } from "./memory.ts";
import { type Instance, instantiate } from "./worker.ts";

/**
 * What the processor's dot of bytes makes of a weight beyond 0..127 (assembly/forms/bytes.ts): WebAssembly leaves it open, so it is asked.
 * The largest products tell: four of -127 x 255 where it is unsigned, of -128 x -128 where it is signed; two of either saturate
 * elsewhere, or wrap (ARM without its dot, builds without relaxed SIMD).
 */
export function byteDot(module: WebAssembly.Module): ByteDot {
  return dotOfInstance(instantiate(module, new Memory(new MemoryPlan()).wasm));
}

export function dotOfInstance({ byte_dot }: Pick<Instance, "byte_dot">): ByteDot {
  const least = byte_dot(-127, 255);
  return least === 4 * -127 * 255
    ? "unsigned"
    : least === 4 * -127 * -1 && byte_dot(-128, 128) === 4 * -128 * -128
      ? "signed"
      : "saturating";
}
