/** The two builds of the kernels: `simd` runs everywhere, `relaxed` adds relaxed SIMD. */
export type Build = "simd" | "relaxed";
