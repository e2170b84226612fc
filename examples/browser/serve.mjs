// Serves the project's folder to this machine, so that the page finds the engine, its kernels and the model.
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fileHandler } from "./static-files.mjs";

const HELP = `node examples/browser/serve.mjs [--port 8080] [--no-isolation]

  --port N         0 takes any free port
  --no-isolation   without the headers COOP and COEP: the page gets no worker threads`;

function parse() {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: "string", default: "8080" },
        "no-isolation": { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (!/^\d{1,5}$/.test(values.port) || Number(values.port) > 65535)
      throw new Error(`--port ${values.port}: a number from 0 to 65535`);
    return values;
  } catch (error) {
    console.error(`${error.message}\n\n${HELP}`);
    process.exit(2);
  }
}

const options = parse();
if (options.help) {
  console.log(HELP);
} else {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const handler = fileHandler(root, { isolated: !options["no-isolation"], home: "/examples/browser/" });
  const server = createServer(handler);
  server.on("error", (error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
  // This machine alone; and only https and localhost are places where a browser isolates a page.
  server.listen(Number(options.port), "localhost", () => {
    console.log(`http://localhost:${server.address().port}/examples/browser/`);
  });
}
