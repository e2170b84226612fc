// What random expressions are drawn from: the names in scope, by type, and choices among them.

export class Source {
  constructor(random) {
    this.random = random;
    /** Names in scope, by type. */
    this.names = {
      int: ["n", "big", "zero"],
      float: ["f", "g"],
      str: ["s", "t", "e"],
      bool: ["yes", "no"],
      list: ["l", "w", "mixed", "none_"],
      dict: ["d", "row"],
      rows: ["rows"],
      any: ["undef", "none_", "s", "n", "l", "d"],
    };
  }

  pick(list) {
    return this.random.pick(list);
  }

  chance(p) {
    return this.random.chance(p);
  }

  /** An expression; `depth` bounds its nesting. */
  of(type, depth) {
    if (this.chance(0.03)) return this[this.pick(["int", "float", "str", "bool", "list", "dict", "any"])](depth - 1);
    return this[type](depth - 1);
  }

  name(type) {
    return this.pick(this.names[type].length > 0 ? this.names[type] : ["undef"]);
  }

  many(d, type) {
    return Array.from({ length: 1 + this.random.below(3) }, () => this.of(type, d));
  }

  /** What may stand next to an operator, a filter or a subscript. */
  atom(type, depth) {
    const value = this.of(type, depth);
    return /^(?:\w+|'[^'\\]*'|\[[^\][]*\])$/.test(value) && !/^\d/.test(value) ? value : `(${value})`;
  }
}
