/** A short run of `npm run beholder`: fresh drawings, asked about. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { run } from "../scripts/command.mjs";

const SCRIPT = fileURLToPath(new URL("../scripts/beholder.mjs", import.meta.url));

test("30 fresh drawings: as many questions are answered right as where the model was trained, but for chance", async () => {
  // Exit code 1 where a share is less.
  const said = await run(process.execPath, [SCRIPT, "--count", "30", "--seed", "7"], { limitMs: 55_000 });
  expect(said).toMatch(/^\| all short questions \| 9\d\.\d \| 2\d\d \|/m);
});
