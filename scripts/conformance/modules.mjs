// The modules of an installed package and what they import, with specifiers that are relative throughout: for hosts without a resolver.
import { readFileSync } from "node:fs";
import { join, posix } from "node:path";

/** A statement at the start of a line, as compilers write it; the package has no import(). */
const SPECIFIER = /^((?:import|export)\b(?:[^;"']*?\bfrom)?\s*)(["'])([^"']+)\2/gm;

/** `root`: a folder with node_modules; `entry`: a file in it; `hostName`: which host `#host` is. -> Map of path -> bytes or text. */
export function collectModules(root, entry, hostName) {
  const found = new Map();
  const visit = (path) => {
    if (found.has(path)) return;
    if (path.endsWith(".wasm")) return void found.set(path, readFileSync(join(root, path)));
    const targets = [];
    const text = readFileSync(join(root, path), "utf8").replace(SPECIFIER, (_, before, quote, specifier) => {
      if (specifier.startsWith("node:")) throw new Error(`${path} imports ${specifier}, which this host lacks`);
      const target = resolve(path, specifier);
      targets.push(target);
      const short = posix.relative(posix.dirname(path), target);
      return `${before}${quote}${short.startsWith(".") ? short : `./${short}`}${quote}`;
    });
    found.set(path, text);
    for (const target of targets) visit(target);
  };
  const resolve = (from, specifier) => {
    if (specifier === "#host") return `node_modules/wasmaverick/dist/src/host/${hostName}.js`;
    if (specifier.startsWith(".")) return posix.join(posix.dirname(from), specifier);
    if (specifier === "wasmaverick") return "node_modules/wasmaverick/dist/src/index.js";
    // require.resolve knows nothing of "exports" that are for import alone: the manifest says where the module is.
    const folder = join("node_modules", specifier);
    const { exports, module, main } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
    const file = exports?.["."]?.import ?? module ?? main;
    return posix.join(folder, typeof file === "string" ? file : file.default);
  };
  visit(entry);
  return found;
}
