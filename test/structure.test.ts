/**
 * The rules of the tree, checked over the real files: which file may import which, sizes, names, and that
 * every export of the kernels is tested.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { describe, expect, it } from "vitest";
import { STATEMENT } from "../scripts/module-graph.mjs";
import { KERNELS_DIR, type KernelName, TESTED_IN } from "./kernels.ts";
import { FORMATS } from "./packed-forms.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const LONGEST = 400;
const SMELLS = /^(utils?|helpers?|common|misc|core|manager|base)$/;

const PROGRAM = /\.([mc]?[jt]s|py)$/;

interface Import {
  readonly from: string;
  readonly to: string;
  /** Nothing of it is left at run time. */
  readonly types: boolean;
}

function filesUnder(folder: string, wanted = /\.ts$/): string[] {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory())
      return entry.name === "node_modules" || entry.name === "venv" ? [] : filesUnder(path, wanted);
    return wanted.test(entry.name) ? [path] : [];
  });
}

const DYNAMIC = /\bimport\(\s*["']([^"']+)["']/g;

/** `import type`: erased. `import { type A }` is not: what is left of it still loads the file. */
const onlyTypes = (words: string) => /^\w+\s+type\b/.test(words);

function importsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  const found = [...text.matchAll(STATEMENT)].map(([, words, , specifier]) => ({ specifier, types: onlyTypes(words) }));
  found.push(...[...text.matchAll(DYNAMIC)].map(([, specifier]) => ({ specifier, types: false })));
  return found
    .filter(({ specifier }) => specifier.startsWith(".") && !specifier.endsWith(".wasm"))
    .map(({ specifier, types }) => {
      const to = relative(ROOT, resolve(ROOT, dirname(file), specifier));
      return { from: file, to: to.endsWith(".ts") ? to : `${to}.ts`, types };
    });
}

const SOURCES = filesUnder("src");
const ASSEMBLY = filesUnder("assembly");
const IMPORTS = [...SOURCES, ...ASSEMBLY].flatMap(importsOf);
const show = ({ from, to }: Import) => `${from} -> ${to}`;

/** src/runtime/x.ts -> runtime; src/model/plan/x.ts -> model/plan; src/error.ts -> error.ts; assembly/abi.ts stays itself. */
const folderOf = (file: string) =>
  file.startsWith("src/") ? (/^src\/((?:model|tokenizer)\/[^/]+(?=\/)|[^/]+)/.exec(file)?.[1] ?? file) : file;

/** Which folder reads which. All may read what lies below all folders, and the type of the codes; index.ts, the public surface, may read all. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  cli: ["index.ts", "server", "engine", "measure", "generate", "convert"],
  server: ["index.ts", "engine"],
  engine: [
    "draw",
    "measure",
    "generate",
    "tools",
    "grammar",
    "model/run",
    "model/vision",
    "model/plan",
    "model/config",
    "picture",
    "tokenizer",
    "checkpoint",
  ],
  measure: ["draw", "generate"],
  convert: ["engine", "model/run", "model/vision", "model/plan", "model/config", "runtime", "tokenizer", "checkpoint"],
  draw: [],
  generate: ["draw", "model/run", "model/vision", "tokenizer", "tools", "grammar"],
  tools: ["grammar"],
  grammar: [],
  "model/run": ["model/vision", "model/plan", "model/config", "runtime", "checkpoint"],
  "model/vision": ["picture", "model/plan", "model/config", "runtime", "checkpoint"],
  "model/plan": ["model/config", "runtime", "checkpoint"],
  "model/config": ["checkpoint"],
  runtime: ["assembly/abi.ts", "draw", "host"],
  checkpoint: ["host"],
  picture: ["host"],
  host: [],
  tokenizer: ["tokenizer/template"],
  "tokenizer/template": [],
  "error.ts": ["error-codes.ts"],
  "error-codes.ts": [],
  "given.ts": [],
  "realm.ts": [],
  "exact.ts": [],
  "turns.ts": [],
  "abortable.ts": [],
  "choice.ts": ["weight-types.ts"],
  "weight-types.ts": ["assembly/abi.ts"],
};
const BELOW_ALL = [
  "abortable.ts",
  "choice.ts",
  "error.ts",
  "exact.ts",
  "given.ts",
  "realm.ts",
  "turns.ts",
  "weight-types.ts",
];

/** Imports that skip a layer downwards, of a file or of a folder, with the reason. Each must exist: an exception that is no longer needed fails. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  "src/engine/load-options.ts -> assembly/abi.ts": "MAX_THREADS bounds the option `threads`",
  "src/convert/write-files.ts -> assembly/abi.ts": "runs one op",
  "src/generate/prefixes.ts -> assembly/abi.ts": "blocks are pages",
  "src/draw/candidates.ts -> assembly/abi.ts": "logits of a span",
  "src/draw/few.ts -> assembly/abi.ts": "logits of a span",
  "src/draw/whole.ts -> assembly/abi.ts": "logits of a span",
  "src/draw/spans.ts -> assembly/abi.ts": "logits of a span",
  "src/server/body.ts -> src/checkpoint/json-scanner.ts": "bodies are read as strictly as headers of files",
  "src/cli/perplexity.ts -> src/checkpoint/file-sink.ts": "saved logits appear whole or not at all",
  "src/generate/prefix-file.ts -> assembly/abi.ts": "blocks are pages",
  "generate -> src/model/plan/pages.ts": "kinds of pages",
  "model/plan -> assembly/abi.ts": "words, segments, tasks and page tables are laid out here and read by the kernels",
  "model/run -> assembly/abi.ts": "and written here",
  "src/model/run/resident.ts -> src/draw/spans.ts": "what a step tells of its logits",
  "model/vision -> assembly/abi.ts": "both, of a tower",
};
const exceptionsFor = (edge: Import) =>
  [show(edge), `${folderOf(edge.from)} -> ${edge.to}`].filter((key) => key in EXCEPTIONS);
const excepted = (edge: Import) => exceptionsFor(edge).length > 0;
/** The tokenizer reads what a checkpoint's header holds, as a type. */
const isTokenizerType = ({ from, to, types }: Import) =>
  folderOf(from) === "tokenizer" && to === "src/checkpoint/checkpoint.ts" && types;

/** The texts of the codes are for callers and for the docs: no bundle holds them that does not ask for them. */
const isCodeType = ({ to, types }: Import) => to === "src/error-codes.ts" && types;

/** What a host offers is said in `model.info` and asked for in options, as types. */
const isHostType = ({ to, types }: Import) => to.startsWith("src/host/") && types;

const KERNEL_READS = ["assembly/abi.ts", "assembly/lanes.ts", "assembly/visits.ts"];
/** Asks the kernels of every type. */
const REGISTRY = "assembly/forms/form.ts";
/** Kernels that are built of other kernels. */
const KERNELS_OF_KERNELS: Readonly<Record<string, string>> = {
  "assembly/kernels/attention.ts -> assembly/kernels/cache.ts": "pages are its operands",
  "assembly/kernels/attention.ts -> assembly/kernels/sums.ts": "its two products",
  "assembly/kernels/cache.ts -> assembly/kernels/quantize.ts": "the largest of a position",
  "assembly/kernels/attention.ts -> assembly/kernels/dots.ts": "the same in integers",
  "assembly/kernels/attention.ts -> assembly/kernels/softmax.ts": "between the two products",
  "assembly/kernels/attention.ts -> assembly/kernels/quantize.ts": "queries beside an 8-bit cache",
  "assembly/kernels/softmax.ts -> assembly/kernels/quantize.ts": "weights beside an 8-bit cache",
  "assembly/kernels/softmax.ts -> assembly/kernels/dots.ts": "the largest integer",
  "assembly/kernels/dots.ts -> assembly/kernels/sums.ts": "rows as far apart",
  "assembly/kernels/attention.ts -> assembly/kernels/scratch.ts": "what lies where",
  "assembly/kernels/scratch.ts -> assembly/kernels/cache.ts": "features padded as in pages",
  "assembly/kernels/scratch.ts -> assembly/kernels/sums.ts": "rows as far apart",
  "assembly/forms/iq4_nl_quads.ts -> assembly/forms/bytes.ts": "one way to meet a dot of bytes",
  "assembly/forms/q8_0_quads.ts -> assembly/forms/bytes.ts": "one way to meet a dot of bytes",
  "assembly/forms/q8_0_quads.ts -> assembly/forms/sixteens.ts": "the same beside activations of 16 bits",
  "assembly/forms/sixteens.ts -> assembly/forms/bytes.ts": "weights as the dot wants them",
  ...Object.fromEntries(
    ["bytes", "sixteens"].map((one) => [
      `assembly/forms/bytes_twos.ts -> assembly/forms/${one}.ts`,
      "two groups of what it has one",
    ]),
  ),
  "assembly/forms/supers.ts -> assembly/forms/pairs.ts": "scales of super-blocks",
  "assembly/forms/supers.ts -> assembly/forms/quads.ts": "codes of 4 and 5 bits",
  "assembly/forms/q6_k.ts -> assembly/forms/sixes.ts": "its tile",
  ...Object.fromEntries(
    ["q8_0", "q8_0_quads", "q4_0"].map((type) => [
      `assembly/forms/${type}.ts -> assembly/forms/rows.ts`,
      "rows turned into lanes",
    ]),
  ),
  ...Object.fromEntries(
    (["q4_1 quads", "q5_0 quads", "q5_1 quads", "q4_k supers", "q5_k supers"] as const).map((arrow) => [
      `assembly/forms/${arrow.replace(" ", ".ts -> assembly/forms/")}.ts`,
      "one tile for codes of 4 and 5 bits",
    ]),
  ),
};

describe("imports", () => {
  it("are found: the parser sees statements over several lines, side effects, re-exports, types and import()", () => {
    const text =
      'import {\n  a,\n  type B,\n} from "./x.ts";\nimport "./y.ts";\nexport { type C } from "./z.ts";\nexport type { D } from "./w.ts";';
    const parsed = [...text.matchAll(STATEMENT)].map(([, words, , specifier]) => [specifier, onlyTypes(words)]);
    expect(parsed).toEqual([
      ["./x.ts", false],
      ["./y.ts", false],
      ["./z.ts", false],
      ["./w.ts", true],
    ]);
    expect([...'await import("./v.ts")'.matchAll(DYNAMIC)][0][1]).toBe("./v.ts");
    for (const { from, to } of IMPORTS) expect(existsSync(join(ROOT, to)), `${from} -> ${to}`).toBe(true);
  });

  it("in src/ go down: cli, server -> engine, convert -> measure -> generate -> model run -> plan -> config -> checkpoint; run -> runtime -> abi", () => {
    const wrong = IMPORTS.filter((edge) => {
      const [from, to] = [folderOf(edge.from), folderOf(edge.to)];
      if (
        !edge.from.startsWith("src/") ||
        from === "index.ts" ||
        from === to ||
        BELOW_ALL.includes(to) ||
        isCodeType(edge)
      )
        return false;
      return !MAY_IMPORT[from]?.includes(to) && !isTokenizerType(edge) && !isHostType(edge) && !excepted(edge);
    });
    expect(wrong.map(show)).toEqual([]);
    const used = new Set(IMPORTS.flatMap(exceptionsFor));
    expect(
      Object.keys(EXCEPTIONS).filter((edge) => !used.has(edge)),
      "exceptions that nothing needs",
    ).toEqual([]);
  });

  it("of assembly/ stay in assembly/; kernels and forms read lanes, abi, and each other where listed", () => {
    const inside = IMPORTS.filter(({ from }) => from.startsWith("assembly/"));
    expect(inside.filter(({ to }) => !to.startsWith("assembly/")).map(show)).toEqual([]);
    const kernels = inside.filter(({ from }) => /^assembly\/(kernels|forms)\//.test(from) && from !== REGISTRY);
    expect(
      kernels.filter((edge) => !KERNEL_READS.includes(edge.to) && !(show(edge) in KERNELS_OF_KERNELS)).map(show),
    ).toEqual([]);
    const edges = new Set(kernels.map(show));
    expect(Object.keys(KERNELS_OF_KERNELS).filter((edge) => !edges.has(edge))).toEqual([]);
    expect(inside.filter(({ from }) => from === "assembly/abi.ts").map(show)).toEqual([]);
  });

  it("of node: modules stay in the files of one host, the worker it starts, and the CLI", () => {
    const importing = SOURCES.filter((file) =>
      [...readFileSync(join(ROOT, file), "utf8").matchAll(STATEMENT)].some(
        ([, words, , specifier]) => specifier.startsWith("node:") && !onlyTypes(words),
      ),
    );
    const allowed = /^src\/(cli\/|host\/(node|node-like|node-files|worker-threads)\.ts|runtime\/worker-node\.ts)/;
    expect(importing.filter((file) => !allowed.test(file))).toEqual([]);
    expect(
      SOURCES.filter((file) => /(?<!typeof )import\(\s*["']node:/.test(readFileSync(join(ROOT, file), "utf8"))).filter(
        (file) => !allowed.test(file),
      ),
    ).toEqual([]);
    // Who runs where is asked of the host alone.
    const asking = /\b(isNode|isDeno|isBun)\b|typeof (Deno|Bun|process)\b|versions\.(node|bun|deno)/;
    const text = (file: string) => readFileSync(join(ROOT, file), "utf8");
    expect(SOURCES.filter((file) => asking.test(text(file)) && !/^src\/(host|cli)\//.test(file))).toEqual([]);
  });

  it("make no cycle at run time (a cycle of types only is none)", () => {
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]) => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
      if (done.has(file) || path.includes(file)) return;
      for (const { from, to, types } of IMPORTS) if (from === file && !types) visit(to, [...path, file]);
      done.add(file);
    };
    for (const file of [...SOURCES, ...ASSEMBLY]) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it("nothing imports test/ or bench/", () => {
    expect(IMPORTS.filter(({ to }) => /^(test|bench)\//.test(to)).map(show)).toEqual([]);
  });
});

describe("files", () => {
  const all = ["src", "assembly", "test", "bench", "scripts"].flatMap((folder) => filesUnder(folder, PROGRAM));

  it(`have at most ${LONGEST} lines`, () => {
    const lines = (file: string) => readFileSync(join(ROOT, file), "utf8").split("\n").length - 1;
    expect(all.filter((file) => lines(file) > LONGEST).map((file) => `${file}: ${lines(file)}`)).toEqual([]);
  });

  it("are named for their subject: no utils, helpers, common, misc, core, manager, base", () => {
    const words = (file: string) =>
      file.split("/").flatMap((part) => part.replace(/(\.test|\.d)?\.\w+$/, "").split("-"));
    expect(all.filter((file) => words(file).some((word) => SMELLS.test(word)))).toEqual([]);
  });

  it("of src/ and assembly/ are no barrels, but index.ts", () => {
    const statements = (file: string) =>
      readFileSync(join(ROOT, file), "utf8")
        .replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "")
        .split(";")
        .map((statement) => statement.trim())
        .filter(Boolean);
    const barrel = (file: string) =>
      statements(file).every((statement) => /^export\b[^=]*\bfrom\s*"/.test(statement) || /^import\b/.test(statement));
    const entries = [
      "src/index.ts",
      "assembly/index.ts",
      "src/cli/main.ts",
      "src/runtime/worker-node.ts",
      "src/runtime/worker-web.ts",
    ];
    expect([...SOURCES, ...ASSEMBLY].filter((file) => barrel(file) && !entries.includes(file))).toEqual([]);
  });
});

describe("kernels", () => {
  it.each(["simd", "relaxed"])("%s: every export is listed with the test that calls it", (build) => {
    setFlagsFromString("--experimental-wasm-relaxed-simd");
    const module = new WebAssembly.Module(readFileSync(join(KERNELS_DIR, `${build}.wasm`)));
    const functions = WebAssembly.Module.exports(module)
      .filter(({ kind }) => kind === "function")
      .map(({ name }) => name);
    expect(functions.sort()).toEqual(Object.values(TESTED_IN).join(" ").split(" ").sort());
  });

  it.each(Object.entries(TESTED_IN))("%s calls each kernel that it is listed for", (file, names) => {
    const files = [`test/${file}`, ...importsOf(`test/${file}`).map(({ to }) => to)];
    const own = files.filter((name) => name.startsWith("test/"));
    const text = own.map((name) => readFileSync(join(ROOT, name), "utf8")).join("\n");
    const uses = text.replace(/export const TESTED_IN[\s\S]*?as const;/, "");
    // kernels.name(, kernels["name"] by a list of names, or kernels[`verb_${name}`] by format.
    const called = (name: string) =>
      [`kernels.${name}(`, `"${name}"`, `kernels[\`${name.split("_")[0]}_\${name}\`]`].some((form) =>
        uses.includes(form),
      );
    // Those of packed forms go by the table: packed-forms.ts.
    const listed = new Set(
      uses.includes("FORMATS")
        ? FORMATS.flatMap(({ pack, dequantize, tile, others, rows }) => [
            pack,
            dequantize,
            tile,
            ...others,
            ...rows.flatMap(([name]) => [name, name.replace("gemv4", "gemv8")]), // the one as the other, by multiply_row
          ])
        : [],
    );
    expect(names.split(" ").filter((name) => !called(name) && !listed.has(name as KernelName))).toEqual([]);
  });
});
