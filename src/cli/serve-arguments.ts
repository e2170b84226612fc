import { readFileSync } from "node:fs";
import { checkLoadOptions, type LoadOptions } from "../engine/load-options.ts";
import type { ServerKey } from "../server/server-options.ts";
import { type CheckedServerOptions, checkServerOptions } from "../server/server-options.ts";
import { optionsOf } from "./options.ts";
import { UsageError, type Value } from "./split.ts";

export interface ServeCommand {
  readonly name: "serve";
  readonly model: string | undefined;
  /** Of several models, in place of one. */
  readonly config: string | undefined;
  /** In requests; undefined: that of its file. */
  readonly served: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly keys: CheckedServerOptions["keys"];
  readonly allowHosts: readonly string[];
  readonly origins: readonly string[];
  /** Milliseconds, here and below. */
  readonly deadline: number | undefined;
  readonly drain: number;
  readonly log: boolean;
  readonly logPrompts: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly load: LoadOptions;
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i;

export function serveOptions(
  values: ReadonlyMap<string, Value>,
  load: LoadOptions,
): Omit<ServeCommand, "name" | "model" | "json" | "verbose"> {
  const text = (name: string) => values.get(name) as string | undefined;
  const texts = (name: string) => (values.get(name) as string[] | undefined) ?? [];
  const number = (name: string) => values.get(name) as number | undefined;
  const host = text("host") ?? "127.0.0.1";
  const given = [...texts("api-key"), ...fromEnvironment(), ...fromFile(text("api-key-file"))];
  if (given.length === 0 && !LOOPBACK.test(host))
    throw new UsageError(
      `--host ${host} is reached by others, and nobody needs a key, expected --api-key or --api-key-file beside it`,
    );
  if (values.has("log-prompts") && values.has("no-log"))
    throw new UsageError("--log-prompts beside --no-log, expected one of them");
  const alone = optionsOf("serve").filter(({ name, engine }) => engine === "load" || OF_ONE_MODEL.includes(name));
  const stray = values.has("config") ? alone.find(({ name }) => values.has(name)) : undefined;
  if (stray !== undefined)
    throw new UsageError(`--${stray.name} beside --config, which says it for each model, expected one of them`);
  checkLoadOptions(load);
  const seconds = number("deadline");
  return {
    config: text("config"),
    served: text("name"),
    host,
    port: number("port") ?? 8080,
    keys: checkServerOptions({ keys: given }).keys,
    allowHosts: texts("allow-host"),
    origins: texts("allow-origin"),
    deadline: seconds === undefined ? undefined : seconds * 1000,
    drain: (number("drain") ?? 10) * 1000,
    log: !values.has("no-log"),
    logPrompts: values.has("log-prompts"),
    load,
  };
}

/** Beside those that the engine takes as they are. */
const OF_ONE_MODEL = ["name", "lora", "narrow", "no-generation-config"];

/** Not where every list of processes shows it. */
function fromEnvironment(): string[] {
  const key = process.env["WASMAVERICK_API_KEY"];
  return key ? key.split(",") : [];
}

function fromFile(path: string | undefined): (string | ServerKey)[] {
  if (path === undefined) return [];
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageError(`--api-key-file cannot be read, got ${code ?? message}, expected a file of keys`);
  }
  if (!text.trimStart().startsWith("["))
    return text.split(/\s*\n\s*/).filter((line) => line !== "" && !line.startsWith("#"));
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError("--api-key-file is no JSON, expected a key a line, or a list of { key, name, salt, ... }");
  }
}

/** Names under which a server that listens there is reached: exactly these, so that no page's name leads here. */
export function hostsOf({ host, keys, allowHosts }: ServeCommand, port: number): readonly string[] | "any" {
  // Whoever listens everywhere has names that are not known here; the key keeps strangers' pages out.
  if (!LOOPBACK.test(host)) return allowHosts.length > 0 || keys.length === 0 ? [...allowHosts] : "any";
  const names = /^(::1|\[::1\])$/.test(host) ? ["[::1]", "localhost"] : [host, "localhost"];
  return [...names.map((name) => `${name}:${port}`), ...(port === 80 ? names : []), ...allowHosts];
}
