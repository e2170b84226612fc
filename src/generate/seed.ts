/**
 * Unsigned, 64 bits: a number where it is a safe integer, else decimal text, so that JSON holds it exactly. Given back as an
 * option it draws the same.
 */
export type Seed = number | string;

export function seedOf(value: bigint): Seed {
  const unsigned = BigInt.asUintN(64, value);
  return unsigned <= Number.MAX_SAFE_INTEGER ? Number(unsigned) : String(unsigned);
}

/** The seed `steps` after `seed`; after 2^64 - 1 comes 0. */
export function laterSeed(seed: Seed | bigint, steps: number): Seed {
  return seedOf(BigInt(seed) + BigInt(steps));
}

/** 52 random bits, so that the seeds of a batch behind it are plain numbers too. */
export function drawSeed(): number {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return (high >>> 12) * 2 ** 32 + low;
}
