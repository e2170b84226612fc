/**
 * Texts of ids that a model is made to write, whatever it is: a prompt, and the answer behind it. Of copying and editing the answer
 * stands in the prompt, whole or with changes; of prose its pairs of ids come again by chance, as words do; new text repeats nothing.
 */

/** Numbers in [0, 1) of a seed (mulberry32). */
export function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Behind the ids of bytes and in front of the control tokens, wherever those stand. */
const FIRST = 256;
const LAST = 64;
/** Ids that prose chooses among, the n-th 1/n as often as the first. */
const WORDS = 2000;

/** The name of each task: what it is made of. */
export const TASKS = {
  copying: (next, length) => {
    const source = fresh(next, length);
    return { source, answer: source };
  },
  "editing 1 in 50": (next, length) => editing(next, length, 50),
  "editing 1 in 20": (next, length) => editing(next, length, 20),
  prose: (next, length) => ({ source: prose(next, length), answer: prose(next, length) }),
  "new text": (next, length) => ({ source: fresh(next, length), answer: fresh(next, length) }),
};

function fresh(next, length) {
  return Array.from({ length }, () => next());
}

/** One change in so many ids: in turn an id is another, one is put in, one is left out. */
function editing(next, length, every) {
  const source = fresh(next, length + Math.ceil(length / every));
  const answer = source.flatMap((id, at) => {
    if (at % every !== every - 1) return [id];
    return [[next()], [id, next()], []][Math.floor(at / every) % 3];
  });
  return { source, answer: answer.slice(0, length) };
}

function prose(next, length) {
  return Array.from({ length }, () => next.word(Math.floor(WORDS ** next.share()) - 1));
}

/** Ids of a vocabulary, each as likely, by a seed; `share`: a number in [0, 1); `word`: the n-th of an order that is always the same. */
export function idsOf(vocab, seed) {
  const share = numbers(seed);
  const within = vocab - FIRST - LAST;
  const next = () => FIRST + Math.floor(share() * within);
  return Object.assign(next, { share, word: (at) => FIRST + ((at * 7919) % within) });
}
