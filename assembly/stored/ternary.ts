/**
 * Rows of -1, 0, 1 times a scale -> f32, 256 values a block.
 *
 *   tq2_0  66 bytes  pairs of bits [64] as in q2_k, f16 d
 *   tq1_0  54 bytes  digits [48], digits [4], f16 d
 *
 * A byte of tq1_0 is a fraction in base 3, rounded up: byte / 256 = 0.abcde, so the next digit is what a multiplication by 3 carries out.
 * Digit n of bytes 0..31 are values 32 n .., of bytes 32..47 values 160 + 16 n .., of bytes 48..51 (four digits) values 240 + 4 n ..
 */

import { Half } from "./half";
import { Spread } from "./spread";

class Digit {
  /** Leading digit less 1: 3 q reaches 256 at q = 86 and 512 at q = 171. */
  @inline static of(q: v128): v128 {
    const carries = i8x16.add(i8x16.ge_u(q, i8x16.splat(86)), i8x16.ge_u(q, i8x16.splat(<i8>171)));
    return i8x16.sub(i8x16.splat(-1), carries);
  }

  @inline static next(q: v128): v128 {
    return i8x16.add(q, i8x16.add(q, q));
  }
}

export function decode_tq1_0(outAt: usize, fromAt: usize, count: i32): void {
  const end = outAt + ((<usize>count) << 2);
  while (outAt < end) {
    const scale = f32x4.splat(Half.load(fromAt + 52));
    let q0 = v128.load(fromAt, 0), q1 = v128.load(fromAt, 16), q2 = v128.load(fromAt, 32);
    for (let n: usize = 0; n < 5; n++) {
      Spread.scaled(outAt + (n << 7), Digit.of(q0), scale);
      Spread.scaled(outAt + (n << 7) + 64, Digit.of(q1), scale);
      Spread.scaled(outAt + (n << 6) + 640, Digit.of(q2), scale);
      q0 = Digit.next(q0);
      q1 = Digit.next(q1);
      q2 = Digit.next(q2);
    }
    // Four digits of four bytes are one vector: lanes 4 n .. from n multiplications.
    const q = load<u32>(fromAt, 48);
    const d0 = i32x4.splat(q), d1 = Digit.next(d0), d2 = Digit.next(d1), d3 = Digit.next(d2);
    const low = v128.shuffle<i32>(d0, d1, 0, 4, 0, 4), high = v128.shuffle<i32>(d2, d3, 0, 4, 0, 4);
    Spread.scaled(outAt + 960, Digit.of(v128.shuffle<i64>(low, high, 0, 2)), scale);
    fromAt += 54;
    outAt += 1024;
  }
}

export function decode_tq2_0(outAt: usize, fromAt: usize, count: i32): void {
  const end = outAt + ((<usize>count) << 2), three = i8x16.splat(3), one = i8x16.splat(1);
  while (outAt < end) {
    const scale = f32x4.splat(Half.load(fromAt + 64));
    for (let half: usize = 0; half < 4; half++) {
      let q = v128.load(fromAt + (half << 4));
      const to = outAt + ((half & 2) << 8) + ((half & 1) << 6);
      for (let g: usize = 0; g < 4; g++) {
        Spread.scaled(to + (g << 7), i8x16.sub(v128.and(q, three), one), scale);
        q = i16x8.shr_u(q, 2);
      }
    }
    fromAt += 66;
    outAt += 1024;
  }
}
