/** A vocabulary of made-up tokens as published ones have them: bytes, words with and without their space, code, other scripts, halves. */

export function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const LETTERS = "etaoinshrdlucmfwypvbgkqjxz";
const SIGNS = [
  '"',
  '":',
  '": "',
  '",',
  '","',
  '"}',
  '"]',
  "{",
  "}",
  "[",
  "]",
  "[]",
  "{}",
  "},",
  "],",
  ":",
  ",",
  ", ",
  "\\",
  "\\n",
  "\\u",
  "\n",
  "\n\n",
  "\t",
  "    ",
  "-",
  ".",
  "true",
  "false",
  "null",
  "();",
  ");\n",
  "e+",
];

/** Texts by id as bytes; the last 48 are special: null. Ids 0 to 255 are the bytes. */
export function makeVocabulary(size, seed = 1) {
  const random = randomOf(seed);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const texts = Array.from({ length: 256 }, (_, byte) => new Uint8Array([byte]));
  const seen = new Set();
  const encoder = new TextEncoder();
  const word = () => {
    let text = "";
    for (let left = 1 + Math.floor(random() * 4 + random() * 6); left > 0; left--)
      text += LETTERS[Math.floor(26 * random() * random())];
    return text;
  };
  const script = (first, count) => {
    let text = "";
    for (let left = 1 + Math.floor(random() * 4); left > 0; left--)
      text += String.fromCodePoint(first + Math.floor(random() * count));
    return text;
  };
  const make = () => {
    const kind = random();
    if (kind < 0.45) return ` ${word()}`;
    if (kind < 0.65) return word();
    if (kind < 0.7) return word().toUpperCase();
    if (kind < 0.73) return String(Math.floor(random() * 1000));
    if (kind < 0.78) return pick(SIGNS) + (random() < 0.5 ? pick(SIGNS) : word());
    if (kind < 0.82) return word() + pick(SIGNS);
    if (kind < 0.88) return script(0x430, 32);
    if (kind < 0.93) return script(0x4e00, 5000);
    if (kind < 0.96) return script(0x1f600, 64);
    return script(0x3040, 90);
  };
  for (const sign of SIGNS) if (sign.length > 1) seen.add(sign) && texts.push(encoder.encode(sign));
  while (texts.length < size - 48) {
    const text = make();
    if (seen.has(text)) continue;
    seen.add(text);
    const bytes = encoder.encode(text);
    // Some tokens of other scripts end within a character.
    texts.push(bytes.length > 3 && bytes.at(-1) >= 0x80 && random() < 0.2 ? bytes.slice(0, -1) : bytes);
  }
  while (texts.length < size) texts.push(null);
  return texts.slice(0, size);
}
