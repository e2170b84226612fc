// Random numbers of a case: (seed, target, case) alone decide them, so that any case can be run again by itself.

export class Random {
  #a;
  #b;
  #c = 1;

  constructor(seed, target, index) {
    this.#a = mix(seed ^ hash(target));
    this.#b = mix(index + 0x9e3779b9);
    for (let i = 0; i < 8; i++) this.word();
  }

  /** 32 bits: the small counter generator "sfc" (C. Doty-Humphrey) over two words and a counter. */
  word() {
    const sum = (this.#a + this.#b + this.#c++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (sum + ((sum << 21) | (sum >>> 11))) | 0;
    return sum >>> 0;
  }

  /** An integer from 0 to below `limit`. */
  below(limit) {
    return Math.floor((this.word() / 2 ** 32) * limit);
  }

  chance(probability) {
    return this.word() < probability * 2 ** 32;
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  /** Small numbers more often than large ones, 1 to `limit`. */
  length(limit) {
    return 1 + this.below(Math.min(limit, 2 ** this.below(1 + Math.ceil(Math.log2(Math.max(2, limit))))));
  }
}

function hash(text) {
  let bits = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) bits = Math.imul(bits ^ text.charCodeAt(i), 0x01000193);
  return bits | 0;
}

function mix(value) {
  let bits = value | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x7feb352d);
  bits = Math.imul(bits ^ (bits >>> 15), 0x846ca68b);
  return bits ^ (bits >>> 16);
}
