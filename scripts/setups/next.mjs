import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, renameSync } from "node:fs";
import { join } from "node:path";
import { run } from "../command.mjs";
import { freePort } from "../free-port.mjs";
import { asRoute } from "./story.mjs";

/** A route handler of Next.js, built by both of its bundlers; and as it is deployed, away from the folder it was built in. */

const ENV = { NEXT_TELEMETRY_DISABLED: "1" };
const NEXT_BIN = "node_modules/next/dist/bin/next";
const LIMIT_MS = 30_000;

const build = (cwd, flags) => run(process.execPath, [NEXT_BIN, "build", ...flags], { cwd, env: ENV, limitMs: 300_000 });

const started =
  (...flags) =>
  async (cwd) => {
    await build(cwd, flags);
    return await ask(cwd, [NEXT_BIN, "start"]);
  };

const moved =
  (...flags) =>
  async (cwd) => {
    await build(cwd, flags);
    const place = join(mkdtempSync(join(cwd, "..", "moved-")), "app");
    renameSync(join(cwd, ".next/standalone"), place);
    renameSync(join(cwd, "node_modules"), join(cwd, "away"));
    try {
      return await ask(place, ["server.js"]);
    } finally {
      renameSync(join(cwd, "away"), join(cwd, "node_modules"));
    }
  };

/** What the route answers; the server is ended. */
async function ask(cwd, args) {
  const port = await freePort();
  const env = { ...process.env, ...ENV, PORT: String(port), HOSTNAME: "127.0.0.1" };
  const server = spawn(process.execPath, args, { cwd, env, stdio: "ignore" });
  const gone = once(server, "exit");
  try {
    for (const until = Date.now() + LIMIT_MS; ; ) {
      const answer = await fetch(`http://127.0.0.1:${port}/api/story`).catch(() => undefined);
      if (answer) return `${answer.status} ${await answer.text()}`;
      if (Date.now() > until) throw new Error(`next answers nothing within ${LIMIT_MS} ms`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  } finally {
    server.kill();
    await gone;
  }
}

const CONFIG = { "next.config.js": "module.exports = {};" };
const STANDALONE = {
  "next.config.js": 'module.exports = { output: "standalone", serverExternalPackages: ["wasmaverick"] };',
};

export const NEXT = [
  {
    name: "next",
    packages: { next: "15.5.29", react: "19.3.1", "react-dom": "19.3.1" },
    files: {
      "app/api/story/route.js": asRoute,
      "app/layout.js": "export default ({ children }) => <html><body>{children}</body></html>;",
      "app/page.js": "export default () => <p>story</p>;",
    },
    setups: [
      { name: "webpack", files: CONFIG, run: started() },
      { name: "turbopack", files: CONFIG, run: started("--turbopack") },
      { name: "standalone, webpack", files: STANDALONE, run: moved(), note: "the story, serverExternalPackages" },
      {
        name: "standalone, turbopack",
        files: STANDALONE,
        run: moved("--turbopack"),
        note: "the story, serverExternalPackages",
      },
    ],
  },
];
