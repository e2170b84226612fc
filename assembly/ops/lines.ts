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

/** The same of `count` places, u32 at placesAt, `bytes` of each. */
export function read_places(placesAt: usize, count: u32, bytes: usize): u32 {
  let seen: u32 = 0;
  const last = placesAt + (<usize>count << 2);
  for (let at: usize = 0; at < bytes; at += 64) {
    for (let place = placesAt; place < last; place += 4) seen |= load<u32>(<usize>load<u32>(place) + at);
  }
  return seen;
}
