#!/usr/bin/env node
// Writes the tables of docs/errors.md from the codes of the build: npm run errors

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A table follows `<!-- codes: REQ_ OPTION_ -->`, beginnings of codes; each code stands under the longest that fits. */
const TABLE = /<!-- codes: (.+?) -->\n[\s\S]*?<!-- end -->/g;

/** `text` with its tables made anew, and the codes that no table takes. */
export function withTables(text, codes) {
  const starts = [...text.matchAll(TABLE)].flatMap(([, list]) => list.split(" "));
  const startOf = (code) => starts.filter((start) => code.startsWith(start)).sort((a, b) => b.length - a.length)[0];
  const homeless = Object.keys(codes).filter((code) => startOf(code) === undefined);
  const table = (_, list) => {
    const own = Object.keys(codes).filter((code) => list.split(" ").includes(startOf(code)));
    const rows = own.map((code) => `| \`${code}\` | ${codes[code].replaceAll("|", "\\|")} |`);
    return [`<!-- codes: ${list} -->`, "| Code | What it says |", "| --- | --- |", ...rows, "<!-- end -->"].join("\n");
  };
  return { text: text.replace(TABLE, table), homeless };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = fileURLToPath(new URL("../docs/errors.md", import.meta.url));
  const { ERROR_CODES } = await import("../dist/src/index.js");
  const { text, homeless } = withTables(readFileSync(path, "utf8"), ERROR_CODES);
  writeFileSync(path, text);
  if (homeless.length > 0) {
    console.error(`no table of docs/errors.md takes ${homeless.join(", ")}`);
    process.exitCode = 1;
  }
}
