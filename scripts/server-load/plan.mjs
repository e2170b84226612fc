/** What is asked, and when: the same for the same seed. */

const BEGINNINGS = [
  "Once upon a time",
  "The fox",
  "One day a little girl",
  "In the forest there",
  "Tim had a red ball",
];
const LEAVE = 0.2;
const SLOW = 0.05;

const WORDS =
  "big small red blue fast slow warm cold and or then with near under tree house river stone bird cat child song".split(
    " ",
  );

/** `seconds`: over which the streams come; `words`: of each prompt, behind its beginning, which no other has. */
export function plan({ streams, seconds, tokens, words, seed }) {
  const random = generator(seed);
  return Array.from({ length: streams }, (_, index) => {
    const kind = random();
    const wanted = 1 + Math.floor(random() * 2 * tokens);
    const more = Array.from({ length: words }, () => ` ${WORDS[Math.floor(random() * WORDS.length)]}`);
    return {
      // Those of the first moment fill all places; the others come at random.
      at: index < 64 ? 0 : random() * seconds * 1000,
      prompt: `${BEGINNINGS[index % BEGINNINGS.length]} ${index % 17}${more.join("")}`,
      tokens: wanted,
      seed: seed * 100_000 + index,
      /** After so many events; null: it stays. */
      leavesAfter: kind < LEAVE ? Math.floor(random() * wanted) : null,
      /** Milliseconds between two reads. */
      pause: kind > 1 - SLOW ? 50 + random() * 100 : 0,
    };
  });
}

/** Marsaglia's xorshift of 32 bits. */
function generator(seed) {
  let state = seed * 2_654_435_761 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
