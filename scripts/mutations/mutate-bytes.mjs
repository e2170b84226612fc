// Changes that know nothing of a format.

/** What sizes and counts break at. */
export const BOUNDARIES = [
  0n,
  1n,
  2n,
  3n,
  127n,
  128n,
  255n,
  256n,
  65535n,
  65536n,
  2n ** 20n,
  2n ** 30n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 40n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 61n,
  2n ** 62n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 2n,
  2n ** 64n - 1n,
];

export function boundary(random) {
  return random.pick(BOUNDARIES);
}

const OPERATIONS = [
  (bytes, random) => {
    const at = random.below(bytes.length);
    bytes[at] ^= 1 << random.below(8);
    return bytes;
  },
  (bytes, random) => {
    bytes[random.below(bytes.length)] = random.pick([0, 1, 0x20, 0x22, 0x5b, 0x5c, 0x7b, 0x7d, 0x7f, 0x80, 0xc0, 0xff]);
    return bytes;
  },
  (bytes, random) => {
    for (let left = random.length(16), at = random.below(bytes.length); left > 0 && at < bytes.length; left--)
      bytes[at++] = random.word();
    return bytes;
  },
  (bytes, random) => putInteger(bytes, random, 4),
  (bytes, random) => putInteger(bytes, random, 8),
  (bytes, random) => {
    const at = random.below(bytes.length);
    return splice(bytes, at, at + random.length(bytes.length - at), []);
  },
  (bytes, random) => {
    const [at, from] = [random.below(bytes.length + 1), random.below(bytes.length)];
    return splice(bytes, at, at, bytes.slice(from, from + random.length(Math.min(4096, bytes.length - from))));
  },
  (bytes, random) => {
    const from = random.below(bytes.length);
    const to = Math.min(bytes.length, from + random.length(Math.min(4096, bytes.length - from)));
    return splice(bytes, to, to, bytes.slice(from, to));
  },
  (bytes, random) => {
    const length = random.length(Math.min(64, bytes.length));
    const [a, b] = [random.below(bytes.length - length + 1), random.below(bytes.length - length + 1)];
    const kept = bytes.slice(a, a + length);
    bytes.copyWithin(a, b, b + length);
    bytes.set(kept, b);
    return bytes;
  },
  (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
];

/** One to four changes of a copy. */
export function mutateBytes(bytes, random) {
  let changed = bytes.slice();
  for (let left = random.length(4); left > 0 && changed.length > 0; left--)
    changed = random.pick(OPERATIONS)(changed, random);
  return changed;
}

function putInteger(bytes, random, width) {
  if (bytes.length < width) return bytes;
  let value = boundary(random);
  const at = random.below(bytes.length - width + 1);
  for (let i = 0; i < width; i++, value >>= 8n) bytes[at + i] = Number(value & 255n);
  return bytes;
}

function splice(bytes, start, end, middle) {
  const rest = bytes.subarray(Math.min(end, bytes.length));
  const whole = new Uint8Array(start + middle.length + rest.length);
  whole.set(bytes.subarray(0, start));
  whole.set(middle, start);
  whole.set(rest, start + middle.length);
  return whole;
}
