/**
 * Selection without sorting: a radix search over the bits of f32 values, in linear time, however flat they are.
 */

/** Shift and width of the bits looked at, from the top. */
const ROUNDS: readonly (readonly [shift: number, width: number])[] = [
  [21, 11],
  [10, 11],
  [0, 10],
];
const BINS = new Float64Array(2048);

/** The bits of an f32 as an integer whose unsigned order is that of the numbers; -0 is 0. */
export function order(bits: number): number {
  if (bits === -0x80000000) return -0x80000000;
  return bits ^ ((bits >> 31) | -0x80000000);
}

/**
 * Values are kept from the highest down while the weight before them (`weights` null: their number) is <= `limit`: the `order` of
 * the value at which that ends, and the weight before the first of that value. Three rounds, over 11, 11 and 10 bits: each finds the
 * bin in which the limit is passed.
 */
export function findEdge(
  bits: Int32Array,
  count: number,
  weights: Float64Array | null,
  limit: number,
): { key: number; before: number } {
  const bins = BINS;
  let before = 0;
  let key = 0;
  for (const [shift, width] of ROUNDS) {
    const mask = (1 << width) - 1;
    bins.fill(0);
    let highest = 0;
    let lowest = mask;
    for (let at = 0; at < count; at++) {
      const prefixed = order(bits[at]) >>> shift;
      if (prefixed >>> width !== key) continue;
      const bin = prefixed & mask;
      bins[bin] += weights ? weights[at] : 1;
      if (bin > highest) highest = bin;
      if (bin < lowest) lowest = bin;
    }
    let bin = highest;
    for (let next = bin - 1; next >= lowest && !(before + bins[bin] > limit); next--) {
      if (bins[next] === 0) continue;
      before += bins[bin];
      bin = next;
    }
    key = (key << width) | bin;
  }
  return { key, before };
}
