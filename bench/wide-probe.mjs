// Pairs the vectors of the module on stdin, in a process of its own: where V8 has a fault there, it takes its process with it.

import { readFileSync } from "node:fs";
import { compile } from "./compile.mjs";

compile(readFileSync(0), { paired: true });
