// A file system of one case: `node:fs/promises` as far as checkpoints use it. It counts what is open and what is read.

import { files } from "../../dist/src/host/node-files.js";

const CONSTANTS = { O_RDONLY: 0, O_NONBLOCK: 0 };

/** Puts `contents`, a map from path to `{ bytes, size }`, under the library; past its bytes a file is zeros up to its size. */
export function mountFiles(contents) {
  const counts = { open: 0, read: 0 };
  files.system = {
    constants: CONSTANTS,
    open: async (path) => {
      const content = contents.get(path);
      if (!content) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
      counts.open++;
      return handleOf(content, counts);
    },
    stat: async (path) => ({ isDirectory: () => isFolder(contents, path) }),
    realpath: async (path) => {
      if (contents.has(path) || isFolder(contents, path)) return path;
      throw Object.assign(new Error("no such file"), { code: "ENOENT" });
    },
    readdir: async (path) => {
      if (!isFolder(contents, path)) throw Object.assign(new Error("no such folder"), { code: "ENOENT" });
      const inside = [...contents.keys()].filter((name) => name.startsWith(`${path}/`));
      return [...new Set(inside.map((name) => name.slice(path.length + 1).split("/")[0]))];
    },
  };
  return counts;
}

function isFolder(contents, path) {
  for (const name of contents.keys()) if (name.startsWith(`${path}/`)) return true;
  return false;
}

function handleOf({ bytes, size }, counts) {
  let closed = false;
  return {
    stat: async () => ({ isFile: () => true, size: BigInt(size), mtimeNs: 0n, ino: 0n }),
    read: async (into, at, length, position) => {
      const bytesRead = Math.max(0, Math.min(length, size - position));
      const held = bytes.subarray(Math.min(position, bytes.length), Math.min(position + bytesRead, bytes.length));
      into.set(held, at);
      into.fill(0, at + held.length, at + bytesRead);
      counts.read += bytesRead;
      return { bytesRead };
    },
    close: async () => {
      if (closed) throw new Error("closed twice");
      closed = true;
      counts.open--;
    },
  };
}
