/**
 * The worker of node:worker_threads as text: src/runtime/worker-node.ts and all that it imports, which the build puts here
 * (scripts/place-beside-hosts.mjs). As text it is part of every bundle, and there is no file that a bundler could leave behind.
 */
export const WORKER_TEXT: string = "";
