import { MODEL } from "../package/installed.mjs";

/** What every set-up must say: host, workers, and eight greedy tokens. */
export const STORY = "node 2 there was a quiet boy named Pip.";

/** Statements that leave the line in `said`. */
const TELL = `
  const model = await loadModel(${JSON.stringify(MODEL)}, { threads: 2, context: 256, signal: new AbortController().signal });
  const text = await model.generate("Once upon a time", { maxTokens: 8, temperature: 0 }).text();
  await model.dispose();
  const said = model.info.host + " " + model.info.threads.used + text;`;

export const asModule = `import { loadModel } from "wasmaverick";
(async () => {${TELL}
  console.log(said);
})();
`;
export const asCommonJs = asModule.replace(/^import.*$/m, 'const { loadModel } = require("wasmaverick");');

/** A file that is missing must be that, also where errors are of another realm. */
export const asTest = (framework) => `import { expect, test } from "${framework}";
import { inspect, loadModel } from "wasmaverick";
test("the story", async () => {${TELL}
  expect(said).toBe(${JSON.stringify(STORY)});
  await expect(inspect("none.gguf")).rejects.toMatchObject({ code: "FILE_MISSING" });
  process.stdout.write(said + "\\n");
}, 30_000);
`;

export const asRoute = `import { loadModel } from "wasmaverick";
export const dynamic = "force-dynamic";
export async function GET() {${TELL}
  return new Response(said);
}
`;
