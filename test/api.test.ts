import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { publicTypes, REPORT, reportOf, TYPES } from "../scripts/api/public-types.mjs";
import { PROJECT, runToEnd } from "./runtimes.ts";
import { projectFolder } from "./setups.ts";

/** The public types, as a user's compiler sees them. */

const { text, unexported } = publicTypes();

it("docs/api.d.ts and dist/wasmaverick.d.ts are those of the sources (npm run api writes them)", () => {
  expect(readFileSync(TYPES, "utf8")).toBe(text);
  expect(readFileSync(REPORT, "utf8")).toBe(reportOf(text));
});

it("every type that a public signature reaches is exported", () => {
  expect(unexported).toEqual([]);
});

it("nothing internal shows: no constructor of what the engine makes, no maker of models, no module of ours", () => {
  const classes = [...text.matchAll(/^declare class (\w+)[\s\S]*?^\}/gm)];
  expect(classes.map(([, name]) => name)).toContain("Model");
  for (const [body, name] of classes) {
    if (name !== "EngineError") expect(body, name).toContain("private constructor();");
    expect(body, name).not.toMatch(/\bstatic\b/);
  }
  expect(text).not.toMatch(/@internal/);
  const signatures = reportOf(text).replace(/"(?:[^"\\]|\\.)*"/g, '""');
  expect(signatures).not.toMatch(/WebAssembly|import[ (]|\btypeof\b/);
  expect(signatures).not.toMatch(/^(?!declare |interface |type |export |[}{/|])\S/m);
});

it("package.json says where types and code are also to compilers that read no exports", () => {
  const { main, types, exports } = JSON.parse(readFileSync(join(PROJECT, "package.json"), "utf8"));
  expect({ main, types }).toEqual({ main: exports["."].default, types: exports["."].types });
});

const CONSUMER = `import { type Build, EngineError, ERROR_CODES, type GenerationResult, inspect, loadModel, type Model, type OpTime } from "wasmaverick";
export async function story(path: string | URL | Uint8Array, signal: AbortSignal, build: Build): Promise<GenerationResult> {
  await using model: Model = await loadModel(path, { threads: 0, build, signal });
  for await (const piece of model.generate("x", { maxTokens: 3 })) piece.trim();
  const ops: OpTime[] = await model.profile(async () => {});
  const code: string = new EngineError("FILE_IO", "no", { at: { source: "file" } }).code;
  console.log(ops, code, ERROR_CODES.FILE_IO, (await inspect(path)).config.architecture === "llama4");
  return await model.chat([{ role: "user", content: "x" }]).result();
}
// @ts-expect-error: types that say nothing would take this
export const wrong = () => loadModel(3);
// @ts-expect-error: nobody but the engine makes one
export const made = (one: Model) => new (one.constructor as typeof Model)();
`;
const folder = projectFolder("types", { "consumer.ts": CONSUMER, "package.json": '{ "type": "module" }' });
writeFileSync(join(folder, "consumer.cts"), CONSUMER);

it.each([
  ["Node, no DOM, nodenext", "consumer.ts", "es2022,esnext.disposable", "node", ["--module", "nodenext"]],
  ["Node, no DOM, as the library of ES2022 alone", "consumer.ts", "es2022", "node", ["--module", "nodenext"]],
  ["a page, no Node", "consumer.ts", "es2022,dom", "", ["--module", "nodenext"]],
  ["a bundler", "consumer.ts", "es2022,dom", "", ["--module", "esnext", "--moduleResolution", "bundler"]],
  ["CommonJS", "consumer.ts", "es2022", "node", ["--module", "commonjs", "--moduleResolution", "bundler"]],
  ["a .cts file of Node", "consumer.cts", "es2022", "node", ["--module", "nodenext"]],
])("%s, skipLibCheck off: no error", async (_, file, lib, types, how) => {
  const strict = ["--ignoreConfig", "--strict", "--noEmit", "--skipLibCheck", "false", "--target", "es2022"];
  const roots = ["--typeRoots", join(PROJECT, "node_modules/@types"), "--types", types];
  const tsc = join(PROJECT, "node_modules/typescript/bin/tsc");
  const args = [tsc, ...strict, "--lib", lib, ...roots, ...how, file];
  const { code, out } = await runToEnd(process.execPath, args, folder);
  expect(out).toBe("");
  expect(code).toBe(0);
});
