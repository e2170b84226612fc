import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    // Two cores: engine tests start their own threads, so files run one after the other.
    fileParallelism: false,
    testTimeout: 60_000,
  },
});
