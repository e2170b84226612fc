/**
 * Every weight type, a row each: how files store it, what a packed group takes, which kernels multiply with it. The one table of types
 * outside the kernels; their side of it is `assembly/abi.ts`, `assembly/forms/form.ts` and `assembly/stored/row.ts`.
 */
import * as abi from "../assembly/abi.ts";

/** Bits of activations beside quantised weights. "q16" is for weights of signed bytes; others meet 8 bits then too. */
export type ActivationType = "q8" | "q16" | "f32";

/** What this host's dot of bytes makes of a weight beyond 0..127 (runtime/dot.ts). */
export type ByteDot = "unsigned" | "signed" | "saturating";

/** Kernels of one form by name, with their ids: all of them give the same bits. The first is taken where nothing speaks for another. */
export interface Candidates {
  /** For several rows of activations. */
  readonly tiles: Readonly<Record<string, number>>;
  /** For one; without any, the tile. */
  readonly rows: Readonly<Record<string, number>>;
  /** The tile that is taken first where vectors are paired into 256 bits. */
  readonly wide?: string;
}

/** Kernels that take what the dot of bytes takes. */
type ByExactDot = Readonly<Record<Exclude<ByteDot, "saturating">, Candidates>>;

interface TypeRow {
  /** Its number in programs. */
  readonly word: number;
  /** Its number in GGUF files; absent: none. */
  readonly ggml?: number;
  /** `general.file_type` of GGUF files that are mostly of it. */
  readonly fileType?: number;
  /** Of a stored block. */
  readonly elements: number;
  readonly bytes: number;
  /** Bytes of a block in a packed group of 8 outputs; absent: eight stored rows. */
  readonly group?: number;
  /**
   * f16 fields of a block and what random ones hold: byte offset, factor on the largest value. Codes are uniform, so d x (largest code -
   * middle) is the largest value; scales of K types are about half of their most.
   */
  readonly halves?: readonly (readonly [number, number])[];
  /**
   * Of all logits of a small random model, by what its weights meet, on 128-bit code (proof.ts). A host that pairs vectors must give
   * them too; a test computes them again.
   */
  readonly digests?: Readonly<Record<string, number>>;
  /** `quantize` writes it. */
  readonly recipe?: true;
  /** One row of f32; the tile of f32 takes every type, dequantised. */
  readonly rows?: Candidates["rows"];
  readonly fusedRows?: Candidates["rows"];
  /** Its rows read the groups of a visit woven or apart (assembly/visits.ts). */
  readonly apart?: true;
  /** The integers that it meets unless activations are f32. */
  readonly integers?: Candidates;
  /**
   * The same of weights of signed bytes: in pairs everywhere; in quads, packed as `word` says, where the dot of bytes is exact. Of 16 bits as
   * bytes, if it has such kernels, likewise.
   */
  readonly signedBytes?: ByExactDot & {
    readonly pairs: Candidates;
    readonly word: number;
    readonly sixteens?: ByExactDot;
  };
}

export const WEIGHT_TYPES = {
  f32: {
    ...{ word: abi.TYPE_F32, ggml: 0, fileType: 0, elements: abi.F32_VALUES, bytes: abi.F32_BYTES },
    group: abi.F32_GROUP,
    rows: { gemv4_f32_f32: abi.KERNEL_GEMV4_F32_F32 },
    fusedRows: { gemv4_f32_f32_fused: abi.KERNEL_GEMV4_F32_F32_FUSED },
    digests: {
      "apart, cache f32": 0x525850e5,
      "apart, cache q8": 0xa920857d,
      "fused, cache f32": 0xf644be5a,
      "fused, cache q8": 0x16f575e7,
    },
  },
  f16: {
    ...{ word: abi.TYPE_F16, ggml: 1, fileType: 1, elements: abi.F16_VALUES, bytes: abi.F16_BYTES },
    group: abi.F16_GROUP,
    rows: { gemv4_f16_f32: abi.KERNEL_GEMV4_F16_F32 },
    fusedRows: { gemv4_f16_f32_fused: abi.KERNEL_GEMV4_F16_F32_FUSED },
    digests: {
      "apart, cache f32": 0xec0ea78c,
      "apart, cache q8": 0x18c49af4,
      "fused, cache f32": 0x551c2b4f,
      "fused, cache q8": 0x11df7bf7,
    },
  },
  bf16: {
    ...{ word: abi.TYPE_BF16, ggml: 30, fileType: 32, elements: abi.BF16_VALUES, bytes: abi.BF16_BYTES },
    group: abi.BF16_GROUP,
    rows: { gemv4_bf16_f32: abi.KERNEL_GEMV4_BF16_F32 },
    fusedRows: { gemv4_bf16_f32_fused: abi.KERNEL_GEMV4_BF16_F32_FUSED },
    digests: {
      "apart, cache f32": 0xb8eda97f,
      "apart, cache q8": 0x28dfaf85,
      "fused, cache f32": 0xb7554a2f,
      "fused, cache q8": 0x7818aaa6,
    },
  },
  q8_0: {
    ...{ word: abi.TYPE_Q8_0, ggml: 8, fileType: 7, elements: abi.Q8_0_VALUES, bytes: abi.Q8_0_BYTES, recipe: true },
    ...{ group: abi.Q8_0_GROUP, apart: true },
    signedBytes: {
      word: abi.TYPE_Q8_0_QUADS,
      pairs: {
        tiles: { tile_q8_0_q16: abi.KERNEL_TILE_Q8_0_Q16, tile_q8_0_q16_two: abi.KERNEL_TILE_Q8_0_Q16_TWO },
        wide: "tile_q8_0_q16_two",
        rows: { gemv4_q8_0_q16: abi.KERNEL_GEMV4_Q8_0_Q16 },
      },
      unsigned: {
        tiles: { tile_q8_0_q8: abi.KERNEL_TILE_Q8_0_Q8, tile2_q8_0_q8: abi.KERNEL_TILE2_Q8_0_Q8 },
        wide: "tile2_q8_0_q8",
        rows: { gemv4_q8_0_q8: abi.KERNEL_GEMV4_Q8_0_Q8 },
      },
      signed: {
        tiles: { tile_q8_0_q8_signed: abi.KERNEL_TILE_Q8_0_Q8_SIGNED },
        rows: { gemv4_q8_0_q8_signed: abi.KERNEL_GEMV4_Q8_0_Q8_SIGNED },
      },
      sixteens: {
        unsigned: {
          tiles: {
            tile_q8_0_q16_bytes: abi.KERNEL_TILE_Q8_0_Q16_BYTES,
            tile2_q8_0_q16_bytes: abi.KERNEL_TILE2_Q8_0_Q16_BYTES,
          },
          wide: "tile2_q8_0_q16_bytes",
          rows: { gemv4_q8_0_q16_bytes: abi.KERNEL_GEMV4_Q8_0_Q16_BYTES },
        },
        signed: {
          tiles: { tile_q8_0_q16_bytes_signed: abi.KERNEL_TILE_Q8_0_Q16_BYTES_SIGNED },
          rows: { gemv4_q8_0_q16_bytes_signed: abi.KERNEL_GEMV4_Q8_0_Q16_BYTES_SIGNED },
        },
      },
    },
    digests: {
      "q8, cache f32": 0xe84a47e4,
      "q8, cache q8": 0xe91259fc,
      "q16, cache f32": 0x89de7d24,
      "q16, cache q8": 0x383b8cde,
      "f32, cache f32": 0xc67b5cab,
      "f32, cache q8": 0x5365ee17,
    },
  },
  q4_0: {
    ...{ word: abi.TYPE_Q4_0, ggml: 2, fileType: 2, elements: abi.Q4_0_VALUES, bytes: abi.Q4_0_BYTES, recipe: true },
    ...{ group: abi.Q4_0_GROUP, apart: true },
    integers: {
      tiles: { tile_q4_0_q8: abi.KERNEL_TILE_Q4_0_Q8, tile_q4_0_q8_add: abi.KERNEL_TILE_Q4_0_Q8_ADD },
      rows: { gemv4_q4_0_q8: abi.KERNEL_GEMV4_Q4_0_Q8, gemv4_q4_0_q8_add: abi.KERNEL_GEMV4_Q4_0_Q8_ADD },
    },
    digests: {
      "q8, cache f32": 0xfe7ab41e,
      "q8, cache q8": 0x104eebea,
      "f32, cache f32": 0x24355502,
      "f32, cache q8": 0xc6e41d0e,
    },
  },
  q4_1: {
    ...{ word: abi.TYPE_Q4_1, ggml: 3, fileType: 3, elements: abi.Q4_1_VALUES, bytes: abi.Q4_1_BYTES, recipe: true },
    group: abi.Q4_1_GROUP,
    integers: {
      tiles: { tile_q4_1_q8: abi.KERNEL_TILE_Q4_1_Q8, tile_q4_1_q8_add: abi.KERNEL_TILE_Q4_1_Q8_ADD },
      rows: { gemv4_q4_1_q8: abi.KERNEL_GEMV4_Q4_1_Q8 },
    },
    halves: [
      [0, 1 / 7.5],
      [2, -1],
    ],
    digests: {
      "q8, cache f32": 0x9f9ae312,
      "q8, cache q8": 0x20ef034e,
      "f32, cache f32": 0x61f275a0,
      "f32, cache q8": 0xb12f839d,
    },
  },
  q5_0: {
    ...{ word: abi.TYPE_Q5_0, ggml: 6, fileType: 8, elements: abi.Q5_0_VALUES, bytes: abi.Q5_0_BYTES, recipe: true },
    group: abi.Q5_0_GROUP,
    integers: {
      tiles: { tile_q5_0_q8: abi.KERNEL_TILE_Q5_0_Q8, tile_q5_0_q8_add: abi.KERNEL_TILE_Q5_0_Q8_ADD },
      rows: { gemv4_q5_0_q8: abi.KERNEL_GEMV4_Q5_0_Q8 },
    },
    halves: [[0, 1 / 16]],
    digests: {
      "q8, cache f32": 0x5f9e9ccf,
      "q8, cache q8": 0x30a56d71,
      "f32, cache f32": 0xc87759bb,
      "f32, cache q8": 0x9a5db647,
    },
  },
  q5_1: {
    ...{ word: abi.TYPE_Q5_1, ggml: 7, fileType: 9, elements: abi.Q5_1_VALUES, bytes: abi.Q5_1_BYTES, recipe: true },
    group: abi.Q5_1_GROUP,
    integers: {
      tiles: { tile_q5_1_q8: abi.KERNEL_TILE_Q5_1_Q8, tile_q5_1_q8_add: abi.KERNEL_TILE_Q5_1_Q8_ADD },
      rows: { gemv4_q5_1_q8: abi.KERNEL_GEMV4_Q5_1_Q8 },
    },
    halves: [
      [0, 1 / 15.5],
      [2, -1],
    ],
    digests: {
      "q8, cache f32": 0x5c794fb9,
      "q8, cache q8": 0x559b0d1a,
      "f32, cache f32": 0x572a4ebf,
      "f32, cache q8": 0x7ea06c4f,
    },
  },
  q2_k: {
    ...{ word: abi.TYPE_Q2_K, ggml: 10, elements: abi.Q2_K_VALUES, bytes: abi.Q2_K_BYTES },
    halves: [
      [80, 1 / 24],
      [82, 1 / 16],
    ],
    digests: {
      "f32, cache f32": 0x56865fe8,
      "f32, cache q8": 0x4106ca87,
    },
  },
  q3_k: {
    ...{ word: abi.TYPE_Q3_K, ggml: 11, elements: abi.Q3_K_VALUES, bytes: abi.Q3_K_BYTES },
    halves: [[108, 1 / 128]],
    digests: {
      "f32, cache f32": 0x077a955f,
      "f32, cache q8": 0xad8d0d3e,
    },
  },
  q4_k: {
    ...{ word: abi.TYPE_Q4_K, ggml: 12, fileType: 14, elements: abi.Q4_K_VALUES, bytes: abi.Q4_K_BYTES, recipe: true },
    ...{ group: abi.Q4_K_GROUP, apart: true },
    integers: {
      tiles: { tile_q4_k_q8: abi.KERNEL_TILE_Q4_K_Q8, tile_q4_k_q8_add: abi.KERNEL_TILE_Q4_K_Q8_ADD },
      rows: { gemv4_q4_k_q8: abi.KERNEL_GEMV4_Q4_K_Q8 },
    },
    halves: [
      [0, 1 / 500],
      [2, 1 / 64],
    ],
    digests: {
      "q8, cache f32": 0x8cfa66a3,
      "q8, cache q8": 0xaa7986c7,
      "f32, cache f32": 0xbd526f86,
      "f32, cache q8": 0x5bbb903c,
    },
  },
  q5_k: {
    ...{ word: abi.TYPE_Q5_K, ggml: 13, fileType: 16, elements: abi.Q5_K_VALUES, bytes: abi.Q5_K_BYTES, recipe: true },
    ...{ group: abi.Q5_K_GROUP, apart: true },
    integers: {
      tiles: { tile_q5_k_q8: abi.KERNEL_TILE_Q5_K_Q8, tile_q5_k_q8_add: abi.KERNEL_TILE_Q5_K_Q8_ADD },
      rows: { gemv4_q5_k_q8: abi.KERNEL_GEMV4_Q5_K_Q8 },
    },
    halves: [
      [0, 1 / 1000],
      [2, 1 / 64],
    ],
    digests: {
      "q8, cache f32": 0xc794ea7b,
      "q8, cache q8": 0x00a4b644,
      "f32, cache f32": 0x661006dd,
      "f32, cache q8": 0x7a59ba52,
    },
  },
  q6_k: {
    ...{ word: abi.TYPE_Q6_K, ggml: 14, fileType: 18, elements: abi.Q6_K_VALUES, bytes: abi.Q6_K_BYTES, recipe: true },
    ...{ group: abi.Q6_K_GROUP, apart: true },
    integers: {
      tiles: { tile_q6_k_q8: abi.KERNEL_TILE_Q6_K_Q8, tile_q6_k_q8_add: abi.KERNEL_TILE_Q6_K_Q8_ADD },
      rows: { gemv4_q6_k_q8: abi.KERNEL_GEMV4_Q6_K_Q8 },
    },
    halves: [[208, 1 / 4096]],
    digests: {
      "q8, cache f32": 0x8d273169,
      "q8, cache q8": 0xd2c81659,
      "f32, cache f32": 0xc1514444,
      "f32, cache q8": 0xb5cbd791,
    },
  },
  iq4_nl: {
    ...{ word: abi.TYPE_IQ4_NL, ggml: 20, elements: abi.IQ4_NL_VALUES, bytes: abi.IQ4_NL_BYTES },
    group: abi.IQ4_NL_GROUP,
    signedBytes: {
      word: abi.TYPE_IQ4_NL_QUADS,
      pairs: {
        tiles: { tile_iq4_nl_q16: abi.KERNEL_TILE_IQ4_NL_Q16 },
        rows: { gemv4_iq4_nl_q16: abi.KERNEL_GEMV4_IQ4_NL_Q16 },
      },
      unsigned: {
        tiles: { tile_iq4_nl_q8: abi.KERNEL_TILE_IQ4_NL_Q8 },
        rows: { gemv4_iq4_nl_q8: abi.KERNEL_GEMV4_IQ4_NL_Q8 },
      },
      signed: {
        tiles: { tile_iq4_nl_q8_signed: abi.KERNEL_TILE_IQ4_NL_Q8_SIGNED },
        rows: { gemv4_iq4_nl_q8_signed: abi.KERNEL_GEMV4_IQ4_NL_Q8_SIGNED },
      },
    },
    halves: [[0, 1 / 120]],
    digests: {
      "q8, cache f32": 0x60e95edf,
      "q8, cache q8": 0xd0e83b91,
      "q16, cache f32": 0x359316e4,
      "q16, cache q8": 0xd9c78e57,
      "f32, cache f32": 0xb296ee41,
      "f32, cache q8": 0xb27d5621,
    },
  },
  iq4_xs: {
    ...{ word: abi.TYPE_IQ4_XS, ggml: 23, elements: abi.IQ4_XS_VALUES, bytes: abi.IQ4_XS_BYTES },
    halves: [[0, 1 / 3800]],
  },
  mxfp4: {
    ...{ word: abi.TYPE_MXFP4, ggml: 39, elements: abi.MXFP4_VALUES, bytes: abi.MXFP4_BYTES },
    digests: {
      "f32, cache f32": 0x937bd9ac,
      "f32, cache q8": 0x0be3d202,
    },
  },
  tq1_0: {
    ...{ word: abi.TYPE_TQ1_0, ggml: 34, elements: abi.TQ1_0_VALUES, bytes: abi.TQ1_0_BYTES },
    halves: [[52, 1]],
    digests: {
      "f32, cache f32": 0x30fa6458,
      "f32, cache q8": 0x57c6c9c7,
    },
  },
  tq2_0: {
    ...{ word: abi.TYPE_TQ2_0, ggml: 35, elements: abi.TQ2_0_VALUES, bytes: abi.TQ2_0_BYTES },
    halves: [[64, 1 / 2]],
    digests: {
      "f32, cache f32": 0x970d9ed8,
      "f32, cache q8": 0x9d5bfe38,
    },
  },
  f8_e4m3: { word: abi.TYPE_F8_E4M3, elements: abi.F8_E4M3_VALUES, bytes: abi.F8_E4M3_BYTES },
} as const satisfies Record<string, TypeRow>;

/** A type of weights, by its GGUF name; `f8_e4m3` in safetensors only. */
export type StoredType = keyof typeof WEIGHT_TYPES;

/** The table as plain rows: every optional field can be asked for. */
export const weightType = (type: StoredType): TypeRow => WEIGHT_TYPES[type];

export const WEIGHT_TYPE_NAMES = Object.keys(WEIGHT_TYPES) as readonly StoredType[];

/** Bytes of stored elements, whole blocks of them. */
export function bytesOf(type: StoredType, count: number): number {
  const { elements, bytes } = WEIGHT_TYPES[type];
  return (count / elements) * bytes;
}

/** Its values are codes with a scale for a block. */
export const isQuantized = (type: StoredType): boolean => WEIGHT_TYPES[type].elements > 1;

export const isFloat = (type: StoredType): boolean => type === "f32" || type === "f16" || type === "bf16";
