/** What `inspect` says of a model that may not be read. */
import { inspect } from "../../dist/src/index.js";

const [path] = process.argv.slice(2);
await inspect(path).catch(({ code, message }) => console.log(code, message));
