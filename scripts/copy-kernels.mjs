// The compiled kernels go where the compiled TypeScript looks for them: dist/build beside dist/src.
import { cpSync } from "node:fs";

cpSync(new URL("../build", import.meta.url), new URL("../dist/build", import.meta.url), { recursive: true });
