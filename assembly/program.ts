/**
 * The interpreter: runs a program on one thread. All threads walk the same ops; within an op they claim units of work from one
 * counter, between two ops they meet.
 *
 * Claims, not a fixed split: a thread that the system holds up leaves its share to the others. Which thread computes a unit
 * never changes its bits. In a step of few rows, decode, half of the ops are work for one thread: every thread does them for itself
 * (FOR_ITSELF) instead of waiting for the one that does. Between two claims a thread looks at the abort word and, where it is alone, at the deadline, so a run
 * can stop and go on at any claim.
 */

import {
  FAULT_OPCODE, FAULT_PAGE, FAULT_ROUTER, FAULT_TOKEN, FAULT_WEIGHT, FEW_ROWS, FOR_ITSELF, GROUP, MERGE_HEADS, MERGE_LIST_AT, OP_ADD, OP_ANGLES, OP_ATTEND, OP_COMBINE,
  OP_CONVERT, OP_EMBED, OP_END, OP_GRID_ANGLES, OP_MATMUL, OP_MEET, OP_MERGE, OP_PACK, OP_PANEL, OP_PEAKS, OP_PLACE, OP_PROBABILITIES, OP_ROPE, OP_ROUTE, OP_SHUFFLE, OP_STOP, PACK_ROW_BEGIN,
  PACK_ROW_END, PROFILE_BYTES, ROPE_KV_HEADS, STATUS_ABORTED, STATUS_DONE, STATUS_FAULT, STATUS_STOPPED, STATUS_YIELD, WORD_ABORT, WORD_ARRIVED,
  WORD_CLAIM, WORD_DEADLINE, WORD_FAULT, WORD_FAULT_PC, WORD_FAULT_ROW, WORD_GENERATION, WORD_JOINED, WORD_LEFT, WORD_LEFT_PC, WORD_PC, WORD_PEAKS, WORD_PROBABILITIES, WORD_PROFILE_AT,
  WORD_PROFILE_FROM, WORD_PROFILE_WORDS, WORD_ROWS, WORD_SCRATCH_AT, WORD_SCRATCH_BYTES, WORD_SLEEPERS, WORD_THREADS,
} from "./abi";
import { Footing } from "./footing";
import { attend, attend_units, merge, merge_blocks, probabilities } from "./ops/attend";
import { angles, embed } from "./ops/embed";
import { rope } from "./ops/enter";
import { grid_angles, place, shuffle, shuffle_units } from "./ops/grid";
import { matmul, matmul_grain, matmul_least, matmul_most, matmul_units } from "./ops/matmul";
import { convert_rows, pack } from "./ops/pack";
import { panel, panel_units } from "./ops/panel";
import { peaks, peaks_units } from "./ops/peaks";
import { add, combine, route } from "./ops/route";
import { word } from "./words";

/** Milliseconds of a monotonic clock; asked only by a lone thread with a deadline, and for a profile. */
// @ts-ignore: decorator
@external("env", "now")
declare function now(): f64;

/**
 * Turns of the barrier before a thread sleeps, about 50 us. It must outlast the wake-up of a sleeper (40-50 us): with 4,000 turns
 * one sleep made the other thread sleep at the next barrier, and so on: 10-25 us a barrier instead of 0.27, decode 85 instead of
 * 103 tokens/s on the 2-core Xeon. More than this costs where cores are shared (4 threads on 2 cores: 68 tokens/s at 20,000 turns,
 * 59 at 50,000, 48 at 100,000).
 */
const SPIN_TURNS = 20000;
/** Nanoseconds of one sleep; a wake-up that is missed costs this once. */
const SLEEP_NS: i64 = 20_000_000;
/** Of atomic.wait. */
const TIMED_OUT = 2;
/** What a barrier says. */
const MET = 0, GIVEN_UP = 1, LEFT = 2;
/** Of a footing's trial: smaller claims, so that an op has several. */
const TRIAL_CLAIMS = 16;
/** Attention units of one claim: one may be a pass over a long cache, and a claim is what an abort waits for. */
const ATTEND_CLAIM = 2;

@inline function aborted(control: usize): bool {
  return atomic.load<i32>(control + (WORD_ABORT << 2)) !== 0;
}

/** Runs from WORD_PC to the next END or STOP; `thread` of WORD_THREADS. Returns a STATUS. */
export function run(control: usize, thread: i32): i32 {
  const threads = <i32>word(control, WORD_THREADS);
  const scratchAt = <usize>word(control, WORD_SCRATCH_AT) + <usize>thread * <usize>word(control, WORD_SCRATCH_BYTES);
  const lone = threads === 1 && load<f64>(control + (WORD_DEADLINE << 2)) > 0;
  const joined = thread === 0 && word(control, WORD_JOINED) !== 0;
  const profiled = thread === 0 && word(control, WORD_PROFILE_AT) !== 0;
  const few = <i32>word(control, WORD_ROWS) <= FEW_ROWS;
  // Not WORD_PC, from which another thread may not have begun yet.
  const left = joined ? <usize>word(control, WORD_LEFT_PC) : 0;
  let at = left !== 0 ? left : <usize>word(control, WORD_PC);
  if (left !== 0) store<u32>(control + (WORD_LEFT_PC << 2), 0);
  let began = profiled ? now() : 0;
  while (true) {
    const head = load<u32>(at);
    const opcode = head & (FOR_ITSELF - 1);
    if (opcode === OP_END) return STATUS_DONE;
    const next = at + (<usize>(head >> 16) << 2);
    if (few && (head & FOR_ITSELF) !== 0 && is_short(opcode, at)) {
      const row = run_units(control, opcode, at, scratchAt, thread, 0, count_units(control, opcode, at));
      if (row >= 0) return fault(control, opcode, at, row);
      if (profiled) began = profile(control, at, began, now());
      at = next;
      continue;
    }
    if (opcode !== OP_STOP && opcode !== OP_MEET) {
      const status = claim_units(control, opcode, at, scratchAt, thread, few, lone);
      if (status === STATUS_YIELD && profiled) profile(control, at, began, now());
      if (status !== STATUS_DONE) return status;
    }
    const met = profiled ? now() : 0;
    const meeting = meet(control, threads, joined && opcode !== OP_STOP);
    if (meeting === GIVEN_UP) return word(control, WORD_FAULT) !== 0 ? STATUS_FAULT : STATUS_ABORTED;
    if (meeting === LEFT) {
      store<u32>(control + (WORD_LEFT_PC << 2), <u32>next);
      return STATUS_YIELD;
    }
    if (profiled) began = profile(control, at, began, met);
    if (opcode === OP_STOP) {
      if (thread === 0) store<u32>(control + (WORD_PC << 2), <u32>next);
      return STATUS_STOPPED;
    }
    at = next;
  }
  return STATUS_DONE;
}

/** A thread's share of an op: units are claimed until there are none. Returns a STATUS. */
function claim_units(control: usize, opcode: u32, at: usize, scratchAt: usize, thread: i32, few: bool, lone: bool): i32 {
  const threads = <i32>word(control, WORD_THREADS), owner = few ? thread : 0;
  const units = count_units(control, opcode, at);
  const least = least_units(opcode, at), most = most_units(opcode, at), grain = few && opcode === OP_MATMUL ? matmul_grain(at) : 1;
  const footingAt = Footing.of(control, thread, opcode, at, few);
  let tried = Footing.due(footingAt), second = false, firstMs: f64 = 0, firstUnits = 0;
  while (true) {
    if (aborted(control)) return word(control, WORD_FAULT) !== 0 ? STATUS_FAULT : STATUS_ABORTED;
    const begin = atomic.load<i32>(control + (WORD_CLAIM << 2));
    if (begin >= units) return STATUS_DONE;
    // Large claims first, small ones at the end: few atomics, and threads that finish together.
    const claim = min(most, max(least, (units - begin) / (tried ? TRIAL_CLAIMS * threads : 2 * threads)));
    const end = min(units, begin + (claim + grain - 1) / grain * grain);
    if (threads > 1 && atomic.cmpxchg<i32>(control + (WORD_CLAIM << 2), begin, end) !== begin) continue;
    if (threads === 1) store<i32>(control + (WORD_CLAIM << 2), end);
    const began = tried ? now() : 0;
    const row = Footing.deep(footingAt, tried, second) ? run_units_deeper(control, opcode, at, scratchAt, owner, begin, end) : run_units(control, opcode, at, scratchAt, owner, begin, end);
    if (row >= 0) return fault(control, opcode, at, row);
    if (tried) {
      const ms = now() - began;
      if (second && firstUnits === end - begin) tried = Footing.compare(footingAt, firstMs, ms);
      firstMs = ms;
      firstUnits = end - begin;
      second = !second;
    }
    if (lone && now() > load<f64>(control + (WORD_DEADLINE << 2))) {
      store<u32>(control + (WORD_PC << 2), <u32>at);
      return STATUS_YIELD;
    }
  }
  return STATUS_DONE;
}

/** Adds an op's time to the table; `met`: when it had no more work. Returns the time. */
function profile(control: usize, at: usize, began: f64, met: f64): f64 {
  const ended = now();
  const index = (at - <usize>word(control, WORD_PROFILE_FROM)) >> 2;
  if (index >= <usize>word(control, WORD_PROFILE_WORDS)) return ended; // another program: a trace
  const slot = <usize>word(control, WORD_PROFILE_AT) + index * PROFILE_BYTES;
  store<f64>(slot, load<f64>(slot) + (ended - began));
  store<f64>(slot, load<f64>(slot, 8) + (ended - met), 8);
  return ended;
}

/** The barrier. The last thread to arrive opens it; the others spin a while, then sleep, or leave where they have an event loop to serve. */
function meet(control: usize, threads: i32, leaves: bool): i32 {
  if (threads === 1) {
    store<i32>(control + (WORD_CLAIM << 2), 0);
    return aborted(control) ? GIVEN_UP : MET;
  }
  const generationAt = control + (WORD_GENERATION << 2);
  const generation = atomic.load<i32>(generationAt);
  if (atomic.add<i32>(control + (WORD_ARRIVED << 2), 1) === threads - 1) {
    atomic.store<i32>(control + (WORD_ARRIVED << 2), 0);
    atomic.store<i32>(control + (WORD_CLAIM << 2), 0);
    atomic.store<i32>(generationAt, generation + 1);
    if (atomic.load<i32>(control + (WORD_SLEEPERS << 2)) !== 0) atomic.notify(generationAt, -1);
    return MET;
  }
  for (let turn = 0; turn < SPIN_TURNS; turn++) {
    if (atomic.load<i32>(generationAt) !== generation) return MET;
    if (aborted(control)) return GIVEN_UP;
  }
  atomic.add<i32>(control + (WORD_SLEEPERS << 2), 1);
  while (atomic.load<i32>(generationAt) === generation && !aborted(control)) {
    const woken = atomic.wait<i32>(generationAt, generation, SLEEP_NS);
    if (leaves && woken === TIMED_OUT) {
      store<i32>(control + (WORD_LEFT << 2), generation);
      return LEFT; // still counted as a sleeper, so that it is told
    }
  }
  atomic.sub<i32>(control + (WORD_SLEEPERS << 2), 1);
  return atomic.load<i32>(generationAt) !== generation ? MET : GIVEN_UP;
}

/** The first fault of a run is kept, and all threads give up. Returns its STATUS. */
function fault(control: usize, opcode: u32, at: usize, row: i32): i32 {
  let code = FAULT_OPCODE;
  if (opcode === OP_EMBED) code = FAULT_TOKEN;
  else if (opcode === OP_ROPE || opcode === OP_ATTEND || opcode === OP_PROBABILITIES) code = FAULT_PAGE;
  else if (opcode === OP_PACK || opcode === OP_CONVERT) code = FAULT_WEIGHT;
  else if (opcode === OP_ROUTE) code = FAULT_ROUTER;
  if (atomic.cmpxchg<i32>(control + (WORD_FAULT << 2), 0, code) === 0) {
    store<u32>(control + (WORD_FAULT_PC << 2), <u32>at);
    store<i32>(control + (WORD_FAULT_ROW << 2), row);
  }
  atomic.store<i32>(control + (WORD_ABORT << 2), 1);
  atomic.notify(control + (WORD_GENERATION << 2), -1);
  return STATUS_FAULT;
}

/** Blocks that a thread merges for itself at most: more are work for several. */
const FEW_BLOCKS = 16;

/** Work for one thread, where the rows alone do not say so. */
function is_short(opcode: u32, at: usize): bool {
  if (opcode === OP_MERGE) return merge_blocks(at) <= FEW_BLOCKS;
  return opcode !== OP_MATMUL || matmul_units(at) <= matmul_least(at);
}

/** Units worth a claim: an atomic on a contended line costs as much as a small group. */
function least_units(opcode: u32, at: usize): i32 {
  return opcode === OP_MATMUL ? matmul_least(at) : 1;
}

/** Units that take no longer than a few milliseconds together. */
function most_units(opcode: u32, at: usize): i32 {
  if (opcode === OP_MATMUL) return matmul_most(at);
  return opcode === OP_ATTEND ? ATTEND_CLAIM : i32.MAX_VALUE;
}

function count_units(control: usize, opcode: u32, at: usize): i32 {
  const rows = <i32>word(control, WORD_ROWS);
  switch (opcode) {
    case OP_PANEL: return panel_units(at);
    case OP_MATMUL: return matmul_units(at);
    case OP_ROPE: return rows * <i32>word(at, ROPE_KV_HEADS);
    case OP_ATTEND: return attend_units(at);
    case OP_MERGE: return load<i32>(<usize>word(at, MERGE_LIST_AT)) * <i32>word(at, MERGE_HEADS);
    case OP_ROUTE: return 1;
    case OP_EMBED:
    case OP_ANGLES:
    case OP_COMBINE:
    case OP_PLACE:
    case OP_GRID_ANGLES:
    case OP_ADD: return rows;
    case OP_PEAKS: return word(control, WORD_PEAKS) !== 0 ? peaks_units(at) : 0;
    case OP_SHUFFLE: return shuffle_units(at, rows);
    case OP_PROBABILITIES: return word(control, WORD_PROBABILITIES) !== 0 ? rows : 0;
    case OP_PACK:
    case OP_CONVERT: return (<i32>word(at, PACK_ROW_END) - <i32>word(at, PACK_ROW_BEGIN) + GROUP - 1) / GROUP;
    default: return 1; // unknown: one unit, which is the fault
  }
}

/** run_units, its frames an odd number of words further down the stack (footing.ts). Exported, and more than a call (it adds 0), or it would be inlined. */
export function run_units_deeper(control: usize, opcode: u32, at: usize, scratchAt: usize, owner: i32, begin: i32, end: i32): i32 {
  const row = run_units(control, opcode, at, scratchAt, owner, begin, end);
  return row >= 0 ? row + (end >> 31) : row;
}

/** Units [begin, end) of an op; `owner`: whose panels it writes or reads. Returns -1, or the row at fault. */
function run_units(control: usize, opcode: u32, at: usize, scratchAt: usize, owner: i32, begin: i32, end: i32): i32 {
  switch (opcode) {
    case OP_EMBED: return embed(at, scratchAt, begin, end);
    case OP_ANGLES: angles(at, begin, end); return -1;
    case OP_PANEL: panel(at, scratchAt, owner, begin, end); return -1;
    case OP_MATMUL: matmul(at, scratchAt, owner, begin, end); return -1;
    case OP_ROPE: return rope(at, begin, end);
    case OP_ATTEND: return attend(at, scratchAt, begin, end);
    case OP_MERGE: merge(at, scratchAt, begin, end); return -1;
    case OP_ROUTE: return route(at, scratchAt, <i32>word(control, WORD_ROWS));
    case OP_COMBINE: combine(at, begin, end); return -1;
    case OP_PACK: return pack(at, scratchAt, begin, end);
    case OP_CONVERT: return convert_rows(at, scratchAt, begin, end);
    case OP_PROBABILITIES: return probabilities(at, scratchAt, <i32>word(control, WORD_ROWS), begin, end);
    case OP_ADD: add(at, begin, end); return -1;
    case OP_PEAKS: peaks(at, begin, end); return -1;
    case OP_PLACE: place(at, begin, end); return -1;
    case OP_GRID_ANGLES: grid_angles(at, begin, end); return -1;
    case OP_SHUFFLE: shuffle(at, begin, end); return -1;
    default: return 0;
  }
}
