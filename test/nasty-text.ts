/** Texts that are hard on tokenizers, and a clock for them. */
import fc from "fast-check";

/** Parameters of property tests; prints the seed, which SEED sets. */
export function seeded(name: string): { seed: number; numRuns: number } {
  const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
  console.log(`${name} property seed ${seed}`);
  return { seed, numRuns: 300 };
}

/** Strings that visit every alternative of the rule. */
export const nasty = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(..."abzABZ 'sStTdDmMlLvVeErR019\n\r\t /.,!<|>") },
      { weight: 2, arbitrary: fc.constantFrom(..."日本ÀÉîßſİǅʰ١½\u0301\u20dd\u00a0\u0085\ufeff\u2028\u3000\u0000") },
      { weight: 1, arbitrary: fc.constantFrom("🦊", "𝐀", "𐐀", "𐐨", "<|eot|>", "  ", "\n\n", "'ll", "'RE") },
      { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 2 }) },
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(""))
  .filter((text) => !/\p{Cs}/u.test(text));

/** Milliseconds that `run` takes: of this process's own time, when others keep the machine busy. */
export function milliseconds(run: () => unknown): number {
  const [wall, cpu] = [performance.now(), process.cpuUsage()];
  run();
  const { user, system } = process.cpuUsage(cpu);
  return Math.min(performance.now() - wall, (user + system) / 1000);
}
