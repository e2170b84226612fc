/** The same handler where fetch handlers are served natively. */
import { expect, it } from "vitest";
import { MODEL, PROJECT, RUNTIMES, runToEnd, titleOf } from "./runtimes.ts";

const NATIVE = RUNTIMES.filter(({ name }) => name !== "Node");

it.each(NATIVE.map((runtime) => [titleOf(runtime), runtime] as const))(
  "%s: answers, streams, refuses, lets go",
  async (_, { name, command, args }) => {
    if (!command) return;
    // prom-client reads the environment.
    const net = name === "Deno" ? ["--allow-net=127.0.0.1", "--allow-env", "--allow-sys"] : [];
    const { code, out, err } = await runToEnd(
      command,
      [...args(PROJECT), ...net, "test/hosts/server.mjs", MODEL],
      PROJECT,
    );
    expect(code, err).toBe(0);
    const { text, streamed, ...rest } = JSON.parse(out);
    expect(streamed).toBe(text);
    expect(rest).toEqual({ refused: 403, active: 0, load: { running: 0, waiting: 0 } });
  },
);
