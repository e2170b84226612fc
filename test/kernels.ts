/**
 * The kernels under test: both builds, each over a memory of its own, and an arena that watches every byte around the operands.
 *
 * `onBoth` runs one call on both builds. Around each operand lie guard bytes that read as NaN, inputs must come out as they
 * went in, and both builds must return the same bits. WASMAVERICK_KERNELS names another folder with simd.wasm and relaxed.wasm.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import {
  CONTROL_AT,
  CONTROL_BYTES,
  OP_END,
  WORD_PC,
  WORD_PEAKS,
  WORD_PROBABILITIES,
  WORD_ROWS,
  WORD_SCRATCH_AT,
  WORD_THREADS,
} from "../assembly/abi.ts";
import { dotOfInstance } from "../src/runtime/dot.ts";
import type { ByteDot } from "../src/weight-types.ts";

// As src/host/node.ts compiles: Node 20's quick compiler computes relaxed_dot_add wrongly, later ones inline by counts that only it collects.
setFlagsFromString("--no-liftoff");
setFlagsFromString(process.versions.node.startsWith("20.") ? "--experimental-wasm-relaxed-simd" : "--no-wasm-inlining");

export const KERNELS_DIR = process.env.WASMAVERICK_KERNELS ?? fileURLToPath(new URL("../build", import.meta.url));
export const SEED = Number(process.env.SEED ?? 20260117);

/** The exports by the file that tests them; `memory` is no kernel. structure.test.ts holds this against the builds. */
export const TESTED_IN = {
  "kernels-norm.test.ts": "exp_f32 rmsnorm_f32",
  "kernels-vision.test.ts": "layernorm_f32 gelu_f32",
  "kernels-float.test.ts":
    "dequantize_f16 dequantize_bf16 gemv4_f32_f32 gemv4_f32_f32_fused gemv4_f16_f32 gemv4_f16_f32_fused gemv4_bf16_f32 gemv4_bf16_f32_fused row_fits_f16 embed_float pack_float tile2_f32 tile2_f32_fused tile_f32 tile_f32_fused panel_f32",
  "kernels-peaks.test.ts": "peaks_f32 masses_f32",
  "kernels-rope.test.ts": "angles_f32 temperature_f32 rope_f32 scale_f32",
  "kernels-feedforward.test.ts": "swiglu_f32 route_f32 combine_f32",
  "kernels-quantised.test.ts":
    "tile_q8_0_q16 gemv4_q8_0_q16 tile_q4_0_q8 gemv4_q4_0_q8 tile_q4_1_q8 gemv4_q4_1_q8 tile_q5_0_q8 gemv4_q5_0_q8 tile_q5_1_q8 gemv4_q5_1_q8 tile_q4_k_q8 gemv4_q4_k_q8 tile_q5_k_q8 gemv4_q5_k_q8 tile_q6_k_q8 gemv4_q6_k_q8 tile_iq4_nl_q16 gemv4_iq4_nl_q16 tile_q4_0_q8_add tile_q4_1_q8_add tile_q5_0_q8_add tile_q5_1_q8_add tile_q4_k_q8_add tile_q5_k_q8_add tile_q6_k_q8_add gemv4_q4_0_q8_add tile_q8_0_q16_two tile_q8_0_q8 gemv4_q8_0_q8 tile_q8_0_q8_signed gemv4_q8_0_q8_signed tile_iq4_nl_q8 gemv4_iq4_nl_q8 tile_iq4_nl_q8_signed gemv4_iq4_nl_q8_signed tile_q8_0_q16_bytes tile_q8_0_q16_bytes_signed tile2_q8_0_q16_bytes tile2_q8_0_q8 gemv4_q8_0_q16_bytes gemv4_q8_0_q16_bytes_signed gemv8_q8_0_q16_bytes gemv8_q8_0_q16_bytes_signed multiply_row gemv8_q8_0_q16 gemv8_q8_0_q8 gemv8_q8_0_q8_signed gemv8_q4_0_q8 gemv8_q4_0_q8_add gemv8_q4_k_q8 gemv8_q5_k_q8 gemv8_q6_k_q8 quantize_f32_q16_bytes quantize_f32_q16_pairs quantize_f32_q8_pairs quantize_f32_q8_quads quantize_f32_q8_supers",
  "byte-dot.test.ts": "byte_dot",
  "kernels-storage.test.ts":
    "pack_q8_0 dequantize_q8_0 pack_q4_0 dequantize_q4_0 pack_q4_1 dequantize_q4_1 pack_q5_0 dequantize_q5_0 pack_q5_1 dequantize_q5_1 pack_q4_k dequantize_q4_k pack_q5_k dequantize_q5_k pack_q6_k dequantize_q6_k pack_iq4_nl dequantize_iq4_nl pack_iq4_xs pack_q8_0_quads dequantize_q8_0_quads pack_iq4_nl_quads dequantize_iq4_nl_quads pack_iq4_xs_quads pack_rows dequantize embed_packed group_bytes packed_at row_bytes",
  "kernels-attention.test.ts":
    "store_cache_f32 store_cache_q8 stage_query stage_span attend_block clear_state merge_state finish_state",
  "kernels-run.test.ts": "run",
  "footing.test.ts": "run_units_deeper",
  "streams.test.ts": "read_lines",
  "sizes.test.ts": "attention_bytes page_bytes matmul_bytes",
  "blocks.test.ts":
    "decode_f32 decode_f16 decode_bf16 decode_f8_e4m3 decode_q8_0 decode_q4_0 decode_q4_1 decode_q5_0 decode_q5_1 decode_q2_k decode_q3_k decode_q4_k decode_q5_k decode_q6_k decode_iq4_nl decode_iq4_xs decode_mxfp4 decode_tq1_0 decode_tq2_0 decode_row finite_row",
  "blocks-encode.test.ts":
    "encode_f16 encode_bf16 encode_q8_0 encode_q4_0 encode_q4_1 encode_q5_0 encode_q5_1 encode_q4_k encode_q5_k encode_q6_k encode_row",
} as const;

type Names<List extends string, Found = never> = List extends `${infer Name} ${infer Rest}`
  ? Names<Rest, Found | Name>
  : Found | List;
export type KernelName = Names<(typeof TESTED_IN)[keyof typeof TESTED_IN]>;

/** Every export takes and returns numbers: addresses, sizes, f32. */
export type Kernels = Readonly<Record<KernelName, (...operands: number[]) => number>>;
export type Build = "simd" | "relaxed";

const GUARD = 64;
/** Bytes that read as NaN in every f32 that starts at a whole number of f32 from the operand. */
const GUARD_BYTES = new Uint8Array(GUARD).map((_, i) => (i % 2 === 0 ? 0xa5 : 0xff));
const SCRATCH_BYTES = 1 << 20;
const MEMORY_PAGES = 256;

type Typed = Float32Array | Float64Array | Uint32Array | Int32Array | Uint16Array | Int16Array | Uint8Array | Int8Array;

export interface Operand {
  readonly at: number;
  readonly bytes: number;
  /** What it held when it was made; null: the call may write it. */
  readonly before: Uint8Array | null;
}

/** Operands of one call, one after the other; addresses are 64-byte aligned, plus a shift of 0..15 that differs per operand. */
export class Arena {
  readonly #bytes: Uint8Array;
  readonly #control: Int32Array;
  readonly #memory: WebAssembly.Memory;
  #operands: Operand[] = [];
  #end = 0;
  #shift = 0;

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#control = new Int32Array(memory.buffer, CONTROL_AT, CONTROL_BYTES / 4);
  }

  reset(shift: number): void {
    this.#operands = [];
    this.#end = CONTROL_AT + CONTROL_BYTES;
    this.#shift = shift;
  }

  #reserve(bytes: number, content: Uint8Array | null): Operand {
    const misaligned = (this.#shift * (2 * this.#operands.length + 1)) & 15;
    const at = Math.ceil((this.#end + GUARD) / 64) * 64 + misaligned;
    if (at + bytes + GUARD > this.#bytes.length) throw new Error(`no room for ${bytes} bytes`);
    for (let i = 0; i < bytes; i += GUARD) this.#bytes.set(GUARD_BYTES.subarray(0, Math.min(GUARD, bytes - i)), at + i);
    this.#bytes.set(GUARD_BYTES, at - GUARD);
    this.#bytes.set(GUARD_BYTES, at + bytes);
    if (content) this.#bytes.set(content, at);
    this.#end = at + bytes + GUARD;
    const operand = { at, bytes, before: content?.slice() ?? null };
    this.#operands.push(operand);
    return operand;
  }

  /** An input: the call must not change it. */
  in(values: Typed): number {
    return this.#reserve(values.byteLength, bytesOf(values)).at;
  }

  /** An output: NaN before the call. */
  out(bytes: number): Operand {
    return this.#reserve(bytes, null);
  }

  /** An operand that the call reads and writes. */
  inout(values: Typed): Operand {
    const operand = this.out(values.byteLength);
    this.#bytes.set(bytesOf(values), operand.at);
    return operand;
  }

  write({ at }: Operand, values: Typed): void {
    this.#bytes.set(bytesOf(values), at);
  }

  /** Makes an input anew, before the call. */
  rewrite(at: number, values: Typed): void {
    const index = this.#operands.findIndex((operand) => operand.at === at && operand.bytes === values.byteLength);
    this.#bytes.set(bytesOf(values), at);
    this.#operands[index] = { ...this.#operands[index], before: bytesOf(values).slice() };
  }

  u8({ at, bytes }: Operand): Uint8Array {
    return this.#bytes.slice(at, at + bytes);
  }

  f32(operand: Operand): Float32Array {
    return new Float32Array(this.u8(operand).buffer);
  }

  u32(operand: Operand): Uint32Array {
    return new Uint32Array(this.u8(operand).buffer);
  }

  /** Guards untouched, inputs unchanged. */
  check(): void {
    this.#operands.forEach(({ at, bytes, before }, index) => {
      for (let i = 0; i < GUARD; i++) {
        if (this.#bytes[at - GUARD + i] !== GUARD_BYTES[i])
          throw new Error(`operand ${index}: written ${GUARD - i} bytes before its start`);
        if (this.#bytes[at + bytes + i] !== GUARD_BYTES[i])
          throw new Error(`operand ${index}: written ${i} bytes after its end`);
      }
      if (!before) return;
      for (let i = 0; i < bytes; i++)
        if (this.#bytes[at + i] !== before[i]) throw new Error(`operand ${index}: byte ${i} of an input has changed`);
    });
  }

  /**
   * The control block of a lone thread before a run of `ops`, and scratch. The claim starts at 0.
   * Ops are 32-bit words; the END op is added.
   */
  start(ops: readonly (readonly number[])[], rows: number): Int32Array {
    const shift = this.#shift;
    this.#shift = 0; // the runtime's own structures are aligned
    const program = this.in(Uint32Array.from([...ops.flat(), OP_END]));
    const scratch = this.out(SCRATCH_BYTES).at;
    this.#shift = shift;
    this.#control.fill(0);
    this.#control[WORD_PC] = program;
    this.#control[WORD_THREADS] = 1;
    this.#control[WORD_SCRATCH_AT] = scratch;
    this.#control[WORD_ROWS] = rows;
    this.#control[WORD_PROBABILITIES] = 1;
    this.#control[WORD_PEAKS] = 1;
    return this.#control;
  }

  get memory(): WebAssembly.Memory {
    return this.#memory;
  }
}

export function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** What kernels take for the time, in milliseconds. */
export const clock = { now: () => performance.now() };

function instantiate(build: Build): { kernels: Kernels; arena: Arena } {
  const module = new WebAssembly.Module(readFileSync(join(KERNELS_DIR, `${build}.wasm`)));
  const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared: true });
  const env = { memory, now: () => clock.now() };
  return { kernels: new WebAssembly.Instance(module, { env }).exports as unknown as Kernels, arena: new Arena(memory) };
}

const builds = { simd: instantiate("simd"), relaxed: instantiate("relaxed") };

/** One call on one build; guards and inputs checked after it. */
export function on<T>(build: Build, call: (kernels: Kernels, arena: Arena) => T, shift = 0): T {
  const { kernels, arena } = builds[build];
  arena.reset(shift);
  const result = call(kernels, arena);
  arena.check();
  return result;
}

/** Whether the processor's dot of bytes is such a one: what kernels of bytes want to be right in the relaxed build. */
export const hasDot = (dot: ByteDot): boolean => dotOfInstance(builds.relaxed.kernels) === dot;

type Result = ArrayBufferView | number | readonly Result[];

/** The same call on both builds: same bits. The relaxed one is left out where the processor has no such dot of bytes. */
export function onBoth<T extends Result>(call: (kernels: Kernels, arena: Arena) => T, shift = 0, dot?: ByteDot): T {
  const simd = on("simd", call, shift);
  if (dot === undefined || hasDot(dot)) expectSameBits(on("relaxed", call, shift), simd, "relaxed differs from simd");
  return simd;
}

/** Equal to the bit; the message names the first byte that differs. */
export function expectSameBits(actual: Result, expected: Result, what = "bits differ"): void {
  if (typeof actual === "number" || typeof expected === "number") {
    if (!Object.is(actual, expected)) throw new Error(`${what}: ${actual} instead of ${expected}`);
    return;
  }
  if (ArrayBuffer.isView(actual) && ArrayBuffer.isView(expected)) {
    if (Buffer.compare(bytesOf(actual), bytesOf(expected)) === 0) return;
    const from = bytesOf(actual);
    const at = bytesOf(expected).findIndex((byte, i) => byte !== from[i]);
    throw new Error(`${what}: byte ${at} of ${expected.byteLength} (${actual.byteLength})`);
  }
  const [left, right] = [actual as readonly Result[], expected as readonly Result[]];
  if (left.length !== right.length) throw new Error(`${what}: ${left.length} results instead of ${right.length}`);
  left.forEach((value, i) => {
    expectSameBits(value, right[i], `${what}, result ${i}`);
  });
}

/** Seeded numbers (mulberry32); the seed is in the names of the tests that draw from it. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** [0, 1) */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Integer of [from, to). */
  integer(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from));
  }

  /** f32 of roughly normal distribution. */
  floats(count: number, deviation = 1): Float32Array {
    return Float32Array.from(
      { length: count },
      () => (this.next() + this.next() + this.next() + this.next() - 2) * 1.7 * deviation,
    );
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.integer(0, 256));
  }
}
