import { PROFILE_BYTES } from "../../../assembly/abi.ts";
import type { Tensor } from "../../runtime/memory.ts";
import type { Program } from "../../runtime/program.ts";
import type { ModelConfig } from "../config/config.ts";
import { emitForward, emitLogits, type Forward } from "./forward.ts";
import type { Layout, Sizes } from "./layout.ts";

/** The programs of one memory and where they lie. Emitted with the plan, so that the plan is complete before anything is made. */
export interface Programs {
  readonly forward: { readonly program: Program; readonly at: Tensor };
  /** Unfused, with stops for taps. */
  readonly trace: Forward & { readonly at: Tensor };
  /** Further pieces of logits; in the last memory. */
  readonly logits: { readonly program: Program; readonly at: Tensor } | null;
  /** The time of every word of the forward program. */
  readonly profile: Tensor;
}

/** `fused`: float matrices may round a multiply-add once. */
export function placePrograms(config: ModelConfig, layout: Layout, sizes: Sizes, fused: boolean): Programs {
  const place = (name: string, program: Program) => ({
    program,
    at: layout.plan.reserve(name, "u32", [program.bytes / 4]),
  });
  const forward = place("program", emitForward(config, layout, sizes, fused, false).program);
  const trace = emitForward(config, layout, sizes, fused, true);
  return {
    forward,
    trace: { ...trace, ...place("trace program", trace.program) },
    logits: layout.last ? place("logits program", emitLogits(config, layout, sizes, fused)) : null,
    profile: layout.plan.reserve("profile", "bytes", [(forward.program.bytes / 4) * PROFILE_BYTES]),
  };
}
