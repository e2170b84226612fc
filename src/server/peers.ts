import { EngineError } from "../error.ts";

/** What a server needs beside the engine. No user of the engine alone installs any of it. */
const INSTALL = "npm install hono zod prom-client";

/** `load` imports what is installed by those who serve. Throws PEER_MISSING with the line that installs it. */
export async function peer<Module>(load: () => Promise<Module>, install = INSTALL): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    const name = missingPackage(error);
    if (name === undefined) throw error;
    throw new EngineError("PEER_MISSING", "a package that this needs is not installed", {
      actual: name,
      limit: install,
      cause: error,
    });
  }
}

/** Node and Deno name it in quotes, Bun too; each with a code or words of its own. */
function missingPackage(error: unknown): string | undefined {
  const { code, message = "" } = (error ?? {}) as { code?: unknown; message?: string };
  if (code !== "ERR_MODULE_NOT_FOUND" && !/cannot find (package|module)|could not resolve/i.test(message))
    return undefined;
  const name = /["'](@?[\w./-]+)["']/.exec(message)?.[1];
  // A file of ours that is not there is another mistake.
  return name === undefined || name.startsWith(".") || name.startsWith("/") ? undefined : name;
}
