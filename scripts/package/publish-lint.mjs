import { run } from "../command.mjs";

const PUBLINT = "0.3.25";
const ATTW = "0.18.5";

/** publint and "are the types wrong"; the kernels are files with an address, not modules with types. */
export async function lintPackage(report, tarball) {
  await lint(report, "publint", PUBLINT, ["publint", "run", tarball, "--strict"]);
  const types = ["attw", tarball, "--profile", "esm-only", "--exclude-entrypoints", "simd.wasm", "relaxed.wasm"];
  await lint(report, "attw, esm-only", ATTW, types);
}

async function lint(report, what, version, [bin, ...args]) {
  const name = bin === "attw" ? "@arethetypeswrong/cli" : bin;
  try {
    await run("npm", ["exec", "--yes", `--package=${name}@${version}`, "--", bin, ...args], { env: { NO_COLOR: "1" } });
    report.row(what, { version, note: "clean" });
  } catch (error) {
    report.row(what, { version, problem: error.message });
  }
}
