import type { Model } from "../index.ts";
import { createServer, type ServerHandler } from "../server/create-server.ts";
import { peer } from "../server/peers.ts";
import type { RequestReport } from "../server/server-options.ts";
import { formatBytes, formatColumns, formatCount } from "./format.ts";
import type { Interrupts } from "./interrupts.ts";
import { type Listening, listen } from "./listen.ts";
import { openModel } from "./open-model.ts";
import { hostsOf, type ServeCommand } from "./serve-arguments.ts";
import { printable, stylesOf, write } from "./terminal.ts";

/** `wasmaverick serve`: answers requests until a signal comes; then what runs may end, and the exit code is 0. */
export async function serve(command: ServeCommand, interrupts: Interrupts): Promise<void> {
  const { host, port } = command;
  const onRequest = command.log ? await requestLog() : undefined;
  const model = await openModel(command, interrupts.signal);
  const name = command.served ?? model.info.name.replace(/\.gguf$/i, "");
  // Who comes before the handler is there, which needs the port, waits for it.
  let serveWith: (handler: ServerHandler) => void = () => {};
  const made = new Promise<ServerHandler>((resolve) => {
    serveWith = resolve;
  });
  let handler: ServerHandler | undefined;
  let listening: Listening | undefined;
  try {
    listening = await listen(async (request) => (await made)(request), { host, port });
    handler = await createServer(
      { [name]: model },
      {
        ...{ keys: command.keys, origins: command.origins, deadline: command.deadline },
        ...{ hosts: hostsOf(command, listening.port), logPrompts: command.logPrompts, onRequest },
        residentBytes: () => process.memoryUsage().rss,
      },
    );
    serveWith(handler);
    await tellReady(command, model, name, listening.url);
    await interrupts.untilAsked();
    const closed = listening.close();
    await handler.close(command.drain);
    await closed;
  } finally {
    // What failed before it served must not keep the process.
    if (!handler) void listening?.close();
    await model.dispose();
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
    const line = {
      ...rest,
      status,
      ms: Math.round(milliseconds * 10) / 10,
      ...(cause !== undefined && { err: cause }),
    };
    if (status >= 500) log.error(line);
    else log.info(line);
  };
}

async function tellReady({ json, keys }: ServeCommand, model: Model, name: string, url: string): Promise<void> {
  const { info } = model;
  const { bold, dim } = stylesOf(process.stderr);
  const key = keys.length > 0 ? ` -H 'Authorization: Bearer <key>'` : "";
  const body = JSON.stringify({ model: name, messages: [{ role: "user", content: "Hello" }], max_tokens: 64 });
  const rows = [
    ["address", bold(url)],
    ["model", `${printable(name)}, ${info.architecture}`],
    ["context", `${formatCount(info.context)} tokens`],
    ["memory", formatBytes(info.memory.total)],
    ["threads", String(info.threads.used)],
    ["keys", keys.length > 0 ? formatCount(keys.length) : "none: everybody on this machine may ask"],
  ];
  const call = `curl ${url}/v1/chat/completions${key} -H 'Content-Type: application/json' -d '${body}'`;
  await write(process.stderr, `${formatColumns(rows, "ll")}\n${dim(call)}\n`);
  // For scripts: it is there when requests are taken.
  const ready = json ? JSON.stringify({ ready: true, url, model: name, context: info.context }) : `ready ${url}`;
  await write(process.stdout, `${ready}\n`);
}
