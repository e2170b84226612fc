import { filesOf, folderOf } from "./file-source.ts";
import { findModel } from "./folder-model.ts";
import { isFolder } from "./open.ts";

/** The vision tower that lies beside a GGUF model, by its name: whoever writes such files calls them `mmproj`. */

const TOWER = /mmproj.*\.gguf$/i;

/** Paths of all that may be one, beside the model at `path` (a file, or the folder that holds it). */
export async function findTowers(path: string): Promise<string[]> {
  const file = (await isFolder(path)) ? (await findModel(path)).at : path;
  const folder = folderOf(file);
  const names = await filesOf(path)
    .system.readdir(folder === "" ? "." : folder)
    .catch((): string[] => []);
  return names
    .filter((name) => TOWER.test(name))
    .sort()
    .map((name) => folder + name);
}
