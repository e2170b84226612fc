/** Numbers for people. */

export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** Three digits and a decimal unit: 12.6 MB. */
export function formatBytes(bytes: number): string {
  return scaled(bytes, ["B", "kB", "MB", "GB", "TB"]);
}

/** Three digits and a letter: 11.8 M. */
export function formatLarge(count: number): string {
  return scaled(count, ["", "K", "M", "B", "T"]).trimEnd();
}

function scaled(value: number, units: readonly string[]): string {
  let unit = 0;
  // 999.5 would round to four digits.
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** Lines of columns, padded to the left or, where `align` says r, to the right. */
export function formatColumns(rows: readonly (readonly string[])[], align: string, indent = ""): string {
  const widths = [...align].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const pad = (cell: string, column: number) =>
    align[column] === "r" ? cell.padStart(widths[column]) : cell.padEnd(widths[column]);
  return rows
    .map((row) => `${indent}${row.map(pad).join("  ")}`.trimEnd())
    .join("\n")
    .concat("\n");
}
