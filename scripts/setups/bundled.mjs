import { copyFileSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../command.mjs";
import { BESIDE } from "../package/recipes.mjs";
import { asCommonJs, asModule } from "./story.mjs";

/** Bundles for Node, run where no package is: as a function in a cloud, or as one executable. */

const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

/** Away from node_modules, with the kernels beside it. */
function moved(cwd, files) {
  const place = mkdtempSync(join(cwd, "..", "moved-"));
  for (const file of files) copyFileSync(join(cwd, file), join(place, file.split("/").at(-1)));
  for (const name of BESIDE) copyFileSync(join(cwd, "node_modules/wasmaverick/dist/src/host", name), join(place, name));
  return place;
}

const esbuild = (cwd, format, from, to) =>
  run("node_modules/.bin/esbuild", [from, "--bundle", "--platform=node", `--format=${format}`, `--outfile=${to}`], {
    cwd,
  });

export const BUNDLED = [
  {
    name: "esbuild",
    packages: { esbuild: "0.28.2", postject: "1.0.0-alpha.6" },
    files: { "story.cjs": asCommonJs, "story.mjs": asModule },
    setups: [
      {
        name: "cjs, moved",
        note: "the story, the kernels copied beside it",
        async run(cwd) {
          await esbuild(cwd, "cjs", "story.cjs", "out/app.cjs");
          return await run(process.execPath, ["app.cjs"], { cwd: moved(cwd, ["out/app.cjs"]) });
        },
      },
      {
        name: "esm, moved",
        note: "the story, the kernels copied beside it",
        async run(cwd) {
          await esbuild(cwd, "esm", "story.mjs", "out/app.mjs");
          return await run(process.execPath, ["app.mjs"], { cwd: moved(cwd, ["out/app.mjs"]) });
        },
      },
      {
        name: "executable (SEA)",
        note: "the story, the kernels copied beside it",
        async run(cwd) {
          writeFileSync(join(cwd, "sea.json"), JSON.stringify({ main: "out/app.cjs", output: "sea.blob" }));
          await run(process.execPath, ["--experimental-sea-config", "sea.json"], { cwd });
          copyFileSync(process.execPath, join(cwd, "story"));
          const inject = ["story", "NODE_SEA_BLOB", "sea.blob", "--sentinel-fuse", FUSE];
          await run("node_modules/.bin/postject", inject, { cwd });
          const place = moved(cwd, ["story"]);
          return await run(join(place, "story"), [], { cwd: place });
        },
      },
    ],
  },
  {
    name: "webpack",
    packages: { webpack: "5.112.2", "webpack-cli": "7.3.1" },
    files: { "story.mjs": asModule },
    setups: [
      {
        name: "target node, moved",
        note: "the story, the kernels as webpack wrote them",
        async run(cwd) {
          const args = [
            "--mode",
            "production",
            "--target",
            "node",
            "--entry",
            "./story.mjs",
            "--output-path",
            `${cwd}/out`,
          ];
          await run("node_modules/.bin/webpack", args, { cwd });
          return await run(process.execPath, ["out/main.js"], { cwd });
        },
      },
    ],
  },
  {
    name: "vite",
    packages: { vite: "8.3.8" },
    manifest: { type: "module" },
    files: { "story.mjs": asModule },
    setups: [
      {
        name: "build --ssr",
        async run(cwd) {
          await run("node_modules/.bin/vite", ["build", "--ssr", "story.mjs"], { cwd });
          return await run(process.execPath, ["dist/story.js"], { cwd });
        },
      },
    ],
  },
];
