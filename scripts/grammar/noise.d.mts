/** A format as `checkFormat` reads it. */
interface Format {
  readonly key: string;
  fragment(): unknown;
}
export function open(format: unknown): Format;
export function write(
  format: Format,
  random: () => number,
  most: number,
): { readonly bytes: readonly number[]; readonly ended: boolean };
