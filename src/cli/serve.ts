import type { Model } from "../index.ts";
import { createServer, ModelPool, type ModelsLike, type ServerHandler } from "../server/create-server.ts";
import { peer } from "../server/peers.ts";
import type { RequestReport } from "../server/server-options.ts";
import { formatBytes, formatColumns, formatCount } from "./format.ts";
import type { Interrupts } from "./interrupts.ts";
import { type Listening, listen } from "./listen.ts";
import { openModel } from "./open-model.ts";
import { hostsOf, type ServeCommand } from "./serve-arguments.ts";
import { readServeConfig } from "./serve-config.ts";
import { printable, stylesOf, write } from "./terminal.ts";

/** `wasmaverick serve`: answers requests until a signal comes; then what runs may end, and the exit code is 0. */
export async function serve(command: ServeCommand, interrupts: Interrupts): Promise<void> {
  const { host, port } = command;
  const onRequest = command.log ? await requestLog() : undefined;
  const served = command.config === undefined ? await one(command, interrupts) : await several(command.config);
  // Who comes before the handler is there, which needs the port, waits for it.
  let serveWith: (handler: ServerHandler) => void = () => {};
  const made = new Promise<ServerHandler>((resolve) => {
    serveWith = resolve;
  });
  let handler: ServerHandler | undefined;
  let listening: Listening | undefined;
  try {
    listening = await listen(async (request) => (await made)(request), { host, port });
    handler = await createServer(served.models, {
      ...{ keys: command.keys, origins: command.origins, deadline: command.deadline },
      ...{ hosts: hostsOf(command, listening.port), logPrompts: command.logPrompts, onRequest },
      residentBytes: () => process.memoryUsage().rss,
    });
    serveWith(handler);
    await tellReady(command, served, listening.url);
    await interrupts.untilAsked();
    const closed = listening.close();
    await handler.close(command.drain);
    await closed;
  } finally {
    // What failed before it served must not keep the process.
    if (!handler) void listening?.close();
    await served.dispose();
  }
}

interface Served {
  readonly models: ModelsLike | ModelPool;
  readonly names: readonly string[];
  /** What is there already. */
  readonly loaded: readonly Model[];
  dispose(): Promise<void>;
}

async function one(command: ServeCommand, interrupts: Interrupts): Promise<Served> {
  const model = await openModel(command, interrupts.signal);
  const name = command.served ?? model.info.name.replace(/\.gguf$/i, "");
  return { models: { [name]: model }, names: [name], loaded: [model], dispose: () => model.dispose() };
}

async function several(path: string): Promise<Served> {
  const { models, maxMemory, preload } = await readServeConfig(path);
  const pool = new ModelPool(models, { maxMemory });
  process.on("SIGHUP", () => void reload(pool, path));
  try {
    await loadNow(pool, preload);
  } catch (error) {
    await pool.dispose();
    throw error;
  }
  return {
    models: pool,
    names: pool.names,
    loaded: pool.loaded.map(({ model }) => model),
    dispose: () => pool.dispose(),
  };
}

/** An hour: of a model that is loaded before anybody asks. */
const LOAD_MS = 3_600_000;

async function loadNow(pool: ModelPool, names: readonly string[]): Promise<void> {
  for (const name of names) (await pool.lease(name, AbortSignal.timeout(LOAD_MS))).release();
}

/** A file that is wrong changes nothing. */
async function reload(pool: ModelPool, path: string): Promise<void> {
  try {
    const { models, maxMemory, preload } = await readServeConfig(path);
    pool.replace(models, { maxMemory });
    await write(process.stderr, `reloaded: ${pool.names.map(printable).join(", ")}\n`);
    await loadNow(pool, preload).catch((error: Error) =>
      write(process.stderr, `not loaded: ${printable(error.message)}\n`),
    );
  } catch (error) {
    await write(process.stderr, `not reloaded: ${printable((error as Error).message)}\n`);
  }
}

/** One line of JSON a request, on stderr. */
async function requestLog(): Promise<(report: RequestReport) => void> {
  const { default: pino } = await peer(() => import("pino"), "npm install pino");
  const log = pino(
    { base: undefined, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: true }),
  );
  return ({ status, milliseconds, cause, ...rest }) => {
    const ms = Math.round(milliseconds * 10) / 10;
    const line = { ...rest, status, ms, ...(cause !== undefined && { err: cause }) };
    if (status >= 500) log.error(line);
    else log.info(line);
  };
}

async function tellReady({ json, keys }: ServeCommand, { names, loaded }: Served, url: string): Promise<void> {
  const { bold, dim } = stylesOf(process.stderr);
  const key = keys.length > 0 ? ` -H 'Authorization: Bearer <key>'` : "";
  const body = JSON.stringify({ model: names[0], messages: [{ role: "user", content: "Hello" }], max_tokens: 64 });
  const rows = [["address", bold(url)]];
  if (names.length > 1) rows.push(["models", names.map(printable).join(", ")]);
  for (const { info } of loaded) {
    rows.push(["model", `${printable(info.name)}, ${info.architecture}`]);
    rows.push(["context", `${formatCount(info.context)} tokens`]);
    rows.push(["memory", formatBytes(info.memory.total)]);
    rows.push(["threads", String(info.threads.used)]);
  }
  rows.push(["keys", keys.length > 0 ? formatCount(keys.length) : "none: everybody on this machine may ask"]);
  const call = `curl ${url}/v1/chat/completions${key} -H 'Content-Type: application/json' -d '${body}'`;
  await write(process.stderr, `${formatColumns(rows, "ll")}\n${dim(call)}\n`);
  // For scripts: it is there when requests are taken.
  const ready = json ? JSON.stringify({ ready: true, url, models: names }) : `ready ${url}`;
  await write(process.stdout, `${ready}\n`);
}
