/** The wasm exports: `run`, and each kernel for its test. */

export { run } from "./program";
export { matmul_bytes } from "./ops/matmul";
export { dequantize, embed_packed, group_bytes, multiply_row, pack_rows, packed_at } from "./forms/form";
export { dequantize_bf16, dequantize_f16, embed_float, gemv4_bf16_f32, gemv4_bf16_f32_fused, gemv4_f16_f32, gemv4_f16_f32_fused, gemv4_f32_f32, gemv4_f32_f32_fused, pack_float, row_fits_f16, tile2_f32, tile2_f32_fused, tile_f32, tile_f32_fused } from "./forms/float";
export { dequantize_q8_0, gemv4_q8_0_q16, pack_q8_0, tile_q8_0_q16, tile_q8_0_q16_two } from "./forms/q8_0";
export { dequantize_q4_0, gemv4_q4_0_q8, pack_q4_0, tile_q4_0_q8, tile_q4_0_q8_add } from "./forms/q4_0";
export { dequantize_q4_1, gemv4_q4_1_q8, pack_q4_1, tile_q4_1_q8 } from "./forms/q4_1";
export { dequantize_q5_0, gemv4_q5_0_q8, pack_q5_0, tile_q5_0_q8 } from "./forms/q5_0";
export { dequantize_q5_1, gemv4_q5_1_q8, pack_q5_1, tile_q5_1_q8 } from "./forms/q5_1";
export { dequantize_q4_k, gemv4_q4_k_q8, pack_q4_k, tile_q4_k_q8 } from "./forms/q4_k";
export { dequantize_q5_k, gemv4_q5_k_q8, pack_q5_k, tile_q5_k_q8 } from "./forms/q5_k";
export { dequantize_q6_k, gemv4_q6_k_q8, pack_q6_k, tile_q6_k_q8 } from "./forms/q6_k";
export { dequantize_iq4_nl, gemv4_iq4_nl_q16, pack_iq4_nl, pack_iq4_xs, tile_iq4_nl_q16 } from "./forms/iq4_nl";
export { decode_bf16, decode_f16, decode_f32, decode_f8_e4m3, encode_bf16, encode_f16 } from "./stored/float";
export { decode_q4_0, decode_q4_1, decode_q5_0, decode_q5_1, decode_q8_0, encode_q4_0, encode_q4_1, encode_q5_0, encode_q5_1, encode_q8_0 } from "./stored/legacy";
export { decode_q2_k, decode_q3_k, decode_q4_k, decode_q5_k, decode_q6_k } from "./stored/k";
export { decode_iq4_nl, decode_iq4_xs, decode_mxfp4 } from "./stored/iq4";
export { decode_tq1_0, decode_tq2_0 } from "./stored/ternary";
export { rmsnorm_f32 } from "./kernels/norm";
export { panel_f32, quantize_f32_q16_pairs, quantize_f32_q8_quads } from "./kernels/quantize";
export { combine_f32, route_f32, swiglu_f32 } from "./kernels/feedforward";
export { angles_f32, rope_f32, scale_f32, temperature_f32 } from "./kernels/rope";
export { page_bytes, store_cache_f32, store_cache_q8 } from "./kernels/cache";
export { attend_block, attention_bytes, clear_state, finish_state, merge_state, stage_query, stage_span } from "./kernels/attention";
export { exp_f32 } from "./kernels/exp";
export { encode_q4_k, encode_q5_k, encode_q6_k } from "./stored/encode_k";
export { decode_row, encode_row, finite_row, row_bytes } from "./stored/row";
