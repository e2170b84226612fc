import { philox } from "../draw/random.ts";
import type { Seed } from "./seed.ts";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** Nine letters and digits, the form that Mistral's templates demand. The prompt's length keeps the rounds of a conversation apart. */
export function callId(seed: Seed, promptTokens: number, index: number): string {
  const wide = BigInt(seed);
  const words = philox([index, promptTokens, 0, 0x746f6f6c], [Number(wide & 0xffffffffn), Number(wide >> 32n)]);
  let left = (BigInt(words[0]) << 32n) | BigInt(words[1]);
  let id = "";
  while (id.length < 9) {
    id += LETTERS[Number(left % 62n)];
    left /= 62n;
  }
  return id;
}
