// Rows as text.

const NAMES = { javascript: "JavaScript", scalar: "scalar wasm", simd: "SIMD", relaxed: "relaxed", wide: "wide" };

export const rungName = ({ rung, of, threads }) =>
  rung === "threads" ? (threads ? `${threads} x ${NAMES[of]}` : "threads") : NAMES[rung];

export function time(ms) {
  if (ms >= 1) return `${ms.toPrecision(3)} ms`;
  if (ms >= 1e-3) return `${(ms * 1e3).toPrecision(3)} us`;
  return `${(ms * 1e6).toPrecision(3)} ns`;
}

export const fixed = (value) =>
  value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
const percent = (share) => `${(share * 100).toFixed(0)} %`;
const optional = (value, write) => (value ? write(value) : "");

const COLUMNS = [
  ["rung", 14, rungName],
  ["best", 9, ({ best }) => time(best)],
  ["median", 9, ({ median }) => time(median)],
  ["rate", 13, ({ rate, unit }) => optional(rate, (value) => `${fixed(value)} ${unit}`)],
  ["bytes", 10, ({ gbs }) => optional(gbs, (value) => `${fixed(value)} GB/s`)],
  ["of its roof", 18, ({ ofRoof, roof }) => optional(ofRoof, (share) => `${percent(share)} ${roof}`)],
  ["x JavaScript", 12, ({ times }) => optional(times, (factor) => fixed(factor))],
];
const LEFT = new Set(["rung", "of its roof"]);

const cell = (text, width, title) => (LEFT.has(title) ? text.padEnd(width) : text.padStart(width));

export const header = () => `  ${COLUMNS.map(([title, width]) => cell(title, width, title)).join("  ")}`.trimEnd();

/** One kernel: a line of name, a line for each rung but those that are missing for all kernels (`everywhere`: reasons). */
export function block({ rows, failures }, everywhere) {
  const [{ kernel, shape }] = rows;
  const lines = rows
    .filter(({ missing }) => !everywhere.has(missing))
    .map((row) =>
      row.missing
        ? `  ${rungName(row).padEnd(COLUMNS[0][1])}  - ${row.missing}`
        : `  ${COLUMNS.map(([title, width, write]) => cell(write(row), width, title)).join("  ")}`.trimEnd(),
    );
  return [`${kernel}, ${shape}`, ...lines, ...failures.map((text) => `  FAILED: ${text}`)].join("\n");
}

/** Roofs down, rungs and threads across. */
export function ceilingTable({ rows }) {
  const columns = columnsOf(rows);
  const roofs = [...new Set(rows.map(({ roof }) => roof))];
  const lines = roofs.map((roof) => {
    const { unit } = rows.find((row) => row.roof === roof);
    const cells = columns.map(({ rung, threads }) => {
      const found = rows.find((row) => row.roof === roof && row.rung === rung && row.threads === threads);
      return (found ? fixed(found.best) : "-").padStart(12);
    });
    return `  ${roof.padEnd(12)} ${unit.padEnd(8)}${cells.join("")}`;
  });
  return [`  ${"ceiling".padEnd(21)}${columns.map(({ title }) => title.padStart(12)).join("")}`, ...lines].join("\n");
}

export function columnsOf(rows) {
  const keys = [...new Map(rows.map(({ rung, threads }) => [`${rung} ${threads}`, { rung, threads }])).values()];
  return keys
    .sort((a, b) => a.threads - b.threads)
    .map(({ rung, threads }) => ({
      rung,
      threads,
      title: threads > 1 ? `${threads} x ${NAMES[rung].split(" ")[0]}` : NAMES[rung],
    }));
}

/** The ladder in short: how many times plain JavaScript each rung is. */
export function summaryTable(climbs, rungs) {
  const width = Math.max(...climbs.map(({ rows: [{ kernel, shape }] }) => kernel.length + shape.length + 2));
  const lines = climbs.map(({ rows }) => {
    const [{ kernel, shape }] = rows;
    const cells = rungs.slice(1).map((rung) => {
      const row = rows.find((candidate) => candidate.rung === rung);
      return (row?.times ? fixed(row.times) : "-").padStart(9);
    });
    const single = rows.filter(({ threads, ofRoof }) => threads === 1 && ofRoof);
    const best = single.sort((a, b) => a.best - b.best)[0];
    return `  ${`${kernel}, ${shape}`.padEnd(width)}${cells.join("")}   ${best ? `${percent(best.ofRoof)} ${best.roof}` : ""}`.trimEnd();
  });
  const titles = rungs.slice(1).map((rung) => (NAMES[rung]?.split(" ")[0] ?? rung).padStart(9));
  return [
    `  ${"times plain JavaScript".padEnd(width)}${titles.join("")}   fastest rung of one thread, of its roof`,
    ...lines,
  ].join("\n");
}
