// One thread of a team: all start a window together, each counts its calls until the window ends.

import { parentPort, workerData } from "node:worker_threads";
import { Arena } from "./arena.mjs";
import { byId } from "./cases.mjs";
import { instantiate } from "./rungs.mjs";

const { part, parts, memory, memoryParts, modules, gate } = workerData;
const rungs = instantiate(modules, memory);
const ARRIVED = 0;
const GENERATION = 1;

parentPort.on("message", ({ id, rung, batch, windows, windowMs }) => {
  let call;
  let error;
  try {
    ({ call } = byId(id).prepare(rungs[rung], new Arena(memory, part, parts, memoryParts)));
  } catch (thrown) {
    error = `${thrown.message}`;
    call = () => {};
  }
  // Also where nothing can be run, since the others wait.
  const calls = Array.from({ length: windows }, () => {
    meet();
    return rate(call, batch, windowMs);
  });
  parentPort.postMessage({ calls, error });
});

/** Calls a millisecond. */
function rate(call, batch, windowMs) {
  const begun = performance.now();
  let calls = 0;
  let now = begun;
  while (now - begun < windowMs) {
    for (let i = 0; i < batch; i++) call();
    calls += batch;
    now = performance.now();
  }
  return calls / (now - begun);
}

/** Spins: a thread that is woken comes late, and no two of a team share a core. */
function meet() {
  const generation = Atomics.load(gate, GENERATION);
  if (Atomics.add(gate, ARRIVED, 1) === parts - 1) {
    Atomics.store(gate, ARRIVED, 0);
    Atomics.add(gate, GENERATION, 1);
    return;
  }
  while (Atomics.load(gate, GENERATION) === generation);
}
