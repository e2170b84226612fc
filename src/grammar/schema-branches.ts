import { type Json, type JsonObject, type Schema, unsupported } from "./schema-keywords.ts";
import { canonical, kindOf, typesOf } from "./schema-merge.ts";

/** Branches of `oneOf` are alternatives where no value can be of two; others are refused. */
export function refuseAlike(branches: readonly Schema[], pointer: string, follow: (schema: Schema) => Schema): void {
  const followed = branches.map(follow);
  for (let a = 0; a < followed.length; a++) {
    for (let b = 0; b < a; b++) {
      if (apart(followed[a], followed[b], follow, 0)) continue;
      throw unsupported(
        `${pointer}/${a}`,
        `branches ${b} and ${a} cannot be told apart by type or by const or enum of a required property`,
      );
    }
  }
}

function apart(a: Schema, b: Schema, follow: (schema: Schema) => Schema, depth: number): boolean {
  if (a === false || b === false) return true;
  if (a === true || b === true) return false;
  const [mine, theirs] = [valuesOf(a), valuesOf(b)];
  if (mine && theirs) return mine.every((value) => !theirs.includes(value));
  const [types, others] = [kinds(a), kinds(b)];
  if (types.every((type) => !others.includes(type))) return true;
  if (depth > 3 || types.join() !== "object" || others.join() !== "object") return false;
  const names = ((a.required ?? []) as string[]).filter((name) => ((b.required ?? []) as string[]).includes(name));
  const member = (schema: JsonObject, name: string) => (schema.properties as JsonObject | undefined)?.[name];
  return names.some((name) => {
    const [one, two] = [member(a, name), member(b, name)];
    return (
      one !== undefined && two !== undefined && apart(follow(one as Schema), follow(two as Schema), follow, depth + 1)
    );
  });
}

function valuesOf(schema: JsonObject): string[] | null {
  if (schema.const !== undefined) return [canonical(schema.const)];
  return schema.enum === undefined ? null : (schema.enum as Json[]).map(canonical);
}

/** An integer is a number: both count as one type. */
function kinds(schema: JsonObject): string[] {
  const types =
    schema.type === undefined && valuesOf(schema)
      ? ((schema.const !== undefined ? [schema.const] : schema.enum) as Json[]).map(kindOf)
      : typesOf(schema.type);
  return [...new Set(types.map((type) => (type === "integer" ? "number" : type)))];
}
