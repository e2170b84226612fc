import { FAULT_OPCODE, FAULT_PAGE, FAULT_ROUTER, FAULT_TOKEN } from "../../../assembly/abi.ts";
import { EngineError } from "../../error.ts";
import type { Fault } from "../../runtime/threads.ts";

/** What a kernel found in a step, as an error. */
export function faultError({ code, row, memory, pc }: Fault): EngineError {
  const at = { source: "kernel" as const, field: `memory ${memory}, op at ${pc}` };
  switch (code) {
    case FAULT_TOKEN:
      return new EngineError("KERNEL_INDEX", `row ${row} names a token or embedding row that does not exist`, { at });
    case FAULT_PAGE:
      return new EngineError("KV_PAGE", `row ${row} has no cache page`, { at });
    case FAULT_ROUTER:
      return new EngineError("MODEL_NONFINITE", `row ${row} reached a router with values that are no numbers`, {
        at,
      });
    default:
      return new EngineError(
        "KERNEL_FAULT",
        `a kernel stopped (${code === FAULT_OPCODE ? "unknown op" : `code ${code}`})`,
        { at },
      );
  }
}
