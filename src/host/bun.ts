import type { Host } from "./host.ts";
import { nodeLike } from "./node-like.ts";

/** Bun: node:worker_threads and node:fs as it has them. */
export const host: Host = { ...nodeLike, name: "bun" };
