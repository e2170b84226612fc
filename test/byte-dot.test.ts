/** What is asked of a processor's dot of bytes, and what is made of its answers. */
import { expect, it } from "vitest";
import { dotOfInstance } from "../src/runtime/dot.ts";
import { onBoth } from "./kernels.ts";

const signed = (byte: number) => (byte << 24) >> 24;
const saturated = (sum: number) => Math.max(-32768, Math.min(32767, sum));
const wrapped = (sum: number) => (sum << 16) >> 16;

it.each([
  ["vpdpbusd", "unsigned", (x: number, w: number) => 4 * signed(x) * (w & 255)],
  ["sdot", "signed", (x: number, w: number) => 4 * signed(x) * signed(w)],
  ["pmaddubsw and pmaddwd", "saturating", (x: number, w: number) => 2 * saturated(2 * signed(x) * (w & 255))],
  // V8 for ARM without DOTPROD adds two products in 16 bits: right of all but -128 x -128 twice.
  ["smull and addp", "saturating", (x: number, w: number) => 2 * wrapped(2 * signed(x) * signed(w))],
  ["products in 16 bits", "saturating", (x: number, w: number) => 2 * wrapped(2 * signed(x) * (w & 255))],
])("%s is %s: exact for every byte, or not used for bytes", (_, dot, byte_dot) => {
  expect(dotOfInstance({ byte_dot })).toBe(dot);
});

it("the dots of both builds: four products of a signed byte and one of 0..127", () => {
  for (const weight of [0, 1, 64, 127])
    for (const activation of [-128, -127, -1, 0, 1, 127])
      expect(onBoth((kernels) => kernels.byte_dot(activation, weight))).toBe(4 * activation * weight + 0);
});
