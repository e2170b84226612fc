/** A tensor type of ggml that weights cannot have here: name, elements and bytes of a block (0: it is not known here). */
export interface UnreadType {
  readonly name: string;
  readonly elements: number;
  readonly bytes: number;
}

/**
 * By their number in GGUF files; those that weights can have stand in weight-types.ts, the other numbers below 43 were removed. Sizes as
 * gguf-py's GGML_QUANT_SIZES has them; of Q8_1 it and ggml's struct disagree.
 */
export const UNREAD_TYPES: Readonly<Record<number, UnreadType>> = {
  9: { name: "Q8_1", elements: 0, bytes: 0 },
  15: { name: "Q8_K", elements: 256, bytes: 292 },
  16: { name: "IQ2_XXS", elements: 256, bytes: 66 },
  17: { name: "IQ2_XS", elements: 256, bytes: 74 },
  18: { name: "IQ3_XXS", elements: 256, bytes: 98 },
  19: { name: "IQ1_S", elements: 256, bytes: 50 },
  21: { name: "IQ3_S", elements: 256, bytes: 110 },
  22: { name: "IQ2_S", elements: 256, bytes: 82 },
  24: { name: "I8", elements: 1, bytes: 1 },
  25: { name: "I16", elements: 1, bytes: 2 },
  26: { name: "I32", elements: 1, bytes: 4 },
  27: { name: "I64", elements: 1, bytes: 8 },
  28: { name: "F64", elements: 1, bytes: 8 },
  29: { name: "IQ1_M", elements: 256, bytes: 56 },
  40: { name: "NVFP4", elements: 64, bytes: 36 },
  41: { name: "Q1_0", elements: 128, bytes: 18 },
  42: { name: "Q2_0", elements: 0, bytes: 0 },
};
