import { Memory, MemoryPlan } from "./memory.ts";
import { clockIsFine } from "./tuning.ts";
import { instantiate } from "./worker.ts";

/**
 * Whether this host reads memory faster as eight streams than as one: prefetchers follow one stream a page, and some begin anew with every
 * page. It decides how weights are packed (assembly/visits.ts), so it is asked before there are any, and whether pages of an 8-bit cache are read
 * ahead; once a process: 6 to 20 ms, most of them for pages. Where the clock is coarse: no.
 *
 * Reading here, an Intel Xeon (Emerald Rapids), 14 GB/s of one stream and 22 of eight; decode of weights woven and apart, tokens/s: q8_0
 * 60 and 106 (wide 79 and 134), q4_0 104 and 146. EPYC (Zen 4), rows of q4_0, two threads: 42 GB/s and 26.
 */
export function readsApart(module: WebAssembly.Module): boolean {
  known ??= clockIsFine() && measure(module);
  return known;
}

let known: boolean | undefined;

/** What was written last stays in a core's own cache and is not read. */
const PAGES = 6 << 20;
const READ = 4 << 20;
const PIECE = 512 << 10;
/**
 * Eight were 1.5 to 1.9 times as fast in most of 150 processes on the Xeon, in a few 1.1 to 1.35; with 1.25 asked for these packed woven, and wide q8_0
 * made 76 tokens/s instead of 130. On AMD's processors they are slower.
 */
const FASTER = 1.05;

function measure(module: WebAssembly.Module): boolean {
  const plan = new MemoryPlan();
  const pages = plan.reserve("pages", "bytes", [PAGES]);
  const memory = new Memory(plan);
  memory.bytes.fill(1, pages.at, pages.at + PAGES);
  const { read_lines } = instantiate(module, memory.wasm);
  let { at } = pages;
  return likesStreams(READ / (2 * PIECE), (streams) => {
    const begun = performance.now();
    read_lines(at, PIECE, streams);
    at += PIECE;
    return performance.now() - begun;
  });
}

/** Whether eight streams are faster than one, the best of some rounds each. */
export function likesStreams(rounds: number, milliseconds: (streams: 1 | 8) => number): boolean {
  let [one, eight] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 0; round < rounds; round++) {
    one = Math.min(one, milliseconds(1));
    eight = Math.min(eight, milliseconds(8));
  }
  return one > eight * FASTER;
}
