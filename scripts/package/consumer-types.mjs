import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../command.mjs";
import { ROOT } from "./pack.mjs";

const SOURCE = `import { type Inspection, inspect, loadModel, type Model } from "wasmaverick";
import { createServer, type ServerHandler } from "wasmaverick/server";
await using model: Model = await loadModel(new Blob([]), { threads: 0, cache: "q8" });
const text: string = await model.generate("x", { maxTokens: 3 }).text();
const found: Inspection = await inspect(new URL("https://example.org/model.gguf"));
// @ts-expect-error: types that say nothing would take this
await loadModel(3);
const handler: ServerHandler = await createServer(model, { keys: ["a-long-key"] });
const response: Response = await handler(new Request("http://localhost/health"));
// @ts-expect-error: no option of a server
await createServer(model, { prt: 80 });
console.log(text, found, response.status);
`;

/** As strict as a project can be, without the types of Node: a page has none. */
const STRICT = ["--strict", "--noEmit", "--target", "es2022", "--lib", "es2022,dom", "--types", ""];

const RESOLUTIONS = {
  nodenext: ["--module", "nodenext"],
  bundler: ["--module", "esnext", "--moduleResolution", "bundler"],
};

export async function checkTypes(report, { path }) {
  writeFileSync(join(path, "consumer.ts"), SOURCE);
  const tsc = join(ROOT, "node_modules/.bin/tsc");
  const version = (await run(tsc, ["--version"])).replace("Version", "").trim();
  for (const [name, resolution] of Object.entries(RESOLUTIONS)) {
    const args = ["--ignoreConfig", ...STRICT, ...resolution, "--skipLibCheck", "false", "consumer.ts"];
    const problem = await run(tsc, args, { cwd: path }).then(
      () => undefined,
      (error) => error.message,
    );
    report.row(`types, ${name}`, { version, problem, note: "skipLibCheck off, no @types/node" });
  }
}
