/** Numbers of a seed and a step, the same on every host. */

/**
 * A number in [0, 1) with 53 random bits: the first two words of Philox4x32-10 (Salmon et al. 2011) at counter `step`
 * under key `seed`. Counter-based: no state, so step n draws the same whatever ran before it. `second`: the other two words, a
 * number of the same step that is independent of the first.
 */
export function uniform(seed: bigint, step: number, second = false): number {
  const key = [Number(seed & 0xffffffffn), Number(seed >> 32n)] as const;
  const words = philox([step >>> 0, Math.floor(step / 2 ** 32) >>> 0, 0, 0], key);
  const [high, low] = second ? [words[2], words[3]] : [words[0], words[1]];
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
}

type Words = readonly [number, number, number, number];

/** Exported for its published test vectors. */
export function philox(counter: Words, key: readonly [number, number]): Words {
  let [a, b, c, d] = counter;
  let [left, right] = key;
  for (let round = 0; round < 10; round++) {
    const highA = multiplyHigh(0xd2511f53, a);
    const highC = multiplyHigh(0xcd9e8d57, c);
    const lowA = Math.imul(0xd2511f53, a) >>> 0;
    const lowC = Math.imul(0xcd9e8d57, c) >>> 0;
    [a, b, c, d] = [(highC ^ b ^ left) >>> 0, lowC, (highA ^ d ^ right) >>> 0, lowA];
    left = (left + 0x9e3779b9) >>> 0;
    right = (right + 0xbb67ae85) >>> 0;
  }
  return [a, b, c, d];
}

/** The upper 32 of the 64 bits of a product, from halves of 16 bits (every sum stays below 2^32). */
function multiplyHigh(x: number, y: number): number {
  const xHigh = x >>> 16;
  const xLow = x & 0xffff;
  const yHigh = y >>> 16;
  const yLow = y & 0xffff;
  const middle = xHigh * yLow + ((xLow * yLow) >>> 16);
  const other = xLow * yHigh + (middle & 0xffff);
  return (xHigh * yHigh + (middle >>> 16) + (other >>> 16)) >>> 0;
}
