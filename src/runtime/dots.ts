/**
 * Which of the two 4-bit tiles is the faster one here: that depends on the processor (AVX-VNNI) and on what the compiler makes of it, and
 * neither can be asked. Both give the same bits, so a clock may choose.
 */

import { instantiate } from "./worker.ts";

type Tile = (
  h: number,
  sums: number,
  weights: number,
  panel: number,
  scales: number,
  blockSums: number,
  blocks: number,
) => void;

const PAGES = 16;
const AT = 65536;
const BLOCKS = 64;
const CALLS = 8;
const ROUNDS = 12;
/** Where the difference is smaller it is noise, or a clock that stands still. */
const FASTER = 0.95;

const chosen = new WeakMap<WebAssembly.Module, boolean>();

/** true: tile_q4_0_q8_add. Measured once a module, about 2 ms; `tileRows`: of a full tile. */
export function addsDots(module: WebAssembly.Module, tileRows: number): boolean {
  let answer = chosen.get(module);
  if (answer === undefined) {
    answer = measure(module, tileRows);
    chosen.set(module, answer);
  }
  return answer;
}

function measure(module: WebAssembly.Module, tileRows: number): boolean {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
  const kernels = instantiate(module, memory) as unknown as Record<string, Tile>;
  const time = (tile: Tile) => {
    const begun = performance.now();
    for (let call = 0; call < CALLS; call++) tile(tileRows, AT, 2 * AT, 4 * AT, 6 * AT, 7 * AT, BLOCKS);
    return performance.now() - begun;
  };
  let [gathered, added] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 0; round < ROUNDS; round++) {
    gathered = Math.min(gathered, time(kernels["tile_q4_0_q8"]));
    added = Math.min(added, time(kernels["tile_q4_0_q8_add"]));
  }
  return added < gathered * FASTER;
}
