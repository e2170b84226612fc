import { EngineError } from "../../error.ts";
import { exp, log } from "../../exact.ts";
import type { ModelConfig } from "./config.ts";

/** Rotary frequencies. */

/**
 * What each pair's base frequency is divided by; null without scaling.
 * Under llama3 scaling long wavelengths are divided by the factor, short ones are left alone, those between are blended: there the scaled
 * frequency (1 - s) w / F + s w is w over 1 / ((1 - s) / F + s), the divisor that a GGUF `rope_freqs.weight` holds.
 */
export function ropeDivisors(config: ModelConfig): Float32Array | null {
  const scaling = config.ropeScaling;
  if (scaling === null) return null;
  const pairs = config.headSize / 2;
  if (scaling.type === "linear") return new Float32Array(pairs).fill(scaling.factor);
  const { factor, lowFrequency, highFrequency, originalContext } = scaling;
  return Float32Array.from({ length: pairs }, (_, pair) => {
    const wavelength = (2 * Math.PI) / baseFrequency(config, pair);
    if (wavelength < originalContext / highFrequency) return 1;
    if (wavelength > originalContext / lowFrequency) return factor;
    // low = high (Scout) meets this line only for a wavelength of exactly N / low: no blend, no 0 / 0.
    if (lowFrequency === highFrequency) return factor;
    const smooth = (originalContext / wavelength - lowFrequency) / (highFrequency - lowFrequency);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

/**
 * Angle per position of each adjacent pair: f32(theta^(-2j/d) / divisor_j), from either source of divisors, so that
 * GGUF and safetensors of the same weights agree to the bit.
 */
export function ropeFrequencies(config: ModelConfig, divisors: Float32Array | null): Float32Array {
  const pairs = config.headSize / 2;
  if (divisors !== null) checkDivisors(divisors, pairs);
  return Float32Array.from({ length: pairs }, (_, pair) => baseFrequency(config, pair) / (divisors?.[pair] ?? 1));
}

/** Divisors may come from a file's tensor, and a frequency of NaN would silently spoil every layer. */
function checkDivisors(divisors: Float32Array, pairs: number): void {
  const bad = divisors.findIndex((divisor) => !(divisor > 0 && divisor < Number.POSITIVE_INFINITY));
  if (divisors.length === pairs && bad < 0) return;
  throw new EngineError("CONFIG_ROPE", "rope divisors are unusable", {
    at: { source: "config", field: bad < 0 ? "rope_freqs" : `rope_freqs[${bad}]` },
    limit: `${pairs} finite numbers above 0`,
    actual: bad < 0 ? divisors.length : String(divisors[bad]),
  });
}

/** theta^(-2j/d) in double precision, by exact.ts: a token's bits hang on it. */
function baseFrequency(config: ModelConfig, pair: number): number {
  return exp(-((2 * pair) / config.headSize) * log(config.ropeTheta));
}
