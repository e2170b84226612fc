import type { Host } from "./host.ts";
import { nodeLike } from "./node-like.ts";

/** Deno: node:worker_threads and node:fs of its compatibility layer, which take shared memory and modules as they are. */
export const host: Host = { ...nodeLike, name: "deno" };
