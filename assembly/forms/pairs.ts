/**
 * The 6-bit scales and mins of q4_k and q5_k: as a file has them, and as tiles read them.
 *
 * Packed, an output's scales of two blocks that follow each other are a pair of bytes: of a super-block's eight blocks, from its third
 * unit on, 4 x (scale pairs [8 outputs][2] u8 | min pairs [8][2] u8).
 */

export class Pairs {
  /** Stored scale of block 0..7 from the 12 bytes that q4_k and q5_k share; low six bits of four, the others cut in 4 + 2. */
  @inline static storedScale(sixAt: usize, block: u32): u8 {
    if (block < 4) return load<u8>(sixAt + block) & 63;
    return (load<u8>(sixAt + block + 4) & 15) | (load<u8>(sixAt + block - 4) >> 6 << 4);
  }

  @inline static storedMin(sixAt: usize, block: u32): u8 {
    if (block < 4) return load<u8>(sixAt + block + 4) & 63;
    return (load<u8>(sixAt + block + 4) >> 4) | (load<u8>(sixAt + block) >> 6 << 4);
  }

  /** From a super-block's head to the pairs of scales that a block shares; those of the mins stand 16 bytes behind. */
  @inline static at(step: usize, block: i32): usize {
    return (2 + <usize>(block >> 1 & 3)) * step;
  }

  /**
   * Which of a pair is a block's own: 1 beside it and 0 beside the other, a pair a lane. A dot with it costs one instruction, a shift by
   * a number that varies three.
   */
  @inline static chosen(block: i32): v128 {
    return i32x4.splat(1 << ((block & 1) << 4));
  }

  /** Pairs of four outputs, i16. */
  @inline static both(pairsAt: usize, half: usize): v128 {
    return v128.load8x8_u(pairsAt + (half << 3));
  }

  /** A block's own of four outputs, each twice: beside both halves of a block. */
  @inline static twice(pairsAt: usize, chosen: v128, half: usize): v128 {
    const own_i32x4 = i32x4.dot_i16x8_s(Pairs.both(pairsAt, half), chosen);
    return v128.or(own_i32x4, i32x4.shl(own_i32x4, 16));
  }
}
