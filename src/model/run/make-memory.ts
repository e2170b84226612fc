import { WORD_SCRATCH_AT, WORD_SCRATCH_BYTES } from "../../../assembly/abi.ts";
import { Memory } from "../../runtime/memory.ts";
import type { Layout } from "../plan/layout.ts";
import type { Programs } from "../plan/programs.ts";

/** A memory of its planned size with its programs in it. */
export function makeMemory(layout: Layout, { forward, trace, logits }: Programs): Memory {
  const memory = new Memory(layout.plan);
  for (const { program, at } of [forward, trace, ...(logits ? [logits] : [])]) memory.u32(at).set(program.words());
  memory.control[WORD_SCRATCH_AT] = layout.scratch.at;
  memory.control[WORD_SCRATCH_BYTES] = layout.scratch.shape[1];
  return memory;
}
