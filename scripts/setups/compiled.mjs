import { run } from "../command.mjs";
import { asModule } from "./story.mjs";

/** TypeScript as projects of older days have it: CommonJS, and resolution that reads no exports. Node requires the modules (20.19, 22.12). */

const TS = `import { type Model, loadModel } from "wasmaverick";
export const kept: Model[] = [];
${asModule.replace(/^import.*\n/m, "")}`;
const COMMON = ["--strict", "--target", "es2022", "--lib", "es2022", "--types", "node", "--skipLibCheck", "false"];

const compile =
  (out, ...how) =>
  async (cwd) => {
    await run("node_modules/.bin/tsc", [...COMMON, ...how, "--outDir", out, "story.ts"], { cwd });
    return await run(process.execPath, [`${out}/story.js`], { cwd });
  };
const SWITCHES = { module: "nodenext", moduleResolution: "nodenext", target: "es2022", types: ["node"] };

export const COMPILED = [
  {
    name: "typescript",
    packages: { typescript: "5.9.3", "@types/node": "20.19.43", "ts-node": "10.9.2" },
    files: { "story.ts": TS },
    setups: [
      { name: "commonjs, node10", run: compile("node10", "--module", "commonjs", "--moduleResolution", "node10") },
      { name: "node20", run: compile("node20", "--module", "node20") },
      {
        name: "ts-node",
        run: (cwd) =>
          run("node_modules/.bin/ts-node", ["--compilerOptions", JSON.stringify(SWITCHES), "story.ts"], { cwd }),
      },
    ],
  },
];
