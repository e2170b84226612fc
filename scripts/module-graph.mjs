import { readFileSync } from "node:fs";
import { join, posix } from "node:path";

/** A static import or export at the start of a line, as compilers and formatters write it: its words, the quote, the specifier. */
export const STATEMENT = /^((?:import|export)\b(?:[^;"']*?\bfrom)?\s*)(["'])([^"']+)\2/gm;

/**
 * A module and all it imports, with specifiers that are relative throughout: for hosts without a resolver. -> Map of path -> bytes or
 * text. `root` is the folder that paths are under, `home` the place of the package in it, `condition` what the host is called in its
 * manifest. The package needs no other and has no import().
 */
export function collectModules(root, entry, { home, condition }) {
  const { name, exports, imports } = JSON.parse(readFileSync(join(root, home, "package.json"), "utf8"));
  const resolve = (from, specifier) => {
    if (specifier.startsWith(".")) return posix.join(posix.dirname(from), specifier);
    const own = specifier === name ? exports["."] : imports[specifier];
    if (own === undefined) throw new Error(`${from} imports ${specifier}, which this host lacks`);
    return posix.join(home, own[condition]);
  };
  const found = new Map();
  const visit = (path) => {
    if (found.has(path)) return;
    if (path.endsWith(".wasm")) return void found.set(path, readFileSync(join(root, path)));
    const targets = [];
    const text = readFileSync(join(root, path), "utf8").replace(STATEMENT, (_, words, quote, specifier) => {
      const target = resolve(path, specifier);
      targets.push(target);
      const short = posix.relative(posix.dirname(path), target);
      return `${words}${quote}${short.startsWith(".") ? short : `./${short}`}${quote}`;
    });
    found.set(path, text);
    for (const target of targets) visit(target);
  };
  visit(entry);
  return found;
}
