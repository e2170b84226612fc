import { baseName, filesOf, folderOf } from "./file-source.ts";
import { findModel } from "./folder-model.ts";
import { isFolder } from "./open.ts";

/** The vision tower that lies beside a GGUF model, by its name: whoever writes such files calls them `mmproj`. */

const TOWER = /mmproj.*\.gguf$/i;

/** Of the model in the file NAME. */
export const towerName = (model: string): string => `mmproj-${model}`;

/** Paths of all that may be one, beside the model at `path` (a file, or the folder that holds it). */
export async function findTowers(path: string): Promise<string[]> {
  const file = (await isFolder(path)) ? (await findModel(path)).at : path;
  const folder = folderOf(file);
  const names = await filesOf(path)
    .system.readdir(folder === "" ? "." : folder)
    .catch((): string[] => []);
  return towersOf(baseName(file), names).map((name) => folder + name);
}

/** The one that is named after the model, else those that are not named after another, else all. */
function towersOf(model: string, names: readonly string[]): readonly string[] {
  const all = names.filter((name) => TOWER.test(name)).sort();
  const own = towerName(model);
  if (all.includes(own)) return [own];
  const others = new Set(names.map(towerName));
  const free = all.filter((name) => !others.has(name));
  return free.length > 0 ? free : all;
}
