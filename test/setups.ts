/** A folder as users have it, and a story that every set-up tells alike. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MODEL, PROJECT } from "./runtimes.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** Greedy: eight tokens behind "Once upon a time". */
export const STORY = " there was a quiet boy named Pip.";

/** Statements of a module: host, threads and story, as one line. */
export const storyModule = (threads: number | undefined, from = "wasmaverick") => `import { loadModel } from "${from}";
${storyOf(threads)}`;

/** The same for where `import` statements are not to be had: a script, or CommonJS. */
export const storyScript = (threads: number | undefined) =>
  `import("wasmaverick").then(async ({ loadModel }) => { ${storyOf(threads)} });`;

const storyOf = (threads: number | undefined) => `
const model = await loadModel(${JSON.stringify(MODEL)}, { threads: ${threads}, context: 256 });
const text = await model.generate("Once upon a time", { maxTokens: 8, temperature: 0 }).text();
await model.dispose();
console.log(model.info.host + " " + model.info.threads.used + text);
`;

/** An empty folder with the package under node_modules, as it is built; it goes away after the tests of the file. */
export function projectFolder(name: string, files: Readonly<Record<string, string>> = {}): string {
  const folder = temporaryFolder(name);
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(PROJECT, join(folder, "node_modules/wasmaverick"));
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  return folder;
}
