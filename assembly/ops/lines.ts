/**
 * Reads a line of 64 bytes after the other, as one stream or as eight: what comes out of memory at which speed is the processor's affair
 * (src/runtime/streams.ts, src/runtime/tuning.ts). Returns what hangs on every load, else they would be dropped.
 */
export function read_lines(at: usize, bytes: usize, streams: usize): u32 {
  let seen: u32 = 0;
  if (streams === 1) {
    for (const end = at + bytes; at < end; at += 64) seen |= load<u32>(at);
    return seen;
  }
  const apart = bytes / 8;
  for (const end = at + apart; at < end; at += 64) {
    seen |= load<u32>(at) | load<u32>(at + apart) | load<u32>(at + 2 * apart) | load<u32>(at + 3 * apart);
    seen |= load<u32>(at + 4 * apart) | load<u32>(at + 5 * apart) | load<u32>(at + 6 * apart) | load<u32>(at + 7 * apart);
  }
  return seen;
}

/** The same of eight places [8] u32 that lie anywhere, `bytes` of each. */
export function read_places(placesAt: usize, bytes: usize): u32 {
  const a = <usize>load<u32>(placesAt, 0), b = <usize>load<u32>(placesAt, 4), c = <usize>load<u32>(placesAt, 8), d = <usize>load<u32>(placesAt, 12);
  const e = <usize>load<u32>(placesAt, 16), f = <usize>load<u32>(placesAt, 20), g = <usize>load<u32>(placesAt, 24), h = <usize>load<u32>(placesAt, 28);
  let seen: u32 = 0;
  for (let at: usize = 0; at < bytes; at += 64) {
    seen |= load<u32>(a + at) | load<u32>(b + at) | load<u32>(c + at) | load<u32>(d + at);
    seen |= load<u32>(e + at) | load<u32>(f + at) | load<u32>(g + at) | load<u32>(h + at);
  }
  return seen;
}
