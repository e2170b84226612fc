// Rows of results() as text.

const COLUMNS = [
  ["engine", ({ engine }) => engine],
  ["version", ({ version }) => version],
  ["build", ({ build }) => build],
  ["threads", ({ threads }) => `${threads}`],
  ["tokens", ({ prompt, generate }) => `${prompt}/${generate}`],
  ["prompt tok/s", ({ promptRate }) => rates(promptRate)],
  ["generate tok/s", ({ generateRate }) => rates(generateRate)],
  ["x native", ({ toNative }) => times(toNative)],
  ["x wllama", ({ toWllama }) => times(toWllama)],
  ["ids as ours", ({ sameIds, generate }) => (sameIds === null ? "-" : `${sameIds} of ${generate}`)],
];

const rates = (rate) => (rate === null ? "-" : `${rate.best.toFixed(1)} / ${rate.median.toFixed(1)}`);
const times = (ratio) => (ratio === null ? "-" : `${ratio.prompt.toFixed(2)} / ${ratio.generate.toFixed(2)}`);

export function table(rows) {
  const lines = [COLUMNS.map(([title]) => title), ...rows.map((row) => COLUMNS.map(([, cell]) => cell(row)))];
  const widths = COLUMNS.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const text = lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column]))
      .join("  ")
      .trimEnd(),
  );
  rows.forEach((row, index) => {
    if (row.failed !== undefined) text[index + 1] += `  FAILED: ${row.failed}`;
  });
  return text.join("\n");
}
