import { run } from "../command.mjs";
import { asModule, asTest } from "./story.mjs";

/** What runs tests and sources. */

/** Jest's simulated page resolves packages as for a browser, and lacks two globals: as docs/hosts.md shows it. */
const JSDOM = `const { TestEnvironment } = require("jest-environment-jsdom");
module.exports = class extends TestEnvironment {
  exportConditions() {
    return ["node", "node-addons"];
  }
  async setup() {
    await super.setup();
    Object.assign(this.global, { TextDecoder, TextEncoder });
  }
};
`;

const jest = (environment) => (cwd) =>
  run(process.execPath, ["--experimental-vm-modules", "node_modules/jest/bin/jest.js", "--env", environment], { cwd });
const vitest = (environment, pool) => (cwd) =>
  run(process.execPath, ["node_modules/vitest/vitest.mjs", "run", "--environment", environment, "--pool", pool], {
    cwd,
  });

export const RUNNERS = [
  {
    name: "jest",
    packages: { jest: "30.5.2", "jest-environment-jsdom": "30.5.2" },
    manifest: { jest: { testMatch: ["**/*.test.mjs"] } },
    files: { "story.test.mjs": asTest("@jest/globals"), "jsdom.cjs": JSDOM },
    setups: [
      { name: "node", run: jest("node") },
      { name: "jsdom", run: jest("./jsdom.cjs") },
    ],
  },
  {
    name: "vitest",
    packages: { vitest: "4.1.12", jsdom: "26.1.0" },
    manifest: { type: "module" },
    files: { "story.test.js": asTest("vitest") },
    setups: [
      { name: "forks", run: vitest("node", "forks") },
      { name: "threads", run: vitest("node", "threads") },
      { name: "vmThreads", run: vitest("node", "vmThreads") },
      { name: "vmForks", run: vitest("node", "vmForks") },
      { name: "jsdom", run: vitest("jsdom", "forks") },
      { name: "jsdom, vm", run: vitest("jsdom", "vmThreads") },
    ],
  },
  {
    name: "tsx",
    packages: { tsx: "4.23.15" },
    manifest: { type: "module" },
    files: { "story.ts": asModule },
    setups: [{ name: "a file", run: (cwd) => run("node_modules/.bin/tsx", ["story.ts"], { cwd }) }],
  },
];
