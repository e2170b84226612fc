import { fileURLToPath } from "node:url";
import { isIdentifier, isTypeAliasDeclaration } from "typescript/unstable/ast/is";
import { API, NodeBuilderFlags, SymbolFlags } from "typescript/unstable/sync";

/**
 * The public types as one file: what src/index.ts exports and all that it reaches, taken from the declarations that the compiler wrote.
 * Members marked `@internal` are left out, and a class whose constructor is so marked is one that nobody constructs.
 */

const at = (place) => fileURLToPath(new URL(place, import.meta.url));
export const TYPES = at("../../dist/wasmaverick.d.ts");
export const REPORT = at("../../docs/api.d.ts");
/** Of `wasmaverick/server`, which speaks of the package's own types by their names there. */
export const SERVER_TYPES = at("../../dist/server.d.ts");

const CONFIG = fileURLToPath(new URL("./tsconfig.json", import.meta.url));
const ENTRY = at("../../dist/src/index.d.ts");
const SERVER_ENTRY = at("../../dist/src/server/create-server.d.ts");
const OURS = fileURLToPath(new URL("../../dist/", import.meta.url)).toLowerCase();
const SPELLED = NodeBuilderFlags.NoTruncation | NodeBuilderFlags.InTypeAlias;
const HEAD = '/// <reference lib="esnext.disposable" preserve="true" />\n';

/** `unexported`: names that public types reach and a user cannot name, each with one that reaches it. */
export function publicTypes() {
  return typesOf(ENTRY);
}

export function serverTypes() {
  return typesOf(SERVER_ENTRY, ENTRY);
}

/** `known`: an entry whose types are imported from the package, not written again. */
function typesOf(entryPath, known) {
  const api = new API();
  try {
    const [{ program, checker }] = api.updateSnapshot({ openProjects: [CONFIG] }).getProjects();
    const entry = program.getSourceFile(entryPath);
    const exportsOf = (path) => checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(path)));
    /** `keyof typeof TABLE` says nothing to who has no table: what it comes to is said instead. */
    const spelled = (symbol, declaration) =>
      /\btypeof\b/.test(declaration.getText())
        ? checker.typeToString(checker.getDeclaredTypeOfSymbol(symbol), undefined, SPELLED)
        : undefined;
    const exported = exportsOf(entryPath);
    const values = valuesOf(entry.text);
    /** By symbol: its public name, and its declarations. */
    const found = new Map();
    const unexported = [];
    const resolve = (symbol) => (symbol.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
    const read = (declaration, symbol) => {
      const type = isTypeAliasDeclaration(declaration) ? spelled(symbol, declaration) : undefined;
      return readDeclaration(declaration, type);
    };
    const add = (symbol, wanted) => {
      if (found.has(symbol.id)) return;
      const taken = [...found.values()].map((other) => other.name);
      let name = wanted;
      while (taken.includes(name)) name += "_";
      const declarations = symbol.declarations.map((one) => read(wholeOf(one.resolve()), symbol));
      found.set(symbol.id, { name, declarations });
    };
    const elsewhere = new Map((known ? exportsOf(known) : []).map((symbol) => [resolve(symbol).id, symbol.name]));
    const imported = new Set();
    for (const symbol of exported) add(resolve(symbol), symbol.name);
    // A Map gives what is added to it while it is walked.
    for (const { name, declarations } of found.values()) {
      for (const { identifiers } of declarations) {
        const symbols = checker.getSymbolAtLocation(identifiers.map(({ node }) => node));
        for (const [index, symbol] of symbols.entries()) {
          const target = symbol && resolve(symbol);
          if (!target || !isOwn(target)) continue;
          const { node } = identifiers[index];
          const theirs = elsewhere.get(target.id);
          if (theirs !== undefined) {
            imported.add(theirs);
            identifiers[index].instead = theirs;
            continue;
          }
          if (!found.has(target.id)) unexported.push(`${node.text}, which ${name} reaches`);
          add(target, node.text);
          identifiers[index].instead = found.get(target.id).name;
        }
      }
    }
    const named = new Set(exported.map(({ name }) => name));
    const head = known ? `import type { ${[...imported].sort().join(", ")} } from "wasmaverick";\n\n` : HEAD;
    return { text: head + write([...found.values()], values, named), unexported };
  } finally {
    api.close();
  }
}

/** Names that are more than a type: `import { EngineError }` gives something at run time. */
function valuesOf(text) {
  const names = [...text.matchAll(/^export \{([^}]*)\}/gm)].flatMap(([, list]) => list.split(","));
  const declared = [...text.matchAll(/^export declare (?:function|const|class) (\w+)/gm)].map(([, name]) => name);
  return new Set([
    ...declared,
    ...names.map((name) => name.trim()).filter((name) => name && !name.startsWith("type ")),
  ]);
}

/** Declared at the top of one of our files; members and parameters are reached through what holds them. */
function isOwn({ declarations }) {
  return declarations.some((handle) => {
    if (!handle.path.toLowerCase().startsWith(OURS)) return false;
    const node = handle.resolve();
    return topOf(node) === node;
  });
}

/** `const` names a variable within a list within a statement. */
function topOf(node) {
  let top = node;
  while (top.parent?.parent) top = top.parent;
  return top;
}

/** The statement of a constant; what else is declared stands for itself. */
function wholeOf(node) {
  const top = topOf(node);
  return /^export declare const\b/.test(top.getText()) ? top : node;
}

/** Its identifiers, and pieces of its text with what stands there instead; `type`: all that an alias is. */
function readDeclaration(declaration, type) {
  const { text } = declaration.getSourceFile();
  const identifiers = [];
  const cuts = [];
  const visit = (node, owner) => {
    if (owner === declaration && isInternal(node, text)) {
      const instead = isConstructor(node, text) ? "\n    private constructor();" : "";
      return void cuts.push({ start: node.pos, end: node.end, instead });
    }
    if (isIdentifier(node)) identifiers.push({ node, instead: node.text });
    node.forEachChild((child) => visit(child, node));
  };
  if (type === undefined) visit(declaration, undefined);
  else cuts.push({ start: declaration.type.pos, end: declaration.type.end, instead: ` ${type}` });
  return { declaration, identifiers, cuts };
}

/** The text of a declaration under its public names. */
function textOf({ declaration, identifiers, cuts }) {
  const { text } = declaration.getSourceFile();
  const renamed = identifiers
    .filter(({ node, instead }) => instead !== node.text)
    .map(({ node, instead }) => ({ start: node.getStart(), end: node.end, instead }));
  let out = "";
  let at = declaration.pos;
  for (const { start, end, instead } of [...cuts, ...renamed].sort((a, b) => a.start - b.start)) {
    out += text.slice(at, start) + instead;
    at = end;
  }
  return (out + text.slice(at, declaration.end)).trim();
}

const isInternal = (node, text) => /@internal\b/.test(text.slice(node.pos, node.getStart()));
const isConstructor = (node, text) => /^(private )?constructor\b/.test(text.slice(node.getStart(), node.end));

/** Values first, each group by name: a change of one signature is a change in one place. */
function write(found, values, named) {
  const rank = ({ name }) => (values.has(name) ? 0 : 1);
  const ordered = found.sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
  const texts = ordered.flatMap(({ declarations }) => declarations.map((one) => declared(textOf(one))));
  const list = (wanted) => ordered.filter((one) => rank(one) === wanted && named.has(one.name)).map(({ name }) => name);
  const exports = [`export { ${list(0).join(", ")} };`, `export type { ${list(1).join(", ")} };`];
  return `${[...texts, exports.join("\n")].join("\n\n")}\n`;
}

/** Without `export`: the list at the end says what is. */
function declared(text) {
  const [, comments, rest] = /^((?:\/\*[\s\S]*?\*\/\s*)*)(?:export )?(?:declare )?([\s\S]*)$/.exec(text);
  return `${comments}${/^(abstract )?(class|function|const)\b/.test(rest) ? "declare " : ""}${rest}`;
}

/** The signatures alone: no comments, and empty lines between declarations only. */
export function reportOf(types) {
  const bare = types.replace(/\/\*[\s\S]*?\*\/|(?<=^|[;{ ])\/\/(?!\/).*$/gm, "");
  const lines = bare.split("\n").map((line) => line.trimEnd());
  const spaced = lines
    .filter(Boolean)
    .join("\n")
    .replace(/\n(?=declare |interface |type |export \{)/g, "\n\n");
  return `// What the package exports. Written by "npm run api"; never by hand.\n${spaced}\n`;
}
