import { EngineError, type ErrorPlace } from "../../error.ts";
import type { ErrorCode } from "../../error-codes.ts";
import { tell } from "../../given.ts";

/** One hyper-parameter: where it stands, and the checks that make a value of it or a typed error. */

/** A hyper-parameter as found, unchecked; `undefined` where absent. */
export interface Field {
  readonly value: unknown;
  readonly place: ErrorPlace;
}

export type Json = Record<string, unknown>;

const MOST_EOS = 64;

/** A field that is one value or a list of them. */
export function eachOf({ value, place }: Field): Field[] {
  if (value == null) return [];
  if (!Array.isArray(value)) return [{ value, place }];
  if (value.length > MOST_EOS) {
    throw refuse("CONFIG_TOKEN_ID", { value: value.length, place }, `at most ${MOST_EOS} ids`);
  }
  return value.map((item, index) => at(place, `${place.field}/${index}`, item));
}

/** An integer in a range; JSON null counts as absent. Without a fallback, absent is `CONFIG_MISSING`. */
export function integer(field: Field, code: ErrorCode, min: number, max: number, fallback?: number): number {
  if (field.value == null) return absent(field, fallback);
  if (isInteger(field.value) && field.value >= min && field.value <= max) return field.value;
  throw refuse(code, field, `an integer in ${min}..${max}`);
}

/** "No such token": absent, -1, or -1 that was written without a sign. */
export function isNoId({ value }: Field): boolean {
  return value == null || value === -1 || value === 2 ** 32 - 1;
}

/** A number above 0, rounded to f32: GGUF stores f32, JSON doubles, and both must give the same model. */
export function real(field: Field, code: ErrorCode, max: number, fallback?: number): number {
  if (field.value == null) return Math.fround(absent(field, fallback));
  const value = typeof field.value === "number" ? Math.fround(field.value) : Number.NaN;
  if (value > 0 && value <= max) return value;
  throw refuse(code, field, max === Number.MAX_VALUE ? "a finite number above 0" : `a number above 0, at most ${max}`);
}

function absent(field: Field, fallback: number | undefined): number {
  if (fallback !== undefined) return fallback;
  throw new EngineError("CONFIG_MISSING", "a hyper-parameter is missing", { at: field.place });
}

export function flag(field: Field, fallback: boolean): boolean {
  if (field.value == null) return fallback;
  if (field.value === true || field.value === false) return field.value;
  throw refuse("CONFIG_RANGE", field, "true or false");
}

export function listOf(field: Field, allowed: (value: unknown) => boolean): unknown[] | null {
  if (field.value == null) return null;
  if (!Array.isArray(field.value)) throw refuse("CONFIG_LAYERS", field, "a list or null");
  const bad = field.value.findIndex((value) => !allowed(value));
  if (bad < 0) return field.value;
  throw refuse("CONFIG_LAYERS", at(field.place, `${field.place.field}/${bad}`, field.value[bad]), "a layer's value");
}

export function checkLength({ place }: Field, list: unknown[], count: number): void {
  if (list.length !== count) throw refuse("CONFIG_LAYERS", { value: list.length, place }, `${count} entries`);
}

export function isInteger(value: unknown): value is number {
  return Number.isInteger(value);
}

export function at(place: ErrorPlace, field: string, value: unknown): Field {
  return { value, place: { ...place, field } };
}

export function refuse(code: ErrorCode, { value, place }: Field, limit: string): EngineError {
  return new EngineError(code, "a hyper-parameter is not usable", { at: place, limit, actual: tell(value) });
}
