/** What a call with a wrong value is held to. */
import { EngineError } from "../../dist/src/index.js";
import { Callers } from "./values.mjs";

const HANG_MS = 5000;
/** Codes of the engine's own faults: no argument may lead there. */
const FAULTS = /^(KERNEL|KV|MEMORY|PROGRAM|STEP|WORKER)_|^MODEL_LOGITS$/;

/** What is wrong with how `call` ended, or undefined. `slots` got `values`. */
export async function judge(call, slots, values) {
  const ending = await endOf(call);
  if (ending.hangs) return "does not end";
  if (!ending.failed)
    return slots.every((slot, at) => takes(slot, values[at]) || spares(slot, slots))
      ? undefined
      : "is taken without a word";
  const { error } = ending;
  if (error instanceof Callers || isTimeout(error)) return undefined;
  if (!(error instanceof EngineError)) return `ends in ${describe(error)}`;
  if (FAULTS.test(error.code)) return `leads to a fault: ${error.message}`;
  try {
    JSON.stringify(error);
  } catch (cause) {
    return `ends in an error that JSON does not hold: ${describe(cause)}`;
  }
  const told = `${error.message} ${error.at?.field ?? ""}`.toLowerCase();
  const named = slots.some((slot) => slot.told.some((name) => told.includes(name.toLowerCase())));
  return named ? undefined : `is not named: ${error.message}`;
}

async function endOf(call) {
  let timer;
  const hangs = new Promise((resolve) => {
    timer = setTimeout(() => resolve({ hangs: true }), HANG_MS);
  });
  try {
    return await Promise.race([hangs, Promise.resolve(call()).then(() => ({ failed: false }))]);
  } catch (error) {
    return { failed: true, error };
  } finally {
    clearTimeout(timer);
  }
}

/** The signal that keeps `quantize` short. */
const isTimeout = (error) => error instanceof DOMException && error.name === "TimeoutError";

/** One hyper-parameter can make another one superfluous, whatever it is. */
const spares = ({ name }, slots) => slots.length > 1 && name.startsWith("createModel(config");

function takes(slot, value) {
  try {
    return slot.takes(value);
  } catch {
    return false;
  }
}

function describe(error) {
  try {
    return error instanceof Error
      ? error.stack.split("\n").slice(0, 4).join(" | ")
      : `what is no error: ${String(error)}`;
  } catch {
    return "what cannot be told";
  }
}
