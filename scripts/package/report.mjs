/** One line a check as it ends: what, bytes, threads, outcome. */

const WIDTHS = [28, 14, 9, 8];

export class Report {
  count = 0;
  failed = 0;

  constructor() {
    this.#line(["what", "version", "bytes", "threads"], "outcome");
  }

  /** `problem` undefined: it holds. */
  row(what, { version = "", bytes, threads = "", problem, note = "ok" }) {
    this.count++;
    if (problem !== undefined) this.failed++;
    const size = bytes === undefined ? "" : bytes.toLocaleString("en");
    this.#line([what, version, size, String(threads)], problem === undefined ? note : `FAILED: ${problem}`);
  }

  /** The work others stand on: its failure is a row, and ends the run. */
  async need(what, work) {
    try {
      const result = await work();
      for (const row of result.rows ?? []) this.row(what, row);
      return result;
    } catch (error) {
      this.row(what, { problem: error.message });
      throw error;
    }
  }

  #line(cells, last) {
    const padded = cells.map((cell, index) =>
      index === 2 ? cell.padStart(WIDTHS[index]) : cell.padEnd(WIDTHS[index]),
    );
    console.log([...padded, last].join("  "));
  }
}
